//! Which samples are held out.

use crate::dataset::Labels;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;
use std::collections::BTreeMap;

/// Whole-number labels with at most this many values are split class by class.
const MOST_CLASSES: usize = 50;

/// The rows of about this `share` of the samples, drawn class by class where the labels are classes, and at least one of each class
/// that has two or more; in ascending order.
pub fn share(labels: &Labels, share: f64, seed: u64) -> Vec<usize> {
    let mut rows = Vec::new();
    for mut class in shuffled_classes(labels, seed) {
        let count = ((class.len() as f64 * share).round() as usize).max(1).min(class.len() - 1);
        rows.extend(class.drain(..count));
    }
    rows.sort_unstable();
    rows
}

/// The rows of each of `count` parts of equal size, give or take one, with the classes spread evenly over them.
pub fn folds(labels: &Labels, count: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut folds = vec![Vec::new(); count];
    // Dealt like cards, one class after the other.
    shuffled_classes(labels, seed).into_iter().flatten().enumerate().for_each(|(k, row)| folds[k % count].push(row));
    folds.iter_mut().for_each(|fold| fold.sort_unstable());
    folds
}

/// The rows of each class in random order; all rows as one class where the labels are numbers.
fn shuffled_classes(labels: &Labels, seed: u64) -> Vec<Vec<usize>> {
    let mut rng = Pcg64::seed_from_u64(seed);
    let mut classes: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    (0..labels.len()).for_each(|row| classes.entry(labels.class_name(row)).or_default().push(row));
    let mut classes: Vec<Vec<usize>> =
        if classes.len() > MOST_CLASSES { vec![(0..labels.len()).collect()] } else { classes.into_values().collect() };
    classes.iter_mut().for_each(|rows| rows.shuffle(&mut rng));
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_drawn_from_every_class_and_depends_on_the_seed_alone() {
        let labels = Labels::numbers((0..100).map(|row| f64::from(u8::from(row % 10 == 0))).collect());
        let rows = share(&labels, 0.2, 3);
        assert_eq!((rows.len(), rows.iter().filter(|row| **row % 10 == 0).count()), (20, 2));
        assert_eq!(rows, share(&labels, 0.2, 3));
        assert_ne!(rows, share(&labels, 0.2, 4));
        assert!(rows.is_sorted());
    }

    #[test]
    fn folds_are_disjoint_and_cover_all_rows() {
        let labels = Labels::numbers((0..47).map(|row| f64::from(row % 3)).collect());
        let parts = folds(&labels, 5, 1);
        let mut all: Vec<usize> = parts.iter().flatten().copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..47).collect::<Vec<_>>());
        for part in &parts {
            assert!((9..=10).contains(&part.len()));
            assert!((0..3).all(|class| part.iter().filter(|row| **row % 3 == class).count() >= 3));
        }
    }

    #[test]
    fn a_class_of_one_sample_stays_in_training() {
        let labels = Labels::numbers(vec![0.0, 0.0, 0.0, 1.0]);
        let rows = share(&labels, 0.5, 1);
        assert_eq!(rows.len(), 2);
        assert!(!rows.contains(&3));
        let numbers = Labels::numbers((0..200).map(|k| f64::from(k) * 0.37).collect());
        assert_eq!(share(&numbers, 0.25, 1).len(), 50);
    }
}
