//! `cargo xtask bench-check BASE [HEAD]`: whether the back end's operations have become slower between two revisions.
//!
//! Both revisions are built, and their measurements alternate in one run, so that load on the machine affects both. The
//! fastest round of each measurement counts.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What to compare, and how often.
#[derive(clap::Args)]
pub struct Args {
    /// Revision to compare with.
    base: String,
    /// Revision to measure against it.
    #[arg(default_value = "HEAD")]
    head: String,
    /// Fail when a measurement takes more than this many times its seconds in BASE.
    #[arg(long, default_value_t = 1.10)]
    fail_above: f64,
    /// Number of rounds; each measures both revisions.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Keep the two working trees for the next comparison.
    #[arg(long)]
    keep: bool,
    /// Arguments of `cvx-bench verbs` [default: --small].
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// The fewest seconds of each measurement.
type Seconds = BTreeMap<String, f64>;

/// Builds and measures both revisions and prints a table; fails above the threshold.
pub fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    ensure!(args.fail_above > 0.0, "--fail-above is {}, but it must be positive", args.fail_above);
    let folder = root.join("target/bench-check");
    fs::create_dir_all(&folder)?;
    let mut programs = Vec::new();
    for (name, revision) in [("base", &args.base), ("head", &args.head)] {
        programs.push(build(root, &folder, name, revision)?);
    }
    let mut seconds = [Seconds::new(), Seconds::new()];
    for round in 1..=args.rounds.max(1) {
        eprintln!("round {round} of {}", args.rounds.max(1));
        for (program, seconds) in programs.iter().zip(&mut seconds) {
            keep_fastest(seconds, &measure(program, &args.arguments)?);
        }
    }
    if !args.keep {
        for name in ["base", "head"] {
            git(root, &["worktree", "remove", "--force", path_text(&folder.join(name))?])?;
        }
    }
    let [base, head] = &seconds;
    ensure!(!head.is_empty(), "{} has no measurements that `cvx-bench verbs --plain` prints", args.head);
    let (lines, slower) = report(base, head, args.fail_above);
    println!("{lines}");
    if slower == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    println!("{slower} measurements above {:.2} times {}", args.fail_above, args.base);
    Ok(ExitCode::FAILURE)
}

/// Builds the benchmarks of one revision in a working tree and a target folder of its own. The revisions cannot share a
/// target folder: cargo names a package by its path in the workspace, and would take one revision's for the other's.
fn build(root: &Path, folder: &Path, name: &str, revision: &str) -> Result<PathBuf> {
    let tree = folder.join(name);
    let commit = git(root, &["rev-parse", "--verify", "--end-of-options", &format!("{revision}^{{commit}}")])?;
    if tree.join(".git").exists() {
        git(&tree, &["checkout", "--quiet", "--force", "--detach", commit.trim()])?;
    } else {
        // Git still lists a folder that was deleted by hand.
        git(root, &["worktree", "prune"])?;
        git(root, &["worktree", "add", "--quiet", "--detach", path_text(&tree)?, commit.trim()])?;
    }
    eprintln!("building {name}: {revision}");
    let built = folder.join(format!("built-{name}"));
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--locked", "--quiet", "--package", "cvx-bench", "--bin", "cvx-bench"])
        .arg("--target-dir")
        .arg(&built)
        .current_dir(&tree)
        .status()
        .context("cargo cannot be started")?;
    ensure!(status.success(), "{revision} cannot be built: {status}");
    Ok(built.join("release/cvx-bench"))
}

/// What one revision measures; nothing where it is too old to have the benchmark.
fn measure(program: &Path, arguments: &[String]) -> Result<Seconds> {
    let mut command = Command::new(program);
    command.args(["verbs", "--plain"]);
    if arguments.is_empty() {
        command.args(["--small", "--repeats", "3", "--seconds", "0.05"]);
    }
    let output =
        command.args(arguments).output().with_context(|| format!("{} cannot be started", program.display()))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        eprintln!("{}: {}: {}", program.display(), output.status, error.trim());
        return Ok(Seconds::new());
    }
    Ok(parse(&String::from_utf8_lossy(&output.stdout)))
}

/// Reads lines of seconds, a tab and a name; other lines are left out.
fn parse(text: &str) -> Seconds {
    let lines = text.lines().filter_map(|line| {
        let (seconds, name) = line.split_once('\t')?;
        let seconds = seconds.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds > 0.0)?;
        Some((name.to_string(), seconds))
    });
    lines.collect()
}

fn keep_fastest(seconds: &mut Seconds, round: &Seconds) {
    for (name, &found) in round {
        let fastest = seconds.entry(name.clone()).or_insert(found);
        *fastest = fastest.min(found);
    }
}

/// One line for each measurement, and the number of those above the threshold.
fn report(base: &Seconds, head: &Seconds, fail_above: f64) -> (String, usize) {
    let mut lines = vec![format!("{:<32} {:>12} {:>12} {:>8}", "measurement", "base, ms", "head, ms", "ratio")];
    let mut slower = 0;
    for (name, &after) in head {
        let Some(&before) = base.get(name) else {
            lines.push(format!("{name:<32} {:>12} {:>12.4} {:>8}  base lacks it", "", 1e3 * after, ""));
            continue;
        };
        let ratio = after / before;
        let flag = if ratio > fail_above { "  SLOWER" } else { "" };
        slower += usize::from(ratio > fail_above);
        lines.push(format!("{name:<32} {:>12.4} {:>12.4} {ratio:>8.3}{flag}", 1e3 * before, 1e3 * after));
    }
    for (name, &before) in base.iter().filter(|(name, _)| !head.contains_key(*name)) {
        lines.push(format!("{name:<32} {:>12.4} {:>12} {:>8}  head lacks it", 1e3 * before, "", ""));
    }
    (lines.join("\n"), slower)
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{}: the path is not valid Unicode", path.display()))
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git").args(arguments).current_dir(folder).output().context("git cannot be started")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git {}: {}", arguments.join(" "), error.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_round_counts_and_other_lines_are_left_out() {
        let mut seconds = parse("2e-3\taxpby\nwarning: old\n1\tdot\nNaN\tbad\n-1\tbad\n");
        keep_fastest(&mut seconds, &parse("1e-3\taxpby\n2\tdot\n3\tnew\n"));
        let found: Vec<_> = seconds.iter().map(|(name, &seconds)| (name.as_str(), seconds)).collect();
        assert_eq!(found, [("axpby", 1e-3), ("dot", 1.0), ("new", 3.0)]);
    }

    #[test]
    fn what_is_slower_or_missing_is_reported() {
        let (base, head) = (parse("1\ta\n1\tb\n1\told\n"), parse("1.05\ta\n1.2\tb\n1\tnew\n"));
        let (lines, slower) = report(&base, &head, 1.10);
        assert_eq!(slower, 1);
        let with = |text: &str| lines.lines().filter(|line| line.ends_with(text)).count();
        assert_eq!([with("SLOWER"), with("base lacks it"), with("head lacks it")], [1, 1, 1]);
        assert!(report(&Seconds::new(), &head, 1.10).1 == 0);
    }
}
