//! The bound over all activation patterns (docs/math.md, section 15).

mod common;
#[path = "common/conic.rs"]
mod conic;

use common::frame::{bytes, parse};
use common::{Random, dot, exact, norm, table};
use conic::Conic;
use cvx_admm::{
    Beta, Certify, CheckpointPlan, Iteration, Model, PathSettings, Settings, Solution, Solver, Status, StopToken,
    TrainError, path, train, train_with, verify,
};
use cvx_linalg::{Cpu, HostMatrix};
use cvx_model::{
    Activation, AllPatterns, Constraints, Dataset, FeatureKind, Labels, Loss, Targets, TaskChoice, Trend, WeightedLoss,
};
use std::ops::ControlFlow;

/// A run on numbers, with a bias and without a transform.
fn global(beta: f64) -> Settings {
    Settings { certify: Certify::Global, beta: Beta::Value(beta), task: TaskChoice::Regression, bias: true, ..exact() }
}

/// Standardised targets of a teacher of six neurons with noise, for `n` samples of `d` features.
fn teacher(n: usize, d: usize, seed: u64) -> Dataset {
    let mut random = Random(seed);
    let x = random.vector(n * d);
    let neurons: Vec<(Vec<f64>, f64)> = (0..6).map(|_| (random.vector(d + 1), random.signed().signum())).collect();
    let mut value = |row: &[f64]| {
        let clean: f64 = neurons.iter().map(|(w, a)| a * (dot(row, &w[..d]) + 0.5 * w[d]).max(0.0)).sum();
        clean + 0.2 * random.signed()
    };
    let y: Vec<f64> = x.chunks(d).map(&mut value).collect();
    let mean = y.iter().sum::<f64>() / n as f64;
    let spread = (y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
    table(d, x, y.iter().map(|y| (y - mean) / spread).collect())
}

/// A run that ends with its gap, whose claims hold.
fn solved(data: &Dataset, settings: &Settings) -> Solution {
    let solution = train(data, None, settings).unwrap();
    assert_eq!(solution.status, Status::Optimal, "{:?}", solution.objective);
    assert!(solution.objective.relative_gap <= settings.gap);
    assert_eq!((solution.model.claim.certify, solution.model.claim.objective), (Certify::Global, solution.objective));
    let found = verify(&solution.model, data).unwrap();
    assert!(found.holds(), "{found:?} {:?}", solution.objective);
    solution
}

// ---- other methods -----------------------------------------------------------------------------------------------

/// A gate of every pattern of samples in the plane: between the neighbours of the directions that a sample is
/// orthogonal to.
fn every_gate(x: &[Vec<f64>]) -> HostMatrix {
    let turn = std::f64::consts::FRAC_PI_2;
    let mut angles: Vec<f64> = x.iter().flat_map(|x| [x[1].atan2(x[0]) + turn, x[1].atan2(x[0]) - turn]).collect();
    angles.iter_mut().for_each(|angle| *angle = angle.rem_euclid(4.0 * turn));
    angles.sort_by(f64::total_cmp);
    angles.push(angles[0] + 4.0 * turn);
    let middles: Vec<f64> = angles.windows(2).map(|pair| 0.5 * (pair[0] + pair[1])).collect();
    let is_on = |angle: f64| x.iter().any(|x| x[0] * angle.cos() + x[1] * angle.sin() >= 0.0);
    let gates: Vec<f64> = middles.into_iter().filter(|&m| is_on(m)).flat_map(|m| [m.cos(), m.sin()]).collect();
    HostMatrix::from_vec(2, gates.len() / 2, gates)
}

/// The optimum over all networks on one feature and a bias, by the programme of all patterns.
fn optimum_in_the_plane(data: &Dataset, settings: &Settings, signs: Option<&dyn Fn(usize, usize) -> [bool; 2]>) -> f64 {
    let x: Vec<Vec<f64>> = (0..data.n_samples()).map(|a| vec![data.row(a)[0], 1.0]).collect();
    let y = Targets::new(data.labels().unwrap(), settings.task).unwrap().y;
    let ones = vec![1.0; x.len()];
    let Beta::Value(beta) = settings.beta else { panic!("a value") };
    let programme = Conic {
        x: &x,
        gates: &every_gate(&x),
        activation: Activation::Relu,
        y: &y,
        weights: data.weights().unwrap_or(&ones),
        beta,
        loss: settings.loss,
        output_bias: settings.output_bias,
        signs,
    };
    programme.optimum().unwrap()
}

fn brackets(solution: &Solution, optimum: f64, place: &str) {
    let (network, bound) = (solution.objective.network, solution.objective.dual_bound);
    assert!(
        bound <= optimum * (1.0 + 1e-8) && optimum <= network * (1.0 + 1e-8),
        "{place}: {bound} {optimum} {network}"
    );
}

#[test]
fn in_the_plane_bound_and_network_bracket_the_optimum_over_all_arrangements() {
    for (number, loss) in
        [Loss::Squared, Loss::Logistic, Loss::SquaredHinge, Loss::Huber { delta: 0.3 }].into_iter().enumerate()
    {
        for output_bias in [false, true] {
            let mut random = Random(number as u64);
            let n = 14;
            let x = random.vector(n);
            let wave = |x: f64| if (4.0 * x).sin() > 0.1 { 1.0 } else { 0.0 };
            let (task, y) = match loss.needs_classes() {
                true => (TaskChoice::Auto, x.iter().map(|&x| wave(x)).collect()),
                false => (TaskChoice::Regression, x.iter().map(|&x| (4.0 * x).sin() + 0.2).collect()),
            };
            let weights = random.vector(n).into_iter().map(|exponent| 3f64.powf(exponent)).collect();
            let data = table(1, x, y);
            let data = if number % 2 == 1 { data.with_weights(weights).unwrap() } else { data };
            let settings = Settings { loss, task, output_bias, ..global(0.2) };
            let optimum = optimum_in_the_plane(&data, &settings, None);
            brackets(&solved(&data, &settings), optimum, &format!("{loss:?} {output_bias}"));
        }
    }
}

#[test]
fn a_constraint_narrows_the_networks_that_the_bound_is_about() {
    let mut random = Random(5);
    let x = random.vector(14);
    let y = x.iter().map(|x| (4.0 * x).sin() + x).collect();
    let data = table(1, x, y);
    let increasing = Constraints { trends: vec![("1".to_string(), Trend::Increasing)], ..Constraints::default() };
    let settings = Settings { constraints: increasing, ..global(0.1) };
    let p = every_gate(&(0..14).map(|a| vec![data.row(a)[0], 1.0]).collect::<Vec<_>>()).cols();
    let signs = |block: usize, row: usize| if row == 1 { [true; 2] } else { [block < p, block >= p] };
    let optimum = optimum_in_the_plane(&data, &settings, Some(&signs));
    let free = optimum_in_the_plane(&data, &settings, None);
    assert!(free < 0.9 * optimum, "{free} {optimum}");
    brackets(&solved(&data, &settings), optimum, "increasing");
}

#[test]
fn several_classes_and_several_targets() {
    let mut random = Random(3);
    let x = random.vector(12);
    let class = |x: f64| {
        if x < -0.3 {
            0.0
        } else if x < 0.4 {
            1.0
        } else {
            2.0
        }
    };
    let classes = table(1, x.clone(), x.iter().map(|&x| class(x)).collect());
    for (loss, output_bias) in [(Loss::Multinomial, false), (Loss::Multinomial, true), (Loss::Logistic, true)] {
        let settings = Settings { loss, output_bias, task: TaskChoice::Auto, ..global(0.2) };
        let optimum = optimum_in_the_plane(&classes, &settings, None);
        brackets(&solved(&classes, &settings), optimum, &format!("{loss:?} {output_bias}"));
    }
    let targets: Vec<f64> = x.iter().flat_map(|x| [(3.0 * x).sin(), x.abs()]).collect();
    let labels = Labels::Numbers { columns: 2, values: targets };
    let two = Dataset::new(1, x, Some(labels), FeatureKind::Table).unwrap();
    let settings = global(0.2);
    brackets(&solved(&two, &settings), optimum_in_the_plane(&two, &settings, None), "two targets");
}

/// The lowest objective of networks of `m` neurons that gradient steps with momentum and scaling (Adam) find.
fn by_gradient(data: &Dataset, beta: f64, m: usize, runs: u64) -> f64 {
    let (n, d) = (data.n_samples(), data.row(0).len() + 1);
    let x: Vec<Vec<f64>> = (0..n).map(|a| [&data.row(a)[..], &[1.0]].concat()).collect();
    let y = Targets::new(data.labels().unwrap(), TaskChoice::Regression).unwrap().y;
    let mut best = f64::INFINITY;
    for run in 0..runs {
        let mut w = Random(100 + run).vector(m * (d + 1));
        let (mut first, mut second) = (vec![0.0; w.len()], vec![0.0; w.len()]);
        for step in 1..=300 {
            let mut gradient: Vec<f64> = w.iter().map(|w| beta * w).collect();
            let mut loss = 0.5 * beta * dot(&w, &w);
            for a in 0..n {
                let z: Vec<f64> = (0..m).map(|j| dot(&w[j * (d + 1)..j * (d + 1) + d], &x[a])).collect();
                let f: f64 = (0..m).map(|j| z[j].max(0.0) * w[j * (d + 1) + d]).sum();
                let residual = f - y[(a, 0)];
                loss += 0.5 * residual * residual;
                for j in (0..m).filter(|&j| z[j] > 0.0) {
                    let (block, weight) = (j * (d + 1), w[j * (d + 1) + d]);
                    (0..d).for_each(|k| gradient[block + k] += residual * weight * x[a][k]);
                    gradient[block + d] += residual * z[j];
                }
            }
            best = best.min(loss);
            let rate = 0.05 * (1.0 - f64::from(step) / 301.0);
            for k in 0..w.len() {
                first[k] = 0.9 * first[k] + 0.1 * gradient[k];
                second[k] = 0.99 * second[k] + 0.01 * gradient[k] * gradient[k];
                let corrected = first[k] / (1.0 - 0.9f64.powi(step));
                w[k] -= rate * corrected / ((second[k] / (1.0 - 0.99f64.powi(step))).sqrt() + 1e-9);
            }
        }
    }
    best
}

#[test]
fn no_gradient_run_falls_below_the_bound() {
    for (n, d) in [(100, 1), (80, 2)] {
        let data = teacher(n, d, d as u64);
        let solution = solved(&data, &global(0.5));
        let best = by_gradient(&data, 0.5, 10, 12);
        let objective = solution.objective;
        assert!(objective.dual_bound <= best, "{objective:?} {best}");
        // The gradient runs are good ones.
        assert!(best <= 1.05 * objective.network, "{objective:?} {best}");
    }
}

// ---- the claims --------------------------------------------------------------------------------------------------

#[test]
fn a_model_that_claims_more_than_its_proof_is_found_out() {
    let data = teacher(60, 2, 7);
    let model = solved(&data, &global(0.5)).model;
    assert!(parse(&bytes(&model)).unwrap() == model);
    let caught = |what: &str, change: &dyn Fn(&mut Model)| {
        let mut forged = model.clone();
        change(&mut forged);
        let found = verify(&forged, &data).unwrap();
        assert!(!found.holds() && !found.bound_agrees, "{what}: {found:?}");
    };
    let xi = |model: &mut Model, change: &dyn Fn(&mut f64)| {
        change(&mut model.parts[0].global.as_mut().unwrap().xi.values_mut()[3]);
    };
    caught("a larger xi", &|model| xi(model, &|xi| *xi += 0.1));
    caught("an xi of the other sign", &|model| xi(model, &|xi| *xi = -*xi));
    caught("all of xi larger", &|model| {
        model.parts[0].global.as_mut().unwrap().xi.values_mut().iter_mut().for_each(|xi| *xi *= 1.01);
    });
    caught("a smaller maximum", &|model| model.parts[0].global.as_mut().unwrap().maxima[0] *= 0.999);
    caught("a higher bound", &|model| {
        let objective = &mut model.claim.objective;
        objective.dual_bound *= 1.0001;
        model.parts[0].objective = *objective;
    });
    caught("no proof", &|model| model.parts[0].global = None);
    caught("another certificate", &|model| model.claim.certify = Certify::Network);
    // A proof over the patterns of the programme says nothing about all patterns.
    let mut local = train(&data, None, &Settings { certify: Certify::Network, ..global(0.5) }).unwrap().model;
    assert!(verify(&local, &data).unwrap().holds());
    local.claim.certify = Certify::Global;
    assert!(!verify(&local, &data).unwrap().holds());
}

#[test]
fn proofs_that_do_not_fit_the_model_are_not_read() {
    let data = teacher(30, 2, 7);
    let model = solved(&data, &global(0.5)).model;
    let refused = |what: &str, change: &dyn Fn(&mut Model)| {
        let mut other = model.clone();
        change(&mut other);
        assert!(parse(&bytes(&other)).is_err(), "{what}");
    };
    let witness = |model: &mut Model| model.parts[0].global.clone().unwrap();
    refused("an xi of fewer samples", &|model| {
        let maxima = witness(model).maxima;
        model.parts[0].global = Some(cvx_admm::GlobalWitness { xi: HostMatrix::zeros(29, 1), maxima });
    });
    refused("two maxima", &|model| model.parts[0].global.as_mut().unwrap().maxima.push(1.0));
    refused("a negative maximum", &|model| model.parts[0].global.as_mut().unwrap().maxima[0] = -1.0);
    refused("no number", &|model| model.parts[0].global.as_mut().unwrap().maxima[0] = f64::NAN);
    refused("a beta of zero", &|model| (model.parts[0].beta, model.claim.beta) = (0.0, 0.0));
    // Of more features than can be searched.
    let wide = teacher(30, 5, 7);
    let mut many = train(&wide, None, &Settings { certify: Certify::Network, ..global(0.5) }).unwrap().model;
    many.parts[0].global = Some(witness(&mut model.clone()));
    assert!(parse(&bytes(&many)).is_err());
    // Nor are such proofs followed where they come from no file.
    many.claim.certify = Certify::Global;
    assert!(!verify(&many, &wide).unwrap().holds());
    let mut other = model.clone();
    other.parts[0].global.as_mut().unwrap().maxima.clear();
    assert!(!verify(&other, &data).unwrap().holds());
    other.parts[0].global.as_mut().unwrap().xi = HostMatrix::zeros(29, 1);
    assert!(!verify(&other, &data).unwrap().holds());
}

/// A run that is ended keeps a network, and a bound that is less than that of the whole run.
#[test]
fn limits_and_interrupts_leave_what_was_proved() {
    let data = teacher(60, 3, 2);
    let settings = global(0.5);
    let whole = solved(&data, &settings);
    let short = train(&data, None, &Settings { time_limit: Some(0.0), ..settings.clone() }).unwrap();
    assert_eq!(short.status, Status::TimeLimit);
    let mut count = 0;
    let mut few = |_: &Iteration| {
        count += 1;
        if count == 40 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let cut = train_with(&data, None, &settings, None, &StopToken::new(), &mut few).unwrap();
    assert_eq!(cut.status, Status::Interrupted);
    for ended in [short, cut] {
        assert!(verify(&ended.model, &data).unwrap().holds(), "{:?}", ended.objective);
        assert_eq!(ended.model.claim.certify, Certify::Global);
        assert!(ended.objective.dual_bound <= whole.objective.network);
        assert!(ended.objective.relative_gap > settings.gap && ended.objective.network >= whole.objective.dual_bound);
    }
}

#[test]
fn what_cannot_be_searched_is_refused_before_work() {
    let data = teacher(20, 2, 1);
    let refused = |name: &str, data: &Dataset, settings: &Settings| match train(data, None, settings) {
        Err(TrainError::Setting { name: found, .. }) => assert_eq!(found, name),
        other => panic!("{name}: {:?}", other.map(|solution| solution.objective)),
    };
    let settings = global(0.5);
    refused("certify", &teacher(20, 5, 1), &settings);
    refused("activation", &data, &Settings { activation: Activation::Gated, ..settings.clone() });
    refused("beta", &data, &global(0.0));
    refused("beta_fraction", &data, &Settings { beta: Beta::Fraction(0.0), ..settings.clone() });
    refused("refine", &data, &Settings { refine: 2, ..settings.clone() });
    let checkpoint = Some(CheckpointPlan { path: "nowhere".into(), every: 1.0 });
    refused("checkpoint", &data, &Settings { checkpoint, ..settings.clone() });
    let on_a_path = path(&data, None, &settings, &PathSettings::default(), &StopToken::new(), &mut ());
    assert!(matches!(on_a_path, Err(TrainError::Setting { name: "certify", .. })));
    let solver = Solver::new(Cpu::<f64>::new(), &data, None, &settings);
    assert!(matches!(solver, Err(TrainError::Setting { name: "certify", .. })));
}

/// Four features and a bias are the most: a small problem, and a limit on time for a large one.
#[test]
fn few_samples_of_four_features_have_a_proof() {
    let data = teacher(25, 4, 4);
    let solution = solved(&data, &Settings { gap: 1e-2, ..global(0.5) });
    assert!(solution.info.cones > 100 && solution.info.rounds.len() > 1);
}

/// The maxima of the proof against many directions, and the dual point against its definition.
#[test]
fn the_maxima_are_at_least_the_value_of_any_direction() {
    let data = teacher(40, 2, 9);
    let solution = solved(&data, &global(0.5));
    let witness = solution.model.parts[0].global.as_ref().unwrap();
    let x: Vec<Vec<f64>> = (0..40).map(|a| [&data.row(a)[..], &[1.0]].concat()).collect();
    let mut random = Random(1);
    let mut highest = 0f64;
    for _ in 0..5000 {
        let w = random.vector(3);
        let value: f64 = (0..40).map(|a| witness.xi[(a, 0)] * dot(&x[a], &w).max(0.0)).sum();
        highest = highest.max(value.abs() / norm(&w));
    }
    assert!(highest <= witness.maxima[0] && witness.maxima[0] <= 1.05 * highest, "{highest} {:?}", witness.maxima);
    // The library's own bound at this point is the claimed one.
    let xt = HostMatrix::from_fn(3, 40, |k, a| x[a][k]);
    let y = Targets::new(data.labels().unwrap(), TaskChoice::Regression).unwrap().y;
    let loss = WeightedLoss::new(Loss::Squared, None).unwrap();
    let problem = AllPatterns::new(&xt, &y, &loss, None, 0.5).unwrap();
    assert_eq!(problem.value(&witness.xi, &witness.maxima).total, solution.objective.dual_bound);
}
