//! Loss, errors and accuracy of predictions.

use crate::loss::Loss;
use crate::targets::Task;
use cvx_linalg::{HostMatrix, SampleSums};

/// 1/2 ||prediction - y||^2 without a factor 1/n: the loss term of (P).
pub fn squared_loss(prediction: &HostMatrix, y: &HostMatrix) -> f64 {
    squared_loss_over(SampleSums::all_here(), prediction, y)
}

/// [`squared_loss`] over all of these samples.
pub(crate) fn squared_loss_over(samples: &SampleSums, prediction: &HostMatrix, y: &HostMatrix) -> f64 {
    let [squares] = samples.sum(y.rows(), |rows| {
        let pairs = (0..y.cols()).flat_map(|c| prediction.col(c)[rows.clone()].iter().zip(&y.col(c)[rows.clone()]));
        [pairs.map(|(f, y)| (f - y) * (f - y)).sum()]
    });
    0.5 * squares
}

/// [`squared_loss_over`] for the total and then for each target, in one sum.
pub(crate) fn squared_losses_over(samples: &SampleSums, prediction: &HostMatrix, y: &HostMatrix) -> Vec<f64> {
    let squares = samples.sums(y.rows(), 1 + y.cols(), |rows| {
        let of = |c: usize| prediction.col(c)[rows.clone()].iter().zip(&y.col(c)[rows.clone()]);
        let square = |(f, y): (&f64, &f64)| (f - y) * (f - y);
        // The total is summed in the order of `squared_loss_over`, for the same bits.
        let total: f64 = (0..y.cols()).flat_map(of).map(square).sum();
        std::iter::once(total).chain((0..y.cols()).map(|c| of(c).map(square).sum())).collect()
    });
    squares.into_iter().map(|squares| 0.5 * squares).collect()
}

/// Error of each sample: for classes 0 if correct and 1 if wrong, for a regression the loss summed over the targets.
pub fn sample_errors(task: &Task, loss: Loss, prediction: &HostMatrix, y: &HostMatrix) -> Vec<f64> {
    let error = |a: usize| {
        let (prediction, y) = (row(prediction, a), row(y, a));
        match (task.class_of(&prediction), task.class_of(&y)) {
            (Some(found), Some(expected)) => f64::from(u8::from(found != expected)),
            _ => loss.sample(&prediction, &y),
        }
    };
    (0..y.rows()).map(error).collect()
}

/// Loss of each sample, summed over the targets.
pub fn sample_losses(loss: Loss, prediction: &HostMatrix, y: &HostMatrix) -> Vec<f64> {
    (0..y.rows()).map(|a| loss.sample(&row(prediction, a), &row(y, a))).collect()
}

/// A row of a matrix.
pub(crate) fn row(matrix: &HostMatrix, a: usize) -> Vec<f64> {
    (0..matrix.cols()).map(|c| matrix[(a, c)]).collect()
}

/// Share of samples whose predicted class is the class that `y` encodes; `None` for a regression.
pub fn accuracy(task: &Task, prediction: &HostMatrix, y: &HostMatrix) -> Option<f64> {
    accuracy_over(SampleSums::all_here(), task, prediction, y)
}

/// [`accuracy`] over all of these samples.
pub fn accuracy_over(samples: &SampleSums, task: &Task, prediction: &HostMatrix, y: &HostMatrix) -> Option<f64> {
    if task.classes().is_empty() {
        return None;
    }
    let is_right = |a: &usize| task.class_of(&row(prediction, *a)) == task.class_of(&row(y, *a));
    let [correct] = samples.sum(y.rows(), |rows| [rows.filter(is_right).count() as f64]);
    Some(correct / samples.total(y.rows()) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_half_the_squares_and_accuracy_counts_classes() {
        let task = Task::Multiclass { classes: ["a", "b"].map(String::from).into(), majority: 0 };
        let y = HostMatrix::from_vec(2, 2, vec![1.0, -1.0, -1.0, 1.0]);
        let prediction = HostMatrix::from_vec(2, 2, vec![0.5, 0.2, -1.0, 0.1]);
        assert_eq!(squared_loss(&prediction, &y), 0.5 * (0.25 + 1.44 + 0.81));
        assert_eq!(accuracy(&task, &prediction, &y), Some(0.5));
        let regression = Task::Regression { columns: 2 };
        assert_eq!(accuracy(&regression, &prediction, &y), None);
        assert_eq!(sample_errors(&task, Loss::Squared, &prediction, &y), [0.0, 1.0]);
        // The Huber loss is linear beyond 0.5, and the residuals are 1.2 and 0.9.
        for (loss, second) in [(Loss::Squared, 0.5 * (1.44 + 0.81)), (Loss::Huber { delta: 0.5 }, 0.5 * 2.1 - 0.25)] {
            let errors = sample_errors(&regression, loss, &prediction, &y);
            assert!((errors[0] - 0.125).abs() < 1e-15 && (errors[1] - second).abs() < 1e-15, "{errors:?}");
        }
    }
}
