//! How many iterations the certificate takes at multiples of the default rho, with rho fixed and with rho adapted.

use crate::gates::activation;
use crate::host::Host;
use crate::problems::{Problem, Problems, reached};
use crate::row::Head;
use anyhow::Result;
use comfy_table::{Table, presets};
use cvx_admm::{Beta, Settings, Status, train};
use cvx_model::Activation;
use serde::Serialize;

/// Multiples of the default rho.
const MULTIPLES: [f64; 7] = [0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

/// Problems to sweep.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    problems: Problems,
    /// Kind of neuron.
    #[arg(long, value_name = "relu|gated", value_parser = activation, default_value = "relu")]
    activation: Activation,
    /// Weight of the cone constraint; the default one where not given.
    #[arg(long)]
    sigma: Option<f64>,
    /// Iterations after which a run is given up.
    #[arg(long, default_value_t = 1000)]
    max_iterations: usize,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    head: Head,
    activation: &'static str,
    beta_fraction: f64,
    rho_multiple: f64,
    adapted: bool,
    status: String,
    iterations: usize,
    penalty_changes: usize,
    relative_gap: f64,
}

/// Sweeps, prints, records.
///
/// # Errors
/// Those of the data and the runs.
pub fn run(args: &Args) -> Result<()> {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    let mut header = vec!["data".to_string(), "P".into(), "beta / max".into(), "rho".into()];
    header.extend(MULTIPLES.map(|multiple| format!("x {multiple}")));
    table.set_header(header);
    args.problems.each(|problem| {
        for adapted in [false, true] {
            let rows = sweep(args, problem, adapted)?;
            let mut cells = problem.cells();
            cells.push(if adapted { "adapted" } else { "fixed" }.to_string());
            cells.extend(rows.iter().map(|row| reached(&row.status, row.iterations)));
            table.add_row(cells);
            args.problems.record(&rows)?;
        }
        Ok(())
    })?;
    let (gap, most) = (args.problems.gap, args.max_iterations);
    println!("{table}\niterations to a certified gap of {gap:.0e}; '-': not within {most}");
    Ok(())
}

fn sweep(args: &Args, problem: &Problem, adapted: bool) -> Result<Vec<Row>> {
    let &Problem { source, data, patterns, fraction } = problem;
    let settings = Settings {
        activation: args.activation,
        patterns,
        beta: Beta::Fraction(fraction),
        sigma: args.sigma,
        gap: args.problems.gap,
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
            head: Head {
                bench: "penalty-sweep",
                host: Host::new(solution.summary.threads),
                seed: settings.seed,
                data: source.to_string(),
                n_samples: data.n_samples(),
                n_features: data.n_features(),
                n_patterns: solution.summary.shape.n_patterns,
            },
            activation: args.activation.name(),
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
