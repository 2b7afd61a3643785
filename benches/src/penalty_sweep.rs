//! How many iterations the certificate takes at multiples of the default rho, with rho fixed and with rho adapted.

use crate::gates::activation;
use crate::host::Host;
use anyhow::Result;
use comfy_table::{Table, presets};
use cvx_admm::{Beta, Settings, Status, train};
use cvx_data::{Request, open};
use cvx_model::{Activation, Dataset};
use serde::Serialize;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

/// Multiples of the default rho.
const MULTIPLES: [f64; 7] = [0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

/// Problems to sweep.
#[derive(clap::Args)]
pub struct Args {
    /// Data sources, each swept over all fractions.
    #[arg(long, value_delimiter = ',', default_value = "planted:1000x20,planted:500x200")]
    data: Vec<String>,
    /// Use the first N samples of each.
    #[arg(long)]
    limit: Option<usize>,
    /// beta over its gated maximum.
    #[arg(long, value_delimiter = ',', default_value = "0.0003,0.003,0.03")]
    fractions: Vec<f64>,
    /// Kind of neuron.
    #[arg(long, value_name = "relu|gated", value_parser = activation, default_value = "relu")]
    activation: Activation,
    /// Numbers of patterns.
    #[arg(long, value_delimiter = ',', default_value = "20,100")]
    patterns: Vec<usize>,
    /// Weight of the cone constraint; the default one where not given.
    #[arg(long)]
    sigma: Option<f64>,
    /// Certified gap.
    #[arg(long, default_value_t = 1e-3)]
    gap: f64,
    /// Iterations after which a run is given up.
    #[arg(long, default_value_t = 1000)]
    max_iterations: usize,
    /// Append a JSON line for each run.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Serialize)]
struct Row {
    bench: &'static str,
    host: Host,
    seed: u64,
    data: String,
    n_samples: usize,
    activation: &'static str,
    n_patterns: usize,
    beta_fraction: f64,
    rho_multiple: f64,
    adapted: bool,
    status: String,
    iterations: usize,
    penalty_changes: usize,
    relative_gap: f64,
}

/// Sweeps, prints, records.
pub fn run(args: &Args) -> Result<()> {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    let mut header = vec!["data".to_string(), "P".into(), "beta / max".into(), "rho".into()];
    header.extend(MULTIPLES.map(|multiple| format!("x {multiple}")));
    table.set_header(header);
    let mut lines = Vec::new();
    for source in &args.data {
        let mut data = open(source, &Request::default())?.train;
        if let Some(limit) = args.limit {
            data = data.limit(limit)?;
        }
        for &patterns in &args.patterns {
            for &fraction in &args.fractions {
                for adapted in [false, true] {
                    let rows = sweep(args, source, &data, patterns, fraction, adapted)?;
                    let mut cells = vec![source.clone(), patterns.to_string(), fraction.to_string()];
                    cells.push(if adapted { "adapted" } else { "fixed" }.to_string());
                    cells.extend(
                        rows.iter().map(|row| {
                            if row.status == "Optimal" { row.iterations.to_string() } else { "-".to_string() }
                        }),
                    );
                    table.add_row(cells);
                    lines.extend(rows);
                }
            }
        }
    }
    println!("{table}\niterations to a certified gap of {:.0e}; '-': not within {}", args.gap, args.max_iterations);
    if let Some(path) = &args.json {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        for line in lines {
            writeln!(file, "{}", serde_json::to_string(&line)?)?;
        }
    }
    Ok(())
}

fn sweep(args: &Args, source: &str, data: &Dataset, patterns: usize, fraction: f64, adapted: bool) -> Result<Vec<Row>> {
    let settings = Settings {
        activation: args.activation,
        patterns,
        beta: Beta::Fraction(fraction),
        sigma: args.sigma,
        gap: args.gap,
        max_iterations: args.max_iterations,
        adapt_rho: adapted,
        ..Settings::default()
    };
    let start = Settings { max_iterations: 1, adapt_rho: false, ..settings.clone() };
    let default_rho = train(data, None, &start)?.rho;
    let mut rows = Vec::new();
    for multiple in MULTIPLES {
        let solution = train(data, None, &Settings { rho: Some(multiple * default_rho), ..settings.clone() })?;
        rows.push(Row {
            bench: "penalty-sweep",
            host: Host::new(solution.summary.threads),
            seed: settings.seed,
            data: source.to_string(),
            n_samples: data.n_samples(),
            activation: args.activation.name(),
            n_patterns: solution.summary.shape.n_patterns,
            beta_fraction: fraction,
            rho_multiple: multiple,
            adapted,
            status: solution.status.to_string(),
            iterations: solution.info.history.len(),
            penalty_changes: solution.info.penalty_changes,
            relative_gap: solution.objective.relative_gap,
        });
        debug_assert!(solution.status != Status::NumericalError);
    }
    Ok(rows)
}
