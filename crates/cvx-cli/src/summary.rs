//! Runs, paths and samples in words: rows and sentences that the terminal and the page lay out.

pub mod columns;
pub mod patches;
pub mod path;
pub mod quality;
pub mod run;
pub mod samples;
pub mod slopes;
pub mod theorems;
