//! Gated neurons on patches: the optimum against another method, bits, memory, checkpoints, paths and choices.

mod common;

use common::interrupted::interrupted;
use common::textures::{KIND, SIDE, on_patches, patch_settings, rounded, textures};
use common::{PRECISIONS, Random, assert_same, dot, near, norm, optimum, planted};
use cvx_admm::{
    Beta, Features, Gates, HeldOutPredictor, Iteration, Model, Observer, PathSettings, PathSolution, Precision,
    Returned, Settings, Solution, SolverChoice, SolverKind, Status, StopToken, Summary, TrainError, Validation, Wishes,
    automatic, choose, path, resume, train, train_with, verify,
};
use cvx_linalg::{Backend, Cpu, FeaturePrecision, HostMatrix};
use cvx_model::{
    Activation, Dataset, FeatureKind, GateKind, Labels, Loss, ModelError, PatchGates, PatchSettings, split,
};
use std::ops::ControlFlow;

/// Z' (P D x n) for the gates of the bound of part k, in f64.
fn features(model: &Model, k: usize, data: &Dataset) -> HostMatrix {
    let (cpu, xt) = (Cpu::<f64>::new(), model.transform.apply(data).unwrap());
    let gates = model.parts[k].witness.as_ref().unwrap().gates.clone();
    let plan = model.network.patches.as_ref().unwrap().plan(gates);
    let mut out = cpu.zeros(plan.n_features(), xt.cols()).unwrap();
    cpu.patch_features(&plan, &xt, 0, &mut out).unwrap();
    cpu.download(&out).unwrap()
}

// ---- the optimum ---------------------------------------------------------------------------------------------------

/// min 1/2 ||Z u - y||^2 + beta sum ||u_i|| of one target, by accelerated proximal gradients on the matrix of all
/// features, until its own bound proves 1e-7.
struct Proximal {
    /// Z' (P D x n).
    z: HostMatrix,
    y: Vec<f64>,
    rows: usize,
    beta: f64,
}

impl Proximal {
    /// Without the means, where there is an output bias.
    fn new(z: &HostMatrix, y: &[f64], rows: usize, beta: f64, output_bias: bool) -> Self {
        let n = y.len() as f64;
        let mean = |row: usize| if output_bias { (0..z.cols()).map(|a| z[(row, a)]).sum::<f64>() / n } else { 0.0 };
        let means: Vec<f64> = (0..z.rows()).map(mean).collect();
        let centre = if output_bias { y.iter().sum::<f64>() / n } else { 0.0 };
        let z = HostMatrix::from_fn(z.rows(), z.cols(), |row, a| z[(row, a)] - means[row]);
        Proximal { z, y: y.iter().map(|y| y - centre).collect(), rows, beta }
    }

    /// Z u - y.
    fn residual(&self, u: &[f64]) -> Vec<f64> {
        (0..self.y.len()).map(|a| dot(self.z.col(a), u) - self.y[a]).collect()
    }

    /// Z'r.
    fn pull(&self, r: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.z.rows()];
        for (a, r) in r.iter().enumerate() {
            out.iter_mut().zip(self.z.col(a)).for_each(|(out, z)| *out += r * z);
        }
        out
    }

    /// The largest norm of a block of Z'y.
    fn largest_gradient(&self) -> f64 {
        self.pull(&self.y).chunks(self.rows).map(norm).fold(0.0, f64::max)
    }

    fn objective(&self, u: &[f64]) -> f64 {
        let r = self.residual(u);
        0.5 * dot(&r, &r) + self.beta * u.chunks(self.rows).map(norm).sum::<f64>()
    }

    fn bound(&self, u: &[f64]) -> f64 {
        let r = self.residual(u);
        let largest = self.pull(&r).chunks(self.rows).map(norm).fold(0.0, f64::max);
        let t = (-dot(&r, &self.y) / dot(&r, &r)).min(self.beta / largest).max(0.0);
        -t * dot(&r, &self.y) - 0.5 * t * t * dot(&r, &r)
    }

    /// Of Z'Z, by the power method and 5 % more.
    fn largest_eigenvalue(&self) -> f64 {
        let mut x = Random(1).vector(self.z.rows());
        for _ in 0..100 {
            let next = self.pull(&(0..self.y.len()).map(|a| dot(self.z.col(a), &x)).collect::<Vec<_>>());
            x = next.iter().map(|value| value / norm(&next)).collect();
        }
        let image: Vec<f64> = (0..self.y.len()).map(|a| dot(self.z.col(a), &x)).collect();
        1.05 * dot(&image, &image)
    }

    fn optimum(&self) -> f64 {
        let mut u = vec![0.0; self.z.rows()];
        let step = 1.0 / self.largest_eigenvalue();
        let (mut w, mut momentum) = (u.clone(), 1.0f64);
        for iteration in 1..30_000 {
            let gradient = self.pull(&self.residual(&w));
            let mut next: Vec<f64> = w.iter().zip(&gradient).map(|(w, g)| w - step * g).collect();
            for block in next.chunks_mut(self.rows) {
                let size = norm(block);
                let scale = if size > step * self.beta { 1.0 - step * self.beta / size } else { 0.0 };
                block.iter_mut().for_each(|value| *value *= scale);
            }
            // Momentum in the wrong direction is dropped.
            let against: f64 = (0..u.len()).map(|k| (w[k] - next[k]) * (next[k] - u[k])).sum();
            let following = if against > 0.0 { 1.0 } else { 0.5 + (0.25 + momentum * momentum).sqrt() };
            let weight = if against > 0.0 { 0.0 } else { (momentum - 1.0) / following };
            w = next.iter().zip(&u).map(|(next, u)| next + weight * (next - u)).collect();
            (u, momentum) = (next, following);
            if iteration % 50 == 0 && self.objective(&u) - self.bound(&u) <= 1e-7 * self.objective(&u) {
                return self.objective(&u);
            }
        }
        panic!("{} and {}", self.objective(&u), self.bound(&u));
    }
}

#[test]
fn the_optimum_is_that_of_proximal_gradients() {
    for (classes, output_bias) in [(2, false), (3, true)] {
        let data = textures(42, classes, 1);
        let solutions = PRECISIONS.map(|precision| {
            let gap = if precision == Precision::F64 { 1e-6 } else { 5e-5 };
            let settings = Settings { precision, gap, output_bias, beta: Beta::Fraction(0.1), ..on_patches() };
            let solution = train(&data, None, &settings).unwrap();
            assert!(solution.objective.relative_gap <= gap && solution.cone_violation == 0.0);
            assert!(verify(&solution.model, &data).unwrap().holds(), "{classes} {precision:?}");
            solution
        });
        let (model, beta) = (&solutions[0].model, solutions[0].beta);
        let (z, y) = (features(model, 0, &data), model.task.encode(data.labels().unwrap()).unwrap());
        let of_target = |c: usize| Proximal::new(&z, y.col(c), model.network.w1.rows(), beta, output_bias);
        let expected: f64 = (0..y.cols()).map(|c| of_target(c).optimum()).sum();
        for solution in &solutions {
            let (found, bound) = (optimum(solution), solution.objective.dual_bound);
            assert!(near(solution.beta, beta, 1e-12), "the features are the same numbers");
            assert!(near(found, expected, 1e-4), "{classes}: {found}, {expected}");
            assert!(found > expected * (1.0 - 1e-6) && bound < expected * (1.0 + 1e-6));
        }
        // beta is a fraction of the largest gradient at zero.
        let gradients = (0..y.cols()).map(|c| of_target(c).largest_gradient());
        assert!(near(beta, 0.1 * gradients.fold(0.0, f64::max), 1e-9));
    }
}

#[test]
fn every_loss_has_a_certified_optimum_that_both_solvers_find() {
    let data = textures(36, 3, 2);
    for (loss, output_bias) in [(Loss::Squared, true), (Loss::Logistic, false), (Loss::Multinomial, true)] {
        let optima = [SolverKind::Cholesky, SolverKind::Cg].map(|kind| {
            let (solver, precision) = (SolverChoice::Kind(kind), Precision::F64);
            let settings = Settings { solver, precision, loss, output_bias, gap: 1e-5, ..on_patches() };
            let solution = train(&data, None, &settings).unwrap();
            assert_eq!(solution.summary.solver, kind);
            assert!(solution.objective.relative_gap <= 1e-5, "{loss:?} {kind}");
            assert!(verify(&solution.model, &data).unwrap().holds(), "{loss:?} {kind}");
            optimum(&solution)
        });
        assert!(near(optima[0], optima[1], 2e-5), "{loss:?}: {optima:?}");
    }
}

/// Pixels of three levels and an empty border make many equal patches, and a threshold between two of them would lie on
/// the patches themselves.
#[test]
fn images_of_few_levels_train_and_verify() {
    let mut random = Random(4);
    let inside = |at: usize| (4..12).contains(&(at / SIDE)) && (4..12).contains(&(at % SIDE));
    let pixel = |at: usize, random: &mut Random| if inside(at) { random.signed().round() } else { 0.0 };
    let values: Vec<f64> = (0..30 * SIDE * SIDE).map(|at| pixel(at % (SIDE * SIDE), &mut random)).collect();
    let labels = textures(30, 2, 1).labels().cloned();
    let data = Dataset::new(SIDE * SIDE, values, labels, KIND).unwrap();
    for (precision, gates) in PRECISIONS.into_iter().zip([PatchGates::Random, PatchGates::Clusters]) {
        let patches = PatchSettings { gates, directions: 4, ..patch_settings(&on_patches()) };
        let settings = Settings { precision, gates: Gates::Patches(patches), patterns: 12, ..on_patches() };
        let solution = train(&data, None, &settings).unwrap();
        assert_eq!(solution.status, Status::Optimal);
        assert!(verify(&solution.model, &data).unwrap().holds(), "{precision:?}");
    }
}

#[test]
fn at_the_largest_beta_the_network_is_zero() {
    let data = textures(20, 2, 3);
    let solution = train(&data, None, &Settings { beta: Beta::Fraction(1.0), ..on_patches() }).unwrap();
    assert_eq!((solution.status, solution.model.network.n_neurons()), (Status::Optimal, 0));
    assert!(verify(&solution.model, &data).unwrap().holds());
    assert!(solution.model.predict(&data).unwrap().values().iter().all(|f| *f == 0.0));
}

#[test]
fn test_images_are_scored_by_the_network() {
    let (data, test) = (textures(40, 2, 4), textures(30, 2, 5));
    let solution = train(&data, Some(&test), &Settings { output_bias: true, ..on_patches() }).unwrap();
    let prediction = solution.model.predict(&test).unwrap();
    let y = solution.model.task.encode(test.labels().unwrap()).unwrap();
    let right = (0..30).filter(|&a| (prediction[(a, 0)] >= 0.0) == (y[(a, 0)] > 0.0)).count();
    assert_eq!(solution.test.unwrap().accuracy, Some(right as f64 / 30.0));
    let found = solution.test_predictions.unwrap().outputs;
    assert!(found.values().iter().zip(prediction.values()).all(|(a, b)| (a - b).abs() < 1e-5 * (1.0 + b.abs())));
}

// ---- bits, memory and checkpoints ----------------------------------------------------------------------------------

#[test]
fn one_and_two_threads_give_the_same_bits() {
    let data = textures(40, 2, 6);
    for precision in PRECISIONS {
        let run = |threads| train(&data, None, &Settings { threads, precision, ..on_patches() }).unwrap();
        assert_same(&run(1), &run(2), &format!("{precision:?}"));
    }
}

/// Gates and directions enough that features take more memory than images.
fn large() -> Settings {
    let patches = PatchSettings { directions: 8, regions: Some(4), ..patch_settings(&on_patches()) };
    let (gates, beta) = (Gates::Patches(patches), Beta::Fraction(0.1));
    Settings { gates, beta, patterns: 12, precision: Precision::F64, ..on_patches() }
}

/// Counts what is begun.
struct Begun(usize);

impl Observer for Begun {
    fn begin(&mut self, _: &Summary) {
        self.0 += 1;
    }
    fn iteration(&mut self, _: &Iteration) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

#[test]
fn features_that_do_not_fit_are_computed_again_and_the_optimum_is_the_same() {
    let data = textures(40, 2, 7);
    for precision in FeaturePrecision::ALL {
        let settings = rounded(large(), precision);
        let iterative = Settings { solver: SolverChoice::Kind(SolverKind::GramPcg), ..settings.clone() };
        let [kept, direct] = [&iterative, &settings].map(|settings| train(&data, None, settings).unwrap());
        for run in [&kept, &direct] {
            let Some(Features { precision: found, stored: true, bytes }) = run.summary.features else { panic!() };
            // 40 images, 12 gates with 16 regions of 9 values, in f64 or in half precision.
            assert_eq!((found, bytes), (precision, [8, 2][precision as usize] * 40 * 12 * 16 * 9));
        }
        compare_with_recomputed(&data, &settings, &kept, &direct);
    }
}

fn compare_with_recomputed(data: &Dataset, settings: &Settings, kept: &Solution, direct: &Solution) {
    let precision = kept.summary.features.unwrap().precision;
    assert_eq!(direct.summary.solver, SolverKind::Cholesky);
    let needed = kept.summary.memory_bytes.min(direct.summary.memory_bytes);
    let again = train(data, None, &Settings { memory_budget: Some(needed - 1), ..settings.clone() }).unwrap();
    let features = again.summary.features.unwrap();
    assert_eq!((features.precision, features.stored), (precision, false), "{:?}", again.summary);
    assert_eq!(again.model.network.patches.as_ref().unwrap().precision, precision);
    assert_eq!(again.summary.solver, SolverKind::GramPcg);
    assert!(again.summary.memory_bytes < needed);
    // The same numbers in every product, but for the order of sums.
    assert!(near(optimum(&again), optimum(kept), 1e-9), "{:?} {:?}", again.objective, kept.objective);
    assert!(near(optimum(&again), optimum(direct), 1e-3));
    assert!(verify(&again.model, data).unwrap().holds());
}

#[test]
fn too_little_memory_is_an_error_before_work() {
    let data = textures(40, 2, 7);
    let direct = rounded(large(), FeaturePrecision::Half);
    let direct = Settings { solver: SolverChoice::Kind(SolverKind::Cholesky), ..direct };
    let needed = train(&data, None, &Settings { max_iterations: 1, ..direct.clone() }).unwrap().summary.memory_bytes;
    for (settings, budget) in [(&direct, needed - 1), (&large(), 10_000)] {
        let settings = Settings { memory_budget: Some(budget), ..settings.clone() };
        let mut observer = Begun(0);
        let error = train_with(&data, None, &settings, None, &StopToken::new(), &mut observer).unwrap_err();
        assert!(matches!(error, TrainError::Memory { budget: found, .. } if found == budget), "{error}");
        assert_eq!(observer.0, 0);
    }
}

/// A path within any budget: folds compute their features as the whole does.
#[test]
fn paths_within_any_memory_are_certified_or_refused() {
    let data = textures(40, 2, 7);
    let settings = Settings { gap: 1e-2, ..large() };
    let alone = train(&data, None, &Settings { max_iterations: 1, ..settings.clone() }).unwrap().summary.memory_bytes;
    let mut kinds = Vec::new();
    let folds = PathSettings { ratio: 0.3, gap: 0.1, ..along(1, Validation::Folds(2), Returned::Mean) };
    for tenths in [15, 25, 34] {
        let settings = Settings { memory_budget: Some(alone / 10 * tenths), ..settings.clone() };
        match path(&data, None, &settings, &folds, &StopToken::new(), &mut ()) {
            Ok(found) => {
                assert_eq!(found.solution.status, Status::Optimal, "{tenths}: {:?}", found.solution.summary);
                assert!(verify(&found.solution.model, &data).unwrap().holds(), "{tenths}");
                kinds.push(Some(found.solution.summary.features.unwrap().stored));
            }
            Err(TrainError::Memory { .. }) => kinds.push(None),
            Err(error) => panic!("{tenths}: {error}"),
        }
    }
    assert!([None, Some(false), Some(true)].iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
}

#[test]
fn a_resumed_run_has_the_bits_of_the_whole_run() {
    let data = textures(40, 2, 8);
    let fixed = Settings { gap: 1e-300, max_iterations: 24, rho: Some(1e4), ..on_patches() };
    let cg = SolverChoice::Kind(SolverKind::Cg);
    for settings in [
        fixed.clone(),
        Settings { precision: Precision::F64, loss: Loss::Logistic, output_bias: true, ..fixed.clone() },
        Settings { solver: cg, ..fixed.clone() },
    ] {
        let whole = train(&data, None, &settings).unwrap();
        assert_eq!(whole.status, Status::IterationLimit);
        for at in [1, 13] {
            let resumed = interrupted_at(at, &data, &settings);
            assert_same(&resumed, &whole, &format!("{:?} {:?} at {at}", settings.loss, settings.solver));
        }
    }
    // Other patches are another run.
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = interrupted(3, &data, &fixed, &folder);
    let patches = PatchSettings { active: 0.3, ..patch_settings(&fixed) };
    let other = Settings { gates: Gates::Patches(patches), ..fixed };
    let error = resume(&data, None, &other, &checkpoint, &StopToken::new(), &mut ()).unwrap_err();
    let named = |name: &str| ["gates", "active"].contains(&name);
    assert!(matches!(&error, TrainError::OtherRun { saved, .. } if named(&saved.name)), "{error}");
}

fn interrupted_at(at: usize, data: &Dataset, settings: &Settings) -> Solution {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = interrupted(at, data, settings, &folder);
    resume(data, None, settings, &checkpoint, &StopToken::new(), &mut ()).unwrap()
}

// ---- paths ---------------------------------------------------------------------------------------------------------

fn along(betas: usize, validation: Validation, returned: Returned) -> PathSettings {
    PathSettings { betas, ratio: 0.02, validation, returned, ..PathSettings::default() }
}

fn follow(data: &Dataset, settings: &Settings, path_settings: &PathSettings) -> PathSolution {
    path(data, None, settings, path_settings, &StopToken::new(), &mut ()).unwrap()
}

#[test]
fn a_path_with_a_share_trains_again_at_the_chosen_beta() {
    let data = textures(50, 2, 9);
    let settings = Settings { output_bias: true, ..on_patches() };
    let found = follow(&data, &settings, &along(4, Validation::Share(0.2), Returned::Retrained));
    let model = &found.solution.model;
    assert_eq!((found.solution.status, found.points.len(), model.parts.len()), (Status::Optimal, 4, 1));
    assert!(verify(model, &data).unwrap().holds());
    // The run at that beta alone.
    let beta = Beta::Fraction(found.points[found.chosen].fraction);
    let alone = train(&data, None, &Settings { beta, ..settings }).unwrap();
    assert!(alone.model.network == model.network && alone.model.parts == model.parts);
}

#[test]
fn the_mean_of_folds_proves_every_part_and_predicts_what_they_held_out() {
    let data = textures(48, 3, 10);
    for precision in PRECISIONS {
        let settings = Settings { output_bias: true, precision, ..on_patches() };
        let found = follow(&data, &settings, &along(3, Validation::Folds(3), Returned::Mean));
        let model = &found.solution.model;
        assert_eq!((found.solution.status, model.parts.len()), (Status::Optimal, 3));
        assert!(model.parts.iter().all(|part| part.objective.relative_gap <= 1e-3 && part.neurons > 0));
        assert!(verify(model, &data).unwrap().holds(), "{precision:?}");
        let parts: Vec<HostMatrix> =
            (0..3).map(|k| Model { network: model.part(k).0, ..model.clone() }.predict(&data).unwrap()).collect();
        for (at, f) in model.predict(&data).unwrap().values().iter().enumerate() {
            let mean = parts.iter().map(|part| part.values()[at]).sum::<f64>() / 3.0;
            assert!((f - mean).abs() < 1e-12 * (1.0 + mean.abs()), "{f} {mean}");
        }
        // Each sample is predicted by the part that did not see it.
        let rows: Vec<usize> = (0..48).collect();
        let outputs = HeldOutPredictor::new(model, &rows).unwrap().predict(&data).unwrap();
        for (k, part) in model.parts.iter().enumerate() {
            for (&row, c) in part.held_out.iter().flat_map(|row| (0..3).map(move |c| (row, c))) {
                assert!((outputs[(row, c)] - parts[k][(row, c)]).abs() < 1e-12);
            }
        }
        // Those of the path, which is solved to a larger gap.
        for (at, &row) in found.held_out.rows.iter().enumerate() {
            let outputs_of_path = &found.held_out.predictions.outputs;
            assert!((0..3).all(|c| (outputs_of_path[(at, c)] - outputs[(row, c)]).abs() < 0.2));
        }
        // A part alone is what a run on its samples finds, since the gates of all images do not depend on labels.
        let held_out = split::folds(data.labels().unwrap(), true, 3, settings.seed);
        assert_eq!(model.parts.iter().map(|part| part.held_out.clone()).collect::<Vec<_>>(), held_out);
    }
}

#[test]
fn an_ensemble_averages_networks_of_different_gates() {
    let data = textures(40, 2, 11);
    let path_settings = PathSettings { ensemble: 2, ..along(2, Validation::Share(0.2), Returned::Retrained) };
    let found = follow(&data, &on_patches(), &path_settings);
    let (model, fraction) = (&found.solution.model, found.points[found.chosen].fraction);
    assert_eq!(model.parts.len(), 2);
    assert!(verify(model, &data).unwrap().holds());
    let gates = |k: usize| model.parts[k].witness.as_ref().unwrap().gates.clone();
    assert_ne!(gates(0), gates(1));
    let run =
        |seed| train(&data, None, &Settings { beta: Beta::Fraction(fraction), seed, ..on_patches() }).unwrap().model;
    let alone = [run(0), run(1)];
    assert_eq!(alone[0].network.patches, alone[1].network.patches, "what they have in common does not depend on seeds");
    let [f, a, b] = [model, &alone[0], &alone[1]].map(|model| model.predict(&data).unwrap());
    for (f, (a, b)) in f.values().iter().zip(a.values().iter().zip(b.values())) {
        assert!((f - 0.5 * (a + b)).abs() < 1e-12 * (1.0 + a.abs() + b.abs()));
    }
    // Several splits have the folds of all of them.
    let path_settings = PathSettings { ensemble: 2, ..along(1, Validation::Folds(2), Returned::Mean) };
    let mean = follow(&data, &on_patches(), &path_settings).solution.model;
    assert_eq!(mean.parts.len(), 4);
    assert!(verify(&mean, &data).unwrap().holds());
}

// ---- choices -------------------------------------------------------------------------------------------------------

#[test]
fn images_of_sixteen_pixels_have_patches_unless_something_else_is_wished_for() {
    let gates = |data: &Dataset, wishes: &Wishes| {
        automatic(data, &Settings::default(), &PathSettings::default(), wishes).unwrap().settings.gates
    };
    let of = |height: usize, width: usize| {
        let kind = FeatureKind::Image { channels: 1, height, width };
        let labels = textures(4, 2, 1).labels().cloned();
        Dataset::new(height * width, Random(1).vector(4 * height * width), labels, kind).unwrap()
    };
    let patches = Gates::Patches(PatchSettings::default());
    assert_eq!(gates(&of(16, 16), &Wishes::default()), patches);
    assert_eq!(gates(&of(16, 40), &Wishes::default()), patches);
    assert_eq!(gates(&of(12, 12), &Wishes::default()), Gates::Auto);
    assert_eq!(gates(&of(15, 16), &Wishes::default()), Gates::Auto);
    let relu = Wishes { activation: Some(Activation::Relu), ..Wishes::default() };
    assert_eq!(gates(&of(16, 16), &relu), Gates::Auto);
    let local = Wishes { gates: Some(Gates::Kind(GateKind::Local)), ..Wishes::default() };
    assert_eq!(gates(&of(16, 16), &local), Gates::Kind(GateKind::Local));
    let small = Wishes { gates: Some(patches.clone()), ..Wishes::default() };
    assert_eq!(gates(&of(12, 12), &small), patches);
}

/// A pixel whose sign is the class, and noise: nothing that a sum over patches of a region could show.
fn one_pixel(n: usize) -> Dataset {
    let mut random = Random(3);
    let mut values = random.vector(n * SIDE * SIDE);
    for a in 0..n {
        values[a * SIDE * SIDE + 8 * SIDE + 8] = if a % 2 == 0 { 9.0 } else { -9.0 };
    }
    let labels = Labels::numbers((0..n).map(|a| (a % 2) as f64).collect());
    Dataset::new(SIDE * SIDE, values, Some(labels), KIND).unwrap()
}

/// Both are tried on the same samples, and the better one is trained; under a time limit only the planned one is.
#[test]
fn gates_of_whole_images_are_tried_beside_those_of_patches() {
    let wishes = Wishes { patterns: Some(6), ensemble: Some(1), ..Wishes::default() };
    let chosen = |data: &Dataset, time_limit: Option<f64>| {
        let settings = Settings { time_limit, gap: 1e-2, ..Settings::default() };
        let path = PathSettings { validation: Validation::Folds(2), ..PathSettings::default() };
        let mut plan = automatic(data, &settings, &path, &wishes).unwrap();
        // Fewer betas and gates: which is better shows all the same.
        (plan.path.betas, plan.path.ratio) = (4, 1e-2);
        plan.beside.as_mut().unwrap().patterns = 6;
        choose(data, None, &plan, &StopToken::new(), &mut ()).unwrap()
    };
    let on_patches = |settings: &Settings| matches!(settings.gates, Gates::Patches(_));
    for (data, better) in [(textures(48, 2, 1), true), (one_pixel(48), false)] {
        let found = chosen(&data, None);
        let beside = found.beside.as_ref().unwrap();
        assert_eq!((on_patches(&found.settings), on_patches(&beside.settings)), (better, !better));
        assert_eq!(found.solution.model.network.patches.is_some(), better);
        assert!(found.points[found.chosen].mean_loss < beside.point.mean_loss);
        assert!(verify(&found.solution.model, &data).unwrap().holds());
    }
    let limited = chosen(&one_pixel(48), Some(1e6));
    assert!(limited.beside.is_none() && on_patches(&limited.settings));
    let local = Wishes { gates: Some(Gates::Auto), ..Wishes::default() };
    let settings = (Settings::default(), PathSettings::default());
    assert!(automatic(&one_pixel(8), &settings.0, &settings.1, &local).unwrap().beside.is_none());
}

#[test]
fn what_patches_do_not_offer_is_refused() {
    let data = textures(12, 2, 1);
    let refused = |data: &Dataset, settings: Settings| train(data, None, &settings).map(drop).unwrap_err();
    let patches = |change: &dyn Fn(&mut PatchSettings)| {
        let mut patches = patch_settings(&on_patches());
        change(&mut patches);
        Settings { gates: Gates::Patches(patches), ..on_patches() }
    };
    for (settings, name) in [
        (Settings { activation: Activation::Relu, ..on_patches() }, "activation"),
        (Settings { refine: 1, ..on_patches() }, "refine"),
        (Settings { patterns: 0, ..on_patches() }, "patterns"),
        (Settings { solver: SolverChoice::Kind(SolverKind::NystromRbcd), ..on_patches() }, "solver"),
    ] {
        let error = refused(&data, settings);
        assert!(matches!(error, TrainError::Setting { name: found, .. } if found == name), "{error}");
    }
    for (settings, name) in [
        (patches(&|patches| patches.side = Some(SIDE + 1)), "patch"),
        (patches(&|patches| patches.side = Some(usize::MAX)), "patch"),
        (patches(&|patches| patches.stride = Some(0)), "stride"),
        (patches(&|patches| patches.stride = Some(usize::MAX)), "regions"),
        (patches(&|patches| patches.regions = Some(usize::MAX)), "regions"),
        (patches(&|patches| patches.active = f64::NAN), "active"),
    ] {
        let error = refused(&data, settings);
        let named = |error: &TrainError| {
            matches!(error,
            TrainError::Model(ModelError::OutOfRange { name: found, .. }) if *found == name)
        };
        assert!(named(&error), "{error}");
    }
    assert_eq!(refused(&planted(20, 4, 1), on_patches()), ModelError::NotImages { gates: "conv" }.into());
}

/// The texture is nowhere in particular, so that a gate of the whole image has to be drawn for every place.
#[test]
fn textures_are_learned_by_patches_and_not_by_whole_images() {
    let (data, test) = (textures(60, 2, 12), textures(200, 2, 13));
    let accuracy = |gates: Gates, patterns: usize| {
        let best = [0.1, 0.01].map(|fraction| {
            let (gates, beta) = (gates.clone(), Beta::Fraction(fraction));
            let settings = Settings { gates, patterns, beta, output_bias: true, ..on_patches() };
            train(&data, Some(&test), &settings).unwrap().test.unwrap().accuracy.unwrap()
        });
        best[0].max(best[1])
    };
    let (patches, whole) = (accuracy(on_patches().gates, 8), accuracy(Gates::Kind(GateKind::Local), 100));
    assert!(patches > 0.95 && whole < 0.75, "{patches}, {whole}");
}
