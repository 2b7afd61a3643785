//! How many iterations constrained runs take to a certified gap, beside free ones on the same samples.

use crate::host::Host;
use crate::problems::{Problem, Problems, reached};
use crate::row::Head;
use anyhow::Result;
use comfy_table::{Table, presets};
use cvx_admm::{Beta, Certify, Precision, Settings, train};
use cvx_model::{Activation, Constraints, Curvature, TaskChoice, Trend};
use serde::Serialize;

/// Problems to sweep.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    problems: Problems,
    /// Whose gap it is; that of the sampled programme is computed in f64.
    #[arg(long, default_value = "network")]
    certify: Certify,
    /// Iterations after which a run is given up.
    #[arg(long, default_value_t = 5000)]
    max_iterations: usize,
}

/// A run, complete with where and how it was made.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    head: Head,
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
    args.problems.each(|problem| {
        let rows = sweep(args, problem)?;
        let mut cells = problem.cells();
        cells.extend(rows.iter().map(|row| reached(&row.status, row.iterations)));
        table.add_row(cells);
        ratios.extend(ratios_to_free(&rows));
        args.problems.record(&rows)
    })?;
    ratios.sort_by(f64::total_cmp);
    let last = ratios.len().saturating_sub(1) as f64;
    let at = |share: f64| ratios.get((share * last) as usize).copied().unwrap_or(f64::NAN);
    let (gap, most) = (args.problems.gap, args.max_iterations);
    println!("{table}\niterations to a certified gap of {gap:.0e}; '-': not within {most}");
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

/// Iterations of constrained runs over those of the free one, which is the first, where both reached the gap.
fn ratios_to_free(rows: &[Row]) -> Vec<f64> {
    let optimal = |row: &&Row| row.status == "Optimal";
    let Some((free, constrained)) = rows.split_first().filter(|(free, _)| optimal(free)) else { return Vec::new() };
    constrained.iter().filter(optimal).map(|row| row.iterations as f64 / free.iterations as f64).collect()
}

fn sweep(args: &Args, problem: &Problem) -> Result<Vec<Row>> {
    let &Problem { source, data, patterns, fraction } = problem;
    let of = |(constraint, constraints): (&'static str, Constraints)| {
        let settings = Settings {
            activation: Activation::Relu,
            task: TaskChoice::Auto,
            patterns,
            beta: Beta::Fraction(fraction),
            gap: args.problems.gap,
            certify: args.certify,
            precision: if args.certify == Certify::Sampled { Precision::F64 } else { Precision::F32 },
            max_iterations: args.max_iterations,
            constraints,
            ..Settings::default()
        };
        let solution = train(data, None, &settings)?;
        Ok(Row {
            head: Head {
                bench: "constraint-sweep",
                host: Host::new(solution.summary.threads),
                seed: settings.seed,
                data: source.to_string(),
                n_samples: data.n_samples(),
                n_features: data.n_features(),
                n_patterns: solution.summary.shape.n_patterns,
            },
            beta_fraction: fraction,
            constraint,
            certify: args.certify.name(),
            gap: args.problems.gap,
            status: solution.status.to_string(),
            iterations: solution.info.history.len(),
            relative_gap: solution.objective.relative_gap,
            objective: solution.objective.network,
        })
    };
    constraints(data.n_features()).into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pairs_of_runs_that_both_reached_the_gap_are_compared() {
        let row = |status: &str, iterations: usize| Row {
            head: Head {
                bench: "constraint-sweep",
                host: Host::new(1),
                seed: 0,
                data: String::new(),
                n_samples: 1,
                n_features: 1,
                n_patterns: 1,
            },
            beta_fraction: 0.1,
            constraint: "none",
            certify: "network",
            gap: 1e-3,
            status: status.to_string(),
            iterations,
            relative_gap: 0.0,
            objective: 1.0,
        };
        let (short, long, cut) = (row("Optimal", 10), row("Optimal", 25), row("IterationLimit", 50));
        assert_eq!(ratios_to_free(&[short, long, cut]), [2.5]);
        assert!(ratios_to_free(&[row("IterationLimit", 50), row("Optimal", 10)]).is_empty());
        assert!(ratios_to_free(&[]).is_empty());
    }
}
