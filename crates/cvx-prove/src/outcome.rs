//! How a question about a model is answered, and how much work an answer may take.

use crate::search::Limits;
use std::time::{Duration, Instant};

/// The answer to a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It holds.
    Proved,
    /// It does not: the prediction at an input shows it.
    Refuted {
        /// The input (d), in the units of the features.
        point: Vec<f64>,
        /// A second input, where the question is about two.
        other: Option<Vec<f64>>,
    },
    /// A limit was reached before an answer.
    Open {
        /// A lower bound of what has to be positive.
        bound: f64,
        /// Its smallest value that was found.
        best: f64,
    },
}

impl Outcome {
    /// This outcome after another search was left open.
    pub(crate) fn or_open(&self, bound: f64, best: f64) -> Self {
        match *self {
            Outcome::Open { bound: other, best: smallest } => {
                Outcome::Open { bound: bound.min(other), best: best.min(smallest) }
            }
            _ => Outcome::Open { bound, best },
        }
    }

    /// Its name: `proved`, `refuted` or `open`.
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Proved => "proved",
            Outcome::Refuted { .. } => "refuted",
            Outcome::Open { .. } => "open",
        }
    }
}

/// The work that one answer may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Most nodes of the search trees.
    pub nodes: usize,
    /// Most time; `None`: no limit.
    pub time: Option<Duration>,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { nodes: 100_000, time: None }
    }
}

impl Budget {
    /// The limits of an answer that begins now. A time that the clock cannot hold is no limit.
    pub fn limits(&self) -> Limits {
        Limits { nodes: self.nodes, deadline: self.time.and_then(|time| Instant::now().checked_add(time)) }
    }
}
