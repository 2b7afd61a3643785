//! The losses by name, and what each of them is a function of.

use crate::entry_loss::EntryLoss;
use crate::error::ModelError;
use crate::multinomial::Multinomial;
use crate::targets::Task;
use cvx_linalg::{HostMatrix, Named, UnknownName};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The loss of the predictions of a sample for its targets. Every loss is convex, has the infimum 0 and a Lipschitz
/// derivative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Loss {
    /// 1/2 (q - y)^2, summed over the targets.
    #[default]
    Squared,
    /// log(1 + exp(-y q)), for y = -1 or +1, summed over the targets.
    Logistic,
    /// 1/2 max(0, 1 - y q)^2, for y = -1 or +1, summed over the targets.
    SquaredHinge,
    /// 1/2 (q - y)^2 for |q - y| <= delta, otherwise delta |q - y| - delta^2/2, summed over the targets.
    Huber {
        /// Distance from y at which the loss becomes linear.
        delta: f64,
    },
    /// log sum_c exp(q_c) - q_k for a sample of class k, whose targets are +1 for k and -1 for the others.
    Multinomial,
}

/// What a loss is a function of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LossForm {
    /// Of each entry by itself: the loss of a sample is the sum over its targets, and the targets are programmes of
    /// their own.
    Entry(EntryLoss),
    /// Of the row of all predictions of a sample.
    Row(Multinomial),
}

/// Every loss, with the delta of a Huber loss that is parsed from its name.
const LOSSES: [Loss; 5] =
    [Loss::Squared, Loss::Logistic, Loss::SquaredHinge, Loss::Huber { delta: 1.0 }, Loss::Multinomial];

impl Named for Loss {
    const WHAT: &'static str = "loss";

    fn names() -> Vec<&'static str> {
        LOSSES.map(Loss::name).to_vec()
    }
}

/// The loss of this name; `huber` has a delta of 1.
impl FromStr for Loss {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        LOSSES.into_iter().find(|loss| loss.name() == text).ok_or_else(|| UnknownName::of::<Self>(text))
    }
}

/// The [`name`](Loss::name), without the delta.
impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Loss {
    /// `squared`, `logistic`, `squared-hinge`, `huber` or `multinomial`.
    pub fn name(self) -> &'static str {
        match self {
            Loss::Squared => "squared",
            Loss::Logistic => "logistic",
            Loss::SquaredHinge => "squared-hinge",
            Loss::Huber { .. } => "huber",
            Loss::Multinomial => "multinomial",
        }
    }

    /// Whether y must be -1 or +1.
    pub fn needs_classes(self) -> bool {
        matches!(self, Loss::Logistic | Loss::SquaredHinge | Loss::Multinomial)
    }

    /// Whether the loss fits the targets of this task.
    ///
    /// # Errors
    /// [`ModelError::NeedsClasses`] for numbers instead of classes, [`ModelError::TwoClasses`] for a loss of rows with
    /// one target for two classes.
    pub fn check_task(self, task: &Task) -> Result<(), ModelError> {
        if self.needs_classes() && task.classes().is_empty() {
            return Err(ModelError::NeedsClasses { what: format!("the {} loss", self.name()) });
        }
        match (self.form(), task) {
            (LossForm::Row(_), Task::Binary { .. }) => {
                Err(ModelError::TwoClasses { loss: self.name(), instead: Loss::Logistic.name() })
            }
            _ => Ok(()),
        }
    }

    /// What the loss is a function of.
    pub fn form(self) -> LossForm {
        match self {
            Loss::Squared => LossForm::Entry(EntryLoss::Squared),
            Loss::Logistic => LossForm::Entry(EntryLoss::Logistic),
            Loss::SquaredHinge => LossForm::Entry(EntryLoss::SquaredHinge),
            Loss::Huber { delta } => LossForm::Entry(EntryLoss::Huber { delta }),
            Loss::Multinomial => LossForm::Row(Multinomial),
        }
    }

    /// The Lipschitz constant of the derivative.
    pub fn curvature(self) -> f64 {
        match self.form() {
            LossForm::Entry(loss) => loss.curvature(),
            LossForm::Row(loss) => loss.curvature(),
        }
    }

    /// The loss of one sample with the predictions `q` for the targets `y` (both C numbers), without its weight.
    pub fn sample(self, q: &[f64], y: &[f64]) -> f64 {
        match self.form() {
            LossForm::Entry(loss) => q.iter().zip(y).map(|(&q, &y)| loss.value(q, y)).sum(),
            LossForm::Row(loss) => loss.value(q, loss.class(y)),
        }
    }

    /// Sum over all samples of predictions and targets (both n x C), without weights.
    pub fn total(self, prediction: &HostMatrix, y: &HostMatrix) -> f64 {
        let row = |matrix: &HostMatrix, a: usize| (0..y.cols()).map(|c| matrix[(a, c)]).collect::<Vec<f64>>();
        match self.form() {
            LossForm::Entry(loss) => prediction.values().iter().zip(y.values()).map(|(&q, &y)| loss.value(q, y)).sum(),
            LossForm::Row(_) => (0..y.rows()).map(|a| self.sample(&row(prediction, a), &row(y, a))).sum(),
        }
    }
}
