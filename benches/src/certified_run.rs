//! One training run from data in memory to a certified network, as a row.

use crate::host::{Host, peak_memory_bytes};
use crate::row::{Head, append};
use crate::source::Source;
use anyhow::{Context, Result};
use cvx_admm::{
    Beta, Device, Iteration, Observer, Precision, Settings, SolverChoice, SolverKind, StopToken, train_with, verify,
};
use cvx_bench::feng::{self, Run};
use cvx_bench::history::seconds_to;
use cvx_bench::place::Place;
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// The problem and the settings that matter.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Number of patterns.
    #[arg(long, default_value_t = 50)]
    patterns: usize,
    /// Weight of the regulariser.
    #[arg(long)]
    beta: Option<f64>,
    /// Certified gap.
    #[arg(long, default_value_t = 1e-3)]
    gap: f64,
    /// Solver of the u-update, by its name.
    #[arg(long, default_value = "cholesky")]
    solver: String,
    /// Rank of the solvers that sketch; by default it adapts.
    #[arg(long)]
    rank: Option<usize>,
    /// Stop at a network objective that is no larger than this.
    #[arg(long, value_name = "VALUE")]
    until_objective: Option<f64>,
    /// Seconds after which a run ends.
    #[arg(long)]
    time_limit: Option<f64>,
    /// Store in f64.
    #[arg(long)]
    f64: bool,
    /// The iteration of Feng et al.
    #[arg(long)]
    poster_exact: bool,
    /// Threads; 0 takes one per core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Iteration limit.
    #[arg(long, default_value_t = 20_000)]
    max_iterations: usize,
    /// Runs; each is a row.
    #[arg(long, default_value_t = 1)]
    repeats: usize,
    /// Append a JSON line for each run.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    head: Head,
    beta: f64,
    poster_exact: bool,
    solver: &'static str,
    precision: &'static str,
    status: String,
    iterations: usize,
    penalty_changes: usize,
    network_objective: f64,
    dual_bound: f64,
    relative_gap: f64,
    /// Whether objective and bound were found again by independent code, outside the clock.
    verified: bool,
    train_accuracy: Option<f64>,
    test_accuracy: Option<f64>,
    neurons: usize,
    seconds: f64,
    setup_seconds: f64,
    u_seconds: f64,
    v_seconds: f64,
    s_seconds: f64,
    dual_seconds: f64,
    certificate_seconds: f64,
    seconds_to_train_accuracy_97: Option<f64>,
    /// When the network objective was first within `until_objective`.
    until_objective: Option<f64>,
    seconds_to_objective: Option<f64>,
    inner_iterations: usize,
    peak_memory_bytes: Option<u64>,
    linear_residual: Option<f64>,
}

/// Trains, verifies, prints, records.
pub fn run(args: &Args) -> Result<()> {
    let split = args.source.open()?;
    let solver = SolverKind::ALL.into_iter().find(|kind| kind.name() == args.solver);
    let solver = solver.with_context(|| format!("--solver {} is none of cvx's", args.solver))?;
    let base = if args.poster_exact { feng::settings() } else { Settings::default() };
    let settings = Settings {
        patterns: args.patterns,
        beta: args.beta.map_or(base.beta, Beta::Value),
        gap: args.gap,
        precision: if args.f64 { Precision::F64 } else { Precision::F32 },
        device: Device::Cpu,
        solver: SolverChoice::Kind(solver),
        rank: args.rank,
        time_limit: args.time_limit,
        threads: args.threads,
        max_iterations: args.max_iterations,
        ..base
    };
    for _ in 0..args.repeats {
        let mut until = Until(args.until_objective);
        let token = StopToken::new();
        let (train, test) = (&split.train, split.test.as_ref());
        let solution = if args.poster_exact {
            let run = Run { train, test, settings: &settings, double: args.f64, unscaled_rows: true, solver: None };
            run.on(&Place::processor(), &mut until)?
        } else {
            train_with(train, test, &settings, None, &token, &mut until)?
        };
        let reached = args.until_objective.and_then(|objective| {
            let history = &solution.info.history;
            history.iter().find(|record| record.network.is_some_and(|network| network <= objective))
        });
        let peak_memory_bytes = peak_memory_bytes();
        let (summary, info) = (&solution.summary, &solution.info);
        let row = Row {
            head: Head {
                bench: "certified-run",
                host: Host::new(summary.threads),
                seed: settings.seed,
                data: args.source.name(),
                n_samples: summary.shape.n_samples,
                n_features: summary.shape.n_features,
                n_patterns: summary.shape.n_patterns,
            },
            beta: solution.beta,
            poster_exact: args.poster_exact,
            solver: summary.solver.name(),
            precision: settings.precision.name(),
            status: solution.status.to_string(),
            iterations: info.history.len(),
            penalty_changes: info.penalty_changes,
            network_objective: solution.objective.network,
            dual_bound: solution.objective.dual_bound,
            relative_gap: solution.objective.relative_gap,
            verified: verify(&solution.model, &split.train)?.holds(),
            train_accuracy: solution.train.accuracy,
            test_accuracy: solution.test.and_then(|test| test.accuracy),
            neurons: solution.model.network.n_neurons(),
            seconds: info.seconds.total,
            setup_seconds: info.seconds.setup,
            u_seconds: info.seconds.u,
            v_seconds: info.seconds.v,
            s_seconds: info.seconds.s,
            dual_seconds: info.seconds.dual,
            certificate_seconds: info.seconds.certificate,
            seconds_to_train_accuracy_97: seconds_to(0.97, &info.history),
            until_objective: args.until_objective,
            seconds_to_objective: reached.map(|record| record.seconds),
            inner_iterations: info.history.iter().map(|record| record.inner_iterations).sum(),
            peak_memory_bytes,
            linear_residual: info.linear_residual,
        };
        println!("{}", serde_json::to_string(&row)?);
        args.json.iter().try_for_each(|path| append(path, &row))?;
    }
    Ok(())
}

/// Stops a run whose network is good enough.
struct Until(Option<f64>);

impl Observer for Until {
    fn iteration(&mut self, record: &Iteration) -> ControlFlow<()> {
        match (self.0, record.network) {
            (Some(objective), Some(network)) if network <= objective => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}
