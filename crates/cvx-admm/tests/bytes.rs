//! Pins the bytes of trained models: a refactoring changes none of them.
//!
//! The checksums are valid for one kind of processor, since the order of summation in products depends on its vector
//! width. On another kind, the test reports that it was skipped. `CVX_RECORD_BYTES=1 cargo test -p cvx-admm --test
//! bytes` rewrites the file. A commit that changes the file states which runs changed, and why.

mod common;

use common::{PRECISIONS, Random, planted, smooth};
use cvx_admm::{
    Beta, Certify, Checkpoint, CheckpointPlan, ClassWeights, PathSettings, Precision, Settings, Solution, SolverChoice,
    SolverKind, StopToken, Validation, path, resume, train,
};
use cvx_linalg::conformance::skip;
use cvx_model::{Activation, Dataset, FeatureKind, Labels, Loss};
use std::fmt::Write;
use std::fs;
use std::path::Path;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bytes.txt");

/// The solvers that every revision has.
const SOLVERS: [SolverKind; 8] = [
    SolverKind::Cholesky,
    SolverKind::GramPcg,
    SolverKind::GramNystromPcg,
    SolverKind::NystromRbcd,
    SolverKind::Rbcd,
    SolverKind::NystromPcg,
    SolverKind::JacobiPcg,
    SolverKind::Cg,
];

fn short() -> Settings {
    Settings { patterns: 12, max_iterations: 40, gap: 1e-300, ..Settings::default() }
}

/// Three classes by a product of features.
fn classes() -> Dataset {
    let x = Random(5).vector(120 * 6);
    let class = |row: &[f64]| ((row[0] + row[1] * row[2] + 1.0) * 1.5).clamp(0.0, 2.9) as u32;
    let names = ["low", "middle", "high"].map(str::to_string).to_vec();
    let labels = Labels::Names { index: x.chunks(6).map(class).collect(), names };
    Dataset::new(6, x, Some(labels), FeatureKind::Table).unwrap()
}

/// Name and checksum of each run.
#[derive(Default)]
struct Runs(Vec<(String, u32)>);

impl Runs {
    fn add(&mut self, name: String, solution: &Solution) {
        self.0.push((name, crc32fast::hash(&solution.model.to_bytes().unwrap())));
    }
}

/// A run that is interrupted and resumed from its checkpoint.
fn resumed(data: &Dataset, settings: &Settings) -> Solution {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.ckpt");
    let plan = CheckpointPlan { path: file.clone(), every: 1e9 };
    let first = Settings { max_iterations: 13, checkpoint: Some(plan), ..settings.clone() };
    train(data, None, &first).unwrap();
    let checkpoint = Checkpoint::load(&file).unwrap();
    resume(data, None, settings, &checkpoint, &StopToken::new(), &mut ()).unwrap()
}

fn runs() -> Vec<(String, u32)> {
    let (binary, numbers, three) = (planted(150, 8, 2), smooth(130, 5, 4), classes());
    let mut runs = Runs::default();
    for activation in [Activation::Relu, Activation::Gated] {
        for precision in PRECISIONS {
            let settings = Settings { activation, precision, ..short() };
            let name = format!("{}-{}", activation.name(), precision.name());
            runs.add(format!("{name}-binary"), &train(&binary, None, &settings).unwrap());
            runs.add(format!("{name}-regression"), &train(&numbers, None, &settings).unwrap());
            runs.add(format!("{name}-three-classes"), &train(&three, None, &settings).unwrap());
            runs.add(format!("{name}-resumed"), &resumed(&binary, &settings));
        }
        let settings = Settings { activation, ..short() };
        let name = activation.name();
        for loss in [Loss::Logistic, Loss::SquaredHinge, Loss::Huber { delta: 0.3 }] {
            let settings = Settings { loss, ..settings.clone() };
            runs.add(format!("{name}-{}", loss.name()), &train(&binary, None, &settings).unwrap());
            runs.add(format!("{name}-{}-resumed", loss.name()), &resumed(&binary, &settings));
        }
        for kind in SOLVERS.into_iter().filter(|kind| activation == Activation::Relu || !kind.needs_cones()) {
            let settings = Settings { solver: SolverChoice::Kind(kind), max_iterations: 15, ..settings.clone() };
            runs.add(format!("{name}-{kind}"), &train(&binary, None, &settings).unwrap());
        }
        let balanced = Settings { class_weights: ClassWeights::Balanced, ..settings.clone() };
        runs.add(format!("{name}-weights"), &train(&binary, None, &balanced).unwrap());
        let beta = Beta::Fraction(1e-2);
        let refined = Settings { patterns: 7, refine: 2, beta, max_iterations: 20_000, gap: 1e-3, ..settings.clone() };
        runs.add(format!("{name}-refined"), &train(&binary, None, &refined).unwrap());
        let along = PathSettings { betas: 8, validation: Validation::Folds(3), ..PathSettings::default() };
        let free = Settings { max_iterations: 20_000, gap: 1e-3, ..settings.clone() };
        let found = path(&binary, None, &free, &along, &StopToken::new(), &mut ()).unwrap();
        runs.add(format!("{name}-path"), &found.solution);
        let points: Vec<u8> = (found.points.iter())
            .flat_map(|point| [point.beta, point.objective.network, point.objective.dual_bound, point.error])
            .flat_map(f64::to_le_bytes)
            .collect();
        runs.0.push((format!("{name}-path-points"), crc32fast::hash(&points)));
        let fixed = Settings { adapt_rho: false, over_relaxation: 1.0, anderson_depth: 0, ..settings.clone() };
        runs.add(format!("{name}-plain-iteration"), &train(&binary, None, &fixed).unwrap());
    }
    let sampled = Settings { certify: Certify::Sampled, precision: Precision::F64, ..short() };
    runs.add("relu-sampled".to_string(), &train(&numbers, None, &sampled).unwrap());
    runs.0
}

/// The name of the processor, according to the operating system.
fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let field =
        |name: &str| Some(text.lines().find(|line| line.starts_with(name))?.split_once(':')?.1.trim().to_string());
    let wide = field("flags")?.split(' ').any(|flag| flag == "avx512f");
    Some(format!("{}{}", field("model name")?, if wide { ", AVX-512" } else { "" }))
}

#[test]
fn the_bytes_of_models_are_those_that_are_written_down() {
    let Some(processor) = processor() else {
        skip(&"this system does not name its processor");
        return;
    };
    let recording = std::env::var_os("CVX_RECORD_BYTES").is_some();
    let recorded = fs::read_to_string(FILE).unwrap_or_default();
    if !recording && recorded.lines().next() != Some(&processor) {
        skip(&format!("the checksums are of {:?}, this is {processor}", recorded.lines().next()));
        return;
    }
    let runs = runs();
    assert!(runs.len() >= 40);
    let mut found = format!("{processor}\n");
    runs.iter().for_each(|(name, checksum)| writeln!(found, "{checksum:08x} {name}").unwrap());
    if recording {
        return fs::write(FILE, found).unwrap();
    }
    let differing: Vec<(&str, &str)> = recorded.lines().zip(found.lines()).filter(|(old, new)| old != new).collect();
    assert!(differing.is_empty() && recorded == found, "recorded and found: {differing:#?}");
    assert!(Path::new(FILE).exists());
}
