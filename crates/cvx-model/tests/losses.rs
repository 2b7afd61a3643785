//! Losses over all samples: weak duality, closed forms against searches, the zero network.

mod common;

use common::{Random, case, dot};
use cvx_linalg::{Backend, Cpu, HostMatrix};
use cvx_model::Multipliers;
use cvx_model::{Certificate, EntryLoss, Loss, LossForm, ModelError, ProgramError, WeightedLoss, beta_max};
use proptest::prelude::*;

fn losses() -> impl Strategy<Value = Loss> {
    prop_oneof![
        Just(Loss::Squared),
        Just(Loss::Logistic),
        Just(Loss::SquaredHinge),
        (0.05..3.0).prop_map(|delta| Loss::Huber { delta }),
        Just(Loss::Multinomial),
    ]
}

/// The losses of one number.
fn entry_losses() -> impl Strategy<Value = (Loss, EntryLoss)> {
    losses().prop_filter_map("a loss of rows", |loss| match loss.form() {
        LossForm::Entry(entry) => Some((loss, entry)),
        LossForm::Row(_) => None,
    })
}

/// Targets that fit the loss: numbers, their signs, or +1 at the largest of a row.
fn fitting(loss: Loss, y: &HostMatrix) -> HostMatrix {
    let largest = |a: usize| (0..y.cols()).fold(0, |best, c| if y[(a, c)] > y[(a, best)] { c } else { best });
    HostMatrix::from_fn(y.rows(), y.cols(), |a, c| match loss.form() {
        LossForm::Row(_) => {
            if c == largest(a) {
                1.0
            } else {
                -1.0
            }
        }
        LossForm::Entry(_) if loss.needs_classes() => y[(a, c)].signum(),
        LossForm::Entry(_) => y[(a, c)],
    })
}

/// Between 1/4 and 4.
fn weights(n: usize, random: &mut Random) -> Vec<f64> {
    (0..n).map(|_| 4f64.powf(random.signed())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The bound of any xi and any eta >= 0 lies below the objective of any feasible point.
    #[test]
    fn no_bound_exceeds_a_feasible_objective(
        loss in losses(), weighted: bool, output_bias: bool, seed in 0u64..1000, exponent in -3.0..2.0,
        near in 0.0..1.0
    ) {
        let mut random = Random(seed);
        let mut case = case(Cpu::<f64>::new(), [12, 3, 5, 2], [2.0, 1.5], 10f64.powf(exponent), &mut random);
        if loss.needs_classes() {
            let y = fitting(loss, &case.y);
            let gates = case.patterns().gates().clone();
            case.program =
                cvx_model::ConvexProgram::new(Cpu::new(), &case.xt, y.clone(), &gates, case.program.beta()).unwrap();
            case.y = y;
        }
        let weights = weighted.then(|| weights(12, &mut random));
        let weighted = WeightedLoss::new(loss, weights).unwrap().with_output_bias(output_bias);
        case.program.set_loss(weighted).unwrap();
        let (cpu, program) = (Cpu::<f64>::new(), &case.program);
        let mut certificate = Certificate::new(program).unwrap();
        let mut lowest = program.zero_objective();
        for scale in [0.01, 0.1, 1.0] {
            let v = case.feasible(scale, &mut random);
            let norms: f64 = (0..v.cols()).map(|block| dot(v.col(block), v.col(block)).sqrt()).sum();
            // Any output bias will do.
            let b = if output_bias { [2.0 * random.signed(), 0.5 * random.signed()] } else { [0.0; 2] };
            let f = case.prediction(&v);
            let f = HostMatrix::from_fn(12, 2, |a, c| f[(a, c)] + b[c]);
            let value = program.loss().total(&f, &case.y) + program.beta() * norms;
            let best = certificate.feasible_point(&cpu.upload(&v).unwrap()).unwrap().objective;
            prop_assert!(best <= value * (1.0 + 1e-9) && best <= program.zero_objective() * (1.0 + 1e-9));
            lowest = lowest.min(best);
        }
        let xi_at_zero = program.xi_at_zero();
        for scale in [0.0, 0.1, 1.0, 10.0] {
            // Random, or a little off the xi of the zero network.
            let xi = HostMatrix::from_fn(12, 2, |a, c| near * xi_at_zero[(a, c)] + scale * random.signed());
            let multipliers = HostMatrix::from_fn(12, program.n_blocks(), |a, block| {
                case.sign(a, block) * (0.3 * scale * random.signed()).max(0.0)
            });
            let residual = HostMatrix::from_fn(12, 2, |a, c| -xi[(a, c)]);
            let (residual, multipliers) = (cpu.upload(&residual).unwrap(), cpu.upload(&multipliers).unwrap());
            let bound = certificate.dual(&residual, Multipliers::Signed(&multipliers)).unwrap().value;
            prop_assert!((0.0..=lowest * (1.0 + 1e-12)).contains(&bound), "{} above {}", bound, lowest);
        }
    }

    /// The search finds what the closed forms of the squared loss say, which unit weights keep from being used.
    #[test]
    fn searches_find_the_closed_forms(seed in 0u64..1000, limit in 0.0..3.0, decay in 0.0..5.0) {
        let mut random = Random(seed);
        let (xi, y) = (random.matrix(9, 1, 1.0), random.matrix(9, 1, 2.0));
        let closed = WeightedLoss::default();
        let searched = WeightedLoss::new(Loss::Squared, Some(vec![1.0; 9])).unwrap();
        prop_assert!(closed.is_plain() && !searched.is_plain());
        for limit in [limit, f64::INFINITY] {
            let [a, b] = [&closed, &searched].map(|loss| loss.bound(&xi, &y, &[limit]).total);
            prop_assert!((a - b).abs() <= 1e-12 * (1.0 + a), "{} {}", a, b);
        }
        let value = |loss: &WeightedLoss| {
            let (t, value) = loss.best_multiples(&xi, &y, &[decay]);
            value.total + t[0] * decay
        };
        prop_assert!((value(&closed) - value(&searched)).abs() <= 1e-12 * (1.0 + value(&closed)));
    }

    /// No t of a fine grid gives a higher bound or a lower objective.
    #[test]
    fn no_multiple_is_better((loss, entry) in entry_losses(), seed in 0u64..1000, limit in 0.1..3.0, decay in 0.01..3.0) {
        let mut random = Random(seed);
        let (n, y) = (7, random.matrix(7, 1, 2.0));
        let y = fitting(loss, &y);
        let omega = weights(n, &mut random);
        let weighted = WeightedLoss::new(loss, Some(omega.clone())).unwrap();
        let mut xi = random.matrix(n, 1, 3.0);
        weighted.clip(&mut xi, &y);
        let bound = weighted.bound(&xi, &y, &[limit]).total;
        let f = random.matrix(n, 1, 2.0);
        let (t, loss_there) = weighted.best_multiples(&f, &y, &[decay]);
        let t = t[0];
        for step in 0..=300 {
            let t = limit * f64::from(step) / 300.0;
            let value: f64 =
                (0..n).map(|a| -omega[a] * entry.conjugate(-t * xi[(a, 0)] / omega[a], y[(a, 0)])).sum();
            prop_assert!(value <= bound + 1e-10 * (1.0 + bound), "{} above {}", value, bound);
        }
        for step in 0..=300 {
            let other = 3.0 * f64::from(step) / 300.0;
            let value: f64 = (0..n).map(|a| omega[a] * entry.value(other * f[(a, 0)], y[(a, 0)])).sum();
            prop_assert!(loss_there.total + t * decay <= (value + other * decay) * (1.0 + 1e-10));
        }
    }
}

/// From the gated beta_max on, which bounds the exact one, zero is optimal: the bound is its objective.
#[test]
fn the_bound_of_the_zero_network_is_its_objective() {
    let losses = [Loss::Squared, Loss::Logistic, Loss::SquaredHinge, Loss::Huber { delta: 0.4 }, Loss::Multinomial];
    for (loss, output_bias) in losses.into_iter().flat_map(|loss| [(loss, false), (loss, true)]) {
        let mut random = Random(3);
        let mut case = case(Cpu::<f64>::new(), [15, 3, 6, 2], [2.0, 1.5], 1.0, &mut random);
        if loss.needs_classes() {
            let y = fitting(loss, &case.y);
            let gates = case.patterns().gates().clone();
            case.program = cvx_model::ConvexProgram::new(Cpu::new(), &case.xt, y, &gates, 1.0).unwrap();
        }
        let weights = weights(15, &mut random);
        let weighted = WeightedLoss::new(loss, Some(weights)).unwrap().with_output_bias(output_bias);
        case.program.set_loss(weighted).unwrap();
        let gated = Certificate::new(&case.program).unwrap().gated_beta_max().unwrap();
        let exact = beta_max(&case.program, 1e-4).unwrap();
        assert!((exact.gated - gated).abs() <= 1e-12 * gated && exact.upper <= gated);
        case.program.set_beta(gated * (1.0 + 1e-12)).unwrap();
        let bound = Certificate::new(&case.program).unwrap().dual_at_zero().unwrap();
        let zero = case.program.zero_objective();
        assert!((bound.value - zero).abs() <= 1e-12 * zero && bound.value <= zero * (1.0 + 1e-14), "{loss:?}");
        let xi = case.program.xi_at_zero();
        let sums = (0..2).map(|c| xi.col(c).iter().sum::<f64>().abs()).fold(0.0, f64::max);
        assert!(!output_bias || sums <= 1e-12 * zero, "{loss:?}: the dual point is off the hyperplane by {sums}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// No number of a grid around the output bias is better, over eight decades of y and of the predictions.
    #[test]
    fn no_output_bias_is_better(
        loss in losses(), weighted: bool, seed in 0u64..1000, y_scale in -4.0..4.0, q_scale in -4.0..4.0
    ) {
        let (mut random, n) = (Random(seed), 11);
        let (y_scale, q_scale) = (10f64.powf(y_scale), 10f64.powf(q_scale));
        let y = random.matrix(n, 2, y_scale);
        let y = fitting(loss, &y);
        let weighted = WeightedLoss::new(loss, weighted.then(|| weights(n, &mut random))).unwrap();
        let q = random.matrix(n, 2, q_scale);
        let mut best = q.clone();
        let bias = weighted.clone().with_output_bias(true).add_bias(&mut best, &y);
        let value = weighted.total(&best, &y);
        prop_assert!(weighted.add_bias(&mut q.clone(), &y) == [0.0, 0.0], "no bias without the option");
        for exponent in -8..=8 {
            for side in [-1.0, 1.0] {
                let step = side * 10f64.powi(exponent) * (y_scale + q_scale);
                for c in 0..2 {
                    let other = |b: usize| bias[b] + if b == c { step } else { 0.0 };
                    let moved = HostMatrix::from_fn(n, 2, |a, b| q[(a, b)] + other(b));
                    let there = weighted.total(&moved, &y);
                    prop_assert!(value <= there * (1.0 + 1e-12) + 1e-13, "{}: {} above {}", step, value, there);
                }
            }
        }
    }

    /// The clipped point lies in the domain and on the hyperplane, and clipping again does not move it.
    #[test]
    fn clipping_meets_the_domain_and_the_hyperplane(
        (loss, entry) in entry_losses(), weighted: bool, seed in 0u64..1000, scale in -6.0..6.0
    ) {
        let (mut random, n) = (Random(seed), 10);
        let y = random.matrix(n, 1, 1.0);
        // Both classes occur.
        let y = HostMatrix::from_fn(n, 1, |a, _| match (loss.needs_classes(), a) {
            (true, 0) => 1.0,
            (true, 1) => -1.0,
            (true, _) => y[(a, 0)].signum(),
            _ => y[(a, 0)],
        });
        let omega = if weighted { weights(n, &mut random) } else { vec![1.0; n] };
        let weighted = WeightedLoss::new(loss, Some(omega.clone())).unwrap().with_output_bias(true);
        let mut xi = random.matrix(n, 1, 10f64.powf(scale));
        weighted.clip(&mut xi, &y);
        let total: f64 = xi.values().iter().sum();
        let size: f64 = xi.values().iter().map(|xi| xi.abs()).sum();
        prop_assert!(total.abs() <= 1e-12 * size, "{} of {}", total, size);
        for a in 0..n {
            prop_assert!(entry.conjugate(-xi[(a, 0)] / omega[a] * (1.0 - 1e-15), y[(a, 0)]).is_finite());
        }
        let mut again = xi.clone();
        weighted.clip(&mut again, &y);
        for (one, two) in xi.values().iter().zip(again.values()) {
            prop_assert!((one - two).abs() <= 1e-11 * size, "{} {}", one, two);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A row of a clipped point is a point of the simplex, the columns sum to zero, and no other such point is nearer.
    #[test]
    fn clipping_rows_meets_the_simplex_and_the_hyperplanes(
        weighted: bool, output_bias: bool, absent: bool, seed in 0u64..1000, scale in -4.0..2.0
    ) {
        let (mut random, n, count) = (Random(seed), 14, 4);
        let classes: Vec<usize> = (0..n).map(|a| if absent { a % 3 } else { (a * a + a / 3) % count }).collect();
        let y = HostMatrix::from_fn(n, count, |a, c| if classes[a] == c { 1.0 } else { -1.0 });
        let omega = if weighted { weights(n, &mut random) } else { vec![1.0; n] };
        let loss = WeightedLoss::new(Loss::Multinomial, Some(omega.clone())).unwrap().with_output_bias(output_bias);
        let given = random.matrix(n, count, 10f64.powf(scale));
        let mut xi = given.clone();
        loss.clip(&mut xi, &y);
        let norm = |xi: &HostMatrix| dot(xi.values(), xi.values()).sqrt();
        let in_place = |xi: &HostMatrix| {
            let rows = (0..n).all(|a| {
                let p = |c: usize| f64::from(u8::from(classes[a] == c)) - xi[(a, c)] / omega[a];
                (0..count).all(|c| p(c) >= -1e-14) && (0..count).map(p).sum::<f64>() - 1.0 <= 1e-13
            });
            let columns = (0..count).all(|c| xi.col(c).iter().sum::<f64>().abs() <= 1e-12 * norm(xi).max(1e-3));
            rows && (columns || !output_bias)
        };
        prop_assert!(in_place(&xi), "{:?}", xi);
        // (given - xi)'(other - xi) <= 0 characterises the projection.
        for k in 0..4 {
            let mut other = random.matrix(n, count, 3.0);
            if k == 0 { other = loss.xi_at_zero(&y) } else { loss.clip(&mut other, &y) }
            prop_assert!(in_place(&other));
            let angle: f64 = (0..xi.values().len())
                .map(|k| (given.values()[k] - xi.values()[k]) * (other.values()[k] - xi.values()[k]))
                .sum();
            prop_assert!(angle <= 1e-9 * (1.0 + dot(given.values(), given.values())), "{}: {}", k, angle);
        }
        let mut again = xi.clone();
        loss.clip(&mut again, &y);
        prop_assert!(xi.values().iter().zip(again.values()).all(|(a, b)| (a - b).abs() <= 1e-11 * (1.0 + norm(&xi))));
    }

    /// No common multiple of a grid gives a higher bound or a lower objective.
    #[test]
    fn no_multiple_of_rows_is_better(
        output_bias: bool, seed in 0u64..1000, limits in (0.1..3.0, 0.1..3.0, 0.1..3.0), decay in 0.01..3.0
    ) {
        let (mut random, n) = (Random(seed), 9);
        let y = fitting(Loss::Multinomial, &random.matrix(n, 3, 1.0));
        let omega = weights(n, &mut random);
        let loss = WeightedLoss::new(Loss::Multinomial, Some(omega.clone())).unwrap().with_output_bias(output_bias);
        let mut xi = random.matrix(n, 3, 2.0);
        loss.clip(&mut xi, &y);
        let limits = [limits.0, limits.1, limits.2];
        let bound = loss.bound(&xi, &y, &limits).total;
        let least = limits.iter().copied().fold(f64::INFINITY, f64::min);
        let entropy = |p: f64| if p > 0.0 { p * p.ln() } else { 0.0 };
        for step in 0..=200 {
            let t = least * f64::from(step) / 200.0;
            let share = |a: usize, c: usize| (1.0 + y[(a, c)]) / 2.0 - t * xi[(a, c)] / omega[a];
            if (0..n).all(|a| (0..3).all(|c| share(a, c) >= 0.0)) {
                let value: f64 =
                    (0..n).map(|a| -omega[a] * (0..3).map(|c| entropy(share(a, c))).sum::<f64>()).sum();
                prop_assert!(value <= bound + 1e-10 * (1.0 + bound), "{} above {}", value, bound);
            }
        }
        let f = random.matrix(n, 3, 2.0);
        let (t, found) = loss.best_multiples(&f, &y, &[0.0, decay, 0.0]);
        prop_assert!(t.iter().all(|other| *other == t[0]));
        for step in 0..=100 {
            let other = 3.0 * f64::from(step) / 100.0;
            let mut q = HostMatrix::from_fn(n, 3, |a, c| other * f[(a, c)]);
            loss.add_bias(&mut q, &y);
            prop_assert!(found.total + t[0] * decay <= (loss.total(&q, &y) + other * decay) * (1.0 + 1e-9));
        }
    }
}

#[test]
fn targets_of_a_loss_of_rows_are_one_hot() {
    let check = |y: HostMatrix| {
        let n = y.rows();
        let (xt, gates) = (HostMatrix::from_fn(2, n, |_, a| a as f64 - 1.0), HostMatrix::from_vec(2, 1, vec![1.0; 2]));
        let mut program = cvx_model::ConvexProgram::new(Cpu::<f64>::new(), &xt, y, &gates, 1.0).unwrap();
        program.set_loss(WeightedLoss::new(Loss::Multinomial, None).unwrap())
    };
    let one = check(HostMatrix::from_vec(3, 1, vec![1.0, -1.0, 1.0])).unwrap_err();
    assert!(matches!(one, ProgramError::Model(ModelError::TwoClasses { .. })), "{one}");
    assert!(one.to_string().contains("multinomial") && one.to_string().contains("logistic"), "{one}");
    let twice = check(HostMatrix::from_vec(2, 2, vec![1.0, -1.0, 1.0, 1.0])).unwrap_err();
    assert!(matches!(twice, ProgramError::Model(ModelError::NeedsClasses { .. })), "{twice}");
    assert!(check(HostMatrix::from_vec(2, 2, vec![1.0, -1.0, -1.0, 1.0])).is_ok());
}

/// One class alone, and predictions far away: the loss has its infimum at infinity, and the bias stays a number.
#[test]
fn an_output_bias_of_degenerate_data_is_a_number() {
    for loss in [Loss::Squared, Loss::Logistic, Loss::SquaredHinge, Loss::Huber { delta: 0.4 }] {
        let weighted = WeightedLoss::new(loss, None).unwrap().with_output_bias(true);
        for (y, q) in [(1.0, 0.0), (-1.0, 0.0), (1.0, 1e8), (1.0, -1e8), (-1.0, 1e15), (1.0, 1e-300)] {
            let y = HostMatrix::from_fn(5, 1, |_, _| y);
            let mut best = HostMatrix::from_fn(5, 1, |_, _| q);
            let bias = weighted.add_bias(&mut best, &y);
            let value = weighted.total(&best, &y);
            // A bias of 1e15 is known to 1 only.
            let small = q.abs() > 1e10 || (0.0..1e-11).contains(&value);
            assert!(bias[0].is_finite() && value.is_finite() && small, "{loss:?} {q}: {bias:?}, {value}");
            let xi = weighted.xi_at_zero(&y);
            assert!(xi.values().iter().all(|xi| xi.abs() < 1e-12), "{loss:?}: one class proves nothing: {xi:?}");
        }
    }
}

#[test]
fn what_does_not_fit_the_targets_is_refused() {
    let mut random = Random(1);
    let mut program = case(Cpu::<f64>::new(), [6, 2, 3, 1], [1.0, 100.0], 1.0, &mut random).program;
    let classes = program.set_loss(WeightedLoss::new(Loss::Logistic, None).unwrap());
    assert!(matches!(classes, Err(ProgramError::Model(ModelError::NeedsClasses { .. }))), "y is no sign");
    let short = program.set_loss(WeightedLoss::new(Loss::Squared, Some(vec![1.0; 5])).unwrap());
    assert!(matches!(short, Err(ProgramError::Model(ModelError::Shape { .. }))));
    let heavy = program.set_loss(WeightedLoss::new(Loss::Squared, Some(vec![1e308; 6])).unwrap());
    assert!(matches!(heavy, Err(ProgramError::Model(ModelError::OutOfRange { .. }))));
    let mut narrow = case(Cpu::<f32>::new(), [6, 2, 3, 1], [1.0, 100.0], 1.0, &mut random).program;
    let heavy = narrow.set_loss(WeightedLoss::new(Loss::Squared, Some(vec![1e38; 6])).unwrap());
    assert!(matches!(heavy, Err(ProgramError::Model(ModelError::NonFinite { .. }))), "more than f32 holds");
    assert!(matches!(WeightedLoss::new(Loss::Squared, Some(vec![1.0, 0.0])), Err(ModelError::Weight { row: 1, .. })));
    let delta = WeightedLoss::new(Loss::Huber { delta: f64::NAN }, None);
    assert!(matches!(delta, Err(ModelError::OutOfRange { .. })));
}
