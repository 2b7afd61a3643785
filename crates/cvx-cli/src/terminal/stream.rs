//! stdout and stderr. A reader that has gone away (`| head`) is no error.

use crate::phrase;
use std::fmt::Display;
use std::io::Write;

/// Prints a line to stdout.
pub fn print(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints a line to stderr.
pub fn note(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints an error with its causes to stderr, on one line and without a backtrace.
pub fn complain(error: &anyhow::Error) {
    note(format_args!("error: {}", phrase::error(error)));
}
