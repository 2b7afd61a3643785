//! What a proof could overlook: samples outside of their values, clipping, roundings of other programs and of two
//! models, and refuting inputs that are not in the set.

mod common;

use common::{exact, exact_value, model, network, numbers};
use cvx_artifact::Model;
use cvx_linalg::HostMatrix;
use cvx_model::{Dataset, FeatureKind, Network, OutputRange};
use cvx_prove::{
    Budget, Claim, Classifier, Decision, Deployed, Goal, Limits, Neighbourhood, Norm, Outcome, Proof, Property,
    ProveError, Prover, Question, Shape, Theorem, certify_all, decide, difference_bounds, file, monotone,
    output_bounds, radius_all, same_as,
};
use num_rational::BigRational;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn cube(d: usize, radius: f64) -> Shape {
    Shape::Box { lower: vec![-radius; d], upper: vec![radius; d] }
}

/// A network of one input and a bias with neurons (w, b, w2).
fn line(neurons: &[(f64, f64, f64)]) -> Network {
    let w1 = neurons.iter().flat_map(|&(w, b, _)| [w, b]).collect();
    let w2 = neurons.iter().map(|&(.., second)| second).collect();
    let m = neurons.len();
    Network::new(HostMatrix::from_vec(2, m, w1), HostMatrix::from_vec(m, 1, w2), None)
}

#[test]
fn a_sample_outside_of_the_values_is_an_error_that_names_it() {
    let model = model(2, network(2, 6, 3, false, 11), 0.1, 1.7);
    let classifier = Classifier::new(&model, Deployed::F64).unwrap();
    let question = |values| Question { norm: Norm::Linf, radius: Some(0.1), values: Some(values) };
    // The second sample is 0.5 above: no input of its box is a value, and any claim would hold.
    let data = Dataset::new(2, vec![0.5, 0.2, 0.3, 1.5], None, FeatureKind::Table).unwrap();
    let budget = Budget::default();
    assert!(certify_all(&classifier, &data, None, &question((0.0, 2.0)), &budget).is_ok());
    for values in [(0.0, 1.0), (0.0, 1.45), (2.0, 0.0), (f64::NAN, 2.0)] {
        let row = usize::from(values.0 == 0.0);
        for error in [
            certify_all(&classifier, &data, None, &question(values), &budget).map(drop).unwrap_err(),
            radius_all(&classifier, &data, &question(values), 0.01, &budget).map(drop).unwrap_err(),
        ] {
            assert!(matches!(error, ProveError::Outside { row: found, .. } if found == row), "{error}");
            assert!(error.to_string().contains(&format!("row {}", row + 1)), "{error}");
        }
    }
    // A feature that does not move may have any value.
    let near = Neighbourhood { norm: Norm::Linf, radius: 0.1, moves: vec![true, false], values: Some((0.0, 1.0)) };
    let Shape::Box { lower, upper } = near.around(&[0.95, 1.5], 0.1).unwrap() else { panic!("a box") };
    assert!(lower[0] < 0.851 && upper[0] == 1.0 && (lower[1], upper[1]) == (1.5, 1.5));
}

#[test]
fn a_range_is_clipped_as_it_is_deployed_and_its_theorems_are_about_outputs() {
    // x, between -2 and 2.
    let mut model = model(1, line(&[(1.0, 0.0, 1.0), (-1.0, 0.0, -1.0)]), 0.0, 1.0);
    model.output_range = Some(OutputRange::new(-1.0, 0.7).unwrap());
    let single = f64::from(0.7f32);
    assert!(single < 0.7);
    let ends = |deployed| {
        let bounds = output_bounds(&model, cube(1, 2.0), 1e-6, deployed, &Budget::default()).unwrap();
        let ends = bounds.into_iter().next().unwrap();
        for end in [&ends.low, &ends.high] {
            let theorem = end.theorem.as_ref().unwrap();
            assert!(Prover::new(&model).unwrap().check(theorem).unwrap() < -1.9, "before clipping");
        }
        (ends.low.bound, ends.high.bound)
    };
    assert_eq!(ends(Deployed::F64), (-1.0, 0.7));
    assert_eq!(ends(Deployed::F32), (-1.0, 0.7));
    model.output_range = Some(OutputRange::new(0.7, 1.0).unwrap());
    let low = |deployed| output_bounds(&model, cube(1, 0.1), 1e-6, deployed, &Budget::default()).unwrap()[0].low.bound;
    assert_eq!((low(Deployed::F64), low(Deployed::F32)), (0.7, single), "f32 clips to another number");

    // A property between the two ends holds of no clipped output in f64, and of some in f32.
    let property = Property::parse(
        "(declare-const X_0 Real)(declare-const Y_0 Real)
        (assert (and (<= X_0 0.1) (>= X_0 -0.1) (<= Y_0 0.69999999)))",
    )
    .unwrap();
    let prover = Prover::new(&model).unwrap();
    let evaluate = |x: &[f64]| Some(vec![x[0].clamp(0.7, 1.0)]);
    let decision =
        |deployed| decide(&prover, &property, &evaluate, model.output_range, deployed, &Budget::default()).unwrap();
    assert_eq!(decision(Deployed::F64), Decision::Unsat(Vec::new()));
    assert_eq!(decision(Deployed::F32), Decision::Unknown);
}

#[test]
fn models_that_clip_differently_are_not_compared() {
    let first = model(1, line(&[(1.0, 0.0, 1.0)]), 0.0, 1.0);
    let mut second = first.clone();
    second.output_range = Some(OutputRange::new(0.0, 0.5).unwrap());
    let error = Prover::of_difference(&first, &second).map(drop).unwrap_err();
    assert!(error.to_string().contains("clip"), "{error}");
    assert!(same_as(&first, &second, cube(1, 1.0), 0.1, Deployed::F64, &Budget::default()).is_err());
    assert!(difference_bounds(&first, &second, cube(1, 1.0), 0.1, Deployed::F64, &Budget::default()).is_err());
}

/// An evaluation in f32, forwards or backwards.
fn in_f32(model: &Model, x: &[f64], is_backwards: bool) -> f64 {
    let (network, d) = (&model.network, x.len());
    let z = |k: usize| (x[k] as f32 - model.transform.offset[k] as f32) / model.transform.scale[k] as f32;
    let order = |n: usize| (0..n).map(move |k| if is_backwards { n - 1 - k } else { k });
    let hidden = |j: usize| {
        let column = network.w1.col(j);
        order(d).fold(column[d] as f32, |sum, k| sum + column[k] as f32 * z(k)).max(0.0)
    };
    let terms = order(network.n_neurons());
    f64::from(terms.fold(network.output_bias[0] as f32, |sum, j| sum + network.w2[(j, 0)] as f32 * hidden(j)))
}

/// The network of `first` on other offsets and scales: the same function but for rounding.
fn moved(first: &Model, offset: f64, scale: f64) -> Model {
    let (mut second, d) = (first.clone(), first.transform.n_inputs());
    for j in 0..first.network.n_neurons() {
        let column = second.network.w1.col_mut(j);
        for k in 0..d {
            let per_unit = column[k] / first.transform.scale[k];
            column[d] += per_unit * (offset - first.transform.offset[k]);
            column[k] = per_unit * scale;
        }
    }
    second.transform.offset.fill(offset);
    second.transform.scale.fill(scale);
    second
}

#[test]
fn a_difference_in_f32_has_the_errors_of_both_offsets() {
    // Subtracting 1000 loses 3e-5 of an input; the difference of the functions themselves is 1e-13.
    let first = model(4, network(4, 6, 1, false, 21), 0.0, 1.0);
    for (offset, scale) in [(1000.0, 1.0), (-300.0, 7.0)] {
        let second = moved(&first, offset, scale);
        let bounds = |deployed| {
            let bounds = difference_bounds(&first, &second, cube(4, 1.0), 1e-2, deployed, &Budget::default()).unwrap();
            (bounds[0].low.bound, bounds[0].high.bound)
        };
        let ((low, high), (exact_low, exact_high)) = (bounds(Deployed::F32), bounds(Deployed::Exact));
        assert!(exact_high - exact_low < 1e-3 * (high - low), "{exact_low} {exact_high}");
        let (mut next, mut largest) = (numbers(7), 0f64);
        for is_backwards in [false, true] {
            for _ in 0..2000 {
                let x: Vec<f64> = (0..4).map(|_| f64::from(next() as f32)).collect();
                let difference = in_f32(&first, &x, is_backwards) - in_f32(&second, &x, is_backwards);
                assert!(low < difference && difference < high, "{low} {difference} {high}");
                largest = largest.max(difference.abs());
            }
        }
        assert!(largest > 1e-6, "nothing to overlook: {largest}");
    }
}

#[test]
fn merged_neurons_of_two_scalings_are_bounded_in_rational_arithmetic() {
    let first = model(3, network(3, 8, 1, false, 22), 0.1, 1.7);
    for (offset, scale) in [(0.3, 0.7), (-1000.1, 3.3), (0.1, 0.013)] {
        let second = moved(&first, offset, scale);
        let bounds =
            difference_bounds(&first, &second, cube(3, 1.0), 1e-2, Deployed::Exact, &Budget::default()).unwrap();
        let (low, high) = (exact(bounds[0].low.bound), exact(bounds[0].high.bound));
        let mut next = numbers(3);
        for _ in 0..300 {
            let x: Vec<f64> = (0..3).map(|_| next()).collect();
            let difference = exact_value(&first, &[1.0], 0.0, &x) - exact_value(&second, &[1.0], 0.0, &x);
            assert!(low < difference && difference < high);
        }
    }
}

/// Without an offset, a row on another scale may round to the bits of a row of the first network. Between their two
/// hyperplanes one neuron is on and the other is not.
#[test]
fn gates_of_two_scalings_that_round_to_one_are_two() {
    let (mut next, folded) = (numbers(31), |w: f64| w * 3.0 / 0.7);
    for _ in 0..20 {
        let gate = [next(), next(), 0.0];
        let network = |gate: [f64; 3]| {
            let column = |values: [f64; 3]| HostMatrix::from_vec(3, 1, values.to_vec());
            let values = column([gate[1], -gate[0], 0.0]);
            Network::new(values, HostMatrix::from_vec(1, 1, vec![1.0]), Some(column(gate)))
        };
        let (first, second) = (model(2, network(gate.map(folded)), 0.0, 3.0), model(2, network(gate), 0.0, 0.7));
        let size = |k: usize| exact(folded(gate[k])) * exact(0.7);
        if size(0) * exact(gate[1]) == size(1) * exact(gate[0]) {
            continue;
        }
        let bounds =
            difference_bounds(&first, &second, cube(2, 1.0), 1e-3, Deployed::Exact, &Budget::default()).unwrap();
        // On the line of the gate, at the edge of the square, the first value is more than |gate|/0.7.
        let jump = 0.1 * gate[0].hypot(gate[1]);
        let widest = (-bounds[0].low.bound).max(bounds[0].high.bound);
        assert!(widest > jump, "{gate:?}: {widest}, a jump of {jump}");
    }
}

#[test]
fn roundings_of_folded_weights_are_taken_off_inside() {
    let model = model(3, network(3, 8, 1, false, 23), 0.1, 1.7);
    let bound = |roundings, deployed| {
        let prover = Prover::of_network(&model.network, &model.transform, roundings).unwrap();
        let place = prover.place(cube(3, 1.0)).unwrap();
        let claim = Claim::outputs(vec![1.0], 0.0);
        prover.search(&claim, &place, Goal::Minimum(1e-9), deployed, Limits::default(), &|_| None).unwrap().bound
    };
    let cost = bound(0, Deployed::F32) - bound(20, Deployed::F32);
    assert!(cost > 40.0 * 2f64.powi(-24), "each costs two roundings in f32: {cost}");
    let of_proof = bound(0, Deployed::Exact) - bound(20, Deployed::Exact);
    assert!(of_proof < 1e-9, "and one in f64: {of_proof}");
}

#[test]
fn slopes_are_those_of_one_exact_network() {
    let first = model(2, network(2, 5, 1, false, 24), 0.1, 1.7);
    let claim = Claim::Slope { output: 0, feature: 0, sign: 1.0, tolerance: 10.0 };
    let proved = |prover: &Prover, deployed| {
        let place = prover.place(cube(2, 0.5)).unwrap();
        prover.search(&claim, &place, Goal::Positive, deployed, Limits::default(), &|_| None)
    };
    let (alone, two) = (Prover::new(&first).unwrap(), Prover::of_difference(&first, &first).unwrap());
    let rounded = Prover::of_network(&first.network, &first.transform, 1).unwrap();
    assert!(proved(&alone, Deployed::Exact).is_ok());
    for (prover, deployed) in
        [(&alone, Deployed::F64), (&alone, Deployed::F32), (&two, Deployed::Exact), (&rounded, Deployed::Exact)]
    {
        assert!(matches!(proved(prover, deployed), Err(ProveError::Unsupported { what: "monotonicity", .. })));
    }
    let theorem = |deployed| Theorem {
        claim: claim.clone(),
        shape: cube(2, 0.5).into(),
        deployed,
        threshold: 0.0,
        proof: Proof::default(),
    };
    assert!(matches!(alone.check(&theorem(Deployed::F64)), Err(ProveError::Unsupported { .. })), "of a file, too");
}

/// Whether a point is within a radius, in rational arithmetic.
fn is_within(norm: Norm, radius: f64, sample: &[f64], point: &[f64]) -> bool {
    let differences = || sample.iter().zip(point).map(|(x, y)| exact(*x) - exact(*y));
    let square = exact(radius) * exact(radius);
    match norm {
        Norm::Linf => differences().all(|difference| &difference * &difference <= square),
        Norm::L2 => differences().map(|difference| &difference * &difference).sum::<BigRational>() <= square,
    }
}

#[test]
fn a_refuting_input_is_exactly_within_the_radius() {
    let mut refuted = 0;
    for (seed, norm) in (0..60).map(|seed| (seed, if seed % 2 == 0 { Norm::Linf } else { Norm::L2 })) {
        let model = model(3, network(3, 8, 3, false, 400 + seed), 0.1, 1.7);
        let classifier = Classifier::new(&model, Deployed::F64).unwrap();
        let mut next = numbers(seed);
        let sample: Vec<f64> = (0..3).map(|_| next()).collect();
        for radius in [0.1, 0.3, 0.7] {
            let near = Neighbourhood { norm, radius, moves: vec![true; 3], values: None };
            let found = classifier.certify(&sample, None, &near, radius, &Budget::default()).unwrap();
            if let Outcome::Refuted { point, .. } = found.outcome {
                assert!(is_within(norm, radius, &sample, &point), "seed {seed}: {sample:?} {point:?}");
                refuted += 1;
            }
        }
    }
    assert!(refuted > 20, "{refuted}");
}

#[test]
fn a_trend_is_not_refuted_by_rounding() {
    // On 0 .. 1 it rises by 1e-6, and predictions are off by 1e-8. The last neuron falls where x < 0, and touches.
    let network = line(&[(0.6, 1e8, 1.0), (0.7, 1e8, 1.0), (1.299999, 2e8, -1.0), (-1.0, 0.0, 1.0)]);
    let model = model(1, network, 0.0, 1.0);
    let shape = Shape::Box { lower: vec![0.0], upper: vec![1.0] };
    let answer = monotone(&model, shape, 0, 0, 1.0, &Budget::default()).unwrap();
    assert!(!matches!(answer.outcome, Outcome::Refuted { .. }), "{answer:?}");
}

#[test]
fn a_radius_needs_a_tolerance_and_a_time_may_be_without_end() {
    let model = model(2, network(2, 6, 3, false, 25), 0.1, 1.7);
    let classifier = Classifier::new(&model, Deployed::F64).unwrap();
    let near = Neighbourhood { norm: Norm::Linf, radius: 0.01, moves: vec![true; 2], values: None };
    let radius = |tolerance, budget| classifier.radius(&[0.2, -0.1], None, &near, tolerance, 1e4, &budget);
    for tolerance in [0.0, -0.01, f64::NAN, f64::INFINITY] {
        let error = radius(tolerance, Budget::default()).unwrap_err();
        assert!(matches!(error, ProveError::Range { name: "tolerance", .. }), "{error}");
    }
    let longest = Budget { time: Some(Duration::MAX), ..Budget::default() };
    assert_eq!(longest.limits().deadline, None);
    // Finer than f64: it ends where nothing is in between.
    let found = radius(1e-300, longest).unwrap();
    assert!(found.proved > 0.0 && found.refuted.is_none_or(|refuted| refuted >= found.proved), "{found:?}");
}

#[test]
fn a_file_shares_sets_and_refuses_numbers_that_are_not_finite() {
    let ball = |radius| Arc::new(Shape::Ball { centre: vec![0.5], radius, moves: vec![true] });
    let about = |shape: &Arc<Shape>, claim: Claim| Theorem {
        claim,
        shape: Arc::clone(shape),
        deployed: Deployed::F64,
        threshold: 0.0,
        proof: Proof { tree: vec![0], ..Proof::default() },
    };
    let read = |theorems: &[Theorem]| file::from_bytes(&file::to_bytes(theorems).unwrap(), Path::new("a.proof"));
    let shape = ball(0.25);
    let claim = || Claim::outputs(vec![1.0], -0.5);
    let theorems = [about(&shape, claim()), about(&shape, claim())];
    let stored = read(&theorems).unwrap();
    assert_eq!(stored, theorems);
    assert!(Arc::ptr_eq(&stored[0].shape, &stored[1].shape));
    for radius in [f64::NAN, f64::INFINITY, -1.0] {
        assert!(read(&[about(&ball(radius), claim())]).is_err(), "{radius}");
    }
    for claim in [
        Claim::outputs(vec![f64::NAN], 0.0),
        Claim::outputs(vec![1.0], f64::INFINITY),
        Claim::Combination { outputs: vec![1.0], inputs: vec![f64::NAN], constant: 0.0 },
        Claim::Slope { output: 0, feature: 0, sign: f64::NAN, tolerance: 0.0 },
    ] {
        assert!(read(&[about(&shape, claim.clone())]).is_err(), "{claim:?}");
    }
}
