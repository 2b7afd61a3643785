//! The input of a run, validated and transformed.

use crate::api::error::TrainError;
use crate::api::settings::{Gates, ValidSettings};
use crate::api::weights::sample_weights;
use cvx_artifact::fingerprint;
use cvx_linalg::{Backend, HostMatrix};
use cvx_model::{
    Activation, ConvexProgram, Dataset, FeatureKind, GateKind, GateSamples, HeldOut, ModelError, Normalisation,
    ProgramError, Targets, Transform, WeightedLoss,
};

/// The facts about the machine that a run reports.
#[derive(Clone)]
pub(crate) struct Host {
    /// Number of CPU threads.
    pub threads: usize,
    /// The reason why an existing GPU is not used.
    pub passed_over: Option<String>,
}

/// Samples and targets, validated and transformed, on the host.
#[derive(Clone)]
pub(crate) struct Problem {
    /// Transformed samples as columns (d x n).
    pub xt: HostMatrix,
    pub targets: Targets,
    pub transform: Transform,
    pub normalisation: Normalisation,
    pub kind: FeatureKind,
    /// Checksum of samples and targets.
    pub fingerprint: u32,
    pub loss: WeightedLoss,
    /// Test samples, or those that a fold holds out.
    pub test: Option<TestSamples>,
}

/// Samples that are evaluated, not trained on.
#[derive(Clone)]
pub(crate) struct TestSamples {
    /// Transformed samples as columns (d x n').
    pub xt: HostMatrix,
    /// Targets (n' x C).
    pub y: HostMatrix,
    /// Weights of samples that a fold holds out, unless all are 1.
    pub weights: Option<Vec<f64>>,
}

impl Problem {
    /// Validates the input, then fits and applies the transform.
    pub fn new(data: &Dataset, test: Option<&Dataset>, settings: &ValidSettings) -> Result<Self, TrainError> {
        let labels = data.labels().ok_or(ModelError::NoLabels)?;
        let targets = Targets::new(labels, settings.task)?;
        settings.loss.check_task(&targets.task)?;
        let weights = sample_weights(data, &targets.task, &targets.y, &settings.class_weights)?;
        let loss = WeightedLoss::new(settings.loss, weights)?.with_output_bias(settings.output_bias);
        let normalisation = settings.normalisation.unwrap_or(Normalisation::default_for(data.kind()));
        // A patch has a 1 of its own.
        let bias = settings.bias && !matches!(settings.gates, Gates::Patches(_));
        let transform = Transform::fit(data, normalisation, bias)?;
        let test = match test {
            None => None,
            Some(test) => {
                let labels = test.labels().ok_or(TrainError::Test(ModelError::NoLabels))?;
                let xt = transform.apply(test).map_err(TrainError::Test)?;
                Some(TestSamples { xt, y: targets.task.encode(labels).map_err(TrainError::Test)?, weights: None })
            }
        };
        let xt = transform.apply(data)?;
        Ok(Problem {
            fingerprint: fingerprint(&xt, &targets.y),
            xt,
            targets,
            transform,
            normalisation,
            kind: data.kind(),
            loss,
            test,
        })
    }

    /// The problem without the samples of these rows, in ascending order, which become its test samples. The transform
    /// is that of all samples.
    pub(crate) fn without(&self, held_out: &[usize]) -> Problem {
        let mut rest = held_out.iter().peekable();
        let kept: Vec<usize> = (0..self.xt.cols()).filter(|row| rest.next_if(|next| *next == row).is_none()).collect();
        let samples = |rows: &[usize]| HostMatrix::from_fn(self.xt.rows(), rows.len(), |i, a| self.xt[(i, rows[a])]);
        let targets = |rows: &[usize]| {
            HostMatrix::from_fn(rows.len(), self.targets.y.cols(), |a, c| self.targets.y[(rows[a], c)])
        };
        let (xt, y) = (samples(&kept), targets(&kept));
        let weights = self.loss.weights().map(|weights| held_out.iter().map(|&row| weights[row]).collect());
        Problem {
            fingerprint: fingerprint(&xt, &y),
            xt,
            targets: Targets { task: self.targets.task.clone(), y },
            transform: self.transform.clone(),
            normalisation: self.normalisation,
            kind: self.kind,
            loss: self.loss.select(&kept),
            test: Some(TestSamples { xt: samples(held_out), y: targets(held_out), weights }),
        }
    }

    /// Samples `count` gates of the kind that the settings specify.
    pub(crate) fn sample_gates<B: Backend>(
        &self,
        backend: &B,
        settings: &ValidSettings,
        count: usize,
        seed: u64,
    ) -> Result<HostMatrix, ProgramError> {
        let kind = match (&settings.gates, settings.activation, self.kind) {
            (Gates::Kind(kind), ..) => *kind,
            (_, Activation::Gated, FeatureKind::Image { .. }) => GateKind::Local,
            _ => GateKind::Gaussian,
        };
        let sources = self.transform.sources();
        let samples = GateSamples { xt: &self.xt, kind: self.kind, sources: &sources, bias: settings.bias };
        kind.sample(backend, &samples, count, seed)
    }

    /// The test samples on the device, with their targets (n' x C).
    pub(crate) fn held_out<B: Backend>(
        &self,
        program: &ConvexProgram<B>,
    ) -> Result<Option<(HeldOut<B>, HostMatrix)>, TrainError> {
        let Some(TestSamples { xt, y, .. }) = &self.test else { return Ok(None) };
        match HeldOut::new(program, xt) {
            Ok(held_out) => Ok(Some((held_out, y.clone()))),
            Err(ProgramError::Model(error)) => Err(TrainError::Test(error)),
            Err(ProgramError::Linalg(error)) => Err(error.into()),
        }
    }
}
