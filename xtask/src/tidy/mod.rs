//! `cargo xtask tidy`: the rules of docs/architecture.md that neither the compiler nor clippy checks.

mod audit;
mod circles;
mod columns;
mod command_line;
mod dispatch;
mod imports;
mod links;
mod manifest;
mod rows;
mod size;
mod statuses;
mod violation;
mod words;

use crate::tree::Tree;
use anyhow::Result;
use std::path::Path;
use std::process::ExitCode;
use violation::Violation;

/// Every rule.
const RULES: [fn(&Tree) -> Vec<Violation>; 13] = [
    audit::check,
    circles::check,
    columns::check,
    command_line::check,
    dispatch::check,
    imports::check,
    links::check,
    rows::check,
    size::check,
    statuses::check,
    words::check_libraries,
    words::check_machine_paths,
    words::check_unfinished,
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
    println!("tidy: {} files, {} uses of unsafe, {} violations", tree.len(), audit::count(&tree), violations.len());
    Ok(violations.len())
}
