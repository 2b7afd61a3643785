//! The certificate by target, against plain loops over the samples, the saved network and the saved multipliers.

mod common;

use common::frame::Frame;
use common::interrupted::interrupted;
use common::{Random, assert_same, dot, exact, near, norm, smooth};
use cvx_admm::{
    Beta, Certify, Checkpoint, Gates, Objective, Part, PathSettings, PathSolution, Precision, Returned, Settings,
    Solution, SolverChoice, SolverKind, StopToken, Validation, path, resume, train,
};
use cvx_model::{Activation, Dataset, FeatureKind, Labels, Loss, Network, Targets, TaskChoice};

/// Three uneven classes by a product of features.
fn classes(n: usize, seed: u64) -> Dataset {
    let x = Random(seed).vector(n * 4);
    let class = |row: &[f64]| ((row[0] + row[1] * row[2] + 1.2) * 1.4).clamp(0.0, 2.9) as u32;
    let names = ["low", "middle", "high"].map(str::to_string).to_vec();
    let labels = Labels::Names { index: x.chunks(4).map(class).collect(), names };
    Dataset::new(4, x, Some(labels), FeatureKind::Table).unwrap()
}

/// Two target columns, of which the second is a hundred times as large.
fn columns(n: usize, seed: u64) -> Dataset {
    let x = Random(seed).vector(n * 4);
    let values = x.chunks(4).flat_map(|row| [row[0].max(0.0) - row[1], 100.0 * (row[2] * row[3]).sin()]).collect();
    Dataset::new(4, x, Some(Labels::Numbers { columns: 2, values }), FeatureKind::Table).unwrap()
}

fn settings() -> Settings {
    Settings { patterns: 10, beta: Beta::Fraction(0.05), max_iterations: 60, gap: 1e-9, ..exact() }
}

/// The loss of a prediction, and its conjugate within its domain.
fn value(loss: Loss, q: f64, y: f64) -> f64 {
    match loss {
        Loss::Squared => 0.5 * (q - y).powi(2),
        Loss::Logistic => (-y * q).exp().ln_1p(),
        Loss::SquaredHinge => 0.5 * (1.0 - y * q).max(0.0).powi(2),
        Loss::Huber { delta } if (q - y).abs() <= delta => 0.5 * (q - y).powi(2),
        Loss::Huber { delta } => delta * (q - y).abs() - 0.5 * delta * delta,
        Loss::Multinomial => unreachable!("it has no value of an entry"),
    }
}

fn conjugate(loss: Loss, z: f64, y: f64) -> f64 {
    let entropy = |p: f64| if p > 0.0 { p * p.ln() } else { 0.0 };
    let p = -y * z;
    let inside = match loss {
        Loss::Logistic => (-1e-9..=1.0 + 1e-9).contains(&p),
        Loss::SquaredHinge => p >= -1e-9,
        Loss::Huber { delta } => z.abs() <= delta * (1.0 + 1e-9),
        _ => true,
    };
    match loss {
        _ if !inside => f64::INFINITY,
        Loss::Logistic => entropy(p.clamp(0.0, 1.0)) + entropy((1.0 - p).clamp(0.0, 1.0)),
        Loss::SquaredHinge => 0.5 * p * p - p,
        _ => z * y + 0.5 * z * z,
    }
}

/// The maximum of a concave function over [0, 1/ratio], by thirds.
fn highest(ratio: f64, value: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, if ratio > 0.0 { 1.0 / ratio } else { 1e3 });
    let mut best = value(low).max(value(high));
    for _ in 0..200 {
        let (left, right) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        best = best.max(value(left)).max(value(right));
        // Outside of the domain both are infinitely low.
        if value(left) < value(right) { low = left } else { high = right }
    }
    best
}

/// The certificate of each target by plain loops, with the number of its neurons, of a part with this network on
/// `data`.
fn plain(data: &Dataset, network: &Network, part: &Part, loss: Loss) -> Vec<([f64; 2], usize)> {
    let witness = part.witness.as_ref().unwrap();
    let y = Targets::new(data.labels().unwrap(), TaskChoice::Auto).unwrap().y;
    let (n, patterns, beta) = (data.n_samples(), witness.gates.cols(), part.beta);
    let x: Vec<Vec<f64>> = (0..n).map(|a| data.row(a).to_vec()).collect();
    let on = |a: usize, gate: &[f64]| dot(&x[a], gate) >= 0.0;
    let weight = |a: usize| data.weights().map_or(1.0, |weights| weights[a]);
    let of_target = |c: usize| {
        let neurons: Vec<usize> = (0..network.w1.cols()).filter(|&j| network.w2[(j, c)] != 0.0).collect();
        let output = |a: usize| {
            let active = |j: usize| {
                let inner = dot(&x[a], network.w1.col(j));
                network.gates.as_ref().map_or(inner.max(0.0), |gates| if on(a, gates.col(j)) { inner } else { 0.0 })
            };
            network.output_bias[c] + neurons.iter().map(|&j| active(j) * network.w2[(j, c)]).sum::<f64>()
        };
        let losses: f64 = (0..n).map(|a| weight(a) * value(loss, output(a), y[(a, c)])).sum();
        let decay: f64 = neurons.iter().map(|&j| norm(network.w1.col(j)).powi(2) + network.w2[(j, c)].powi(2)).sum();

        let xi = witness.xi.col(c);
        let gradient = |pattern: usize, negative: bool| {
            let column = c * 2 * patterns + if negative { patterns } else { 0 } + pattern;
            let mut sum = vec![0.0; data.n_features()];
            for a in 0..n {
                let eta = if witness.multipliers.cols() > 0 { witness.multipliers[(a, column)] } else { 0.0 };
                let active = if on(a, witness.gates.col(pattern)) { xi[a] } else { 0.0 };
                let factor = eta + if negative { -active } else { active };
                sum.iter_mut().zip(&x[a]).for_each(|(sum, x)| *sum += factor * x);
            }
            norm(&sum)
        };
        let largest = (0..patterns).flat_map(|i| [gradient(i, false), gradient(i, true)]).fold(0.0, f64::max);
        let at =
            |t: f64| -> f64 { (0..n).map(|a| -weight(a) * conjugate(loss, -t * xi[a] / weight(a), y[(a, c)])).sum() };
        ([losses + 0.5 * beta * decay, highest(largest / beta, at)], neurons.len())
    };
    (0..y.cols()).map(of_target).collect()
}

/// The certificates of the targets of a run.
fn parts(solution: &Solution) -> Vec<Objective> {
    solution.info.targets.iter().map(|target| target.objective.unwrap()).collect()
}

fn assert_sums(solution: &Solution, place: &str) {
    let (whole, parts) = (solution.objective, parts(solution));
    let sum = |value: fn(&Objective) -> f64| parts.iter().map(value).sum::<f64>();
    assert!(near(sum(|part| part.network), whole.network, 1e-13), "{place}: {parts:?} {whole:?}");
    // The bound is this sum, in this order.
    assert_eq!(sum(|part| part.dual_bound).to_bits(), whole.dual_bound.to_bits(), "{place}");
    let worst = parts.iter().map(|part| part.relative_gap).fold(0.0, f64::max);
    assert!(whole.relative_gap <= worst * (1.0 + 1e-9), "{place}: the gap of the sums is at most the largest one");
    for record in &solution.info.history_by_target {
        let row = &solution.info.history[record.iteration - 1];
        assert!(near(record.network.iter().sum(), row.network.unwrap(), 1e-13), "{place}");
        assert_eq!(record.dual_bound.iter().sum::<f64>().to_bits(), row.dual_bound.unwrap().to_bits(), "{place}");
        assert_eq!(record.relative_gap.len(), parts.len());
    }
    let evaluated = solution.info.history.iter().filter(|row| row.network.is_some()).count();
    assert_eq!(solution.info.history_by_target.len(), evaluated, "{place}");
}

#[test]
fn the_certificate_of_a_target_is_that_of_plain_loops() {
    let (three, two) = (classes(60, 5), columns(50, 6));
    let weighted = three.clone().with_weights((0..60).map(|row| 1.0 + (row % 3) as f64).collect()).unwrap();
    let huber = Loss::Huber { delta: 0.3 };
    let cases = [
        ("squared", &three, Loss::Squared),
        ("weighted", &weighted, Loss::Squared),
        ("logistic", &three, Loss::Logistic),
        ("hinge", &weighted, Loss::SquaredHinge),
        ("columns", &two, Loss::Squared),
        ("huber", &two, huber),
    ];
    for (name, data, loss) in cases {
        for activation in [Activation::Relu, Activation::Gated] {
            for output_bias in [false, true] {
                for max_iterations in [1, 3, 60] {
                    let place = format!("{name}, {activation:?}, bias {output_bias}, {max_iterations} iterations");
                    let settings = Settings { loss, activation, output_bias, max_iterations, ..settings() };
                    let solution = train(data, None, &settings).unwrap();
                    assert_sums(&solution, &place);
                    let expected = plain(data, &solution.model.network, &solution.model.parts[0], loss);
                    assert_eq!(solution.info.targets.len(), expected.len());
                    for (found, ([network, bound], neurons)) in solution.info.targets.iter().zip(expected) {
                        let objective = found.objective.unwrap();
                        assert_eq!(found.neurons, neurons, "{place}");
                        assert!(near(objective.network, network, 1e-9), "{place}: {objective:?} and {network}");
                        assert!(near(objective.dual_bound, bound, 1e-6), "{place}: {objective:?} and {bound}");
                        let gap = (objective.network - objective.dual_bound).max(0.0) / objective.network;
                        assert!((objective.relative_gap - gap).abs() <= 1e-12, "{place}");
                    }
                }
            }
        }
    }
}

/// A target is a programme of its own: with all of them solved, its part is the certificate of a run on it alone.
#[test]
fn the_part_of_a_target_is_the_certificate_of_a_run_on_it_alone() {
    let (data, gates) = (classes(60, 5), Gates::Given(common::gates(4, 10, 3)));
    let y = Targets::new(data.labels().unwrap(), TaskChoice::Auto).unwrap().y;
    let x: Vec<f64> = (0..60).flat_map(|a| data.row(a).to_vec()).collect();
    let settings = Settings { gates, beta: Beta::Value(0.3), activation: Activation::Gated, gap: 1e-7, ..exact() };
    let settings = Settings { max_iterations: 20_000, ..settings };
    for (c, part) in parts(&train(&data, None, &settings).unwrap()).into_iter().enumerate() {
        let alone = common::table(4, x.clone(), y.col(c).to_vec());
        let settings = Settings { task: TaskChoice::Regression, ..settings.clone() };
        let alone = train(&alone, None, &settings).unwrap();
        assert!(alone.info.targets.is_empty() && alone.info.history_by_target.is_empty());
        let Objective { network, dual_bound, .. } = alone.objective;
        assert!(near(part.network, network, 1e-6) && near(part.dual_bound, dual_bound, 1e-6), "{part:?} {network}");
    }
}

/// What the parts are for: the gap of the sum hides a target that is small beside the others.
#[test]
fn a_small_target_that_is_not_solved_shows() {
    let settings = Settings { activation: Activation::Gated, gap: 1e-3, max_iterations: 20_000, ..settings() };
    let solution = train(&columns(50, 6), None, &settings).unwrap();
    let parts = parts(&solution);
    assert!(solution.objective.relative_gap <= 1e-3 && parts[1].relative_gap <= 1e-3);
    assert!(parts[0].relative_gap > 1e-3 && parts[0].network < 1e-2 * parts[1].network, "{parts:?}");
}

#[test]
fn the_sampled_certificate_has_a_feasible_point_of_each_target() {
    for (data, activation) in [(classes(60, 5), Activation::Relu), (columns(50, 6), Activation::Gated)] {
        let settings =
            Settings { certify: Certify::Sampled, activation, max_iterations: 20_000, gap: 1e-5, ..settings() };
        let solution = train(&data, None, &settings).unwrap();
        let (whole, parts) = (solution.objective, parts(&solution));
        assert_sums(&solution, "sampled");
        let sum: f64 = parts.iter().map(|part| part.sampled_primal.unwrap()).sum();
        assert!(near(sum, whole.sampled_primal.unwrap(), 1e-13), "{parts:?} {whole:?}");
        for part in parts {
            let upper = part.sampled_primal.unwrap();
            assert!(part.dual_bound <= upper * (1.0 + 1e-12));
            assert!((part.relative_gap - (upper - part.dual_bound).max(0.0) / upper).abs() <= 1e-12);
        }
    }
}

#[test]
fn the_bound_over_all_patterns_has_a_part_of_each_target() {
    let x = Random(3).vector(30);
    let values = x.iter().flat_map(|x| [x.abs(), (3.0 * x).sin()]).collect();
    let data = Dataset::new(1, x, Some(Labels::Numbers { columns: 2, values }), FeatureKind::Table).unwrap();
    let settings = Settings { certify: Certify::Global, beta: Beta::Fraction(0.05), gap: 1e-2, patterns: 5, ..exact() };
    let solution = train(&data, None, &Settings { bias: true, ..settings }).unwrap();
    let (whole, parts) = (solution.objective, parts(&solution));
    assert_eq!(solution.model.claim.certify, Certify::Global);
    let sum: f64 = parts.iter().map(|part| part.dual_bound).sum();
    assert!(whole.dual_bound <= sum && near(sum, whole.dual_bound, 1e-14), "rounded down: {parts:?} {whole:?}");
    assert!(near(parts.iter().map(|part| part.network).sum(), whole.network, 1e-13));
    for part in parts {
        assert!((part.relative_gap - (part.network - part.dual_bound).max(0.0) / part.network).abs() <= 1e-12);
    }
}

#[test]
fn a_loss_that_couples_the_targets_has_neurons_by_target_and_no_bounds() {
    let settings = Settings { loss: Loss::Multinomial, ..settings() };
    let solution = train(&classes(60, 5), None, &settings).unwrap();
    let targets = &solution.info.targets;
    assert!(solution.info.history_by_target.is_empty() && targets.len() == 3);
    assert!(targets.iter().all(|target| target.objective.is_none()));
    assert_eq!(targets.iter().map(|target| target.neurons).sum::<usize>(), solution.model.network.n_neurons());
    assert!(train(&smooth(30, 3, 2), None, &exact()).unwrap().info.targets.is_empty(), "one target");
}

// ---- means of networks ---------------------------------------------------------------------------------------------

fn along(data: &Dataset, settings: &Settings, returned: Returned, ensemble: usize) -> PathSolution {
    let validation = Validation::Folds(3);
    let along = PathSettings { betas: 2, ratio: 0.1, gap: 1e-2, validation, returned, ensemble, ..Default::default() };
    path(data, None, settings, &along, &StopToken::new(), &mut ()).unwrap()
}

/// Each part by plain loops over the samples that it was trained on.
#[test]
fn the_certificate_of_a_target_of_a_mean_is_the_sum_over_its_parts() {
    let weighted = classes(60, 5).with_weights((0..60).map(|row| 1.0 + (row % 3) as f64).collect()).unwrap();
    for (data, loss) in [(weighted, Loss::SquaredHinge), (columns(50, 6), Loss::Squared)] {
        for activation in [Activation::Relu, Activation::Gated] {
            let solution = along(&data, &Settings { loss, activation, ..settings() }, Returned::Mean, 1).solution;
            let (model, targets) = (&solution.model, &solution.info.targets);
            assert_eq!(model.parts.len(), 3);
            let mut expected = vec![([0.0; 2], 0); targets.len()];
            for (k, part) in model.parts.iter().enumerate() {
                let rows: Vec<usize> = (0..data.n_samples()).filter(|row| !part.held_out.contains(row)).collect();
                let found = plain(&data.select(&rows).unwrap(), &model.part(k).0, part, loss);
                assert_eq!(found.len(), targets.len());
                for ((sums, neurons), (values, own)) in expected.iter_mut().zip(found) {
                    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
                    *neurons += own;
                }
            }
            for (target, ([network, bound], neurons)) in targets.iter().zip(expected) {
                let objective = target.objective.unwrap();
                let place = format!("{loss:?} {activation:?}: {objective:?}, {network}, {bound}");
                assert_eq!(target.neurons, neurons, "{place}");
                assert!(near(objective.network, network, 1e-9) && near(objective.dual_bound, bound, 1e-6), "{place}");
                let gap = (objective.network - objective.dual_bound).max(0.0) / objective.network;
                assert!((objective.relative_gap - gap).abs() <= 1e-12, "{place}");
            }
            let sum = |value: fn(&Objective) -> f64| parts(&solution).iter().map(value).sum::<f64>();
            assert!(near(sum(|part| part.network), solution.objective.network, 1e-13));
            assert!(near(sum(|part| part.dual_bound), solution.objective.dual_bound, 1e-13));
        }
    }
}

/// The runs of an ensemble can be repeated one by one.
#[test]
fn the_targets_of_an_ensemble_are_those_of_its_runs() {
    for (certify, loss) in
        [(Certify::Network, Loss::Squared), (Certify::Sampled, Loss::Squared), (Certify::Network, Loss::Multinomial)]
    {
        let (data, settings) = (classes(60, 5), Settings { certify, loss, seed: 4, ..settings() });
        let found = along(&data, &settings, Returned::Retrained, 2);
        let beta = Beta::Fraction(found.points[found.chosen].fraction);
        let runs = [4, 5].map(|seed| train(&data, None, &Settings { beta, seed, ..settings.clone() }).unwrap());
        let targets = &found.solution.info.targets;
        assert_eq!(targets.len(), 3);
        for (c, target) in targets.iter().enumerate() {
            let [a, b] = [&runs[0], &runs[1]].map(|run| run.info.targets[c]);
            assert_eq!(target.neurons, a.neurons + b.neurons);
            let (Some(a), Some(b)) = (a.objective, b.objective) else {
                assert!(loss == Loss::Multinomial && target.objective.is_none());
                continue;
            };
            let (network, dual_bound) = (a.network + b.network, a.dual_bound + b.dual_bound);
            let relative_gap = match certify {
                Certify::Sampled => a.relative_gap.max(b.relative_gap),
                _ => (network - dual_bound).max(0.0) / network,
            };
            let sampled_primal = a.sampled_primal.zip(b.sampled_primal).map(|(a, b)| a + b);
            assert_eq!(target.objective, Some(Objective { network, sampled_primal, dual_bound, relative_gap }));
        }
    }
    let one = along(&smooth(30, 3, 2), &settings(), Returned::Mean, 1).solution;
    assert!(one.info.targets.is_empty(), "one target");
}

// ---- runs of every kind --------------------------------------------------------------------------------------------

/// The zero network, with its parts of an objective and a bound, is a checkpoint's incumbent too.
#[test]
fn a_resumed_run_has_the_same_parts() {
    let folder = tempfile::tempdir().unwrap();
    for (data, certify) in [(classes(60, 5), Certify::Network), (columns(50, 6), Certify::Sampled)] {
        let settings = Settings { certify, max_iterations: 20, ..settings() };
        let whole = train(&data, None, &settings).unwrap();
        for at in [1, 7, 19] {
            let checkpoint = interrupted(at, &data, &settings, &folder);
            let resumed = resume(&data, None, &settings, &checkpoint, &StopToken::new(), &mut ()).unwrap();
            assert_same(&whole, &resumed, "resumed");
            assert_eq!(whole.info.targets, resumed.info.targets);
            assert_eq!(whole.info.history_by_target, resumed.info.history_by_target);
        }
    }
}

/// A file whose checksums are right, with the values of another number of targets.
#[test]
fn a_checkpoint_with_parts_of_other_targets_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (columns(50, 6), folder.path().join("run.ckpt"));
    let of = |data: &Dataset| {
        interrupted(3, data, &settings(), &folder);
        std::fs::read(&file).unwrap()
    };
    let (other, own) = (of(&classes(50, 6)), of(&data));
    let mut frame = Frame::of(&own);
    *frame.section("incumbent") = Frame::of(&other).section("incumbent").clone();
    let (mut forged, table) = (frame.sealed(), 16 + 36 * frame.sections.len());
    forged[..8].copy_from_slice(&own[..8]);
    let checksum = crc32fast::hash(&forged[..table]);
    forged[table..table + 4].copy_from_slice(&checksum.to_le_bytes());
    let checkpoint = Checkpoint::from_bytes(forged, &file).unwrap();
    let refused = resume(&data, None, &settings(), &checkpoint, &StopToken::new(), &mut ()).unwrap_err();
    assert!(refused.to_string().contains("another number of targets"), "{refused}");
}

/// Every precision and solver, and a refined run, whose rounds have gates of their own.
#[test]
fn parts_sum_to_the_whole_in_every_kind_of_run() {
    let data = classes(80, 9);
    for precision in [Precision::F32, Precision::F64] {
        for solver in [SolverKind::Cholesky, SolverKind::GramPcg, SolverKind::Cg] {
            let settings = Settings { precision, solver: SolverChoice::Kind(solver), max_iterations: 12, ..settings() };
            assert_sums(&train(&data, None, &settings).unwrap(), &format!("{precision:?}, {solver}"));
        }
    }
    let refined = Settings { refine: 2, gap: 1e-3, max_iterations: 20_000, ..settings() };
    let solution = train(&data, None, &refined).unwrap();
    assert!(solution.info.rounds.len() > 1);
    assert_sums(&solution, "refined");
}
