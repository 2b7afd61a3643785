//! Confusion matrix and the scores of each class.

use crate::targets::Task;
use cvx_linalg::HostMatrix;

/// Numbers of samples by true class and predicted class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    /// The classes.
    pub classes: Vec<String>,
    /// counts\[true\]\[predicted\].
    pub counts: Vec<Vec<usize>>,
}

/// Scores of one class, or their means over classes. A score that would be 0/0 is `None`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassScores {
    /// Correct predictions as a share of the predictions of this class; `None` if it is never predicted.
    pub precision: Option<f64>,
    /// Correct predictions as a share of the samples of this class; `None` if it has no samples.
    pub recall: Option<f64>,
    /// Harmonic mean of precision and recall, 2 correct / (predicted + samples). It is 0 if one of the two is 0 or
    /// `None`, and `None` if both are `None`.
    pub f1: Option<f64>,
    /// Number of samples of the class.
    pub support: usize,
}

impl Confusion {
    /// Compares predictions (n x C) with the classes that `y` (n x C) encodes; `None` for a regression.
    pub fn new(task: &Task, prediction: &HostMatrix, y: &HostMatrix) -> Option<Self> {
        let classes = task.classes().to_vec();
        let class = |matrix: &HostMatrix, a: usize| {
            task.class_of(&(0..matrix.cols()).map(|c| matrix[(a, c)]).collect::<Vec<_>>())
        };
        let mut counts = vec![vec![0; classes.len()]; classes.len()];
        for a in 0..y.rows() {
            counts[class(y, a)?][class(prediction, a)?] += 1;
        }
        (!classes.is_empty()).then_some(Confusion { classes, counts })
    }

    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        self.counts.iter().flatten().sum()
    }

    /// The scores of one class.
    pub fn scores(&self, class: usize) -> ClassScores {
        let right = self.counts[class][class];
        let support = self.counts[class].iter().sum();
        let predicted = self.counts.iter().map(|row| row[class]).sum();
        let share = |of: usize, whole: usize| (whole > 0).then(|| of as f64 / whole as f64);
        ClassScores {
            precision: share(right, predicted),
            recall: share(right, support),
            f1: share(2 * right, predicted + support),
            support,
        }
    }

    /// Unweighted means over the classes that have samples. A class that is never predicted counts with precision 0.
    /// The mean recall is also called balanced accuracy.
    pub fn means(&self) -> ClassScores {
        let scores = (0..self.classes.len()).map(|class| self.scores(class));
        let present: Vec<ClassScores> = scores.filter(|scores| scores.support > 0).collect();
        let mean = |value: fn(&ClassScores) -> Option<f64>| {
            let sum: f64 = present.iter().map(|scores| value(scores).unwrap_or(0.0)).sum();
            (!present.is_empty()).then(|| sum / present.len() as f64)
        };
        ClassScores {
            precision: mean(|scores| scores.precision),
            recall: mean(|scores| scores.recall),
            f1: mean(|scores| scores.f1),
            support: self.n_samples(),
        }
    }

    /// Pairs (true, predicted) of different classes that occur, in order of decreasing frequency.
    pub fn mistakes(&self) -> Vec<(usize, usize)> {
        let all = 0..self.classes.len();
        let mut pairs: Vec<(usize, usize)> = (all.clone())
            .flat_map(|truth| all.clone().map(move |predicted| (truth, predicted)))
            .filter(|&(truth, predicted)| truth != predicted && self.counts[truth][predicted] > 0)
            .collect();
        pairs.sort_by_key(|&(truth, predicted)| std::cmp::Reverse(self.counts[truth][predicted]));
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::accuracy;
    use proptest::prelude::*;

    fn task(classes: usize) -> Task {
        Task::Multiclass { classes: (0..classes).map(|class| format!("c{class}")).collect(), majority: 0 }
    }

    /// One column for each class: +1 for its samples, -1 for the others.
    fn coded(classes: usize, of: &[usize]) -> HostMatrix {
        HostMatrix::from_fn(of.len(), classes, |a, c| if of[a] == c { 1.0 } else { -1.0 })
    }

    #[test]
    fn a_count_by_hand() {
        let (truth, predicted) = ([0, 0, 0, 1, 1, 2], [0, 1, 1, 1, 1, 0]);
        let confusion = Confusion::new(&task(4), &coded(4, &predicted), &coded(4, &truth)).unwrap();
        assert_eq!(confusion.counts, [[1, 2, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]);
        assert_eq!(confusion.mistakes(), [(0, 1), (2, 0)]);
        let scores = |class| {
            let ClassScores { precision, recall, f1, support } = confusion.scores(class);
            (precision, recall, f1, support)
        };
        assert_eq!(scores(0), (Some(0.5), Some(1.0 / 3.0), Some(0.4), 3));
        assert_eq!(scores(1), (Some(0.5), Some(1.0), Some(4.0 / 6.0), 2));
        assert_eq!(scores(2), (None, Some(0.0), Some(0.0), 1), "never predicted");
        assert_eq!(scores(3), (None, None, None, 0), "neither there nor predicted");
        let means = confusion.means();
        assert_eq!((means.precision, means.support), (Some(1.0 / 3.0), 6));
        assert!((means.recall.unwrap() - 4.0 / 9.0).abs() < 1e-15);
        assert!((means.f1.unwrap() - (0.4 + 4.0 / 6.0) / 3.0).abs() < 1e-15);
    }

    #[test]
    fn two_classes_have_one_score_and_a_regression_has_none() {
        let task = Task::Binary { classes: ["cat", "dog"].map(String::from), majority: 1 };
        let y = HostMatrix::from_vec(4, 1, vec![-1.0, -1.0, 1.0, 1.0]);
        let prediction = HostMatrix::from_vec(4, 1, vec![-0.2, 0.0, 3.0, -0.1]);
        let confusion = Confusion::new(&task, &prediction, &y).unwrap();
        assert_eq!(confusion.counts, [[1, 1], [1, 1]], "0 is the majority");
        assert_eq!(Confusion::new(&Task::Regression { columns: 1 }, &prediction, &y), None);
        let none = HostMatrix::zeros(0, 1);
        let empty = Confusion::new(&task, &none, &none).unwrap();
        assert_eq!((empty.n_samples(), empty.means().recall), (0, None));
        assert_eq!(Confusion::new(&Task::Regression { columns: 1 }, &none, &none), None);
    }

    proptest! {
        #[test]
        fn the_table_agrees_with_the_accuracy_and_with_itself(
            classes in 3usize..9,
            samples in prop::collection::vec((0usize..9, 0usize..9), 1..60),
        ) {
            let (truth, predicted): (Vec<_>, Vec<_>) =
                samples.iter().map(|&(truth, predicted)| (truth % classes, predicted % classes)).unzip();
            let (task, y, prediction) = (task(classes), coded(classes, &truth), coded(classes, &predicted));
            let confusion = Confusion::new(&task, &prediction, &y).unwrap();
            prop_assert_eq!(confusion.n_samples(), samples.len());
            let right: usize = (0..classes).map(|class| confusion.counts[class][class]).sum();
            prop_assert_eq!(Some(right as f64 / samples.len() as f64), accuracy(&task, &prediction, &y));
            for class in 0..classes {
                let scores = confusion.scores(class);
                prop_assert_eq!(scores.support, truth.iter().filter(|&&truth| truth == class).count());
                prop_assert_eq!(scores.precision.is_some(), predicted.contains(&class));
                prop_assert_eq!(scores.recall.is_some(), truth.contains(&class));
                if let (Some(precision), Some(recall)) = (scores.precision, scores.recall) {
                    let harmonic = if precision == 0.0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) };
                    prop_assert!((scores.f1.unwrap() - harmonic).abs() < 1e-14);
                }
            }
            let mistakes: usize = confusion.mistakes().iter().map(|&(a, b)| confusion.counts[a][b]).sum();
            prop_assert_eq!(mistakes + right, samples.len());
        }
    }
}
