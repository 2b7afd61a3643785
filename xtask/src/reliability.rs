//! `cargo xtask reliability`: the rows of docs/reliability.md, each with the result of its tests.

use crate::ci::{CUDA, CUDA_TESTS};
use crate::cuda::stand_in;
use crate::rows::{NumberedTest, PAGE, Row, by_number, rows, tests};
use crate::tree::Tree;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;

/// How much to run.
#[derive(clap::Args)]
pub struct Args {
    /// Run the tests of the CUDA back end too, on the libraries that stand in for a GPU.
    #[arg(long)]
    cuda: bool,
    /// Run the whole product where a test otherwise takes turns (`CVX_THOROUGH=1`); minutes.
    #[arg(long)]
    thorough: bool,
}

/// How one test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    /// It skipped itself, with a reason.
    Skipped(String),
}

/// The outcomes of the tests by name; several test programs may have a test of the same name.
type Outcomes = BTreeMap<String, Vec<Outcome>>;

/// Runs the numbered tests and prints the table; fails when a row has a failing test, or no note and no test that ran.
pub fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    let tree = Tree::read(root)?;
    let rows = rows(tree.text(PAGE).context(PAGE)?);
    ensure!(!rows.is_empty(), "{PAGE} has no rows");
    let tests = tests(&tree);
    let outcomes = run_tests(root, args, &tests)?;
    let (lines, wrong) = report(&rows, &tests, &outcomes);
    println!("{lines}");
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the tests by their names: in all packages, and those of the CUDA back end on its stand-in.
fn run_tests(root: &Path, args: &Args, tests: &[NumberedTest]) -> Result<Outcomes> {
    let names = |wanted: fn(&str) -> bool| -> Vec<&str> {
        tests.iter().filter(|test| wanted(&test.file)).map(|test| test.name.as_str()).collect()
    };
    let all = ["--workspace", "--lib", "--bins", "--tests"];
    let mut found = cargo_test(root, &all, &names(|_| true), &[("CVX_THOROUGH", args.thorough.then(|| "1".into()))])?;
    if args.cuda {
        let libraries = stand_in::build(root)?.context("the libraries that stand in for a GPU need g++ on x86-64")?;
        let environment =
            [("LD_LIBRARY_PATH", Some(stand_in::search_path(libraries)?)), ("CVX_REQUIRE_CUDA", Some("1".into()))];
        for (target, _) in CUDA_TESTS {
            let arguments = ["--workspace", "--features", CUDA, "--test", target];
            found.extend(cargo_test(root, &arguments, &names(|file| file.ends_with("/cuda.rs")), &environment)?);
        }
    }
    Ok(found)
}

/// Runs tests by their names and returns how each ended.
fn cargo_test(
    root: &Path,
    arguments: &[&str],
    names: &[&str],
    environment: &[(&str, Option<OsString>)],
) -> Result<Outcomes> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["test", "--locked", "--no-fail-fast"]).args(arguments);
    // A test that skips itself prints its name, which it knows only on a thread of its own.
    let threads = thread::available_parallelism().map_or(2, |count| count.get().max(2));
    command.args(["--", "--test-threads", &threads.to_string()]).args(names);
    for (name, value) in environment {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command.current_dir(root).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cargo cannot be started")?;
    let errors = child.stderr.take().context("no pipe")?;
    let errors = thread::spawn(move || echoed(errors));
    let mut output = String::new();
    child.stdout.take().context("no pipe")?.read_to_string(&mut output)?;
    child.wait()?;
    let found = outcomes(&output, &errors.join().unwrap_or_default());
    // Nothing ran if the tests do not compile.
    ensure!(!found.is_empty(), "no test ran: see above");
    failures(&output).for_each(|line| eprintln!("{line}"));
    Ok(found)
}

/// The place and the message of each failure, a line each.
fn failures(output: &str) -> impl Iterator<Item = &str> {
    output
        .lines()
        .zip(output.lines().skip(1))
        .filter(|(line, _)| line.contains("panicked at"))
        .flat_map(|(a, b)| [a, b])
}

/// All lines of a stream; those of cargo are printed as they come.
fn echoed(stream: impl Read) -> String {
    let mut text = String::new();
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        if !line.starts_with("skipped ") {
            eprintln!("{line}");
        }
        text += &line;
        text.push('\n');
    }
    text
}

/// Reads the harness's output, and what tests print to the error stream: `skipped NAME: reason`.
fn outcomes(output: &str, errors: &str) -> Outcomes {
    let last = |path: &str| path.rsplit("::").next().unwrap_or(path).to_string();
    let skipped: BTreeMap<String, &str> = errors
        .lines()
        .filter_map(|line| line.strip_prefix("skipped ")?.split_once(": "))
        .map(|(path, reason)| (last(path), reason))
        .collect();
    let mut found = Outcomes::new();
    for line in output.lines() {
        let Some((path, end)) = line.strip_prefix("test ").and_then(|line| line.split_once(" ... ")) else { continue };
        let name = last(path);
        let outcome = match (end, skipped.get(&name)) {
            ("FAILED", _) => Outcome::Failed,
            ("ok", Some(reason)) => Outcome::Skipped(reason.to_string()),
            ("ok", None) => Outcome::Passed,
            _ => Outcome::Skipped(end.to_string()),
        };
        found.entry(name).or_default().push(outcome);
    }
    found
}

/// The table with its summary, and the number of rows that are wrong.
fn report(rows: &[Row], tests: &[NumberedTest], outcomes: &Outcomes) -> (String, usize) {
    let tested = by_number(tests);
    let mut lines = vec!["| # | case | expected | tests | result |".to_string(), "|---|---|---|---:|---|".to_string()];
    let mut wrong = 0;
    for row in rows {
        let own = tested.get(row.number.as_str()).map_or(&[][..], Vec::as_slice);
        let (result, is_wrong) = row_result(row, own, outcomes);
        wrong += usize::from(is_wrong);
        let Row { number, case, expected, .. } = row;
        lines.push(format!("| {number} | {case} | {expected} | {} | {result} |", own.len()));
    }
    let all: Vec<&Outcome> = outcomes.values().flatten().collect();
    let count = |wanted: fn(&Outcome) -> bool| all.iter().filter(|outcome| wanted(outcome)).count();
    lines.push(format!(
        "\n{} tests of {} rows: {} passed, {} failed, {} skipped, {} not in this build; {wrong} rows are wrong",
        tests.len(),
        rows.len(),
        count(|outcome| *outcome == Outcome::Passed),
        count(|outcome| *outcome == Outcome::Failed),
        count(|outcome| matches!(outcome, Outcome::Skipped(_))),
        tests.len().saturating_sub(all.len()),
    ));
    (lines.join("\n"), wrong)
}

/// The result of a row, and whether it is wrong.
fn row_result(row: &Row, tests: &[&NumberedTest], outcomes: &Outcomes) -> (String, bool) {
    let mut names: Vec<&str> = tests.iter().map(|test| test.name.as_str()).collect();
    names.sort();
    names.dedup();
    let found: Vec<(&str, &Outcome)> = names
        .iter()
        .flat_map(|&name| outcomes.get(name).into_iter().flatten().map(move |outcome| (name, outcome)))
        .collect();
    let failed: Vec<&str> =
        found.iter().filter(|(_, outcome)| **outcome == Outcome::Failed).map(|&(name, _)| name).collect();
    let passed = found.iter().filter(|(_, outcome)| **outcome == Outcome::Passed).count();
    let reason = found.iter().find_map(|(_, outcome)| match outcome {
        Outcome::Skipped(reason) => Some(reason),
        _ => None,
    });
    let (skipped, missing) = (found.len() - passed - failed.len(), tests.len().saturating_sub(found.len()));
    let mut parts = Vec::new();
    if !failed.is_empty() {
        parts.push(format!("FAILED: {}", failed.join(", ")));
    }
    if passed > 0 {
        parts.push(if passed == tests.len() { "passed".to_string() } else { format!("{passed} passed") });
    }
    if let Some(reason) = reason {
        parts.push(format!("{skipped} skipped ({reason})"));
    }
    if missing > 0 {
        parts.push(format!("{missing} not in this build"));
    }
    if tests.is_empty() {
        parts.push("none".to_string());
    }
    if !row.note.is_empty() {
        parts.push(row.note.clone());
    }
    let is_wrong = !failed.is_empty() || passed + skipped == 0 && row.note.is_empty();
    (parts.join("; "), is_wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: &str, note: &str) -> Row {
        let [number, note] = [number, note].map(str::to_string);
        Row { line: 1, number, case: "case".into(), expected: "expected".into(), note }
    }

    fn test(name: &str) -> NumberedTest {
        let numbers = vec![name.split('_').next().unwrap_or_default().to_uppercase()];
        NumberedTest { file: "t.rs".into(), line: 1, name: name.into(), numbers }
    }

    #[test]
    fn results_are_read_from_the_harness_and_skips_from_the_tests() {
        let output = "running 4 tests\ntest a::r1_x ... ok\ntest r2_y ... FAILED\ntest r3_z ... ok\n\
                      test r4_w has been running for over 60 seconds\ntest r4_w ... ignored\n\
                      test result: FAILED. 2 passed";
        let found = outcomes(output, "   Compiling x\nskipped b::r3_z: no data: none\n");
        let expected = [
            ("r1_x", Outcome::Passed),
            ("r2_y", Outcome::Failed),
            ("r3_z", Outcome::Skipped("no data: none".into())),
            ("r4_w", Outcome::Skipped("ignored".into())),
        ];
        assert_eq!(found, expected.map(|(name, outcome)| (name.to_string(), vec![outcome])).into());
    }

    #[test]
    fn a_failure_is_shown_with_its_message() {
        let output = "---- r1_x stdout ----\n\nthread 'r1_x' panicked at a.rs:1:\n1 is not 2\nnote: run with ..\n";
        assert_eq!(failures(output).collect::<Vec<_>>(), ["thread 'r1_x' panicked at a.rs:1:", "1 is not 2"]);
    }

    #[test]
    fn a_row_is_wrong_when_a_test_fails_or_none_ran_without_a_note() {
        let tests = ["r1_a", "r1_b", "r2_a", "r3_a", "e3_gpu"].map(test);
        let rows = [row("R1", ""), row("R2", ""), row("R3", ""), row("E3", "on a stand-in"), row("R5", "")];
        let output = "test r1_a ... ok\ntest r1_b ... FAILED\ntest r2_a ... ok\ntest r3_a ... ok\n";
        let (lines, wrong) = report(&rows, &tests, &outcomes(output, "skipped r3_a: no file\n"));
        assert_eq!(wrong, 2, "{lines}");
        for expected in [
            "| 2 | FAILED: r1_b; 1 passed |",
            "| 1 | passed |",
            "| 1 | 1 skipped (no file) |",
            "| 1 | 1 not in this build; on a stand-in |",
            "| 0 | none |",
            "5 tests of 5 rows: 2 passed, 1 failed, 1 skipped, 1 not in this build; 2 rows are wrong",
        ] {
            assert!(lines.contains(expected), "{expected} is not in\n{lines}");
        }
    }
}
