//! `--verbose`: the sizes of the problem and a row per iteration, on stderr.

use super::event;
use super::stream::note;
use crate::number::{bytes, counted, gap, short};
use crate::summary::patches::{Layout, features};
use cvx_admm::{FileError, Iteration, Observer, Precision, Round, Scores, Settings, Solution, Summary};
use std::ops::ControlFlow;
use std::path::Path;

/// Rows between two headers.
const HEADER_EVERY: usize = 40;

/// The columns, as wide as their cells.
const HEADER: &str = "iteration     objective         bound       gap    primal      dual       rho  inner   seconds";

/// Prints a table of the iterations.
pub struct IterationTable {
    precision: Precision,
    /// Whether one of the features is a bias.
    bias: bool,
    /// What gates of patches look at.
    layout: Option<Layout>,
    /// Rows since the last header.
    rows: usize,
}

impl IterationTable {
    /// A table for runs with these settings, with gates of patches if there is a layout.
    pub fn new(settings: &Settings, layout: Option<Layout>) -> Self {
        IterationTable { precision: settings.precision, bias: settings.bias, layout, rows: 0 }
    }

    /// The sizes of the problem, and how it is solved.
    fn banner(&self, summary: &Summary) -> String {
        let shape = &summary.shape;
        let unknowns = shape.signs * shape.n_features * shape.n_patterns * shape.n_targets;
        let mut rows = vec![("task", event::task(summary))];
        let patterns = format!("{}{}", shape.n_patterns, event::merged(summary));
        match &self.layout {
            Some(layout) => rows.extend([
                ("images n", format!("{}{} of {}", shape.n_samples, event::folds(summary), layout.size())),
                ("patches", layout.words()),
                ("features d", format!("{} of a gate", shape.n_features)),
                ("gates P", patterns),
            ]),
            None => rows.extend([
                ("samples n", format!("{}{}", shape.n_samples, event::folds(summary))),
                ("features d", format!("{}{}", shape.n_features, if self.bias { ", with the bias" } else { "" })),
                ("patterns P", patterns),
            ]),
        }
        let at_hand = summary.features.map_or(String::new(), |found| format!("; {}", features(found)));
        rows.extend([
            ("targets C", shape.n_targets.to_string()),
            ("unknowns", unknowns.to_string()),
            ("beta", short(summary.beta)),
            ("solver", format!("{} in {}", summary.solver, self.precision.name())),
            ("device", format!("{}, threads {}", summary.device_name, summary.threads)),
            ("memory", format!("about {}{at_hand}", bytes(summary.memory_bytes))),
            ("stops at", format!("relative gap {:.0e}, {} iterations", summary.gap, summary.max_iterations)),
        ]);
        let lines: Vec<String> = rows.iter().map(|(name, value)| format!("{name:<11} {value}")).collect();
        format!("cvx {}\n{}", env!("CARGO_PKG_VERSION"), lines.join("\n"))
    }
}

impl Observer for IterationTable {
    fn candidate(&mut self, settings: &Settings) {
        note(event::candidate(settings));
    }

    fn begin(&mut self, summary: &Summary) {
        note(self.banner(summary));
        if let Some(reason) = event::passed_over(summary) {
            note(reason);
        }
        self.rows = 0;
    }

    fn iteration(&mut self, record: &Iteration) -> ControlFlow<()> {
        if self.rows.is_multiple_of(HEADER_EVERY) {
            note(format_args!("\n{HEADER}"));
        }
        self.rows += 1;
        note(row(record));
        ControlFlow::Continue(())
    }

    fn checkpoint(&mut self, written: Result<&Path, &FileError>) {
        if let Err(error) = written {
            note(event::no_checkpoint(error));
        }
    }

    fn round(&mut self, round: &Round) {
        note(event::round(round));
    }

    fn point(&mut self, fraction: f64, relative_gap: f64, validation: &Scores) {
        note(event::point(fraction, relative_gap, validation));
    }
}

/// The line below the table.
pub fn closing(solution: &Solution) -> String {
    let iterations = counted(solution.info.history.len(), "iteration");
    let gap = gap(solution.objective.relative_gap);
    format!(
        "\nstatus {} after {iterations} and {:.2} s, relative gap {gap}",
        solution.status, solution.info.seconds.total
    )
}

/// One iteration; numbers that were not evaluated are blank.
fn row(record: &Iteration) -> String {
    let long = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.5e}"));
    let gap = record.relative_gap.map_or(String::new(), |gap| format!("{gap:.2e}"));
    format!(
        "{:>9} {:>13} {:>13} {:>9} {:>9.2e} {:>9.2e} {:>9.2e} {:>6} {:>9.2}",
        record.iteration,
        long(record.network),
        long(record.dual_bound),
        gap,
        record.primal_residual,
        record.dual_residual,
        record.rho,
        record.inner_iterations,
        record.seconds,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_as_wide_as_the_header() {
        let evaluated = Iteration {
            iteration: 12345,
            seconds: 123456.78,
            network: Some(1.5e123),
            dual_bound: Some(-1.5e-12),
            relative_gap: Some(1e-300),
            train: None,
            test: None,
            primal_residual: 1e-100,
            dual_residual: 0.0,
            rho: 1e4,
            inner_iterations: 2000,
        };
        let skipped = Iteration { network: None, dual_bound: None, relative_gap: None, ..evaluated };
        for record in [evaluated, skipped] {
            assert_eq!(row(&record).len(), HEADER.len(), "{}", row(&record));
        }
        assert_eq!(row(&skipped).split_whitespace().count(), 6);
    }
}
