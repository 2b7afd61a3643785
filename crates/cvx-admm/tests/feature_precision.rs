//! Features of half precision: their optimum and its certificate, the choice by the memory, and checkpoints.

mod common;

use common::interrupted::interrupted;
use common::textures::{on_patches, patch_settings, rounded, textures};
use common::{assert_same, near, optimum};
use cvx_admm::{
    CheckpointPlan, Gates, Model, PathSettings, Precision, Returned, Settings, SolverChoice, SolverKind, StopToken,
    TrainError, Validation, path, resume, train, verify,
};
use cvx_linalg::FeaturePrecision;
use cvx_model::PatchSettings;

/// Both solvers and devices' precisions find the optimum of the rounded features, and the model is one of them.
#[test]
fn features_of_half_precision_have_a_certified_optimum() {
    let data = textures(300, 3, 15);
    let half = rounded(Settings { output_bias: true, gap: 1e-4, ..on_patches() }, FeaturePrecision::Half);
    let single = train(&data, None, &rounded(half.clone(), FeaturePrecision::Single)).unwrap();
    let mut optima = Vec::new();
    for (solver, precision) in [
        (SolverKind::Cholesky, Precision::F32),
        (SolverKind::Cg, Precision::F32),
        (SolverKind::Cholesky, Precision::F64),
    ] {
        let settings = Settings { solver: SolverChoice::Kind(solver), precision, ..half.clone() };
        let solution = train(&data, Some(&textures(20, 3, 16)), &settings).unwrap();
        assert_eq!(solution.summary.features.unwrap().precision, FeaturePrecision::Half);
        assert!(solution.objective.relative_gap <= 1e-4, "{solver} {precision:?}");
        assert!(verify(&solution.model, &data).unwrap().holds(), "{solver} {precision:?}");
        // Single precision is another network, whose objective this one does not have.
        let mut other = solution.model.clone();
        let mut patches = (**other.network.patches.as_ref().unwrap()).clone();
        patches.precision = FeaturePrecision::Single;
        other.network.patches = Some(patches.into());
        assert_ne!(other.predict(&data).unwrap(), solution.model.predict(&data).unwrap());
        // The file says which.
        let read = Model::from_bytes(&solution.model.to_bytes().unwrap(), "m.cvx".as_ref()).unwrap();
        assert!(read == solution.model);
        assert_eq!(read.network.patches.as_ref().unwrap().precision, FeaturePrecision::Half);
        assert_eq!(read.predict(&data).unwrap(), solution.model.predict(&data).unwrap());
        optima.push(optimum(&solution));
    }
    assert!(optima.iter().all(|found| near(*found, optima[0], 3e-4)), "{optima:?}");
    assert!(near(optima[0], optimum(&single), 1e-2), "{optima:?} {}", optimum(&single));
}

/// Features that take more than the images. Of 800 images: of as few as are read at a time, those in half precision
/// would take more than those in single precision.
fn many_features() -> Settings {
    let patches = PatchSettings { directions: 8, regions: Some(4), ..patch_settings(&on_patches()) };
    Settings { gates: Gates::Patches(patches), precision: Precision::F32, patterns: 12, ..on_patches() }
}

/// Stored in single precision, else in half precision, else computed again: each where the one before does not fit.
#[test]
fn the_memory_decides_the_precision_of_features() {
    let data = textures(800, 2, 7);
    let settings = Settings { max_iterations: 3, ..many_features() };
    let run = |settings: &Settings, memory_budget: Option<u64>| {
        train(&data, None, &Settings { memory_budget, ..settings.clone() }).unwrap()
    };
    let iterative = Settings { solver: SolverChoice::Kind(SolverKind::GramPcg), ..settings.clone() };
    let least = |precision: FeaturePrecision| {
        let run = |settings: &Settings| run(&rounded(settings.clone(), precision), None).summary.memory_bytes;
        run(&settings).min(run(&iterative))
    };
    let [single, half] = FeaturePrecision::ALL.map(least);
    assert!(half < single);
    let found = |budget: u64| {
        let solution = run(&settings, Some(budget));
        let features = solution.summary.features.unwrap();
        assert!(solution.summary.memory_bytes <= budget);
        assert_eq!(solution.model.network.patches.as_ref().unwrap().precision, features.precision);
        assert!(verify(&solution.model, &data).unwrap().holds(), "{features:?}");
        (features.precision, features.stored)
    };
    assert_eq!(found(single), (FeaturePrecision::Single, true));
    assert_eq!(found(single - 1), (FeaturePrecision::Half, true));
    assert_eq!(found(half), (FeaturePrecision::Half, true));
    assert_eq!(found(half - 1), (FeaturePrecision::Single, false));
}

/// Conjugate gradients would fit with features of single precision, too.
#[test]
fn a_direct_solver_on_half_precision_comes_before_an_iterative_one() {
    let data = textures(800, 2, 7);
    let settings = Settings { max_iterations: 3, ..many_features() };
    let of = |solver: SolverKind, precision: FeaturePrecision| {
        let solver = SolverChoice::Kind(solver);
        train(&data, None, &rounded(Settings { solver, ..settings.clone() }, precision)).unwrap().summary.memory_bytes
    };
    let budget = of(SolverKind::Cholesky, FeaturePrecision::Single) - 1;
    assert!(of(SolverKind::GramPcg, FeaturePrecision::Single) <= budget);
    let summary = train(&data, None, &Settings { memory_budget: Some(budget), ..settings.clone() }).unwrap().summary;
    assert_eq!((summary.solver, summary.features.unwrap().precision), (SolverKind::Cholesky, FeaturePrecision::Half));
}

#[test]
fn folds_and_seeds_have_features_of_half_precision() {
    let data = textures(60, 2, 9);
    let settings = rounded(Settings { gap: 1e-2, ..on_patches() }, FeaturePrecision::Half);
    for (validation, returned) in
        [(Validation::Folds(3), Returned::Mean), (Validation::Share(0.2), Returned::Retrained)]
    {
        let (betas, ratio, gap) = (2, 0.3, 0.1);
        let of_two = PathSettings { betas, ratio, gap, validation, returned, ensemble: 2, ..PathSettings::default() };
        let solution = path(&data, None, &settings, &of_two, &StopToken::new(), &mut ()).unwrap().solution;
        assert_eq!(solution.summary.features.unwrap().precision, FeaturePrecision::Half);
        assert_eq!(solution.model.network.patches.as_ref().unwrap().precision, FeaturePrecision::Half);
        assert_eq!(solution.model.parts.len(), if returned == Returned::Mean { 6 } else { 2 });
        assert!(verify(&solution.model, &data).unwrap().holds());
    }
}

/// What the memory has decided holds for the whole run, however much there is later.
#[test]
fn a_resumed_run_keeps_the_precision_of_its_features() {
    let data = textures(800, 2, 8);
    let solver = SolverChoice::Kind(SolverKind::Cholesky);
    let automatic = Settings { solver, gap: 1e-300, max_iterations: 12, rho: Some(1e4), ..many_features() };
    let [single, half] = FeaturePrecision::ALL.map(|precision| rounded(automatic.clone(), precision));
    let whole = train(&data, None, &half).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = Some(CheckpointPlan { path: folder.path().join("run.ckpt"), every: 1e9 });
    let needed = train(&data, None, &Settings { checkpoint, ..half.clone() }).unwrap().summary.memory_bytes;
    let short = Settings { memory_budget: Some(needed), ..automatic.clone() };
    let checkpoint = interrupted(5, &data, &short, &folder);
    for settings in [&automatic, &half] {
        let resumed = resume(&data, None, settings, &checkpoint, &StopToken::new(), &mut ()).unwrap();
        assert_eq!(resumed.summary.features.unwrap().precision, FeaturePrecision::Half);
        assert_same(&resumed, &whole, "resumed in half precision");
    }
    let error = resume(&data, None, &single, &checkpoint, &StopToken::new(), &mut ()).unwrap_err();
    assert!(matches!(&error, TrainError::OtherRun { saved, .. } if saved.name == "feature_precision"), "{error}");
}
