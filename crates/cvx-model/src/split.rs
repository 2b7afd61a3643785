//! The choice of held-out samples.

use crate::dataset::Labels;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;
use std::collections::BTreeMap;

/// Draws the rows of about this `share` of the samples, in ascending order. If the labels are `classes`, it draws from
/// each class separately, and at least one sample of each class that has two or more.
pub fn share(labels: &Labels, classes: bool, share: f64, seed: u64) -> Vec<usize> {
    let mut rows = Vec::new();
    for mut class in shuffled_classes(labels, classes, seed) {
        let count = ((class.len() as f64 * share).round() as usize).max(1).min(class.len() - 1);
        rows.extend(class.drain(..count));
    }
    rows.sort_unstable();
    rows
}

/// Splits the rows into `count` parts whose sizes differ by at most one. If the labels are `classes`, each class is
/// spread evenly over the parts.
pub fn folds(labels: &Labels, classes: bool, count: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut folds = vec![Vec::new(); count];
    // The rows are assigned to the parts in turn, one class after the other.
    let rows = shuffled_classes(labels, classes, seed).into_iter().flatten();
    rows.enumerate().for_each(|(k, row)| folds[k % count].push(row));
    folds.iter_mut().for_each(|fold| fold.sort_unstable());
    folds
}

/// The rows of each class in random order; one class of all rows if the labels are not `classes`.
fn shuffled_classes(labels: &Labels, classes: bool, seed: u64) -> Vec<Vec<usize>> {
    let mut rng = Pcg64::seed_from_u64(seed);
    let mut found: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let name = |row| if classes { labels.class_name(row) } else { String::new() };
    (0..labels.len()).for_each(|row| found.entry(name(row)).or_default().push(row));
    found.values_mut().for_each(|rows| rows.shuffle(&mut rng));
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Dataset, FeatureKind};

    #[test]
    fn a_share_is_drawn_from_every_class_and_depends_on_the_seed_alone() {
        let labels = Labels::numbers((0..100).map(|row| f64::from(u8::from(row % 10 == 0))).collect());
        let rows = share(&labels, true, 0.2, 3);
        assert_eq!((rows.len(), rows.iter().filter(|row| **row % 10 == 0).count()), (20, 2));
        assert_eq!(rows, share(&labels, true, 0.2, 3));
        assert_ne!(rows, share(&labels, true, 0.2, 4));
        assert!(rows.is_sorted());
    }

    #[test]
    fn folds_are_disjoint_and_cover_all_rows() {
        let labels = Labels::numbers((0..47).map(|row| f64::from(row % 3)).collect());
        let parts = folds(&labels, true, 5, 1);
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
        let rows = share(&labels, true, 0.5, 1);
        assert_eq!(rows.len(), 2);
        assert!(!rows.contains(&3));
    }

    /// The number of different labels does not decide: 20 different numbers are not classes, and 120 classes are.
    #[test]
    fn numbers_are_split_as_one_and_any_number_of_classes_class_by_class() {
        let numbers = Labels::numbers((0..20).map(|k| f64::from(k) * 0.37).collect());
        assert_eq!(share(&numbers, false, 0.25, 1).len(), 5);
        assert!(share(&numbers, true, 0.25, 1).is_empty());
        assert!(folds(&numbers, false, 6, 1).iter().all(|part| (3..=4).contains(&part.len())));
        let classes = Labels::numbers((0..240).map(|k| f64::from(k % 120)).collect());
        let rows = share(&classes, true, 0.2, 1);
        let found: std::collections::BTreeSet<usize> = rows.iter().map(|row| row % 120).collect();
        assert_eq!((rows.len(), found.len()), (120, 120), "one of two of each class");
    }

    #[test]
    fn what_is_not_held_out_is_kept_in_its_order() {
        let data = Dataset::new(1, vec![0.0, 1.0, 2.0, 3.0], None, FeatureKind::Table).unwrap();
        assert_eq!(data.without(&[2, 0]).unwrap().values(), [1.0, 3.0]);
        assert!(data.without(&[4]).is_err() && data.without(&[0, 1, 2, 3]).is_err());
    }
}
