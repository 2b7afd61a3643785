//! `cargo xtask mutants`: whether the tests notice small changes of the code, by cargo-mutants, in a folder of its own
//! below `target`.

use crate::tool;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

const VERSION: &str = "27.1.0";

/// Shared by all runs, so that dependencies are compiled once.
const BUILDS: &str = "target/mutants";

/// Parts of the code, the files of each, and the packages whose tests hold it.
const PARTS: [(&str, &[&str], &[&str]); 13] = [
    ("certificate", &["crates/cvx-model/src/certificate/*.rs"], &["cvx-model", "cvx-admm"]),
    ("operators", &["crates/cvx-model/src/operators.rs"], &["cvx-model"]),
    ("network", &["crates/cvx-model/src/network.rs"], &["cvx-model", "cvx-admm"]),
    ("prune", &["crates/cvx-model/src/prune.rs"], &["cvx-model"]),
    ("split", &["crates/cvx-model/src/split.rs"], &["cvx-model"]),
    ("constraints", &["crates/cvx-model/src/{constraints,block_cones,confined}.rs"], &["cvx-model", "cvx-admm"]),
    ("soft cones", &["crates/cvx-linalg/src/soft_cones.rs"], &["cvx-linalg"]),
    ("factor", &["crates/cvx-solvers/src/{gram,cholesky}.rs"], &["cvx-solvers"]),
    ("container", &["crates/cvx-artifact/src/container/*.rs"], &["cvx-artifact", "cvx-admm"]),
    ("verify", &["crates/cvx-artifact/src/verify/*.rs"], &["cvx-artifact", "cvx-admm"]),
    ("checkpoint", &["crates/cvx-admm/src/checkpoint/*.rs"], &["cvx-admm"]),
    ("proofs", &["crates/cvx-prove/src/*.rs"], &["cvx-prove"]),
    ("stages", &["crates/cvx-admm/src/iterates/*.rs", "crates/cvx-admm/src/run/*.rs"], &["cvx-admm"]),
];

/// Which mutants to try.
#[derive(clap::Args)]
pub struct Args {
    /// Parts of the code [default: all, which takes many hours].
    parts: Vec<String>,
    /// Try one of every N mutants: K/N, with K from 0.
    #[arg(long)]
    shard: Option<String>,
}

/// Numbers of mutants by their ends, as cargo-mutants names them.
type Ends = BTreeMap<String, usize>;

/// Tries the mutants of each part and prints a table and the mutants that no test noticed.
pub fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    let names: Vec<&str> = PARTS.iter().map(|(name, ..)| *name).collect();
    for part in &args.parts {
        ensure!(names.contains(&part.as_str()), "there is no part \"{part}\"; there are {}", names.join(", "));
    }
    let program = tool::install(root, "cargo-mutants", VERSION)
        .with_context(|| format!("cargo cannot install cargo-mutants {VERSION}"))?;
    for (name, files, packages) in PARTS {
        if !args.parts.is_empty() && !args.parts.iter().any(|part| part == name) {
            continue;
        }
        let output = root.join(BUILDS).join(name.replace(' ', "-"));
        fs::create_dir_all(&output)?;
        try_part(root, &program, args, (files, packages), &output)?;
        let (ends, missed) = outcomes(&fs::read_to_string(output.join("mutants.out/outcomes.json"))?)?;
        println!("{}", line(name, &ends));
        missed.iter().for_each(|mutant| println!("  missed: {mutant}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs cargo-mutants on the files of a part.
fn try_part(
    root: &Path,
    program: &Path,
    args: &Args,
    (files, packages): (&[&str], &[&str]),
    output: &Path,
) -> Result<()> {
    let mut command = Command::new(program);
    command.args(["mutants", "--no-shuffle", "--colors", "never", "--minimum-test-timeout", "60", "--output"]);
    command.arg(output).current_dir(root).env("CARGO_TARGET_DIR", root.join(BUILDS).join("build"));
    files.iter().for_each(|file| {
        command.args(["--file", file]);
    });
    packages.iter().for_each(|package| {
        command.args(["--test-package", package]);
    });
    if let Some(shard) = &args.shard {
        command.args(["--shard", shard]);
    }
    let status = command.status()?;
    // 2: some mutants were missed; 3: some took too long.
    ensure!(matches!(status.code(), Some(0 | 2 | 3)), "cargo-mutants: {status}");
    Ok(())
}

/// How many mutants ended how, and the names of those that no test noticed.
fn outcomes(report: &str) -> Result<(Ends, Vec<String>)> {
    let report: Value = serde_json::from_str(report)?;
    let (mut ends, mut missed) = (Ends::new(), Vec::new());
    for outcome in report["outcomes"].as_array().context("outcomes.json has no outcomes")? {
        let Some(name) = outcome["scenario"]["Mutant"]["name"].as_str() else { continue };
        let end = outcome["summary"].as_str().unwrap_or("unknown");
        *ends.entry(end.to_string()).or_default() += 1;
        if end == "MissedMutant" {
            missed.push(name.to_string());
        }
    }
    Ok((ends, missed))
}

/// A line of the table. Mutants that do not compile are not viable; a test that no longer ends has noticed.
fn line(name: &str, ends: &Ends) -> String {
    let of = |end: &str| ends.get(end).copied().unwrap_or(0);
    let (caught, missed) = (of("CaughtMutant") + of("Timeout"), of("MissedMutant"));
    format!("{name}: {caught} of {} viable mutants are noticed", caught + missed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_part_has_files_and_packages_of_this_workspace() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for (name, files, packages) in PARTS {
            for file in files {
                assert!(root.join(file).parent().unwrap().is_dir(), "{name}: {file}");
            }
            for package in packages {
                assert!(root.join("crates").join(package).is_dir(), "{name}: {package}");
            }
        }
    }

    #[test]
    fn ends_are_counted_and_what_is_missed_is_named() {
        let outcome =
            |name: &str, summary: &str| json!({ "scenario": { "Mutant": { "name": name } }, "summary": summary });
        let all = [
            json!({ "scenario": "Baseline", "summary": "Success" }),
            outcome("a", "CaughtMutant"),
            outcome("b", "MissedMutant"),
            outcome("c", "Timeout"),
            outcome("d", "Unviable"),
        ];
        let (ends, missed) = outcomes(&json!({ "outcomes": all }).to_string()).unwrap();
        assert_eq!(missed, ["b"]);
        assert_eq!(line("it", &ends), "it: 2 of 3 viable mutants are noticed");
    }
}
