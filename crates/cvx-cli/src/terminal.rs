//! What is printed: messages and progress on stderr, results on stdout.

pub mod classes;
pub mod event;
pub mod iterations;
pub mod log;
pub mod progress;
pub mod result;
pub mod samples;
pub mod stream;
pub mod table;
