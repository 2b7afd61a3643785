//! What came of a choice.

use serde::Serialize;
use std::fmt;

/// The status of a run that the clock ended, of either kind.
pub const TIME_LIMIT: &str = "TimeLimit";

/// What came of a choice.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// How the closing run ended; `TimeLimit` without one where the time was up before it, `Failed` where something
    /// went wrong.
    pub status: String,
    /// Why it failed.
    pub error: Option<String>,
    /// Whether the closing network was found to be what the run says, by other code in f64, outside the clock.
    pub verified: bool,
    /// The best of those tried, by the held-out samples.
    pub chosen: Option<Candidate>,
    /// All that was tried on a part of the training samples.
    pub tried: Vec<Candidate>,
    /// Samples of the closing run.
    pub n_closing: Option<usize>,
    /// Weight of the regulariser in the closing run, on all training samples, where there is one.
    pub beta: Option<f64>,
    /// ADMM iterations, or epochs, of the closing run.
    pub iterations: Option<f64>,
    /// Of the closing network, on all training samples; of methods that have the objective of the programme.
    pub objective: Option<f64>,
    /// Lower bound of the sampled convex programme there.
    pub dual_bound: Option<f64>,
    /// 1/2 ||f - y||^2 of the closing network on all training samples.
    pub train_loss: Option<f64>,
    /// Number of neurons of the closing network.
    pub neurons: Option<usize>,
    /// Share of training samples in the right class.
    pub train_accuracy: Option<f64>,
    /// Share of test samples in the right class, looked at when all was chosen.
    pub test_accuracy: Option<f64>,
    /// The largest test accuracy on the way of the closing run, which nobody can know without the test samples; for
    /// comparison.
    pub best_test_accuracy: Option<f64>,
    /// Seconds until everything was chosen.
    pub choosing_seconds: f64,
    /// Seconds of the closing run.
    pub closing_seconds: f64,
}

/// Something that was tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// What it is.
    #[serde(flatten)]
    pub choice: Choice,
    /// How good it is on the held-out samples.
    pub held_out: Score,
}

/// What there is to choose.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Choice {
    /// A beta of a path.
    Path {
        /// beta over the gated beta_max, which carries over to all training samples.
        fraction: f64,
        /// Weight of the regulariser on the part.
        beta: f64,
        /// Certified gap there.
        relative_gap: f64,
        /// Neurons of the network there.
        neurons: f64,
    },
    /// Settings of Adam, with the best number of epochs for them.
    Adam {
        /// Step size.
        learning_rate: f64,
        /// Weight of the regulariser on the part: beta / n per sample, which carries over, is the weight decay.
        beta: f64,
        /// Number of neurons.
        width: usize,
        /// Passes over the samples.
        epochs: usize,
    },
    /// A convolution that Adam trains.
    Convolution {
        /// Largest step size on the way.
        learning_rate: f64,
        /// Number of filters.
        filters: usize,
        /// Passes over the samples.
        epochs: usize,
    },
    /// A linear classifier of distances to centres.
    Triangle {
        /// Number of centres.
        centres: usize,
        /// Weight of the regulariser over the number of samples, which carries over to all training samples.
        ridge: f64,
    },
}

/// The scores of a network on held-out samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Share in the right class; `None` for a regression.
    pub accuracy: Option<f64>,
    /// Mean error of a sample: 1 for a wrong class, 1/2 (f - y)^2 for a number.
    pub error: f64,
    /// Standard error of that mean, where it is known.
    pub standard_error: Option<f64>,
    /// 1/2 ||f - y||^2.
    pub loss: f64,
}

impl Score {
    /// From the accuracy, where there is one, and the loss on `n` samples.
    pub fn new(accuracy: Option<f64>, loss: f64, n: usize) -> Self {
        let n = n as f64;
        let error = accuracy.map_or(loss / n, |accuracy| 1.0 - accuracy);
        // Of n errors that are 0 or 1.
        let standard_error = accuracy.map(|accuracy| (accuracy * error / (n - 1.0).max(1.0)).sqrt());
        Score { accuracy, error, standard_error, loss }
    }

    /// Whether it is a smaller error, or the same with a smaller loss.
    pub fn is_better_than(&self, other: &Score) -> bool {
        (self.error, self.loss) < (other.error, other.loss)
    }
}

/// The first of the best.
pub fn best(candidates: &[Candidate]) -> Option<&Candidate> {
    candidates.iter().reduce(|best, other| if other.held_out.is_better_than(&best.held_out) { other } else { best })
}

impl Outcome {
    /// Whether there is a closing network that no clock cut short: one that says something of the method.
    pub fn is_whole(&self) -> bool {
        self.train_loss.is_some() && self.status != TIME_LIMIT
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Path { fraction, .. } => write!(f, "beta {fraction:.2e} of its largest"),
            Choice::Adam { learning_rate, beta, width, epochs } => {
                write!(f, "rate {learning_rate}, beta {beta}, width {width}, {epochs} epochs")
            }
            Choice::Convolution { learning_rate, filters, epochs } => {
                write!(f, "rate {learning_rate}, {filters} filters, {epochs} epochs")
            }
            Choice::Triangle { centres, ridge } => write!(f, "{centres} centres, ridge {ridge:.0e} per sample"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_the_clock_cut_short_does_not_count() {
        let ended = |status: &str, train_loss| Outcome { status: status.to_string(), train_loss, ..Outcome::default() };
        assert!(ended("Optimal", Some(1.0)).is_whole() && ended("EpochLimit", Some(1.0)).is_whole());
        assert!(!ended(&cvx_admm::Status::TimeLimit.to_string(), Some(1.0)).is_whole());
        assert!(!ended("Failed", None).is_whole());
    }

    #[test]
    fn errors_decide_before_losses() {
        let [good, tied, bad] = [(Some(0.9), 5.0), (Some(0.9), 4.0), (Some(0.8), 1.0)]
            .map(|(accuracy, loss)| Score::new(accuracy, loss, 100));
        assert!(tied.is_better_than(&good) && good.is_better_than(&bad) && !good.is_better_than(&good));
        assert!((good.standard_error.unwrap() - (0.09f64 / 99.0).sqrt()).abs() < 1e-15);
        let number = Score::new(None, 5.0, 10);
        assert_eq!((number.error, number.standard_error), (0.5, None));
    }
}
