//! The processor against a GPU, in one run: the task of Feng et al. and a certified one with every solver and Adam, and
//! a sweep of sizes. Without a GPU it says so and measures the processor's half.

use crate::contender::{Adam, Contender, Convex, Initialisation, Problem};
use crate::report;
use crate::row::{Goal, Row, append};
use crate::source::Source;
use anyhow::{Context, Result, ensure};
use comfy_table::{Table, presets};
use cvx_admm::SolverKind;
use cvx_bench::place::Place;
use cvx_data::{Request, open};
use cvx_linalg::ThreadPool;
use cvx_model::DataSplit;
use std::fs;
use std::path::PathBuf;

/// Iterations of a run of the sweep: enough to tell an iteration's time from the set-up's.
const SWEEP_ITERATIONS: usize = 30;

/// What to run.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Number of patterns of the task of Feng et al.
    #[arg(long, default_value_t = 50)]
    patterns: usize,
    /// Weight of the regulariser of the certified task.
    #[arg(long, default_value_t = 10.0)]
    beta: f64,
    /// Sizes of the sweep, on planted data: samples x features x patterns.
    #[arg(long, value_delimiter = ',', default_value = "2000x300x50,10000x300x50,2000x3000x50,2000x300x500")]
    sizes: Vec<String>,
    /// Contenders by name [default: every solver, and Adam at 1e-4, the rate of Feng et al.].
    #[arg(long, value_delimiter = ',')]
    contenders: Vec<String>,
    /// Runs of each; the table shows the quickest.
    #[arg(long, default_value_t = 1)]
    repeats: usize,
    /// Seconds after which a run ends.
    #[arg(long, default_value_t = 185.9)]
    time_limit: f64,
    /// The GPU: cuda or cuda:I.
    #[arg(long, default_value = "cuda")]
    device: String,
    /// Fail where there is no GPU.
    #[arg(long)]
    require: bool,
    /// Threads of the processor; 0 takes one per core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Append a JSON line for each run.
    #[arg(long, default_value = "benches/results/gpu.jsonl")]
    json: PathBuf,
    /// Folder for figures 3 and 4 (SVG, PNG).
    #[arg(long, value_name = "DIR", default_value = "target/bench-gpu")]
    out: PathBuf,
}

/// A line of the table: one problem with one contender.
struct Line {
    problem: String,
    goal: Goal,
    contender: String,
    /// The quickest run on the processor, and on the GPU.
    processor: Row,
    gpu: Option<Row>,
}

/// Measures, prints, draws.
pub fn run(args: &Args) -> Result<()> {
    let gpu = match Place::named(&args.device) {
        Ok(place) => {
            println!("GPU: {}", place.description());
            Some(place)
        }
        Err(error) if args.require => return Err(error),
        Err(error) => {
            println!("There is no GPU to measure: {error:#}. What follows is the processor's half.");
            None
        }
    };
    let places: Vec<Place> = [Some(Place::processor()), gpu].into_iter().flatten().collect();
    let threads = ThreadPool::new(args.threads)?.threads();
    let sizes = args.sizes.iter().map(|size| parsed(size)).collect::<Result<Vec<_>>>()?;
    fs::create_dir_all(&args.out).with_context(|| format!("{}: cannot be made", args.out.display()))?;
    let drawn = args.out.join("rows.jsonl");
    let _ = fs::remove_file(&drawn);

    let mut lines = Vec::new();
    for (data, patterns) in sizes {
        let split = open(&data, &Request::default())?;
        for solver in [SolverKind::Cholesky, SolverKind::GramPcg] {
            let contender = Contender::Convex(Convex::plain(solver));
            let problem = Problem {
                goal: Goal::Objective,
                beta: args.beta,
                // Never reached: every run is as long.
                gap: f64::MIN_POSITIVE,
                max_iterations: SWEEP_ITERATIONS,
                patterns,
                ..base(args, &data, &split)
            };
            lines.push(compared(args, &places, threads, &contender, &problem, format!("{data}, P = {patterns}"))?.0);
        }
    }
    let split = args.source.open()?;
    for goal in [Goal::Accuracy, Goal::Objective] {
        for contender in contenders(args)? {
            let beta = if goal == Goal::Accuracy { 1e-3 } else { args.beta };
            let problem = Problem { goal, beta, patterns: args.patterns, ..base(args, &args.source.data, &split) };
            let (line, rows) = compared(args, &places, threads, &contender, &problem, args.source.name())?;
            rows.iter().try_for_each(|row| append(&drawn, row))?;
            lines.push(line);
        }
    }
    println!("{}", table(&lines));
    report::breakdown_and_objective(drawn, args.out.clone())
}

fn base<'a>(args: &Args, data: &'a str, split: &'a DataSplit) -> Problem<'a> {
    Problem { time_limit: args.time_limit, threads: args.threads, ..Problem::new(data, split, 0) }
}

/// `2000x300x50` as planted data and a number of patterns.
fn parsed(size: &str) -> Result<(String, usize)> {
    let parts: Vec<usize> = size.split('x').map(str::parse).collect::<Result<_, _>>().unwrap_or_default();
    ensure!(parts.len() == 3, "--sizes {size}: expected SAMPLESxFEATURESxPATTERNS, like 2000x300x50");
    Ok((format!("planted:{}x{}", parts[0], parts[1]), parts[2]))
}

fn contenders(args: &Args) -> Result<Vec<Contender>> {
    let adam = Contender::Adam(Adam {
        learning_rate: 1e-4,
        width: 2 * args.patterns,
        batch: 64,
        epochs: 100,
        evaluate_every: None,
        initialisation: Initialisation::Pytorch,
    });
    let all: Vec<Contender> = Convex::all().map(Contender::Convex).chain([adam]).collect();
    let names: Vec<String> = all.iter().map(Contender::name).collect();
    for name in &args.contenders {
        ensure!(names.contains(name), "--contenders {name} is none of {}", names.join(", "));
    }
    Ok(all.into_iter().filter(|one| args.contenders.is_empty() || args.contenders.contains(&one.name())).collect())
}

/// Runs one contender everywhere, the places taking turns; the quickest of each, and all rows.
fn compared(
    args: &Args,
    places: &[Place],
    threads: usize,
    contender: &Contender,
    problem: &Problem,
    name: String,
) -> Result<(Line, Vec<Row>)> {
    let mut quickest: Vec<Option<Row>> = vec![None; places.len()];
    let mut rows = Vec::new();
    for repeat in 0..args.repeats.max(1) {
        for (place, best) in places.iter().zip(&mut quickest) {
            let problem = Problem { place: place.clone(), ..problem.clone() };
            if repeat == 0 {
                contender.warm_up(&problem, if place.name() == "cpu" { 128 } else { usize::MAX })?;
            }
            let mut row = contender.run(&problem, threads);
            row.bench = "gpu".to_string();
            append(&args.json, &row)?;
            eprintln!(
                "{name}, {} on {}: {} in {:.2} s",
                row.contender, row.device, row.outcome.status, row.outcome.seconds
            );
            let better = |other: &Row| row.outcome.error.is_none() && row.outcome.seconds < other.outcome.seconds;
            if best.as_ref().is_none_or(better) {
                *best = Some(row.clone());
            }
            rows.push(row);
        }
    }
    let mut quickest = quickest.into_iter().flatten();
    let processor = quickest.next().context("the processor is always measured")?;
    let line = Line { problem: name, goal: problem.goal, contender: contender.name(), processor, gpu: quickest.next() };
    Ok((line, rows))
}

fn table(lines: &[Line]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header([
        "problem",
        "goal",
        "contender",
        "CPU ended",
        "CPU s",
        "GPU ended",
        "GPU s",
        "CPU / GPU",
        "objectives differ by",
    ]);
    for line in lines {
        let ended =
            |row: &Row| format!("{}{}", row.outcome.status, if row.outcome.verified { "" } else { " (not verified)" });
        let (cpu, gpu) = (&line.processor, line.gpu.as_ref());
        let with_gpu = |text: &dyn Fn(&Row) -> String| gpu.map_or("-".to_string(), text);
        let difference = |gpu: &Row| match (cpu.outcome.objective, gpu.outcome.objective) {
            (Some(a), Some(b)) => format!("{:.1e}", (a - b).abs() / a.abs().max(f64::MIN_POSITIVE)),
            _ => "-".to_string(),
        };
        table.add_row([
            line.problem.clone(),
            if line.goal == Goal::Accuracy { "97 %" } else { "objective" }.to_string(),
            line.contender.clone(),
            ended(cpu),
            format!("{:.2}", cpu.outcome.seconds),
            with_gpu(&ended),
            with_gpu(&|gpu| format!("{:.3}", gpu.outcome.seconds)),
            with_gpu(&|gpu| format!("{:.1}", cpu.outcome.seconds / gpu.outcome.seconds)),
            with_gpu(&difference),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_or_refused_by_name() {
        assert_eq!(parsed("2000x300x50").unwrap(), ("planted:2000x300".to_string(), 50));
        for wrong in ["", "2000", "2000x300", "axbxc", "1x2x3x4"] {
            assert!(parsed(wrong).unwrap_err().to_string().contains(wrong));
        }
    }
}
