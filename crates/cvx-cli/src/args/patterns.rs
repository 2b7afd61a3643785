//! The value of `--patterns`.

use std::str::FromStr;

/// `--patterns`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Patterns {
    /// Chosen by the number of samples and the memory.
    Auto,
    /// This many.
    Count(usize),
}

impl FromStr for Patterns {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Patterns::Auto),
            _ => text.parse().map(Patterns::Count).map_err(|_| "expected a whole number, or auto"),
        }
    }
}
