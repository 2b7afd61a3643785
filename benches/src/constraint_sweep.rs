//! How many iterations constrained runs take to a certified gap, beside free ones on the same samples.

use crate::host::Host;
use crate::row::append;
use anyhow::Result;
use comfy_table::{Table, presets};
use cvx_admm::{Beta, Certify, Precision, Settings, train};
use cvx_data::{Request, open};
use cvx_model::{Activation, Constraints, Curvature, Dataset, TaskChoice, Trend};
use serde::Serialize;
use std::path::PathBuf;

/// Problems to sweep.
#[derive(clap::Args)]
pub struct Args {
    /// Data sources, each swept over all fractions.
    #[arg(long, value_delimiter = ',', default_value = "planted:1000x20,planted:500x200")]
    data: Vec<String>,
    /// beta over its gated maximum.
    #[arg(long, value_delimiter = ',', default_value = "0.0003,0.003,0.03")]
    fractions: Vec<f64>,
    /// Numbers of patterns.
    #[arg(long, value_delimiter = ',', default_value = "20,100")]
    patterns: Vec<usize>,
    /// Certified gap.
    #[arg(long, default_value_t = 1e-3)]
    gap: f64,
    /// Whose gap it is; that of the sampled programme is computed in f64.
    #[arg(long, default_value = "network")]
    certify: Certify,
    /// Iterations after which a run is given up.
    #[arg(long, default_value_t = 5000)]
    max_iterations: usize,
    /// Append a JSON line for each run.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// A run, complete with where and how it was made.
#[derive(Serialize)]
struct Row {
    bench: &'static str,
    host: Host,
    seed: u64,
    data: String,
    n_samples: usize,
    n_features: usize,
    n_patterns: usize,
    beta_fraction: f64,
    constraint: &'static str,
    certify: &'static str,
    gap: f64,
    status: String,
    iterations: usize,
    relative_gap: f64,
    objective: f64,
}

/// The first column of the table and the others, whose iterations it divides.
fn constraints(n_features: usize) -> Vec<(&'static str, Constraints)> {
    let half = || (1..=n_features / 2).map(|column| column.to_string());
    let all = (1..=n_features).map(|column| column.to_string());
    let trends = |columns: Vec<String>| Constraints {
        trends: columns.into_iter().map(|column| (column, Trend::Increasing)).collect(),
        ..Constraints::default()
    };
    let sets = vec![half().collect::<Vec<String>>()];
    vec![
        ("none", Constraints::default()),
        ("one column increasing", trends(vec!["1".to_string()])),
        ("half increasing", trends(half().collect())),
        ("all increasing", trends(all.collect())),
        (
            "half convex",
            Constraints {
                curvatures: half().map(|column| (column, Curvature::Convex)).collect(),
                ..Constraints::default()
            },
        ),
        ("two sets", Constraints { interactions: Some(sets), ..Constraints::default() }),
    ]
}

/// Sweeps, prints, records.
///
/// # Errors
/// Those of the data and the runs.
pub fn run(args: &Args) -> Result<()> {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    let names = constraints(2).into_iter().map(|(name, _)| name);
    table.set_header(["data", "P", "beta / max"].into_iter().chain(names));
    let mut ratios = Vec::new();
    for source in &args.data {
        let data = open(source, &Request::default())?.train;
        for &patterns in &args.patterns {
            for &fraction in &args.fractions {
                let rows = sweep(args, source, &data, patterns, fraction)?;
                let mut cells = vec![source.clone(), patterns.to_string(), fraction.to_string()];
                cells.extend(rows.iter().map(|row| match row.status.as_str() {
                    "Optimal" => row.iterations.to_string(),
                    _ => "-".to_string(),
                }));
                table.add_row(cells);
                let free = rows[0].iterations as f64;
                ratios.extend(rows[1..].iter().map(|row| row.iterations as f64 / free));
                if let Some(path) = &args.json {
                    rows.iter().try_for_each(|row| append(path, row))?;
                }
            }
        }
    }
    ratios.sort_by(f64::total_cmp);
    let at = |share: f64| ratios.get((share * (ratios.len() - 1) as f64) as usize).copied().unwrap_or(f64::NAN);
    println!("{table}\niterations to a certified gap of {:.0e}; '-': not within {}", args.gap, args.max_iterations);
    println!(
        "constrained over free: median {:.2}, nine tenths at most {:.2}, largest {:.2}; {} of {} at most 1.5",
        at(0.5),
        at(0.9),
        at(1.0),
        ratios.iter().filter(|ratio| **ratio <= 1.5).count(),
        ratios.len()
    );
    Ok(())
}

fn sweep(args: &Args, source: &str, data: &Dataset, patterns: usize, fraction: f64) -> Result<Vec<Row>> {
    let of = |(constraint, constraints): (&'static str, Constraints)| {
        let settings = Settings {
            activation: Activation::Relu,
            task: TaskChoice::Auto,
            patterns,
            beta: Beta::Fraction(fraction),
            gap: args.gap,
            certify: args.certify,
            precision: if args.certify == Certify::Sampled { Precision::F64 } else { Precision::F32 },
            max_iterations: args.max_iterations,
            constraints,
            ..Settings::default()
        };
        let solution = train(data, None, &settings)?;
        Ok(Row {
            bench: "constraint-sweep",
            host: Host::new(solution.summary.threads),
            seed: settings.seed,
            data: source.to_string(),
            n_samples: data.n_samples(),
            n_features: data.n_features(),
            n_patterns: solution.summary.shape.n_patterns,
            beta_fraction: fraction,
            constraint,
            certify: args.certify.name(),
            gap: args.gap,
            status: solution.status.to_string(),
            iterations: solution.info.history.len(),
            relative_gap: solution.objective.relative_gap,
            objective: solution.objective.network,
        })
    };
    constraints(data.n_features()).into_iter().map(of).collect()
}
