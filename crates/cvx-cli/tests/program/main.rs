//! The program from outside: its output, its files and its exit codes.

mod bad_input;
mod by_class;
mod checkpoint;
mod choice;
mod constraints;
mod conv;
#[cfg(feature = "cuda")]
mod cuda;
mod data;
mod export;
mod gated;
mod global;
mod habits;
mod help;
mod info;
mod lab;
mod losses;
mod page;
mod path;
mod prove;
mod report;
mod signals;
mod tables;
mod usage;
mod verbose;
