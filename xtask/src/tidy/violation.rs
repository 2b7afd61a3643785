//! What a rule reports.

use crate::rust::{Token, code, tokens};
use crate::tree::Tree;
use std::fmt;

/// A place that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    pub file: String,
    /// From 1.
    pub line: usize,
    /// What is wrong, and what to do about it.
    pub what: String,
}

impl Violation {
    pub fn new(file: &str, line: usize, what: impl Into<String>) -> Self {
        Violation { file: file.to_string(), line, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// What `look` finds among the tokens of every Rust source whose path is `wanted`.
pub fn scan(
    tree: &Tree,
    wanted: impl Fn(&str) -> bool,
    mut look: impl FnMut(&str, &[Token]) -> Vec<Violation>,
) -> Vec<Violation> {
    let sources = tree.rust().filter(|(path, _)| wanted(path));
    sources.flat_map(|(path, text)| look(path, &tokens(&code(text)))).collect()
}

/// What a rule finds in a tree of these files, as `file:line`.
#[cfg(test)]
pub fn found(rule: fn(&Tree) -> Vec<Violation>, files: &[(&str, &str)]) -> Vec<String> {
    let violations = rule(&Tree::of(files.iter().copied()));
    violations.iter().map(|violation| format!("{}:{}", violation.file, violation.line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_is_one_line_with_its_place() {
        let violation = Violation::new("docs/a.md", 3, "no such file");
        assert_eq!(violation.to_string(), "docs/a.md:3: no such file");
    }
}
