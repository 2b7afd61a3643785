//! `cargo xtask tidy`: the invariants of docs/architecture.md, most of them about what must be absent.

mod imports;
mod links;
mod manifest;
mod penalty;
mod rows;
mod seam;
mod size;
mod statuses;
mod unsafety;
mod usage;
mod words;

use crate::rust::{Token, code, tokens};
use crate::tree::Tree;
use anyhow::Result;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;

/// A place that breaks an invariant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    file: String,
    line: usize,
    what: String,
}

impl Violation {
    fn new(file: &str, line: usize, what: impl Into<String>) -> Self {
        Violation { file: file.to_string(), line, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Every rule.
const RULES: [fn(&Tree) -> Vec<Violation>; 13] = [
    imports::check,
    usage::check,
    words::check_libraries,
    words::check_machine_paths,
    words::check_unfinished,
    seam::check,
    penalty::check,
    statuses::check,
    rows::check,
    links::check,
    unsafety::check,
    unsafety::check_audit,
    size::check,
];

/// Prints the violations; fails when there are any.
pub fn run(root: &Path) -> Result<ExitCode> {
    Ok(match check(root)? {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Prints the violations and returns their number.
pub fn check(root: &Path) -> Result<usize> {
    let tree = Tree::read(root)?;
    let mut violations: Vec<Violation> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    violations.sort();
    for violation in &violations {
        println!("{violation}");
    }
    println!("tidy: {} files, {} uses of unsafe, {} violations", tree.len(), unsafety::count(&tree), violations.len());
    Ok(violations.len())
}

/// Runs `look` over the tokens of every Rust source whose path `wanted` accepts.
fn scan(
    tree: &Tree,
    wanted: impl Fn(&str) -> bool,
    mut look: impl FnMut(&str, &[Token]) -> Vec<Violation>,
) -> Vec<Violation> {
    let sources = tree.rust().filter(|(path, _)| wanted(path));
    sources.flat_map(|(path, text)| look(path, &tokens(&code(text)))).collect()
}

/// Whether a source is part of a library or a program, not of its tests.
fn is_shipped(path: &str) -> bool {
    path.contains("/src/") || path.ends_with("/build.rs")
}

/// What the rule finds in a tree of these files, as `file:line`.
#[cfg(test)]
fn found(rule: fn(&Tree) -> Vec<Violation>, files: &[(&str, &str)]) -> Vec<String> {
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
