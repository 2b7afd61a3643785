//! E3, E5: training on the first GPU, compared with the processor.
//!
//! Without a GPU the tests report this and pass; with `CVX_REQUIRE_CUDA=1` they fail.

#![cfg(feature = "cuda")]

mod common;

use common::{Random, assert_sane, exact, near, planted, sharp, smooth, table};
use cvx_admm::{
    Beta, Certify, Device, Gates, PathSettings, Precision, Settings, Solution, SolverChoice, SolverKind, Status,
};
use cvx_admm::{StopToken, path, train, verify};
use cvx_linalg::{Cuda, FeaturePrecision, conformance};
use cvx_model::{
    Activation, Constraints, Curvature, Dataset, FeatureKind, Labels, Loss, PatchSettings, TaskChoice, Trend,
};

/// Whether there is a GPU to test; prints a message if there is none.
fn is_there() -> bool {
    let Err(error) = Cuda::<f32>::new(0) else { return true };
    assert!(std::env::var_os("CVX_REQUIRE_CUDA").is_none(), "CVX_REQUIRE_CUDA is set, and {error}");
    conformance::skip(&error);
    false
}

/// The same run on the processor and on the GPU.
fn both(data: &Dataset, settings: &Settings) -> [Solution; 2] {
    let [cpu, cuda] = [Device::Cpu, Device::Cuda(0)].map(|device| {
        let solution = train(data, None, &Settings { device, ..settings.clone() }).unwrap();
        assert_sane(&solution, "E3");
        assert!(verify(&solution.model, data).unwrap().holds(), "the certificate of {device:?} does not hold");
        solution
    });
    assert_eq!((cpu.summary.device, cuda.summary.device), ("cpu", "cuda"));
    assert!(cuda.summary.device_name.starts_with("cuda:0 ("), "{}", cuda.summary.device_name);
    [cpu, cuda]
}

/// The networks of all iterations have the same objectives.
fn assert_one_way(cpu: &Solution, cuda: &Solution, tolerance: f64) {
    assert_eq!(cpu.info.history.len(), cuda.info.history.len());
    for (a, b) in cpu.info.history.iter().zip(&cuda.info.history) {
        let [a, b] = [a, b].map(|record| record.network.unwrap_or_default());
        assert!(near(a, b, tolerance), "{}: {a} on the processor, {b} on the GPU", cpu.summary.solver);
    }
}

/// Three classes, for C = 3.
fn three_classes() -> Dataset {
    let (n, d) = (60, 4);
    let mut random = Random(7);
    let x = random.vector(n * d);
    let y = (0..n).map(|a| f64::from(u8::from(x[a * d] > 0.2)) + f64::from(u8::from(x[a * d + 1] > 0.0))).collect();
    table(d, x, y)
}

/// The iterates of the direct solvers agree with those of the processor, with several words per mask. (The inner
/// iterations of the other solvers amplify a rounding difference to their accuracy.)
#[test]
fn e3_direct_solvers_walk_the_processors_way() {
    if !is_there() {
        return;
    }
    let data = planted(150, 5, 1);
    for (precision, tolerance) in [(Precision::F64, 1e-10), (Precision::F32, 1e-4)] {
        for kind in SolverKind::ALL.into_iter().filter(|kind| kind.is_direct()) {
            let settings = Settings {
                patterns: 70,
                beta: Beta::Value(0.3),
                solver: SolverChoice::Kind(kind),
                max_iterations: 6,
                gap: 1e-12,
                precision,
                ..exact()
            };
            let [cpu, cuda] = both(&data, &settings);
            assert_eq!((cpu.status, cuda.status), (Status::IterationLimit, Status::IterationLimit), "{kind}");
            assert_one_way(&cpu, &cuda, tolerance);
        }
    }
}

/// The same for neurons on patches, and whether the model of one device has the certificate of the other.
#[test]
fn e3_patches_walk_the_processors_way() {
    if !is_there() {
        return;
    }
    let (n, kind) = (40, FeatureKind::Image { channels: 2, height: 9, width: 11 });
    let mut random = Random(5);
    let pixels = random.vector(n * 2 * 9 * 11);
    let labels = Labels::numbers((0..n).map(|a| f64::from(u8::from(pixels[a * 198 + 40] > 0.0))).collect());
    let data = Dataset::new(198, pixels, Some(labels), kind).unwrap();
    let precisions = [(Precision::F64, 1e-9), (Precision::F32, 1e-3)];
    for ((precision, tolerance), features) in
        precisions.into_iter().flat_map(|precision| FeaturePrecision::ALL.map(|features| (precision, features)))
    {
        let (stride, features) = (Some(2), Some(features));
        let patches = PatchSettings { stride, directions: 5, precision: features, ..PatchSettings::default() };
        let settings = Settings {
            activation: Activation::Gated,
            gates: Gates::Patches(patches),
            patterns: 6,
            beta: Beta::Fraction(0.1),
            output_bias: true,
            max_iterations: 8,
            gap: 1e-12,
            precision,
            ..exact()
        };
        let [cpu, cuda] = both(&data, &settings);
        assert_one_way(&cpu, &cuda, tolerance);
    }
}

/// The same in cones of signs and groups of columns.
#[test]
fn e3_constraints_walk_the_processors_way() {
    if !is_there() {
        return;
    }
    let data = smooth(150, 4, 1);
    let constraints = Constraints {
        trends: vec![("1".into(), Trend::Increasing), ("4".into(), Trend::Decreasing)],
        curvatures: vec![("2".into(), Curvature::Convex)],
        interactions: Some(vec![vec!["1".into(), "2".into()]]),
        nonnegative: false,
    };
    for activation in Activation::ALL {
        for (precision, tolerance) in [(Precision::F64, 1e-9), (Precision::F32, 1e-3)] {
            let settings = Settings {
                activation,
                constraints: constraints.clone(),
                patterns: 70,
                beta: Beta::Fraction(0.05),
                max_iterations: 8,
                gap: 1e-12,
                precision,
                ..exact()
            };
            let [cpu, cuda] = both(&data, &settings);
            assert_one_way(&cpu, &cuda, tolerance);
            assert_eq!(verify(&cuda.model, &data).unwrap().constraints_hold, Some(true));
        }
    }
}

/// The same for losses whose proximal points are computed on the host.
#[test]
fn e3_every_loss_walks_the_processors_way() {
    if !is_there() {
        return;
    }
    for loss in [Loss::Logistic, Loss::SquaredHinge, Loss::Huber { delta: 0.5 }] {
        let settings =
            Settings { patterns: 20, beta: Beta::Value(0.3), loss, max_iterations: 6, gap: 1e-12, ..exact() };
        let [cpu, cuda] = both(&planted(80, 5, 1), &settings);
        for (a, b) in cpu.info.history.iter().zip(&cuda.info.history) {
            let [a, b] = [a, b].map(|record| record.network.unwrap_or_default());
            assert!(near(a, b, 1e-10), "{loss:?}: {a} on the processor, {b} on the GPU");
        }
    }
}

/// Every solver finds the same optimum.
#[test]
fn e3_every_solver_finds_the_processors_optimum() {
    if !is_there() {
        return;
    }
    let gap = 1e-3;
    for kind in SolverKind::ALL {
        let settings = Settings {
            patterns: 5,
            beta: Beta::Value(2.0),
            solver: SolverChoice::Kind(kind),
            precision: Precision::F32,
            ..sharp(gap)
        };
        let [cpu, cuda] = both(&planted(40, 3, 1), &settings);
        assert_eq!((cpu.status, cuda.status), (Status::Optimal, Status::Optimal), "{kind}");
        let [a, b] = [cpu, cuda].map(|solution| solution.objective.sampled_primal.unwrap());
        assert!(near(a, b, 2.0 * gap), "{kind}: {a} on the processor, {b} on the GPU");
    }
}

/// The sampled optimum agrees to 1e-10.
#[test]
fn e3_the_optimum_agrees_to_1e_10() {
    if !is_there() {
        return;
    }
    let settings = Settings { patterns: 4, beta: Beta::Value(1.0), ..sharp(1e-10) };
    let [cpu, cuda] = both(&planted(30, 3, 3), &settings);
    assert_eq!((cpu.status, cuda.status), (Status::Optimal, Status::Optimal));
    let [a, b] = [cpu, cuda].map(|solution| solution.objective.sampled_primal.unwrap());
    assert!(near(a, b, 1e-10), "{a} on the processor, {b} on the GPU");
}

/// Several targets share patterns and factor.
#[test]
fn e3_several_classes_agree() {
    if !is_there() {
        return;
    }
    let settings = Settings {
        patterns: 8,
        task: TaskChoice::Multiclass,
        beta: Beta::Value(0.2),
        certify: Certify::Sampled,
        max_iterations: 20,
        gap: 1e-12,
        ..exact()
    };
    let [cpu, cuda] = both(&three_classes(), &settings);
    assert_eq!(cpu.summary.shape.n_targets, 3);
    let [a, b] = [cpu, cuda].map(|solution| solution.objective.sampled_primal.unwrap());
    assert!(near(a, b, 1e-9), "{a} on the processor, {b} on the GPU");
}

/// Gated neurons have no cones, so s, nu and the multipliers are matrices without columns.
#[test]
fn e3_gated_neurons_walk_the_processors_way() {
    if !is_there() {
        return;
    }
    for (precision, tolerance) in [(Precision::F64, 1e-10), (Precision::F32, 1e-4)] {
        for kind in [SolverKind::Cholesky, SolverKind::Cg] {
            let settings = Settings {
                activation: Activation::Gated,
                patterns: 8,
                beta: Beta::Value(0.2),
                solver: SolverChoice::Kind(kind),
                // The inner iterations of the other solver amplify a rounding difference to their accuracy.
                max_iterations: if kind.is_direct() { 6 } else { 60 },
                gap: if kind.is_direct() { 1e-12 } else { 1e-3 },
                precision,
                ..exact()
            };
            let [cpu, cuda] = both(&three_classes(), &settings);
            assert_eq!(cuda.status, cpu.status, "{kind}");
            let warm = cuda.warm_start.as_ref().unwrap();
            assert_eq!((warm.s.cols(), warm.nu.cols()), (0, 0));
            if kind.is_direct() {
                for (a, b) in cpu.info.history.iter().zip(&cuda.info.history) {
                    let [a, b] = [a, b].map(|record| record.network.unwrap_or_default());
                    assert!(near(a, b, tolerance), "{kind}: {a} on the processor, {b} on the GPU");
                }
            } else {
                assert!(near(cpu.objective.network, cuda.objective.network, 2e-3), "{kind}");
            }
        }
    }
}

/// A path keeps factors and iterates on the GPU from beta to beta.
#[test]
fn e3_a_path_agrees() {
    if !is_there() {
        return;
    }
    for activation in [Activation::Relu, Activation::Gated] {
        let along = |device| {
            let settings = Settings { activation, patterns: 6, gap: 1e-3, device, ..exact() };
            let path_settings = PathSettings { betas: 4, ratio: 0.1, ..PathSettings::default() };
            path(&planted(40, 3, 1), None, &settings, &path_settings, &StopToken::new(), &mut ()).unwrap()
        };
        let [cpu, cuda] = [Device::Cpu, Device::Cuda(0)].map(along);
        assert_eq!((cpu.points.len(), cpu.chosen), (4, cuda.chosen));
        assert_eq!(cuda.solution.summary.device, "cuda");
        for (a, b) in cpu.points.iter().zip(&cuda.points) {
            assert_eq!((a.status, b.status), (Status::Optimal, Status::Optimal));
            assert!(near(a.objective.network, b.objective.network, 1e-8), "{a:?} and {b:?}");
        }
    }
}

/// `Device::Auto` takes the GPU if there is one.
#[test]
fn auto_prefers_the_gpu() {
    let solution = train(&planted(30, 3, 1), None, &Settings { max_iterations: 2, ..Settings::default() }).unwrap();
    assert_eq!(solution.summary.device, if is_there() { "cuda" } else { "cpu" });
}
