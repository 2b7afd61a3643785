//! Runs of one contender from several seeds, and what they have in common.

use crate::row::{Goal, Outcome, Row, TracePoint};
use cvx_figures::Point;

/// Every run of one problem, each as it was made last.
pub struct Field {
    /// In the order of the file.
    pub rows: Vec<Row>,
}

/// The runs of one contender for one goal on one device.
pub struct Group<'a> {
    /// Name in figures and tables.
    pub label: String,
    /// One for each seed.
    pub rows: Vec<&'a Row>,
}

/// Least, mean and largest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Least.
    pub low: f64,
    /// Mean.
    pub mean: f64,
    /// Largest.
    pub high: f64,
}

impl Field {
    /// Of the problem that the last row is of; a run that was made again replaces the one before.
    pub fn new(rows: Vec<Row>) -> Self {
        let mut kept: Vec<Row> = Vec::new();
        let problem = |row: &Row| (row.data.clone(), row.n_samples, row.n_features);
        let Some(last) = rows.last().map(problem) else { return Field { rows } };
        for row in rows.into_iter().filter(|row| problem(row) == last) {
            let key =
                |row: &Row| (row.contender.clone(), row.goal, row.device.clone(), row.precision.clone(), row.seed);
            match kept.iter_mut().find(|other| key(other) == key(&row)) {
                Some(other) => *other = row,
                None => kept.push(row),
            }
        }
        Field { rows: kept }
    }

    /// The goals that there are runs for.
    pub fn goals(&self) -> Vec<Goal> {
        let has = |goal: &Goal| self.rows.iter().any(|row| row.goal == *goal);
        [Goal::Accuracy, Goal::Objective].into_iter().filter(has).collect()
    }

    /// Contenders in the order of their first rows. Where devices or precisions differ, labels say which.
    pub fn groups(&self, goal: Goal) -> Vec<Group<'_>> {
        let differ = |part: fn(&Row) -> &String| self.rows.iter().any(|row| part(row) != part(&self.rows[0]));
        let (devices, precisions) = (differ(|row| &row.device), differ(|row| &row.precision));
        let mut groups: Vec<Group> = Vec::new();
        for row in self.rows.iter().filter(|row| row.goal == goal) {
            let mut label = row.contender.clone();
            for part in [devices.then_some(&row.device), precisions.then_some(&row.precision)].into_iter().flatten() {
                label = format!("{label}, {part}");
            }
            match groups.iter_mut().find(|group| group.label == label) {
                Some(group) => group.rows.push(row),
                None => groups.push(Group { label, rows: vec![row] }),
            }
        }
        groups
    }

    /// The groups, before them Adam at one learning rate, the best for the goal: soonest at the accuracy, lowest in the
    /// objective.
    pub fn groups_with_best_adam(&self, goal: Goal) -> Vec<Group<'_>> {
        let mut groups = self.groups(goal);
        let devices: Vec<&String> = self.rows.iter().map(|row| &row.device).collect();
        for device in devices {
            let is_adam = |group: &Group| group.rows[0].learning_rate.is_some() && group.rows[0].device == *device;
            let of_adam: Vec<&Group> = groups.iter().filter(|group| is_adam(group)).collect();
            let merit = |group: &Group| match goal {
                Goal::Accuracy => group.spread_of_all(|outcome| outcome.seconds_to_train_accuracy_97),
                Goal::Objective => group.spread_of_all(|outcome| outcome.objective),
            };
            let merit = |group: &Group| merit(group).map_or(f64::INFINITY, |spread| spread.mean);
            let best = of_adam.iter().min_by(|a, b| merit(a).total_cmp(&merit(b))).map(|group| group.label.clone());
            groups.retain(|group| !is_adam(group) || Some(&group.label) == best.as_ref());
        }
        groups.sort_by_key(|group| group.rows[0].learning_rate.is_none());
        groups
    }
}

impl Group<'_> {
    /// Over the runs that have the number; `None` where none has.
    pub fn spread(&self, value: impl Fn(&Outcome) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.rows.iter().filter_map(|row| value(&row.outcome)))
    }

    /// Over all runs; `None` where one lacks the number.
    pub fn spread_of_all(&self, value: impl Fn(&Outcome) -> Option<f64>) -> Option<Spread> {
        let values: Option<Vec<f64>> = self.rows.iter().map(|row| value(&row.outcome)).collect();
        Spread::of(values?.into_iter())
    }

    /// Whether every run was verified.
    pub fn verified(&self) -> bool {
        self.rows.iter().all(|row| row.outcome.verified)
    }

    /// Whether every run reached its goal: the accuracy, the certified gap, or (Adam has no certificate) the last
    /// epoch.
    pub fn succeeded(&self) -> bool {
        let reached = |row: &&Row| match row.goal {
            Goal::Accuracy => row.outcome.seconds_to_train_accuracy_97.is_some(),
            Goal::Objective => ["Optimal", "EpochLimit"].contains(&row.outcome.status.as_str()),
        };
        self.verified() && self.rows.iter().all(reached)
    }

    /// Mean and range over the seeds against `x`, at the iterations at which every run was evaluated. The start is left
    /// out, where nothing has been done.
    pub fn curve(&self, x: impl Fn(&TracePoint) -> f64, y: impl Fn(&TracePoint) -> Option<f64>) -> Vec<Point> {
        let Some((first, others)) = self.rows.split_first() else { return Vec::new() };
        let started = first.outcome.trace.iter().filter(|point| point.iteration > 0.0);
        let points = started.filter_map(|point| {
            let same = |row: &&Row| row.outcome.trace.iter().find(|other| other.iteration == point.iteration).copied();
            let points: Option<Vec<TracePoint>> =
                std::iter::once(Some(*point)).chain(others.iter().map(same)).collect();
            let points = points?;
            let values: Option<Vec<f64>> = points.iter().map(&y).collect();
            let (x, y) = (Spread::of(points.iter().map(&x))?, Spread::of(values?.into_iter())?);
            let error = (points.len() > 1).then_some((y.low, y.high));
            Some(Point { x: x.mean, y: y.mean, error })
        });
        points.collect()
    }
}

impl Spread {
    /// Of these numbers; `None` where there are none.
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let low = values.iter().copied().reduce(f64::min)?;
        Some(Spread { low, mean, high: values.iter().copied().fold(low, f64::max) })
    }

    /// `mean (low to high)`, the latter where they differ.
    pub fn text(&self, digits: usize) -> String {
        let [low, mean, high] = [self.low, self.mean, self.high].map(|value| format!("{value:.digits$}"));
        if low == high { mean } else { format!("{mean} ({low} to {high})") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::example;

    #[test]
    fn a_run_that_was_made_again_counts_once_and_other_problems_do_not() {
        let other = Row { n_samples: 7, ..example("cholesky", Goal::Accuracy, 0, 1.0) };
        let rows = [2.0, 3.0].map(|seconds| example("cholesky", Goal::Accuracy, 0, seconds));
        let field = Field::new([vec![other], rows.to_vec()].concat());
        assert_eq!(field.rows, rows[1..]);
        assert_eq!(field.goals(), [Goal::Accuracy]);
    }

    #[test]
    fn a_curve_is_the_mean_with_its_range_where_every_seed_has_been() {
        let (first, mut second) = (example("cg", Goal::Objective, 0, 10.0), example("cg", Goal::Objective, 1, 20.0));
        second.outcome.trace.truncate(4);
        second.outcome.trace[1].objective = Some(300.0);
        let field = Field::new(vec![first, second]);
        let curve = field.groups(Goal::Objective)[0].curve(|point| point.seconds, |point| point.objective);
        assert_eq!(curve.len(), 4);
        assert_eq!((curve[1].x, curve[1].y, curve[1].error), (3.0, 400.0, Some((300.0, 500.0))));
    }

    #[test]
    fn of_adam_the_best_rate_is_drawn_and_stands_first() {
        let slow = example("Adam 0.1", Goal::Accuracy, 0, 5.0);
        let mut failing = example("Adam 0.01", Goal::Accuracy, 0, 1.0);
        failing.outcome.seconds_to_train_accuracy_97 = None;
        let field = Field::new(vec![example("cg", Goal::Accuracy, 0, 2.0), slow, failing]);
        let groups = field.groups_with_best_adam(Goal::Accuracy);
        let labels: Vec<&str> = groups.iter().map(|group| group.label.as_str()).collect();
        assert_eq!(labels, ["Adam 0.1", "cg"]);
    }

    #[test]
    fn labels_name_the_device_where_there_are_several() {
        let cuda = Row { device: "cuda".to_string(), ..example("cg", Goal::Accuracy, 0, 1.0) };
        let field = Field::new(vec![example("cg", Goal::Accuracy, 0, 2.0), cuda]);
        let labels: Vec<String> = field.groups(Goal::Accuracy).into_iter().map(|group| group.label).collect();
        assert_eq!(labels, ["cg, cpu", "cg, cuda"]);
    }
}
