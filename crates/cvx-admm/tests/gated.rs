//! Gated neurons: optimality conditions, comparison of the solvers, model file.

mod common;

use common::{dot, exact, near, norm, planted, smooth};
use cvx_admm::{Beta, Certify, Gates, Model, Precision, Settings, SolverChoice, SolverKind, Status, TrainError};
use cvx_admm::{StopToken, train, train_with, verify};
use cvx_data::Planted;
use cvx_linalg::HostMatrix;
use cvx_model::{Activation, Dataset, GateKind, Labels, ModelError, TaskChoice};

fn gated(gap: f64) -> Settings {
    Settings { activation: Activation::Gated, patterns: 12, beta: Beta::Value(0.2), gap, ..exact() }
}

/// Rows and targets of a data set with one target number.
fn parts(data: &Dataset) -> (Vec<Vec<f64>>, Vec<f64>) {
    let Some(Labels::Numbers { values, .. }) = data.labels() else { panic!("numbers") };
    ((0..data.n_samples()).map(|a| data.row(a).to_vec()).collect(), values.clone())
}

#[test]
fn m4_the_optimum_of_gated_neurons_satisfies_kkt() {
    for (seed, beta) in [(1, 0.02), (2, 0.2), (3, 1.5)] {
        let data = smooth(50, 4, seed);
        let settings = Settings { beta: Beta::Value(beta), task: TaskChoice::Regression, ..gated(1e-10) };
        let solution = train(&data, None, &settings).unwrap();
        assert_eq!(solution.status, Status::Optimal, "{:?}", solution.objective);
        assert_eq!(solution.cone_violation, 0.0);
        let ((x, y), v) = (parts(&data), &solution.warm_start.as_ref().unwrap().v);
        let gates = &solution.model.parts[0].witness.as_ref().unwrap().gates;
        assert_eq!(v.cols(), gates.cols(), "one block per pattern");
        let active = |a: usize, i: usize| dot(&x[a], gates.col(i)) >= 0.0;
        let fitted = |a: usize| (0..v.cols()).filter(|&i| active(a, i)).map(|i| dot(&x[a], v.col(i))).sum::<f64>();
        let xi: Vec<f64> = (0..x.len()).map(|a| y[a] - fitted(a)).collect();
        for i in 0..v.cols() {
            let mut gradient = vec![0.0; 4];
            for a in (0..x.len()).filter(|&a| active(a, i)) {
                gradient.iter_mut().zip(&x[a]).for_each(|(g, x)| *g += xi[a] * x);
            }
            match norm(v.col(i)) {
                0.0 => assert!(norm(&gradient) <= beta * (1.0 + 1e-4)),
                size => {
                    gradient.iter_mut().zip(v.col(i)).for_each(|(g, v)| *g -= beta * v / size);
                    assert!(norm(&gradient) <= 1e-3 * beta, "block {i}: {} of {beta}", norm(&gradient));
                }
            }
        }
        let norms: f64 = (0..v.cols()).map(|i| norm(v.col(i))).sum();
        assert!(near(solution.objective.network, 0.5 * dot(&xi, &xi) + beta * norms, 1e-8));
    }
}

#[test]
fn both_solvers_and_both_certificates_reach_one_optimum() {
    let data = planted(60, 5, 4);
    let mut optima = Vec::new();
    for solver in [SolverKind::Cholesky, SolverKind::Cg] {
        for certify in [Certify::Network, Certify::Sampled] {
            let settings = Settings { solver: SolverChoice::Kind(solver), certify, ..gated(1e-8) };
            let solution = train(&data, None, &settings).unwrap();
            assert_eq!(solution.status, Status::Optimal, "{solver}: {:?}", solution.objective);
            // Every point is feasible: the network is such a point, and no multiple of it is better.
            assert!(solution.objective.sampled_primal.unwrap() >= solution.objective.dual_bound);
            optima.push(solution.objective.network);
        }
    }
    assert!(optima.iter().all(|&value| near(value, optima[0], 1e-7)), "{optima:?}");
}

#[test]
fn a_gated_model_is_saved_verified_and_predicts_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for precision in [Precision::F32, Precision::F64] {
        let planted = Planted { n_train: 150, n_test: 40, n_features: 6, n_neurons: 3, noise: 0.05, seed: 2 };
        let split = planted.generate().unwrap();
        let settings = Settings { precision, bias: true, ..gated(1e-3) };
        let solution = train(&split.train, split.test.as_ref(), &settings).unwrap();
        assert_eq!(solution.status, Status::Optimal);
        let path = folder.path().join("gated.cvx");
        solution.model.save(&path).unwrap();
        let model = Model::load(&path).unwrap();
        assert_eq!(model, solution.model);
        assert_eq!(model.network.activation(), Activation::Gated);
        let verification = verify(&model, &split.train).unwrap();
        assert!(verification.holds(), "{verification:?} of {:?}", model.claim);
        // The predictions of the loaded model are those of the run on the test samples.
        let test = split.test.unwrap();
        let classes = model.predict(&test).unwrap();
        let y = model.task.encode(test.labels().unwrap()).unwrap();
        assert_eq!(cvx_model::accuracy(&model.task, &classes, &y), solution.test.unwrap().accuracy);
        // A bound above the true one is not proved.
        let mut liar = model.clone();
        liar.claim.objective.dual_bound *= 1.01;
        assert!(!verify(&liar, &split.train).unwrap().holds());
        let mut liar = model.clone();
        if let Some(gates) = &mut liar.network.gates {
            gates.values_mut().iter_mut().for_each(|h| *h = -*h);
        }
        assert!(!verify(&liar, &split.train).unwrap().holds());
    }
}

#[test]
fn several_classes_and_a_warm_start() {
    let planted = planted(90, 4, 8);
    let values =
        (0..90).map(|a| f64::from(u8::from(planted.row(a)[0] > 0.3)) + f64::from(u8::from(planted.row(a)[1] > 0.0)));
    let data =
        Dataset::new(4, planted.values().to_vec(), Some(Labels::numbers(values.collect())), planted.kind()).unwrap();
    let settings = gated(1e-6);
    let solution = train(&data, None, &settings).unwrap();
    assert_eq!((solution.status, solution.summary.shape.n_targets), (Status::Optimal, 3));
    assert!(verify(&solution.model, &data).unwrap().holds());
    let again = train_with(&data, None, &settings, solution.warm_start.as_ref(), &StopToken::new(), &mut ()).unwrap();
    assert!(again.info.history.len() <= 5, "{} iterations from the optimum", again.info.history.len());
    assert!(near(again.objective.network, solution.objective.network, 1e-5));
}

/// The accuracy is that of the prediction of u, not of the right-hand side of its update. The direct and the iterative
/// solver agree on it.
#[test]
fn the_accuracy_of_the_convex_model_is_that_of_u() {
    let data = planted(400, 10, 0);
    let found = [SolverKind::Cholesky, SolverKind::Cg].map(|kind| {
        let solution = train(&data, None, &Settings { solver: SolverChoice::Kind(kind), ..gated(1e-6) }).unwrap();
        assert_eq!(solution.status, Status::Optimal);
        let (convex, network) = (solution.convex_accuracy.unwrap(), solution.train.accuracy.unwrap());
        assert!((convex - network).abs() <= 0.01, "{kind}: {convex}, and the network's is {network}");
        convex
    });
    assert!((found[0] - found[1]).abs() <= 0.005, "{found:?}");
}

#[test]
fn what_needs_cones_is_refused() {
    let data = planted(30, 3, 1);
    for kind in SolverKind::ALL.into_iter().filter(|kind| kind.needs_cones()) {
        let error = train(&data, None, &Settings { solver: SolverChoice::Kind(kind), ..gated(1e-3) }).unwrap_err();
        assert!(matches!(error, TrainError::Setting { name: "solver", .. }), "{error}");
    }
    let local = Settings { gates: Gates::Kind(GateKind::Local), ..gated(1e-3) };
    assert_eq!(train(&data, None, &local).unwrap_err(), ModelError::NotImages { gates: "local" }.into());
}

#[test]
fn every_kind_of_gates_trains() {
    let data = planted(80, 5, 3);
    for kind in [GateKind::Gaussian, GateKind::Whitened, GateKind::Pairs] {
        for activation in [Activation::Relu, Activation::Gated] {
            let settings = Settings { gates: Gates::Kind(kind), activation, bias: true, ..gated(1e-3) };
            let solution = train(&data, None, &settings).unwrap();
            assert_eq!(solution.status, Status::Optimal, "{} {}", kind.name(), activation.name());
            assert!(verify(&solution.model, &data).unwrap().holds());
        }
    }
}

/// The borders of images are constant: a threshold between two equal patches would lie on the samples themselves.
#[test]
fn patches_of_images_with_equal_borders_train_and_verify() {
    let mut random = common::Random(4);
    let (n, side) = (90, 12);
    let mut values = vec![0.25; n * side * side];
    for image in values.chunks_exact_mut(side * side) {
        (0..side * side).filter(|at| (4..8).contains(&(at / side)) && (4..8).contains(&(at % side))).for_each(|at| {
            image[at] = random.signed();
        });
    }
    let middle = 6 * side + 6;
    let classes = values.chunks_exact(side * side).map(|image| f64::from(u8::from(image[middle] > 0.0))).collect();
    let kind = cvx_model::FeatureKind::Image { channels: 1, height: side, width: side };
    let data = Dataset::new(side * side, values, Some(Labels::numbers(classes)), kind).unwrap();
    for precision in [Precision::F32, Precision::F64] {
        let settings = Settings {
            activation: Activation::Gated,
            patterns: 60,
            beta: Beta::Fraction(0.02),
            precision,
            ..Settings::default()
        };
        let solution = train(&data, None, &settings).unwrap();
        assert_eq!(solution.status, Status::Optimal);
        assert!(verify(&solution.model, &data).unwrap().holds());
    }
}

#[test]
fn a_network_of_more_weights_than_it_may_have_is_zero() {
    let data = planted(40, 3, 5);
    let solution = train(&data, None, &Settings { beta: Beta::Fraction(1.0), ..gated(1e-3) }).unwrap();
    assert_eq!((solution.status, solution.model.network.n_neurons()), (Status::Optimal, 0));
    assert_eq!(solution.model.network.gates, Some(HostMatrix::zeros(3, 0)));
}

/// (8.5): no much larger or smaller penalty takes notably fewer iterations, for any n, d, P and beta.
#[test]
fn the_first_penalty_is_near_the_best() {
    for (n, d, patterns) in [(200, 5, 10), (200, 5, 60), (100, 40, 20)] {
        let data = planted(n, d, 1);
        for fraction in [1e-3, 0.03, 0.5] {
            let settings = Settings {
                activation: Activation::Gated,
                patterns,
                beta: Beta::Fraction(fraction),
                adapt_rho: false,
                max_iterations: 2_000,
                gap: 1e-4,
                ..Settings::default()
            };
            let first = train(&data, None, &settings).unwrap();
            let iterations = |times: f64| {
                let settings = Settings { rho: Some(times * first.rho), ..settings.clone() };
                train(&data, None, &settings).unwrap().info.history.len()
            };
            let (own, others) = (first.info.history.len(), [iterations(0.05), iterations(20.0)]);
            assert_eq!(first.status, Status::Optimal, "{n} x {d}, {patterns}, {fraction}: {own}, {others:?}");
            assert!(
                others.iter().all(|&other| own <= other + 10),
                "{n} x {d}, {patterns}, {fraction}: {own}, {others:?}"
            );
        }
    }
}
