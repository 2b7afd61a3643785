//! Fewer neurons, the same predictions: math.md section 7.

mod common;

use common::{Random, distance, norm};
use cvx_linalg::{Backend, Cpu, HostMatrix, Samples};
use cvx_model::{Network, Pruned};
use proptest::prelude::*;
use std::sync::Arc;

fn samples(xt: &HostMatrix) -> Samples<Cpu<f64>> {
    Samples::new(&Cpu::new(), Arc::new(xt.clone())).unwrap()
}

fn prune(network: &Network, xt: &HostMatrix) -> Pruned {
    network.prune(&samples(xt)).unwrap()
}

fn predict(network: &Network, xt: &HostMatrix) -> HostMatrix {
    let cpu = Cpu::<f64>::new();
    network.predict(&cpu, &cpu.upload(xt).unwrap()).unwrap()
}

/// Neurons of random weights; each has one output, or all of them.
fn random_network([d, m, outputs]: [usize; 3], one_output: bool, scale: f64, random: &mut Random) -> Network {
    let w1 = random.matrix(d, m, scale);
    let w2 = random.matrix(m, outputs, scale);
    let keeps = |j: usize, c: usize| !one_output || j % outputs == c;
    let w2 = HostMatrix::from_fn(m, outputs, |j, c| if keeps(j, c) { w2[(j, c)] } else { 0.0 });
    Network::new(w1, w2, None)
}

/// sum_j ||q_j||, what predictions are exact in relation to.
fn size(network: &Network, xt: &HostMatrix) -> f64 {
    (0..network.n_neurons())
        .map(|j| {
            let w1 = HostMatrix::from_vec(xt.rows(), 1, network.w1.col(j).to_vec());
            let w2 = HostMatrix::from_fn(1, network.w2.cols(), |_, c| network.w2[(j, c)]);
            norm(predict(&Network::new(w1, w2, None), xt).values())
        })
        .sum()
}

/// Same predictions and no more decay; returns how much of the decay is left.
fn assert_equivalent(network: &Network, pruned: &Pruned, xt: &HostMatrix) -> f64 {
    assert_eq!(pruned.removed, network.n_neurons() - pruned.network.n_neurons());
    let (before, after) = (predict(network, xt), predict(&pruned.network, xt));
    let change = distance(before.values(), after.values());
    assert!(change <= 1e-10 * size(network, xt), "predictions changed by {change}");
    let (before, after) = (network.weight_decay(1.0), pruned.network.weight_decay(1.0));
    assert!(after <= before * (1.0 + 1e-12), "decay rose from {before} to {after}");
    if before > 0.0 { after / before } else { 1.0 }
}

/// Each neuron as several copies of itself, shuffled, whose contributions are random shares of its own.
fn split(network: &Network, copies: usize, random: &mut Random) -> Network {
    let mut parts = Vec::new();
    for j in 0..network.n_neurons() {
        let weights: Vec<f64> = (0..copies).map(|_| 0.05 + random.positive()).collect();
        let total: f64 = weights.iter().sum();
        parts.extend(weights.iter().map(|weight| (j, (weight / total).sqrt())));
    }
    for k in (1..parts.len()).rev() {
        parts.swap(k, (random.positive() * (k + 1) as f64) as usize);
    }
    Network::new(
        HostMatrix::from_fn(network.w1.rows(), parts.len(), |i, k| parts[k].1 * network.w1[(i, parts[k].0)]),
        HostMatrix::from_fn(parts.len(), network.w2.cols(), |k, c| parts[k].1 * network.w2[(parts[k].0, c)]),
        None,
    )
}

#[test]
fn copies_become_one_neuron_again() {
    let mut random = Random(1);
    for (outputs, one_output) in [(1, true), (3, true), (3, false)] {
        for copies in [2, 5] {
            let xt = random.matrix(6, 50, 1.0);
            let network = random_network([6, 9, outputs], one_output, 1.0, &mut random);
            let split = split(&network, copies, &mut random);
            let pruned = prune(&split, &xt);
            assert_eq!(pruned.network.n_neurons(), 9, "{outputs} outputs, {copies} copies");
            let left = assert_equivalent(&split, &pruned, &xt);
            // Shares of one neuron decay as the whole does: there is nothing to be gained.
            assert!((left - 1.0).abs() < 1e-12, "{left}");
            assert!((pruned.network.weight_decay(1.0) - network.weight_decay(1.0)).abs() < 1e-12);
            let change = distance(predict(&network, &xt).values(), predict(&pruned.network, &xt).values());
            assert!(change < 1e-12 * size(&network, &xt), "{change}");
        }
    }
}

/// Half the weights in both layers are a quarter of the contribution.
#[test]
fn a_neuron_and_its_half_make_one_of_five_quarters() {
    let mut random = Random(2);
    let xt = random.matrix(4, 20, 1.0);
    let one = random_network([4, 1, 1], true, 1.0, &mut random);
    let both = Network::new(
        HostMatrix::from_fn(4, 2, |i, j| one.w1[(i, 0)] / (1 + j) as f64),
        HostMatrix::from_fn(2, 1, |j, _| one.w2[(0, 0)] / (1 + j) as f64),
        None,
    );
    let pruned = prune(&both, &xt).network;
    assert_eq!(pruned.n_neurons(), 1);
    for (found, weight) in pruned.w1.values().iter().zip(one.w1.values()) {
        assert!((found - 1.25f64.sqrt() * weight).abs() < 1e-14);
    }
}

#[test]
fn more_neurons_than_predictions_are_too_many() {
    let mut random = Random(3);
    for (n, outputs, one_output) in [(12, 1, true), (7, 3, true), (7, 2, false)] {
        let xt = random.matrix(5, n, 1.0);
        let network = random_network([5, 80, outputs], one_output, 1.0, &mut random);
        let pruned = prune(&network, &xt);
        assert!(pruned.network.n_neurons() <= n * outputs, "{} of {}", pruned.network.n_neurons(), n * outputs);
        let left = assert_equivalent(&network, &pruned, &xt);
        assert!(left < 0.9, "such a network was far from optimal, and {left} of the decay is left");
        assert_eq!(prune(&pruned.network, &xt).removed, 0, "what is left is independent");
    }
}

/// Not a bit of a network changes that has nothing to spare.
#[test]
fn independent_neurons_stay_as_they_are() {
    let mut random = Random(4);
    for (outputs, one_output) in [(1, true), (4, true), (4, false)] {
        let xt = random.matrix(8, 100, 1.0);
        let network = random_network([8, 24, outputs], one_output, 1.0, &mut random);
        assert_eq!(prune(&network, &xt), Pruned { network: network.clone(), removed: 0 });
        // Nor where two of them are alike, but not the same.
        let mut twins = split(&network, 2, &mut random);
        twins.w1.values_mut().iter_mut().for_each(|w| *w += 1e-8 * random.signed());
        assert_eq!(prune(&twins, &xt).removed, 0);
    }
}

#[test]
fn what_says_nothing_goes() {
    let mut random = Random(5);
    let xt = HostMatrix::from_fn(3, 30, |_, _| random.positive() + 0.1);
    let mut network = random_network([3, 6, 2], true, 1.0, &mut random);
    network.w1.values_mut().iter_mut().for_each(|w| *w = w.abs());
    let live = prune(&network, &xt).network.n_neurons();
    // Inactive on every sample; without input; without output.
    network.w1.col_mut(0).iter_mut().for_each(|w| *w = -*w - 1.0);
    network.w1.col_mut(1).fill(0.0);
    network.w2[(2, 0)] = 0.0;
    let pruned = prune(&network, &xt);
    assert!(live >= 3 && pruned.network.n_neurons() <= live && pruned.removed >= 3);
    assert!(assert_equivalent(&network, &pruned, &xt) < 1.0);
}

/// Two that cancel decay for nothing.
#[test]
fn a_neuron_and_its_opposite_both_go() {
    let mut random = Random(6);
    let xt = random.matrix(4, 25, 1.0);
    let one = random_network([4, 3, 1], true, 1.0, &mut random);
    let mut both = split(&one, 2, &mut random);
    both.w2 = HostMatrix::from_fn(6, 1, |j, _| if j < 2 { one.w2[(0, 0)] } else { both.w2[(j, 0)] });
    for (j, sign) in [(0, 1.0), (1, -1.0)] {
        both.w1.col_mut(j).copy_from_slice(one.w1.col(0));
        both.w2[(j, 0)] = sign * one.w2[(0, 0)];
    }
    let pruned = prune(&both, &xt);
    assert!(assert_equivalent(&both, &pruned, &xt) < 0.9);
    assert!(pruned.removed >= 2);
}

#[test]
fn the_smallest_networks_and_samples() {
    let mut random = Random(7);
    let xt = random.matrix(4, 10, 1.0);
    let none = Network::new(HostMatrix::zeros(4, 0), HostMatrix::zeros(0, 3), None);
    assert_eq!(prune(&none, &xt), Pruned { network: none, removed: 0 });
    let one = random_network([4, 1, 1], true, 1.0, &mut random);
    assert_eq!(prune(&one, &xt), Pruned { network: one, removed: 0 });
    // One sample: one neuron says it all.
    let single = random.matrix(4, 1, 1.0);
    let network = random_network([4, 20, 1], true, 1.0, &mut random);
    let pruned = prune(&network, &single);
    assert_eq!(pruned.network.n_neurons(), 1);
    assert_equivalent(&network, &pruned, &single);
    // Samples that are all zero: no neuron says anything.
    assert_eq!(prune(&network, &HostMatrix::zeros(4, 5)).network.n_neurons(), 0);
}

#[test]
fn a_shape_that_does_not_fit_is_an_error() {
    let network = random_network([4, 3, 1], true, 1.0, &mut Random(8));
    assert!(network.prune(&samples(&HostMatrix::zeros(5, 10))).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// In whatever proportions: wide and narrow networks, copies among them, samples and weights of any scale.
    #[test]
    fn predictions_stay_and_the_decay_never_rises(
        n in 1usize..25,
        d in 1usize..6,
        m in 0usize..30,
        outputs in 1usize..4,
        one_output: bool,
        copies in 1usize..4,
        x_exponent in -8..9i32,
        w_exponent in -8..9i32,
        seed: u64,
    ) {
        let mut random = Random(seed);
        let xt = random.matrix(d, n, 10f64.powi(x_exponent));
        let network = random_network([d, m, outputs], one_output, 10f64.powi(w_exponent), &mut random);
        let split = split(&network, copies, &mut random);
        let pruned = prune(&split, &xt);
        assert_equivalent(&split, &pruned, &xt);
        prop_assert!(pruned.network.n_neurons() <= m.min(n * outputs), "{} of {m}", pruned.network.n_neurons());
    }
}
