//! The input of a run, validated and transformed.

use crate::api::error::{TrainError, out_of_range};
use crate::api::settings::{Gates, SolverChoice, ValidSettings};
use crate::api::weights::sample_weights;
use crate::problem::agreement::agree_on_run;
use cvx_artifact::{Certify, Predictions, fingerprint_over};
use cvx_linalg::{Backend, HostMatrix, LinalgError, SampleSource, SampleSums, Samples};
use cvx_model::{
    Activation, BlockCones, ConvexProgram, Dataset, FeatureKind, GateKind, GateSamples, HeldOut, Labels, ModelError,
    Network, Normalisation, OutputRange, ProgramError, SelectedSamples, Targets, Transform, WeightedLoss,
};
use cvx_solvers::SolverKind;
use std::sync::Arc;

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
    pub xt: Arc<dyn SampleSource>,
    pub targets: Targets,
    pub transform: Transform,
    pub normalisation: Normalisation,
    pub kind: FeatureKind,
    /// Whether these are all samples, or those of a rank.
    pub samples: SampleSums,
    /// Checksum of samples and targets.
    pub fingerprint: u32,
    pub loss: WeightedLoss,
    /// The cones of the blocks, if predictions are constrained.
    pub cones: Option<Arc<BlockCones>>,
    /// The interval that predictions are clipped to.
    pub output_range: Option<OutputRange>,
    /// Test samples, or those that a fold holds out.
    pub test: Option<TestSamples>,
}

/// Samples that are evaluated, not trained on.
#[derive(Clone)]
pub(crate) struct TestSamples {
    /// Transformed samples as columns (d x n').
    pub xt: Arc<dyn SampleSource>,
    /// Targets (n' x C).
    pub y: HostMatrix,
    /// Weights of samples that a fold holds out, unless all are 1.
    pub weights: Option<Vec<f64>>,
    /// Test samples are whole on every rank. Those that a fold holds out stay where they are: `xt` has those here,
    /// `y` and `weights` are of all.
    pub samples: SampleSums,
}

impl TestSamples {
    /// The predictions of a network on all of them (n' x C), on every rank.
    ///
    /// # Errors
    /// [`LinalgError`] if the back end or the ranks fail.
    pub(crate) fn predicted<B: Backend>(&self, network: &Network, backend: &B) -> Result<HostMatrix, LinalgError> {
        Ok(self.samples.everywhere(predicted(network, backend, &self.xt, &self.samples)?)?)
    }
}

/// The predictions of a network on the samples here (n x C), shard by shard, so that the number of ranks does not show.
pub(crate) fn predicted<B: Backend>(
    network: &Network,
    backend: &B,
    xt: &Arc<dyn SampleSource>,
    samples: &SampleSums,
) -> Result<HostMatrix, LinalgError> {
    let of_shard = |xt: Arc<dyn SampleSource>| network.predict_samples(&Samples::new(backend, xt)?);
    let shards = SelectedSamples::of_shards(xt, samples).into_iter().map(of_shard);
    Ok(HostMatrix::stacked(network.w2.cols(), &shards.collect::<Result<Vec<_>, _>>()?))
}

impl Problem {
    /// Validates the input, then fits and applies the transform.
    pub fn new(data: &Dataset, test: Option<&Dataset>, settings: &ValidSettings) -> Result<Self, TrainError> {
        let problem = Problem::fit(data, test, settings);
        // An error may follow from sums that failed.
        data.samples().check().map_err(LinalgError::from)?;
        problem
    }

    fn fit(data: &Dataset, test: Option<&Dataset>, settings: &ValidSettings) -> Result<Self, TrainError> {
        let labels = data.labels().ok_or(ModelError::NoLabels)?;
        let samples = data.samples().clone();
        agree_on_run(data, test, settings)?;
        over_ranks(&samples, settings)?;
        let targets = Targets::over(&samples, labels, settings.task)?;
        settings.loss.check_task(&targets.task)?;
        let weights = sample_weights(data, &targets.task, &targets.y, &settings.class_weights)?;
        let loss = WeightedLoss::new(settings.loss, weights)?.with_output_bias(settings.output_bias).over(&samples);
        let normalisation = settings.normalisation.unwrap_or(Normalisation::default_for(data.kind()));
        // A patch has a 1 of its own.
        let bias = settings.bias && !matches!(settings.gates, Gates::Patches(_));
        let transform = Transform::fit(data, normalisation, bias)?;
        let cones = settings.constraints.resolve(&transform, &targets.task, settings.activation)?.map(Arc::new);
        check_range(settings.output_range, &targets)?;
        let test = match test {
            None => None,
            Some(test) => {
                let labels = test.labels().ok_or(TrainError::Test(ModelError::NoLabels))?;
                let xt = transform.samples(test).map_err(TrainError::Test)?;
                let y = targets.task.encode(labels).map_err(TrainError::Test)?;
                Some(TestSamples { xt, y, weights: None, samples: SampleSums::default() })
            }
        };
        let xt = transform.samples(data)?;
        Ok(Problem {
            fingerprint: fingerprint_over(&samples, &*xt, &targets.y),
            samples,
            xt,
            targets,
            transform,
            normalisation,
            kind: data.kind(),
            loss,
            cones,
            output_range: settings.output_range,
            test,
        })
    }

    /// Number of samples n.
    pub(crate) fn n_samples(&self) -> usize {
        self.xt.n_samples()
    }

    /// The problem without the samples of these rows among all, in ascending order, which become its test samples. The
    /// transform is that of all samples. Every rank keeps its samples, and divides them.
    ///
    /// # Errors
    /// [`TrainError::Setting`] unless each shard of the samples keeps one.
    pub(crate) fn without(&self, held_out: &[usize]) -> Result<Problem, TrainError> {
        let [here, elsewhere] = self.samples.divided(held_out);
        if here.ranks().is_some_and(|ranks| ranks.shards().has_empty()) {
            let value = format!("{} of {} samples", held_out.len(), self.samples.total(self.n_samples()));
            return Err(out_of_range("validation", value, "so few that each shard of the samples keeps one"));
        }
        let own = self.samples.own_of(held_out, self.n_samples());
        let mut rest = own.iter().peekable();
        let kept: Vec<usize> =
            (0..self.n_samples()).filter(|row| rest.next_if(|next| *next == row).is_none()).collect();
        let samples = |rows: &[usize]| -> Arc<dyn SampleSource> {
            Arc::new(SelectedSamples::new(self.xt.clone(), rows.to_vec()))
        };
        let targets = |rows: &[usize]| {
            HostMatrix::from_fn(rows.len(), self.targets.y.cols(), |a, c| self.targets.y[(rows[a], c)])
        };
        let (xt, y) = (samples(&kept), targets(&kept));
        let everywhere = |rows: HostMatrix| elsewhere.everywhere(rows).map_err(LinalgError::from);
        let weights = |weights: &[f64]| HostMatrix::from_fn(own.len(), 1, |a, _| weights[own[a]]);
        let weights = self.loss.weights().map(|all| everywhere(weights(all))).transpose()?;
        let test = TestSamples {
            xt: samples(&own),
            y: everywhere(targets(&own))?,
            weights: weights.map(HostMatrix::into_values),
            samples: elsewhere.clone(),
        };
        Ok(Problem {
            fingerprint: fingerprint_over(&here, &*xt, &y),
            xt,
            targets: Targets { task: self.targets.task.clone(), y },
            transform: self.transform.clone(),
            normalisation: self.normalisation,
            kind: self.kind,
            loss: self.loss.select(&kept).over(&here),
            cones: self.cones.clone(),
            output_range: self.output_range,
            test: Some(test),
            samples: here,
        })
    }

    /// The labels of all samples as far as a division into folds looks at them, on every rank: their classes.
    ///
    /// # Errors
    /// [`TrainError::Linalg`] if the ranks cannot go on together.
    pub(crate) fn labels_of_folds(&self, labels: &Labels) -> Result<Labels, TrainError> {
        let (task, y) = (&self.targets.task, &self.targets.y);
        if self.samples.ranks().is_none() {
            return Ok(labels.clone());
        }
        if task.classes().is_empty() {
            return Ok(Labels::numbers(vec![0.0; self.samples.total(self.n_samples())]));
        }
        let class = |row: usize| task.class_of(&(0..y.cols()).map(|c| y[(row, c)]).collect::<Vec<_>>());
        let here = HostMatrix::from_fn(self.n_samples(), 1, |row, _| class(row).unwrap_or_default() as f64);
        let all = self.samples.everywhere(here).map_err(LinalgError::from)?;
        let index = all.values().iter().map(|&class| class as u32).collect();
        Ok(Labels::Names { index, names: task.classes().to_vec() })
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
        let cones = self.cones.as_deref().map(|cones| (cones, settings.activation));
        let samples = GateSamples { xt: &*self.xt, kind: self.kind, sources: &sources, bias: settings.bias, cones };
        kind.sample(backend, &samples, count, seed)
    }

    /// Most patterns of this number of gates: the first of those that are drawn has one for each group of columns.
    ///
    /// # Errors
    /// [`ModelError::TooFewGates`] unless each group can have a gate of its own.
    pub(crate) fn most_patterns(&self, settings: &ValidSettings, gates: usize) -> Result<usize, ModelError> {
        let groups = self.cones.as_ref().map_or(1, |cones| cones.n_groups());
        if groups > 1 && gates < 2 * groups && !matches!(settings.gates, Gates::Given(_)) {
            return Err(ModelError::TooFewGates { gates, groups });
        }
        Ok(gates.saturating_add(groups - 1))
    }

    /// Predictions as the model gives them.
    pub(crate) fn clipped(&self, mut predictions: Predictions) -> Predictions {
        self.output_range.iter().for_each(|range| range.clip(&mut predictions.outputs));
        predictions
    }

    /// The programme in the cones of the constraints, if there are any; `gates` (d x P) are those of its patterns.
    pub(crate) fn constrain<B: Backend>(
        &self,
        program: ConvexProgram<B>,
        gates: &HostMatrix,
    ) -> Result<ConvexProgram<B>, ProgramError> {
        match &self.cones {
            Some(cones) => program.with_cones(cones.clone(), gates),
            None => Ok(program),
        }
    }

    /// The test samples on the device, with their targets (n' x C).
    ///
    /// # Errors
    /// [`TrainError::Test`] with the row among all of them for one that overflows the precision, on the rank that has
    /// it.
    pub(crate) fn held_out<B: Backend>(
        &self,
        program: &ConvexProgram<B>,
    ) -> Result<Option<(HeldOut<B>, HostMatrix)>, TrainError> {
        let Some(TestSamples { xt, y, samples, .. }) = &self.test else { return Ok(None) };
        match HeldOut::over(program, xt.clone(), samples) {
            Ok(held_out) => Ok(Some((held_out, y.clone()))),
            Err(ProgramError::Model(error)) => Err(TrainError::Test(error)),
            Err(ProgramError::Linalg(error)) => Err(error.into()),
        }
    }
}

/// Checks that a run with these settings can have its samples spread over ranks.
fn over_ranks(samples: &SampleSums, settings: &ValidSettings) -> Result<(), TrainError> {
    if samples.ranks().is_none() {
        return Ok(());
    }
    if let SolverChoice::Kind(solver) = settings.solver
        && !solver.works_over_ranks()
    {
        return Err(TrainError::SolverOverRanks { solver, instead: SolverKind::GramPcg });
    }
    match &settings.gates {
        Gates::Patches(_) => Err(TrainError::NotOverRanks { what: "gates of patches" }),
        _ if settings.certify == Certify::Global => Err(TrainError::NotOverRanks { what: "the global certificate" }),
        _ if settings.device.is_gpu() => Err(TrainError::NotOverRanks { what: "a GPU" }),
        _ => Ok(()),
    }
}

/// Checks that predictions can be clipped: those of a regression, whose targets lie in the range. Clipping then never
/// moves a prediction away from its target.
fn check_range(range: Option<OutputRange>, targets: &Targets) -> Result<(), TrainError> {
    let Some(range) = range else { return Ok(()) };
    if !targets.task.classes().is_empty() {
        return Err(ModelError::Unconstrainable {
            constraint: "an output range",
            why: "the outputs of a classifier are not in the units of its labels",
        }
        .into());
    }
    match targets.y.values().iter().find(|&&y| !range.contains(y)) {
        Some(&value) => {
            Err(ModelError::OutOfRange { name: "a target", value, range: "within the output range" }.into())
        }
        None => Ok(()),
    }
}
