//! Programmes of gated neurons on patches: their features, and the memory that these take.

use crate::api::error::TrainError;
use crate::api::settings::{Gates, SolverChoice, ValidSettings};
use crate::problem::input::{Problem, TestSamples};
use crate::problem::memory::choose_solver;
use cvx_linalg::{Backend, FeaturePrecision, HostMatrix, LinalgError, SampleSource};
use cvx_model::{
    Activation, ConvexProgram, FEATURES_AT_A_TIME, FeatureKind, HeldOut, IMAGES_AT_A_TIME, PatchFeatures,
    PatchSettings, Patches, ProgramError,
};
use cvx_solvers::{ProblemShape, SolverKind};
use std::sync::Arc;

/// What the features of patches are, and how they are at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// What they are rounded to.
    pub precision: FeaturePrecision,
    /// Whether they are stored: in half precision, or in the precision of the back end. Else they are computed again
    /// for every product.
    pub stored: bool,
    /// The bytes that they take, or would take if they were stored.
    pub bytes: u64,
}

/// What evaluates the test samples, and their targets (n' x C).
type Watched<B> = (HeldOut<B>, HostMatrix);

/// Patches and gates that were fitted to images.
pub(crate) struct FittedGates {
    patches: Arc<Patches>,
    gates: HostMatrix,
}

impl FittedGates {
    /// Fits patches to the training images of the problem, with features of this precision, and draws `count` gates.
    pub(crate) fn of<B: Backend>(
        backend: &B,
        problem: &Problem,
        patches: &PatchSettings,
        precision: FeaturePrecision,
        (count, seed): (usize, u64),
    ) -> Result<Self, TrainError> {
        let settings = PatchSettings { precision: Some(precision), ..*patches };
        let (patches, gates) = settings.fit(backend, &problem.xt.to_matrix(), problem.kind, count, seed)?;
        Ok(FittedGates { patches: Arc::new(patches), gates })
    }

    /// The features of these images.
    pub(crate) fn features<B: Backend>(
        &self,
        backend: &B,
        images: &dyn SampleSource,
        features: Features,
    ) -> Result<PatchFeatures<B>, LinalgError> {
        let images = images.to_matrix();
        match features.stored {
            true => PatchFeatures::kept(backend, &self.patches, &self.gates, &images),
            false => PatchFeatures::recomputed(&self.patches, &self.gates, Arc::new(images)),
        }
    }
}

/// The features of training and test images for the same gates.
pub(crate) struct OwnFeatures<B: Backend> {
    train: PatchFeatures<B>,
    test: Option<PatchFeatures<B>>,
    /// How all of them are at hand.
    pub features: Features,
}

impl<B: Backend> OwnFeatures<B> {
    /// Computes the features of the images of the problem.
    pub(crate) fn of(
        backend: &B,
        fitted: &FittedGates,
        problem: &Problem,
        features: Features,
    ) -> Result<Self, TrainError> {
        let test = problem.test.as_ref().map(|test| fitted.features(backend, &*test.xt, features)).transpose()?;
        Ok(OwnFeatures { train: fitted.features(backend, &*problem.xt, features)?, test, features })
    }

    /// Divides the features of all images into those of a part and of what it holds out.
    pub(crate) fn divided(
        backend: &B,
        all: &PatchFeatures<B>,
        held_out: &[usize],
        features: Features,
    ) -> Result<Self, TrainError> {
        let mut rest = held_out.iter().peekable();
        let kept: Vec<usize> = (0..all.n_images()).filter(|row| rest.next_if(|next| *next == row).is_none()).collect();
        let (train, test) = (all.select(backend, &kept)?, Some(all.select(backend, held_out)?));
        Ok(OwnFeatures { train, test, features })
    }

    /// The programme of the training images at beta = 0, and what evaluates the test images.
    pub(crate) fn program(
        self,
        backend: B,
        test: Option<&TestSamples>,
        y: HostMatrix,
    ) -> Result<(ConvexProgram<B>, Option<Watched<B>>), ProgramError> {
        let program = ConvexProgram::on_patches(backend, self.train, y, 0.0)?;
        let held_out = match (self.test, test) {
            (Some(features), Some(test)) => Some((HeldOut::on_patches(&program, features)?, test.y.clone())),
            _ => None,
        };
        Ok((program, held_out))
    }
}

impl Problem {
    /// The sizes of the programme. The features of a block are those of the samples, or of a gate of patches.
    pub(crate) fn shape(
        &self,
        settings: &ValidSettings,
        patterns: usize,
        scalar_bytes: usize,
    ) -> Result<ProblemShape, TrainError> {
        let n_features = match (&settings.gates, self.kind) {
            (Gates::Patches(patches), FeatureKind::Image { channels, height, width }) => {
                patches.block_rows(channels, height, width)?
            }
            _ => self.xt.n_features(),
        };
        Ok(ProblemShape {
            n_samples: self.n_samples(),
            n_features,
            n_patterns: patterns,
            n_targets: self.targets.y.cols(),
            signs: settings.activation.blocks_per_pattern(),
            cones: settings.activation == Activation::Relu,
            scalar_bytes,
        })
    }

    /// The solver with its peak memory, and how the features of patches are at hand: as those are that are `given`, if
    /// any. If they have no precision yet, they are stored in single precision, else in half precision, else computed
    /// again; but a direct solver on stored features of half precision comes before an iterative one.
    ///
    /// # Errors
    /// [`TrainError::Memory`] if nothing fits `budget`.
    pub(crate) fn choose(
        &self,
        settings: &ValidSettings,
        shape: &ProblemShape,
        budget: u64,
        given: Option<Features>,
    ) -> Result<(SolverKind, u64, Option<Features>), TrainError> {
        let (run, solver) = (self.run_bytes(shape, settings), settings.solver_settings());
        let Gates::Patches(patches) = &settings.gates else {
            let over_ranks = SolverKind::by_work(shape).into_iter().find(|kind| kind.works_over_ranks());
            let choice = match (settings.solver, over_ranks) {
                (SolverChoice::Auto, Some(kind)) if self.samples.ranks().is_some() => SolverChoice::Kind(kind),
                (choice, _) => choice,
            };
            let (kind, bytes) = choose_solver(choice, &solver, shape, run, budget)?;
            return Ok((kind, bytes, None));
        };
        let precisions = match given.map(|given| given.precision).or(patches.precision) {
            Some(precision) => vec![precision],
            None => FeaturePrecision::ALL.to_vec(),
        };
        let iterative_solver = match settings.solver {
            SolverChoice::Kind(kind) if kind.is_direct() => None,
            SolverChoice::Kind(kind) => Some(kind),
            SolverChoice::Auto => Some(SolverKind::GramPcg),
        };
        let (mut iterative, mut error) = (None, None);
        for &precision in &precisions {
            let [bytes, scratch] = self.feature_bytes(shape, precision);
            let run = run.with(bytes as f64 + scratch as f64);
            match choose_solver(settings.solver, &solver, shape, run, budget) {
                Ok(_) if iterative_solver.is_some() && given.is_some_and(|given| !given.stored) => {}
                Ok((kind, needed)) => {
                    let chosen = (kind, needed, Some(Features { precision, stored: true, bytes }));
                    if kind.is_direct() {
                        return Ok(chosen);
                    }
                    iterative = iterative.or(Some(chosen));
                }
                Err(found) => error = Some(found),
            }
        }
        if let Some(chosen) = iterative {
            return Ok(chosen);
        }
        if let (Some(error), None) = (&error, iterative_solver) {
            return Err(error.clone());
        }
        let matrix_free = SolverChoice::Kind(iterative_solver.unwrap_or(SolverKind::GramPcg));
        // The images once more, and runs of features in both precisions.
        let [single, _] = self.feature_bytes(shape, FeaturePrecision::Single);
        let again = (8 * (self.xt.n_features() * self.n_samples()) as u64).saturating_add(single / 8);
        let (kind, needed) = choose_solver(matrix_free, &solver, shape, run.with(again as f64), budget)
            .map_err(|found| error.unwrap_or(found))?;
        let precision = precisions[0];
        let [bytes, _] = self.feature_bytes(shape, precision);
        Ok((kind, needed, Some(Features { precision, stored: false, bytes })))
    }

    /// Bytes of the stored features of training and test images, and of what products with them read them into.
    fn feature_bytes(&self, shape: &ProblemShape, precision: FeaturePrecision) -> [u64; 2] {
        let test = self.test.as_ref().map_or(0, |test| test.xt.n_samples());
        let bytes = |images: usize, number: usize| {
            [shape.n_features, shape.n_patterns, number]
                .into_iter()
                .fold(images as u64, |product, size| product.saturating_mul(size as u64))
        };
        let all = shape.n_samples + test;
        match precision {
            FeaturePrecision::Single => [bytes(all, shape.scalar_bytes), 0],
            FeaturePrecision::Half => {
                let run = shape.n_samples.max(test).min(IMAGES_AT_A_TIME);
                let features = (shape.n_features * shape.n_patterns).min(FEATURES_AT_A_TIME);
                let of_all = (shape.n_samples * features * shape.scalar_bytes) as u64;
                [bytes(all, size_of::<u16>()), bytes(run, shape.scalar_bytes).max(of_all)]
            }
        }
    }
}
