//! `cargo xtask report`: every figure and table of Feng et al., measured and drawn again.

use crate::bench;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How much to measure, and where to put it.
#[derive(clap::Args)]
pub struct Args {
    /// Measure less, in minutes instead of hours, into a folder of its own.
    #[arg(long)]
    quick: bool,
    /// Data source: binary CIFAR-10 batches of two classes for the tables of Feng et al. [default with --quick:
    /// built-in data].
    #[arg(long)]
    data: Option<String>,
    /// Folder for the results [default: benches/results and docs; with --quick: target/report].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Draw from existing rows and measure nothing.
    #[arg(long)]
    draw: bool,
}

/// Where the results go.
struct Places {
    rows: PathBuf,
    condition_rows: PathBuf,
    figures: PathBuf,
    page: PathBuf,
}

impl Places {
    fn of(root: &Path, args: &Args) -> Self {
        match (&args.out, args.quick) {
            (None, false) => Places {
                rows: root.join("benches/results/comparison.jsonl"),
                condition_rows: root.join("benches/results/condition-sweep.jsonl"),
                figures: root.join("docs/figures"),
                page: root.join("docs/benchmarks.md"),
            },
            (out, _) => {
                let out = out.clone().unwrap_or_else(|| root.join("target/report"));
                Places {
                    rows: out.join("comparison.jsonl"),
                    condition_rows: out.join("condition-sweep.jsonl"),
                    page: out.join("report.md"),
                    figures: out,
                }
            }
        }
    }
}

/// Measures, then draws.
pub fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    ensure!(args.quick || args.draw || args.data.is_some(), "--data SOURCE is needed, or --quick, or --draw");
    let places = Places::of(root, args);
    fs::create_dir_all(&places.figures).with_context(|| format!("{}: cannot be created", places.figures.display()))?;
    if !args.draw {
        measure(root, args, &places)?;
    }
    let [rows, figures, page] = [&places.rows, &places.figures, &places.page].map(|path| path.display().to_string());
    step(root, "figures", &["--from", &rows, "--out", &figures, "--page", &page])?;
    Ok(ExitCode::SUCCESS)
}

fn measure(root: &Path, args: &Args, places: &Places) -> Result<()> {
    // Figure 2. The sweep writes into one folder; its rows and its figure are then copied to their places.
    let sweep = root.join("target/condition-sweep");
    let mut sweep_arguments = vec!["--out".to_string(), sweep.display().to_string()];
    let mut arguments = vec!["--json".to_string(), places.rows.display().to_string()];
    let mut add = |to_sweep: &str, to_comparison: &str| {
        sweep_arguments.extend(to_sweep.split_whitespace().map(String::from));
        arguments.extend(to_comparison.split_whitespace().map(String::from));
    };
    match (&args.data, args.quick) {
        (None, _) => add("", "--seeds 0,1 --beta 1 --time-limit 20"),
        (Some(_), true) => add(
            "--limit 500 --stride 4 --ranks 1,5,20,50,100",
            "--limit 1000 --seeds 0,1 --time-limit 20 --epochs 50 --max-iterations 500",
        ),
        (Some(_), false) => add("--limit 1000 --stride 3 --ranks 1,5,20,50,100,200,400", ""),
    }
    for arguments in [&mut sweep_arguments, &mut arguments] {
        arguments.extend(args.data.iter().flat_map(|data| ["--data".to_string(), data.clone()]));
    }
    step(root, "condition-sweep", &sweep_arguments)?;
    for ending in ["svg", "png"] {
        let name = format!("condition-sweep.{ending}");
        fs::copy(sweep.join(&name), places.figures.join(&name))?;
    }
    fs::copy(sweep.join("condition-sweep.jsonl"), &places.condition_rows)?;
    // Figures 1, 3 and 4, and the tables. Rows of an earlier run would be drawn with those of this one.
    if places.rows.exists() {
        fs::remove_file(&places.rows)?;
    }
    step(root, "comparison", &arguments)
}

fn step<S: AsRef<str>>(root: &Path, name: &str, arguments: &[S]) -> Result<()> {
    let arguments: Vec<String> = arguments.iter().map(|argument| argument.as_ref().to_string()).collect();
    ensure!(bench::run(root, name, &arguments, &[])? == ExitCode::SUCCESS, "cvx-bench {name} failed");
    Ok(())
}
