//! All contenders on one problem, from several seeds: a row for each run, with its whole trace.

use crate::contender::{Adam, Contender, Convex, Initialisation, Problem};
use crate::row::{Goal, Row, append};
use crate::source::Source;
use anyhow::{Result, ensure};
use comfy_table::{Table, presets};
use cvx_bench::place::Place;
use cvx_linalg::ThreadPool;
use std::path::PathBuf;

/// Who runs, on what, for how long.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Number of patterns; Adam's network has twice as many neurons.
    #[arg(long, default_value_t = 50)]
    patterns: usize,
    /// Neurons of Adam's network [default: twice the patterns].
    #[arg(long)]
    width: Option<usize>,
    /// What ends a run.
    #[arg(long = "goal", value_enum, value_delimiter = ',', default_value = "accuracy,objective")]
    goals: Vec<Goal>,
    /// Weight of the regulariser where the goal is the accuracy, by default that of Feng et al.
    #[arg(long, default_value_t = 1e-3)]
    accuracy_beta: f64,
    /// Weight of the regulariser where the goal is the objective.
    #[arg(long, default_value_t = 10.0)]
    beta: f64,
    /// Certified gap where the goal is the objective.
    #[arg(long, default_value_t = 1e-3)]
    gap: f64,
    /// Seeds.
    #[arg(long, value_delimiter = ',', default_value = "0,1,2")]
    seeds: Vec<u64>,
    /// Contenders by name, `adam` for all learning rates [default: all].
    #[arg(long, value_delimiter = ',')]
    contenders: Vec<String>,
    /// Learning rates of Adam.
    #[arg(long, value_delimiter = ',', default_value = "0.0001,0.0003,0.001,0.003")]
    learning_rates: Vec<f64>,
    /// Samples to a step of Adam.
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Epochs of Adam.
    #[arg(long, default_value_t = 100)]
    epochs: usize,
    /// Steps of Adam between two evaluations [default: an epoch].
    #[arg(long)]
    evaluate_every: Option<usize>,
    /// First weights of Adam.
    #[arg(long, value_enum, default_value = "pytorch")]
    initialisation: Initialisation,
    /// Most ADMM iterations.
    #[arg(long, default_value_t = 2000)]
    max_iterations: usize,
    /// Seconds after which a run ends.
    #[arg(long, default_value_t = 185.9)]
    time_limit: f64,
    /// Store in f64.
    #[arg(long)]
    f64: bool,
    /// Where: cpu, cuda or cuda:I.
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Threads; 0 takes one per core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Append a JSON line for each run.
    #[arg(long, default_value = "benches/results/comparison.jsonl")]
    json: PathBuf,
}

impl Args {
    /// Those of the contenders that are asked for.
    fn contenders(&self) -> Result<Vec<Contender>> {
        let convex = Convex::all().map(Contender::Convex);
        let adam = self.learning_rates.iter().map(|&learning_rate| {
            Contender::Adam(Adam {
                learning_rate,
                width: self.width.unwrap_or(2 * self.patterns),
                batch: self.batch,
                epochs: self.epochs,
                evaluate_every: self.evaluate_every,
                initialisation: self.initialisation,
            })
        });
        let all: Vec<Contender> = convex.chain(adam).collect();
        let is_called = |contender: &Contender, name: &str| {
            contender.name() == name || name == "adam" && matches!(contender, Contender::Adam(_))
        };
        for name in &self.contenders {
            let names: Vec<String> = all.iter().map(Contender::name).collect();
            let known = all.iter().any(|contender| is_called(contender, name));
            ensure!(known, "--contenders {name} is none of {}, adam", names.join(", "));
        }
        let wanted = |contender: &Contender| self.contenders.iter().any(|name| is_called(contender, name));
        Ok(all.into_iter().filter(|contender| self.contenders.is_empty() || wanted(contender)).collect())
    }
}

/// Runs all, prints and records each.
pub fn run(args: &Args) -> Result<()> {
    let split = args.source.open()?;
    let contenders = args.contenders()?;
    let place = Place::named(&args.device)?;
    let threads = ThreadPool::new(args.threads)?.threads();
    for &goal in &args.goals {
        let mut rows = Vec::new();
        for contender in &contenders {
            // To an accuracy, it is the one without.
            if goal == Goal::Accuracy && matches!(contender, Contender::Convex(convex) if convex.refined) {
                continue;
            }
            for (index, &seed) in args.seeds.iter().enumerate() {
                let problem = Problem {
                    goal,
                    beta: if goal == Goal::Accuracy { args.accuracy_beta } else { args.beta },
                    gap: args.gap,
                    patterns: args.patterns,
                    time_limit: args.time_limit,
                    max_iterations: args.max_iterations,
                    double: args.f64,
                    place: place.clone(),
                    threads: args.threads,
                    ..Problem::new(&args.source.data, &split, seed)
                };
                if index == 0 {
                    contender.warm_up(&problem, 128)?;
                }
                let row = contender.run(&problem, threads);
                append(&args.json, &row)?;
                eprintln!(
                    "{} {:?} seed {seed}: {} in {:.1} s",
                    row.contender, goal, row.outcome.status, row.outcome.seconds
                );
                rows.push(row);
            }
        }
        print(&rows);
    }
    Ok(())
}

/// What a look at the terminal should tell.
fn print(rows: &[Row]) {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header([
        "contender",
        "seed",
        "status",
        "verified",
        "iterations",
        "s",
        "s to 97 %",
        "objective",
        "bound",
        "train",
        "test",
    ]);
    let number = |value: Option<f64>, digits: usize| value.map_or("-".to_string(), |value| format!("{value:.digits$}"));
    for Row { contender, seed, outcome, .. } in rows {
        table.add_row([
            contender.clone(),
            seed.to_string(),
            outcome.status.clone(),
            outcome.verified.to_string(),
            format!("{:.1}", outcome.iterations),
            format!("{:.2}", outcome.seconds),
            number(outcome.seconds_to_train_accuracy_97, 2),
            number(outcome.objective, 3),
            number(outcome.dual_bound, 3),
            number(outcome.train_accuracy, 4),
            number(outcome.test_accuracy, 4),
        ]);
    }
    println!("{table}");
    for Row { contender, outcome, .. } in rows {
        if let Some(error) = &outcome.error {
            println!("{contender}: {error}");
        }
    }
}
