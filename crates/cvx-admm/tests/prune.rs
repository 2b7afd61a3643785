//! A pruned network has the claims, the file and the verification of the network that is returned.

mod common;

use common::{PRECISIONS, assert_sane, near, planted, smooth};
use cvx_admm::{Certify, Settings, train, verify};
use cvx_model::{Dataset, FeatureKind, Labels, TaskChoice};

/// Many more patterns than samples, so that the network has superfluous neurons.
fn wide() -> Settings {
    Settings { patterns: 150, ..Settings::default() }
}

/// Three classes by the larger of two features.
fn three_classes(n: usize) -> Dataset {
    let source = smooth(n, 3, 5);
    let values = source.values();
    let labels = values.chunks(3).map(|row| if row[0] > 0.3 { 2.0 } else { f64::from(row[1] > 0.0) });
    let labels = Labels::numbers(labels.collect());
    Dataset::new(3, source.values().to_vec(), Some(labels), FeatureKind::Table).unwrap()
}

#[test]
fn the_claims_are_those_of_the_pruned_network() {
    let regression = TaskChoice::Regression;
    for (data, test, task, targets) in [
        (planted(40, 4, 1), planted(20, 4, 2), TaskChoice::Auto, 1),
        (smooth(30, 5, 3), smooth(15, 5, 4), regression, 1),
        (three_classes(30), three_classes(12), TaskChoice::Auto, 3),
    ] {
        for precision in PRECISIONS {
            for certify in [Certify::Network, Certify::Sampled] {
                let settings = Settings { task, precision, certify, max_iterations: 300, ..wide() };
                let solution = train(&data, Some(&test), &settings).unwrap();
                assert_sane(&solution, "pruned");
                let (neurons, n) = (solution.model.network.n_neurons(), data.n_samples());
                assert!(solution.pruned > 0 && neurons <= n * targets, "{neurons} of {n} x {targets}");
                let found = verify(&solution.model, &data).unwrap();
                assert!(found.holds(), "{found:?} of {:?}", solution.model.claim);
                assert!(near(found.loss, solution.train.loss, 1e-9));

                let whole = train(&data, Some(&test), &Settings { prune: false, ..settings }).unwrap();
                assert_eq!((whole.pruned, whole.model.network.n_neurons()), (0, neurons + solution.pruned));
                assert!(solution.objective.network <= whole.objective.network * (1.0 + 1e-9));
                assert!(solution.objective.relative_gap <= whole.objective.relative_gap);
                assert!(near(solution.train.loss, whole.train.loss, 1e-8));
                // The predictions in training are those of the model.
                let (pruned, unpruned) = (solution.model.predict(&data).unwrap(), whole.model.predict(&data).unwrap());
                for (pruned, unpruned) in pruned.values().iter().zip(unpruned.values()) {
                    assert!((pruned - unpruned).abs() < 1e-7, "{pruned} and {unpruned}");
                }
            }
        }
    }
}

/// Test scores are those of the returned network, not of the unpruned one.
#[test]
fn test_samples_are_scored_with_the_pruned_network() {
    let (data, test) = (three_classes(30), three_classes(200));
    let solution = train(&data, Some(&test), &wide()).unwrap();
    assert!(solution.pruned > 0);
    let prediction = solution.model.predict(&test).unwrap();
    let y = solution.model.task.encode(test.labels().unwrap()).unwrap();
    let scores = solution.test.unwrap();
    assert!(near(scores.loss, cvx_model::squared_loss(&prediction, &y), 1e-4));
    let confusion = solution.test_confusion.unwrap();
    let right: usize = (0..3).map(|class| confusion.counts[class][class]).sum();
    assert_eq!((confusion.n_samples(), scores.accuracy), (200, Some(right as f64 / 200.0)));
    assert_eq!(solution.train_confusion.unwrap().n_samples(), 30);
}

#[test]
fn a_network_with_nothing_to_spare_is_returned_bit_by_bit() {
    let data = planted(200, 10, 1);
    let settings = Settings { patterns: 20, ..Settings::default() };
    let (pruned, whole) =
        (train(&data, None, &settings).unwrap(), train(&data, None, &Settings { prune: false, ..settings }).unwrap());
    assert_eq!(pruned.pruned, 0);
    assert_eq!(pruned.model, whole.model);
}
