//! stdout and stderr. A reader that has gone away (`| head`) is no error.

use crate::phrase;
use std::fmt::Display;
use std::io::Write;

/// Prints a line to stdout.
pub fn print(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{}", harmless(&text.to_string()));
}

/// Prints a line to stderr.
pub fn note(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{}", harmless(&text.to_string()));
}

/// Prints an error with its causes to stderr, on one line and without a backtrace.
pub fn complain(error: &anyhow::Error) {
    note(format_args!("error: {}", phrase::error(error)));
}

/// The text with its control characters escaped, ends of lines and tabs aside. Names of classes, columns and files come
/// from others, and a terminal would obey them.
fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && !"\n\t".contains(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_no_commands() {
        assert_eq!(harmless("│ naïve\t1 │\n"), "│ naïve\t1 │\n");
        assert_eq!(harmless("\u{1b}[31mred\r\u{7}\u{9b}2J"), "\\u{1b}[31mred\\r\\u{7}\\u{9b}2J");
    }
}
