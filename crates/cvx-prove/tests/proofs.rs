//! Proofs of random networks against rational arithmetic, against plain sampling, and after damage.

mod common;

use common::{exact, exact_bound, exact_value, model, network, numbers};
use cvx_artifact::Model;
use cvx_linalg::HostMatrix;
use cvx_model::Network;
use cvx_prove::{
    Budget, Claim, Classifier, Decision, Deployed, Goal, Limits, Neighbourhood, Norm, Outcome, Property, ProveError,
    Prover, Shape, Theorem, Verdict, decide, difference_bounds, file, monotone, output_bounds, predict, same_as,
};
use num_traits::Zero;
use std::path::Path;

fn cube(d: usize, radius: f64) -> Shape {
    Shape::Box { lower: vec![-radius; d], upper: vec![radius; d] }
}

/// The theorem of the minimum of an output, and the minimum that was found.
fn least(model: &Model, shape: Shape, deployed: Deployed) -> (Theorem, f64) {
    let bounds = output_bounds(model, shape, 1e-7, deployed, &Budget::default()).unwrap();
    let low = bounds.into_iter().next().unwrap().low;
    assert!(low.theorem.is_some(), "{low:?}");
    (low.theorem.unwrap(), low.found)
}

#[test]
fn every_leaf_holds_in_rational_arithmetic_and_the_bound_is_tight() {
    for (d, m, is_gated, seed) in
        [(1, 4, false, 1), (2, 9, false, 2), (5, 14, false, 3), (8, 12, false, 4), (2, 5, true, 5), (4, 7, true, 6)]
    {
        let model = model(d, network(d, m, 1, is_gated, seed), 0.1, 1.7);
        let (theorem, found) = least(&model, cube(d, 0.9), Deployed::Exact);
        assert!(exact_bound(&model, &theorem) >= exact(theorem.threshold), "{d} {m} {is_gated}");
        assert!(theorem.threshold <= found && found - theorem.threshold < 1e-5, "{d} {m}: {theorem:?} {found}");
        let mut next = numbers(seed);
        for _ in 0..300 {
            let x: Vec<f64> = (0..d).map(|_| 0.9 * next()).collect();
            assert!(exact_value(&model, &[1.0], 0.0, &x) > exact(theorem.threshold));
        }
    }
}

/// A network whose margin over zero dips to exactly `dip` below or above zero at one corner of the cube.
#[test]
fn planted_counterexamples_at_tiny_margins_are_never_proved_away() {
    for seed in 0..12 {
        let (d, m) = (2 + seed as usize % 4, 6 + seed as usize);
        let mut planted = model(d, network(d, m, 1, false, 100 + seed), 0.1, 1.7);
        let (theorem, found) = least(&planted, cube(d, 0.5), Deployed::F64);
        let bias = planted.network.output_bias[0];
        let prove = |model: &Model| {
            let prover = Prover::new(model).unwrap();
            let place = prover.place(cube(d, 0.5)).unwrap();
            let replay = |y: &[f64]| {
                let point = place.point(y);
                (predict(model, &point).unwrap()[0] <= 0.0).then_some(point)
            };
            let claim = Claim::outputs(vec![1.0], 0.0);
            prover.search(&claim, &place, Goal::Positive, Deployed::F64, Limits::default(), &replay).unwrap().verdict
        };
        // The true minimum is between the two.
        planted.network.output_bias[0] = bias - found - 1e-9;
        match prove(&planted) {
            Verdict::Refuted(point) => assert!(predict(&planted, &point).unwrap()[0] <= 0.0),
            other => panic!("seed {seed}: a point exists, but {other:?}"),
        }
        planted.network.output_bias[0] = bias - theorem.threshold + 1e-9;
        match prove(&planted) {
            Verdict::Proved(proof) => {
                let claim = Claim::outputs(vec![1.0], 0.0);
                let theorem =
                    Theorem { claim, shape: cube(d, 0.5).into(), deployed: Deployed::F64, threshold: 0.0, proof };
                assert!(exact_bound(&planted, &theorem) > Zero::zero());
            }
            other => panic!("seed {seed}: it is above zero, but {other:?}"),
        }
    }
}

#[test]
fn a_claim_about_rounded_arithmetic_takes_its_errors_off() {
    let model = model(4, network(4, 10, 1, false, 8), 0.1, 1.7);
    let thresholds = [Deployed::Exact, Deployed::F64, Deployed::F32]
        .map(|deployed| least(&model, cube(4, 0.5), deployed).0.threshold);
    assert!(thresholds[0] > thresholds[2] && thresholds[1] > thresholds[2] + 1e-7, "{thresholds:?}");
    // Every evaluation in f32 is above the bound, forwards and backwards.
    let (mut next, network) = (numbers(3), &model.network);
    for _ in 0..500 {
        let x: Vec<f32> = (0..4).map(|_| if next() > 0.0 { 0.5f32 } else { -0.5 }).collect();
        let z: Vec<f32> = x.iter().map(|x| (x - 0.1f64 as f32) / 1.7f64 as f32).collect();
        for is_backwards in [false, true] {
            let order = |n: usize| (0..n).map(move |k| if is_backwards { n - 1 - k } else { k });
            let hidden = |j: usize| {
                let column = network.w1.col(j);
                order(4).fold(column[4] as f32, |sum, k| sum + column[k] as f32 * z[k]).max(0.0)
            };
            let f = order(10).fold(network.output_bias[0] as f32, |sum, j| sum + network.w2[(j, 0)] as f32 * hidden(j));
            assert!(f64::from(f) > thresholds[2]);
        }
    }
}

#[test]
fn balls_lie_in_their_boxes_and_hold() {
    for (d, m, is_gated) in [(2, 8, false), (6, 12, false), (3, 5, true)] {
        let model = model(d, network(d, m, 1, is_gated, 30 + d as u64), 0.1, 1.7);
        let ball = Shape::around(&vec![0.1; d], Norm::L2, 0.4, &vec![true; d]).unwrap();
        let (of_ball, found) = least(&model, ball.clone(), Deployed::F64);
        let (of_box, _) =
            least(&model, Shape::around(&vec![0.1; d], Norm::Linf, 0.4, &vec![true; d]).unwrap(), Deployed::F64);
        assert!(
            of_ball.threshold >= of_box.threshold - 1e-6 && found - of_ball.threshold < 1e-4,
            "{found} {}",
            of_ball.threshold
        );
        let (mut next, mut least) = (numbers(9), f64::INFINITY);
        for _ in 0..4000 {
            let y: Vec<f64> = (0..d).map(|_| next()).collect();
            let norm = y.iter().map(|y| y * y).sum::<f64>().sqrt();
            let point = ball.point(&y.iter().map(|y| y / norm).collect::<Vec<_>>());
            least = least.min(predict(&model, &point).unwrap()[0]);
        }
        assert!(least > of_ball.threshold);
    }
}

#[test]
fn a_damaged_proof_is_rejected_and_a_whole_one_is_not() {
    let model = model(3, network(3, 12, 1, false, 40), 0.1, 1.7);
    let prover = Prover::new(&model).unwrap();
    let (theorem, _) = least(&model, cube(3, 0.9), Deployed::F64);
    assert!(theorem.proof.leaves() > 3, "the damage needs something to hit");
    let bytes = file::to_bytes(std::slice::from_ref(&theorem)).unwrap();
    let read = file::from_bytes(&bytes, Path::new("a.proof")).unwrap();
    assert_eq!(read, std::slice::from_ref(&theorem));
    assert!(prover.check(&read[0]).unwrap() >= theorem.threshold);
    let mut damaged = Vec::new();
    let mut damage = |what: &'static str, change: &dyn Fn(&mut Theorem)| {
        let mut other = theorem.clone();
        change(&mut other);
        damaged.push((what, other));
    };
    let least_leaf = |theorem: &Theorem| (0..theorem.proof.leaves()).collect::<Vec<_>>();
    for leaf in least_leaf(&theorem) {
        damage("coefficients", &|theorem| {
            let n = theorem.proof.rows.len();
            theorem.proof.coefficients[leaf * n..(leaf + 1) * n].iter_mut().for_each(|c| *c += 0.7);
        });
    }
    damage("claim", &|theorem| theorem.threshold += 1e-3);
    damage("claim", &|theorem| theorem.claim = Claim::outputs(vec![-1.0], 0.0));
    damage("constant", &|theorem| theorem.claim = Claim::outputs(vec![1.0], -1e-3));
    damage("box", &|theorem| theorem.shape = cube(3, 0.91).into());
    damage("split", &|theorem| {
        let at = theorem.proof.tree.iter().position(|step| *step > 0).unwrap();
        theorem.proof.tree[at] = if theorem.proof.tree[at] == 1 { 2 } else { 1 };
    });
    damage("no leaf", &|theorem| theorem.proof.tree.pop().map(drop).unwrap_or_default());
    damage("two trees", &|theorem| theorem.proof.tree.push(0));
    damage("a switch that is not there", &|theorem| theorem.proof.tree[0] = 99);
    damage("a row that is not there", &|theorem| theorem.proof.rows[0] = 99);
    damage("nothing but a leaf", &|theorem| {
        theorem.proof.tree = vec![0];
        theorem.proof.coefficients.truncate(theorem.proof.rows.len());
    });
    damage("not a number", &|theorem| theorem.proof.coefficients[0] = f64::NAN);
    damage("infinite", &|theorem| theorem.proof.coefficients[0] = f64::INFINITY);
    damage("huge", &|theorem| theorem.proof.coefficients[0] = 1e308);
    damage("defaults", &|theorem| theorem.proof.on.iter_mut().for_each(|on| *on = !*on));
    for (what, other) in damaged {
        // Coefficients of an empty leaf may be anything: what is accepted has to hold.
        if prover.check(&other).is_ok() {
            assert!(["coefficients", "defaults", "split"].contains(&what), "{what}");
            assert!(exact_bound(&model, &other) >= exact(other.threshold), "{what}");
        }
    }
    for at in (0..bytes.len()).step_by(61) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 4;
        assert!(file::from_bytes(&flipped, Path::new("a.proof")).is_err());
    }
}

#[test]
fn trends_are_proved_or_refuted_by_two_inputs() {
    let weights = |values: &[f64]| HostMatrix::from_vec(3, values.len() / 3, values.to_vec());
    // Neurons in x, y and 1: x rises as long as 2 (x + y)_+ is on, which outweighs -(x)_+.
    let w1 = weights(&[1.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
    let model = model(2, Network::new(w1, HostMatrix::from_vec(2, 1, vec![2.0, -1.0]), None), 0.0, 1.0);
    let on = |lower: [f64; 2], upper: [f64; 2], feature, sign| {
        let shape = Shape::Box { lower: lower.to_vec(), upper: upper.to_vec() };
        monotone(&model, shape, 0, feature, sign, &Budget::default()).unwrap()
    };
    let prover = Prover::new(&model).unwrap();
    let rising = on([-1.0, 0.01], [1.0, 1.0], 0, 1.0);
    assert_eq!(rising.outcome, Outcome::Proved, "where y > 0, x > 0 has both on");
    rising.theorems.iter().for_each(|theorem| assert!(prover.check(theorem).is_ok()));
    let Outcome::Refuted { point, other: Some(other) } = on([-1.0, -1.0], [1.0, 1.0], 0, 1.0).outcome else {
        panic!("x > 0 and x + y < 0: it falls")
    };
    let (first, second) = (predict(&model, &point).unwrap()[0], predict(&model, &other).unwrap()[0]);
    assert!((second - first) * (other[0] - point[0]) < 0.0 && other[1] == point[1]);
    assert_eq!(on([-1.0, -1.0], [1.0, 1.0], 1, 1.0).outcome, Outcome::Proved, "y only rises");
    assert!(matches!(on([-1.0, -1.0], [1.0, 1.0], 1, -1.0).outcome, Outcome::Refuted { .. }));
    assert_eq!(on([-1.0, -1.0], [-0.5, 0.25], 0, -1.0).outcome, Outcome::Proved, "flat is both");
}

#[test]
fn trends_of_random_networks_agree_with_their_pieces() {
    let mut proved = 0;
    for seed in 0..40 {
        let model = model(2, network(2, 5, 1, false, 500 + seed), 0.1, -1.7);
        let answer = monotone(&model, cube(2, 0.25), 0, 1, 1.0, &Budget::default()).unwrap();
        let mut next = numbers(seed);
        let falls = (0..3000).any(|_| {
            let (x, y) = (0.25 * next(), 0.249 * next());
            let change = predict(&model, &[x, y + 1e-4]).unwrap()[0] - predict(&model, &[x, y]).unwrap()[0];
            change < -1e-9
        });
        match answer.outcome {
            Outcome::Proved => {
                assert!(!falls, "seed {seed}");
                proved += 1;
            }
            Outcome::Refuted { .. } => {}
            other => panic!("seed {seed}: {other:?}"),
        }
    }
    assert!(proved > 3, "{proved}");
}

#[test]
fn models_that_are_almost_the_same_are_proved_to_be() {
    let first = model(6, network(6, 30, 2, false, 60), 0.1, 1.7);
    let mut second = first.clone();
    second.network.w1.values_mut().iter_mut().for_each(|w| *w = f64::from(*w as f32));
    second.network.w2.values_mut().iter_mut().for_each(|w| *w = f64::from(*w as f32));
    let shape = || cube(6, 1.0);
    let answer = same_as(&first, &second, shape(), 1e-4, Deployed::F64, &Budget::default()).unwrap();
    assert_eq!((answer.outcome, answer.nodes), (Outcome::Proved, 4));
    let prover = Prover::of_difference(&first, &second).unwrap();
    answer.theorems.iter().for_each(|theorem| assert!(prover.check(theorem).is_ok()));
    // Another scaling of the same function.
    second.transform.offset.fill(-0.2);
    second.transform.scale.fill(3.4);
    for j in 0..30 {
        let column = second.network.w1.col_mut(j);
        column[6] += column[..6].iter().map(|w| w * -0.3 / 1.7).sum::<f64>();
        column[..6].iter_mut().for_each(|w| *w *= 2.0);
    }
    let answer = same_as(&first, &second, shape(), 1e-4, Deployed::F64, &Budget::default()).unwrap();
    assert_eq!(answer.outcome, Outcome::Proved);
    second.network.w2[(0, 1)] += 0.05;
    let answer = same_as(&first, &second, shape(), 1e-4, Deployed::F64, &Budget::default()).unwrap();
    let Outcome::Refuted { point, .. } = answer.outcome else { panic!("{:?}", answer.outcome) };
    assert!((predict(&first, &point).unwrap()[1] - predict(&second, &point).unwrap()[1]).abs() >= 1e-4);
}

#[test]
fn the_difference_of_unlike_models_is_bounded() {
    let (first, second) =
        (model(3, network(3, 6, 1, false, 70), 0.1, 1.7), model(3, network(3, 4, 1, true, 71), -0.2, 0.9));
    let bounds = difference_bounds(&first, &second, cube(3, 0.6), 1e-6, Deployed::F64, &Budget::default()).unwrap();
    let (low, high) = (&bounds[0].low, &bounds[0].high);
    let mut next = numbers(5);
    for _ in 0..2000 {
        let x: Vec<f64> = (0..3).map(|_| 0.6 * next()).collect();
        let difference = predict(&first, &x).unwrap()[0] - predict(&second, &x).unwrap()[0];
        assert!(low.bound < difference && difference < high.bound);
    }
    assert!(low.theorem.is_some() && high.theorem.is_some() && high.bound - high.found < 1e-3, "{low:?} {high:?}");
}

#[test]
fn every_class_is_compared_and_every_answer_is_checked_by_sampling() {
    let (mut proved, mut refuted) = (0, 0);
    for (seed, is_gated) in (0..14).map(|seed| (seed, seed % 3 == 2)) {
        let model = model(3, network(3, 10, 4, is_gated, 200 + seed), 0.1, 1.7);
        let classifier = Classifier::new(&model, Deployed::F64).unwrap();
        let prover = Prover::new(&model).unwrap();
        let mut next = numbers(seed);
        for radius in [0.05, 0.2, 0.6] {
            let sample: Vec<f64> = (0..3).map(|_| next()).collect();
            let near = Neighbourhood { norm: Norm::Linf, radius, moves: vec![true, true, seed % 2 == 0], values: None };
            let found = classifier.certify(&sample, None, &near, radius, &Budget::default()).unwrap();
            let class_at = |x: &[f64]| model.task.class_of(&predict(&model, x).unwrap()).unwrap();
            match found.outcome {
                Outcome::Proved => {
                    proved += 1;
                    assert_eq!(found.theorems.len(), 3);
                    for theorem in &found.theorems {
                        prover.check(theorem).unwrap();
                    }
                    for _ in 0..400 {
                        let step = |(x, moves): (&f64, &bool)| if *moves { x + radius * next() } else { *x };
                        let x: Vec<f64> = sample.iter().zip(&near.moves).map(step).collect();
                        assert_eq!(class_at(&x), found.class);
                    }
                }
                Outcome::Refuted { point, .. } => {
                    refuted += 1;
                    assert_ne!(class_at(&point), found.class);
                    let distance = point.iter().zip(&sample).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                    assert!(distance <= radius && (near.moves[2] || point[2] == sample[2]));
                }
                // A gate may be on its boundary.
                Outcome::Open { .. } => assert!(is_gated, "seed {seed}"),
            }
            assert!(
                classifier.certify(&sample, Some(found.class + 1), &near, 0.0, &Budget::default()).unwrap().outcome
                    != Outcome::Proved
            );
        }
    }
    assert!(proved > 5 && refuted > 5, "{proved} {refuted}");
}

#[test]
fn properties_of_several_constraints_agree_with_a_grid() {
    let head = "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)(declare-const Y_1 Real)
        (assert (and (<= X_0 1) (>= X_0 -1) (<= X_1 1) (>= X_1 -1)))";
    let grid = |k: usize| -1.0 + 0.05 * k as f64;
    let (mut sat, mut unsat) = (0, 0);
    for seed in 0..16 {
        let model = model(2, network(2, 7, 2, false, 300 + seed), 0.1, 1.7);
        let shift = (seed % 4) as f64 * 0.25;
        let property = format!(
            "{head}(assert (or (and (<= Y_0 -{shift}) (<= Y_1 -{shift})) (and (>= Y_0 (+ Y_1 2)) (<= X_0 X_1))))"
        );
        let property = Property::parse(&property).unwrap();
        let evaluate = |x: &[f64]| predict(&model, x).ok();
        let prover = Prover::new(&model).unwrap();
        let holds = |x: &[f64], y: &[f64]| (y[0] <= -shift && y[1] <= -shift) || (y[0] >= y[1] + 2.0 && x[0] <= x[1]);
        match decide(&prover, &property, &evaluate, None, Deployed::F64, &Budget::default()).unwrap() {
            Decision::Sat { input, outputs } => {
                assert!(holds(&input, &outputs) && outputs == predict(&model, &input).unwrap());
                sat += 1;
            }
            Decision::Unsat(theorems) => {
                for (i, j) in (0..=40).flat_map(|i| (0..=40).map(move |j| (i, j))) {
                    let x = [grid(i), grid(j)];
                    assert!(!holds(&x, &predict(&model, &x).unwrap()), "seed {seed}: {x:?}");
                }
                theorems.iter().for_each(|theorem| assert!(prover.check(theorem).is_ok()));
                unsat += 1;
            }
            other => panic!("seed {seed}: {other:?}"),
        }
    }
    assert!(sat > 2 && unsat > 2, "{sat} {unsat}");
    let prover = Prover::new(&model(2, network(2, 3, 1, false, 1), 0.0, 1.0)).unwrap();
    let property = Property::parse(head).unwrap();
    assert!(decide(&prover, &property, &|_| None, None, Deployed::F64, &Budget::default()).is_err(), "two outputs");
}

#[test]
fn limits_leave_a_question_open_with_a_bound() {
    let model = model(6, network(6, 40, 1, false, 90), 0.1, 1.7);
    let answer = |budget| {
        let bounds = output_bounds(&model, cube(6, 1.0), 1e-9, Deployed::F64, &budget).unwrap();
        bounds.into_iter().next().unwrap().low
    };
    let few = answer(Budget { nodes: 3, time: None });
    assert!(few.theorem.is_none() && few.bound < few.found && few.nodes <= 16, "{few:?}");
    let late = answer(Budget { nodes: 1_000_000, time: Some(std::time::Duration::ZERO) });
    assert!(late.theorem.is_none() && late.nodes == 0);
}

#[test]
fn models_that_cannot_be_covered_are_refused() {
    let (ok, gated) = (model(2, network(2, 3, 1, false, 1), 0.0, 1.0), model(2, network(2, 3, 1, true, 1), 0.0, 1.0));
    let mut infinite = ok.clone();
    infinite.network.w1[(0, 0)] = f64::INFINITY;
    assert!(matches!(Prover::new(&infinite), Err(ProveError::Unsupported { .. })));
    let trend = monotone(&gated, cube(2, 1.0), 0, 0, 1.0, &Budget::default());
    assert!(matches!(trend, Err(ProveError::Unsupported { what: "monotonicity", .. })));
    let other = model(3, network(3, 3, 1, false, 1), 0.0, 1.0);
    assert!(matches!(
        same_as(&ok, &other, cube(2, 1.0), 0.1, Deployed::F64, &Budget::default()),
        Err(ProveError::Shape { .. })
    ));
    let prover = Prover::new(&ok).unwrap();
    for shape in [cube(3, 1.0), cube(2, f64::NAN), cube(2, f64::INFINITY), cube(2, -1.0)] {
        assert!(prover.place(shape).is_err());
    }
}
