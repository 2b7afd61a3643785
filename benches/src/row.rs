//! One run of one contender as a JSON line: what the figures and tables are drawn from.

use crate::host::Host;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fs::{OpenOptions, read_to_string};
use std::io::Write;
use std::path::Path;

/// Ratio of the places of two points of a stored trace, where they are not next to each other: 20,000 points become
/// 117.
const THINNING: f64 = 1.08;

/// Training accuracy whose time is recorded, as by Feng et al.
pub const TARGET_ACCURACY: f64 = 0.97;

/// What ends a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// The task of Feng et al.: 97 % of the training samples are classified correctly.
    Accuracy,
    /// The regularised objective: a certified gap, or all epochs.
    Objective,
}

/// What the rows of single runs begin with: which benchmark made it, where, and on what.
#[derive(Serialize)]
pub struct Head {
    /// Which benchmark made it.
    pub bench: &'static str,
    /// Machine, threads, revision.
    pub host: Host,
    /// Of gates and sketches.
    pub seed: u64,
    /// Data source.
    pub data: String,
    /// Training samples.
    pub n_samples: usize,
    /// Features.
    pub n_features: usize,
    /// Patterns after merging.
    pub n_patterns: usize,
}

/// A run, complete with where and how it was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Which benchmark made it.
    pub bench: String,
    /// Machine, threads, revision.
    pub host: Host,
    /// Name in figures and tables.
    pub contender: String,
    /// What ends the run.
    pub goal: Goal,
    /// Of gates and sketches, or of initial weights and batches.
    pub seed: u64,
    /// Data source.
    pub data: String,
    /// Training samples.
    pub n_samples: usize,
    /// Test samples.
    pub n_test: usize,
    /// Features, the bias among them.
    pub n_features: usize,
    /// Most neurons that the network can have.
    pub width: usize,
    /// Weight of the regulariser.
    pub beta: f64,
    /// Where it ran.
    pub device: String,
    /// The device for people, with the name of a card.
    #[serde(default)]
    pub device_name: String,
    /// How matrices were stored.
    pub precision: String,
    /// Of Adam.
    pub learning_rate: Option<f64>,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended; `Failed` where it could not be run.
    pub status: String,
    /// Why it failed.
    pub error: Option<String>,
    /// Whether the closing network was found to be what the run says, by other code in f64, outside the clock.
    pub verified: bool,
    /// ADMM iterations, or epochs.
    pub iterations: f64,
    /// Inner iterations of the linear solver, or steps.
    pub inner_iterations: usize,
    /// 1/2 ||f - y||^2 + beta sum_j ||w1_j|| ||w2_j|| of the closing network.
    pub objective: Option<f64>,
    /// Lower bound of the sampled convex programme.
    pub dual_bound: Option<f64>,
    /// Of objective and bound.
    pub relative_gap: Option<f64>,
    /// 1/2 ||f - y||^2 on the training samples.
    pub train_loss: Option<f64>,
    /// Share of training samples in the right class.
    pub train_accuracy: Option<f64>,
    /// Share of test samples in the right class.
    pub test_accuracy: Option<f64>,
    /// The largest test accuracy during the run. To choose a network by it would use the test samples.
    pub best_test_accuracy: Option<f64>,
    /// From the data in memory to the network, evaluations that the method does not need excluded.
    pub seconds: f64,
    /// Where the time went, in the order of the work.
    pub phases: Vec<Phase>,
    /// When the training accuracy was first 97 %.
    pub seconds_to_train_accuracy_97: Option<f64>,
    /// The way, thinned.
    pub trace: Vec<TracePoint>,
}

/// A part of the work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Its time.
    pub seconds: f64,
}

/// The network at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TracePoint {
    /// ADMM iterations, or epochs, so far.
    pub iteration: f64,
    /// On the run's clock.
    pub seconds: f64,
    /// Regularised objective.
    pub objective: Option<f64>,
    /// Best lower bound so far.
    pub dual_bound: Option<f64>,
    /// 1/2 ||f - y||^2 on the training samples.
    pub train_loss: Option<f64>,
    /// Share of training samples in the right class.
    pub train_accuracy: Option<f64>,
    /// 1/2 ||f - y||^2 on the test samples.
    pub test_loss: Option<f64>,
    /// Share of test samples in the right class.
    pub test_accuracy: Option<f64>,
}

impl TracePoint {
    /// To six digits: more than a picture shows, in half the bytes.
    fn rounded(self) -> Self {
        let round = |value: f64| format!("{value:.5e}").parse().unwrap_or(value);
        let TracePoint { iteration, seconds, .. } = self;
        let [objective, dual_bound, train_loss, train_accuracy, test_loss, test_accuracy] =
            [self.objective, self.dual_bound, self.train_loss, self.train_accuracy, self.test_loss, self.test_accuracy]
                .map(|value| value.map(round));
        let seconds = round(seconds);
        TracePoint { iteration, seconds, objective, dual_bound, train_loss, train_accuracy, test_loss, test_accuracy }
    }
}

impl Phase {
    /// A phase of that name.
    pub fn new(name: &str, seconds: f64) -> Self {
        Phase { name: name.to_string(), seconds }
    }
}

/// JSON has no number that is not finite.
pub fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// About a hundred of the points, the first and the last among them, denser where they are first: most happens there.
/// Which are kept does not depend on how many follow, so that runs from different seeds keep the same.
pub fn thinned(points: Vec<TracePoint>) -> Vec<TracePoint> {
    let last = points.len().saturating_sub(1);
    let mut next = 0;
    let kept = points.into_iter().enumerate().filter(|&(at, _)| {
        let kept = at == next || at == last;
        if at == next {
            next = (at + 1).max((at as f64 * THINNING) as usize);
        }
        kept
    });
    kept.map(|(_, point)| point.rounded()).collect()
}

/// Appends a row to a file of JSON lines.
pub fn append(path: &Path, row: &impl Serialize) -> Result<()> {
    let line = serde_json::to_string(row)?;
    let file = OpenOptions::new().create(true).append(true).open(path);
    writeln!(file.with_context(|| format!("{}: cannot be written", path.display()))?, "{line}")?;
    Ok(())
}

/// Reads the rows of a file of JSON lines.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let text = read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let parsed = lines.map(|(index, line)| {
        serde_json::from_str(line).with_context(|| format!("{}, line {}: no row", path.display(), index + 1))
    });
    parsed.collect()
}

/// A verified run of that many seconds, in ten steps of equal length to the objective 100.
#[cfg(test)]
pub fn example(contender: &str, goal: Goal, seed: u64, seconds: f64) -> Row {
    let point = |k: u32| TracePoint {
        iteration: f64::from(k),
        seconds: seconds * f64::from(k) / 10.0,
        objective: Some(1000.0 / f64::from(k)),
        dual_bound: Some(9.9 * f64::from(k)),
        train_loss: Some(100.0),
        train_accuracy: Some(0.96 + 0.001 * f64::from(k)),
        test_loss: None,
        test_accuracy: None,
    };
    Row {
        bench: "comparison".to_string(),
        host: Host::new(2),
        contender: contender.to_string(),
        goal,
        seed,
        data: "planted".to_string(),
        n_samples: 50,
        n_test: 0,
        n_features: 3,
        width: 4,
        beta: 0.5,
        device: "cpu".to_string(),
        device_name: "cpu".to_string(),
        precision: "f32".to_string(),
        learning_rate: contender.strip_prefix("Adam ").and_then(|rate| rate.parse().ok()),
        outcome: Outcome {
            status: "Optimal".to_string(),
            verified: true,
            iterations: 10.0,
            objective: Some(100.0),
            dual_bound: Some(99.0),
            seconds,
            phases: vec![Phase::new("set-up", 0.25 * seconds), Phase::new("u", 0.75 * seconds)],
            seconds_to_train_accuracy_97: Some(seconds),
            trace: (1..=10).map(point).collect(),
            ..Outcome::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_from_their_file() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("rows.jsonl");
        let rows = vec![example("cholesky", Goal::Accuracy, 0, 2.0), example("Adam 0.001", Goal::Objective, 1, 3.0)];
        rows.iter().try_for_each(|row| append(&path, row))?;
        assert_eq!(read(&path)?, rows);
        std::fs::write(&path, "{}\n")?;
        assert!(read(&path).unwrap_err().to_string().ends_with("line 1: no row"));
        Ok(())
    }

    #[test]
    fn a_thinned_trace_keeps_its_ends_and_its_order() {
        for count in [0, 1, 10, 101, 20_000] {
            let points = (0..count).map(|k| TracePoint { iteration: f64::from(k), ..TracePoint::default() });
            let kept: Vec<f64> = thinned(points.collect()).iter().map(|point| point.iteration).collect();
            assert!(kept.len() <= 120 && kept.len() >= (count as usize).min(10));
            assert!(count == 0 || (kept[0], kept[kept.len() - 1]) == (0.0, f64::from(count - 1)));
            assert!(kept.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
