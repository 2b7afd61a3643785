//! The programme (P) on a device: samples, patterns, targets and beta.

use crate::activation::Activation;
use crate::block_cones::BlockCones;
use crate::confined::{Confined, role};
use crate::error::ModelError;
use crate::patches::PatchFeatures;
use crate::patterns::{PatternSet, check_gates};
use crate::products::Shared;
use crate::weighted::{TargetSum, WeightedLoss};
use cvx_linalg::{Backend, BlockLayout, HostMatrix, LinalgError, MaskedSamples, SampleSource, Samples, Signs};
use std::ops::Range;
use std::sync::Arc;

/// min 1/2 ||F u - y||^2 + beta sum ||u_block||, (2 D_i - I) X u_block >= 0: equation (P), or (P) with another loss.
///
/// In general, with the loss l, the weights omega of the samples, and q = F u:
///
/// $$ \min_u \sum_a \omega_a l(q_a; y_a) + \beta \sum_i \lVert u_i \rVert, \qquad (2 D_i - I) X u_i \ge 0 $$
pub struct ConvexProgram<B: Backend> {
    backend: B,
    /// The features of the blocks, if each has its own. The samples that blocks share then have no rows.
    patches: Option<PatchFeatures<B>>,
    samples: Samples<B>,
    y: B::Matrix,
    y_host: HostMatrix,
    activation: Activation,
    /// Of patterns with a block of one sign each, how many have the sign +.
    positive: Option<usize>,
    cone_form: ConeForm,
    patterns: PatternSet,
    mask: B::Mask,
    confined: Option<Confined<B>>,
    beta: f64,
    loss: WeightedLoss,
    /// ||x_a|| for each sample.
    row_norms: Vec<f64>,
}

/// What the cones of the patterns are to the blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConeForm {
    /// Constraints: the programme (P).
    Hard,
    /// Terms of the loss: the programme (17.1), whose optimum is at most that of (P), and at least the objective of its
    /// network.
    Soft,
}

/// A run of samples with their patterns.
pub(crate) struct Tile<'a, B: Backend> {
    /// The numbers of the samples.
    pub samples: Range<usize>,
    /// The samples as columns (d x their number), in f64.
    pub xt: &'a <B::Wide as Backend>::Matrix,
    /// The patterns (their number x P).
    pub mask: &'a B::Mask,
}

impl<B: Backend> ConvexProgram<B> {
    /// The programme on a copy of these samples; see [`on_samples`](Self::on_samples).
    ///
    /// # Errors
    /// The same as [`on_samples`](Self::on_samples).
    pub fn new(
        backend: B,
        xt: &HostMatrix,
        y: HostMatrix,
        gates: &HostMatrix,
        beta: f64,
    ) -> Result<Self, ProgramError> {
        Self::on_samples(backend, Arc::new(xt.clone()), y, gates, beta)
    }

    /// Puts the programme on the device of `backend`.
    ///
    /// * `source`: transformed samples as columns (d x n); `y`: targets (n x C);
    /// * `gates`: d x P, sampled with [`PatternSet::sample_gates`] or the user's own;
    /// * `beta`: weight of the group norm, any number >= 0.
    ///
    /// # Errors
    /// [`ProgramError::Model`] for arguments that do not fit, before any allocation on the device;
    /// [`ProgramError::Linalg`] for errors of the device, such as samples that overflow its precision (R1).
    pub fn on_samples(
        backend: B,
        source: Arc<dyn SampleSource>,
        y: HostMatrix,
        gates: &HostMatrix,
        beta: f64,
    ) -> Result<Self, ProgramError> {
        check_gates(gates, source.n_features())?;
        check_beta(beta)?;
        if source.n_features() == 0 || source.n_samples() == 0 {
            return Err(ModelError::Empty { what: "samples" }.into());
        }
        check_targets(&y, source.n_samples())?;
        let samples = Samples::new(&backend, source).and_then(Samples::spread).map_err(name_samples)?;
        let row_norms = norms_of_samples(&backend, &samples).map_err(name_samples)?;
        let device_y = upload_targets(&backend, &y)?;
        let patterns = PatternSet::from_gates(&samples, gates)?;
        Ok(ConvexProgram {
            patches: None,
            samples,
            y: device_y,
            mask: backend.upload_row_mask(patterns.bits())?,
            row_norms,
            y_host: y,
            activation: Activation::Relu,
            positive: None,
            cone_form: ConeForm::Hard,
            patterns,
            confined: None,
            beta,
            loss: WeightedLoss::default().over(backend.samples()),
            backend,
        })
    }

    /// The programme of gated neurons on patches: block i is linear in the features of its own gate, and nothing else
    /// differs (docs/math.md, section 12).
    ///
    /// * `patches`: the features of the training images; `y`: targets (n x C).
    ///
    /// # Errors
    /// The same as [`new`](Self::new).
    pub fn on_patches(backend: B, patches: PatchFeatures<B>, y: HostMatrix, beta: f64) -> Result<Self, ProgramError> {
        check_gates(patches.gates(), patches.patches().gate_rows())?;
        check_beta(beta)?;
        let n = patches.n_images();
        if n == 0 {
            return Err(ModelError::Empty { what: "samples" }.into());
        }
        check_targets(&y, n)?;
        let patterns = PatternSet::of_patches(patches.gates());
        Ok(ConvexProgram {
            samples: Samples::new(&backend, Arc::new(HostMatrix::zeros(0, n)))?,
            y: upload_targets(&backend, &y)?,
            mask: backend.upload_mask(patterns.bits())?,
            row_norms: vec![0.0; n],
            patches: Some(patches),
            y_host: y,
            activation: Activation::Gated,
            positive: None,
            cone_form: ConeForm::Hard,
            patterns,
            confined: None,
            beta,
            loss: WeightedLoss::default().over(backend.samples()),
            backend,
        })
    }

    /// The same samples, targets and patterns with another activation; [`new`](Self::new) takes ReLU. Call it before
    /// [`with_cones`](Self::with_cones).
    pub fn with_activation(self, activation: Activation) -> Self {
        ConvexProgram { activation, ..self }
    }

    /// The same programme, whose certificate reads its samples in tiles of about this number of bytes (64 MiB by
    /// default).
    ///
    /// # Errors
    /// [`LinalgError`] if the device has no memory for a tile.
    pub fn with_tiles(self, bytes: usize) -> Result<Self, LinalgError> {
        let samples = Samples::in_tiles(&self.backend, self.samples.source().clone(), bytes)?.spread()?;
        Ok(ConvexProgram { samples, ..self })
    }

    /// Replaces the patterns by those of other gates (d x P); samples and targets remain.
    ///
    /// # Errors
    /// The same as [`new`](Self::new). After an error, the old patterns remain.
    pub fn set_gates(&mut self, gates: &HostMatrix) -> Result<(), ProgramError> {
        check_gates(gates, self.samples.n_features())?;
        match self.confined.as_ref().map(|confined| confined.cones.clone()) {
            Some(cones) => self.confine_to(cones, gates),
            None => {
                let patterns = PatternSet::from_gates(&self.samples, gates)?;
                self.mask = self.backend.upload_row_mask(patterns.bits())?;
                (self.patterns, self.positive) = (patterns, None);
                Ok(())
            }
        }
    }

    /// Replaces the patterns by those of ReLU neurons (d x m), each with a block of its own sign alone: + for the first
    /// `positive` neurons, - for the others. Neurons with equal patterns and signs are merged.
    ///
    /// # Errors
    /// The same as [`new`](Self::new), [`ModelError::Empty`] if no neuron is active on a sample, and
    /// [`ModelError::Unconstrainable`] for a programme of gated neurons or with cones of entries. After an error, the
    /// old patterns remain.
    pub fn set_neurons(&mut self, gates: &HostMatrix, positive: usize) -> Result<(), ProgramError> {
        if self.n_cones() == 0 || self.confined.is_some() {
            let why = "that takes ReLU neurons without constraints";
            return Err(ModelError::Unconstrainable { constraint: "a block of one sign for each neuron", why }.into());
        }
        check_gates(gates, self.samples.n_features())?;
        let patterns = PatternSet::with_signs(&self.samples, gates, positive)?;
        if patterns.is_empty() {
            return Err(ModelError::Empty { what: "neurons that are active on a sample" }.into());
        }
        self.mask = self.backend.upload_row_mask(patterns.bits())?;
        (self.positive, self.patterns) = (Some(patterns.positive()), patterns);
        Ok(())
    }

    /// The same samples and targets, with every block in its cone of `cones` as well. `gates` (d x P) are given again:
    /// patterns are merged within groups of features.
    ///
    /// # Errors
    /// [`ModelError::GateOutsideCones`] for a gate that no block could use, and the same as [`new`](Self::new).
    pub fn with_cones(mut self, cones: Arc<BlockCones>, gates: &HostMatrix) -> Result<Self, ProgramError> {
        check_gates(gates, self.samples.n_features())?;
        let d = self.samples.n_features();
        if !cones.is_usable(cones.n_inputs()) || !(d - 1..=d).contains(&cones.n_inputs()) {
            let (expected, found) = (format!("{d} features"), cones.n_inputs().to_string());
            return Err(ModelError::Shape { what: "the constraints", expected, found }.into());
        }
        self.confine_to(cones, gates)?;
        Ok(self)
    }

    fn confine_to(&mut self, cones: Arc<BlockCones>, gates: &HostMatrix) -> Result<(), ProgramError> {
        let groups_of = |gate: &[f64]| cones.groups_of(self.activation, gate);
        if let Some(gate) = (0..gates.cols()).find(|&gate| groups_of(gates.col(gate)).is_empty()) {
            return Err(ModelError::GateOutsideCones { gate }.into());
        }
        let patterns = PatternSet::in_groups(&self.samples, gates, groups_of)?;
        if patterns.is_empty() {
            return Err(ModelError::Empty { what: "gates that are on for a sample" }.into());
        }
        let mask = self.backend.upload_row_mask(patterns.bits())?;
        self.confined = Some(Confined::new(&self.backend, cones, self.activation, &patterns)?);
        (self.mask, self.patterns) = (mask, patterns);
        Ok(())
    }

    /// Whether blocks stay in the cones of their patterns.
    pub fn cone_form(&self) -> ConeForm {
        self.cone_form
    }

    /// Lets the loss price the violation of cones, where it can: for ReLU neurons without cones of entries, and a loss
    /// of each prediction.
    pub fn soften_cones(&mut self) {
        if self.n_cones() > 0 && self.confined.is_none() && self.loss.slope().is_some() {
            self.cone_form = ConeForm::Soft;
        }
    }

    /// Whether predictions are a block of their own in ADMM (docs/math.md, section 6).
    pub fn splits_loss(&self) -> bool {
        !self.loss.is_plain() || self.cone_form == ConeForm::Soft
    }

    /// The cones of the blocks; `None` if they are free.
    pub fn cones(&self) -> Option<&Arc<BlockCones>> {
        self.confined.as_ref().map(|confined| &confined.cones)
    }

    /// Projects blocks (d x 2PC) onto their cones of [`cones`](Self::cones), if there are any.
    ///
    /// # Errors
    /// [`LinalgError`] if the back end fails.
    pub fn confine(&self, blocks: &mut B::Matrix) -> Result<(), LinalgError> {
        let Some(Confined { above, below, .. }) = &self.confined else { return Ok(()) };
        self.backend.keep_signs(above, below, blocks)
    }

    /// [`confine`](Self::confine) in f64.
    ///
    /// # Errors
    /// [`LinalgError`] if the back end fails.
    pub fn confine_wide(&self, blocks: &mut <B::Wide as Backend>::Matrix) -> Result<(), LinalgError> {
        let Some(Confined { above, below, .. }) = &self.confined else { return Ok(()) };
        self.backend.wide().keep_signs(above, below, blocks)
    }

    /// Whether `block`, that of column `j` of the blocks, lies in its cone of [`cones`](Self::cones).
    pub(crate) fn is_confined(&self, j: usize, block: &[f64]) -> bool {
        self.cones()
            .is_none_or(|cones| cones.contains(self.activation, role(self.activation, &self.patterns, j), block))
    }

    /// The device.
    pub fn backend(&self) -> &B {
        &self.backend
    }
    /// The features of the blocks of gated neurons on patches; `None` where blocks share their samples.
    pub fn patches(&self) -> Option<&PatchFeatures<B>> {
        self.patches.as_ref()
    }
    /// The samples and patterns that the blocks share; `None` where each has features of its own.
    pub fn masked(&self) -> Option<MaskedSamples<'_, B>> {
        self.patches.is_none().then_some(MaskedSamples {
            samples: &self.samples,
            mask: &self.mask,
            bits: self.patterns.bits(),
        })
    }
    /// The samples that blocks share. They have no features where blocks do not share them.
    pub fn samples(&self) -> &Samples<B> {
        &self.samples
    }
    /// What products of the blocks with the samples need.
    pub(crate) fn shared(&self) -> Result<Shared<'_, B>, LinalgError> {
        let (backend, xt, mask) = (&self.backend, self.samples.stored()?, Some(&self.mask));
        Ok(Shared { backend, xt, mask, layout: self.layout() })
    }
    /// Calls `work` for one tile of samples after the other; `width` is the number of f64 that it holds for a sample.
    ///
    /// # Errors
    /// Those of `work`; [`LinalgError`] if the device has no memory for a tile.
    pub(crate) fn for_each_tile(
        &self,
        width: usize,
        mut work: impl FnMut(Tile<'_, B>) -> Result<(), LinalgError>,
    ) -> Result<(), LinalgError> {
        self.samples.for_each_tile(width, |samples, xt| self.with_mask(samples, xt, &mut work))
    }
    /// `total` += what `work` adds to its second argument for the tiles of all samples.
    ///
    /// # Errors
    /// Those of [`for_each_tile`](Self::for_each_tile).
    pub(crate) fn sum_tiles(
        &self,
        width: usize,
        total: &mut <B::Wide as Backend>::Matrix,
        mut work: impl FnMut(Tile<'_, B>, &mut <B::Wide as Backend>::Matrix) -> Result<(), LinalgError>,
    ) -> Result<(), LinalgError> {
        self.samples.sum_tiles(width, total, |samples, xt, part| {
            self.with_mask(samples, xt, &mut |tile: Tile<'_, B>| work(tile, part))
        })
    }
    /// Calls `work` for one tile.
    fn with_mask(
        &self,
        samples: Range<usize>,
        xt: &<B::Wide as Backend>::Matrix,
        work: &mut impl FnMut(Tile<'_, B>) -> Result<(), LinalgError>,
    ) -> Result<(), LinalgError> {
        self.with_patterns(samples, |samples, mask| work(Tile { samples, xt, mask }))
    }
    /// Calls `work` with the patterns of these samples of a tile.
    pub(crate) fn with_patterns(
        &self,
        samples: Range<usize>,
        work: impl FnOnce(Range<usize>, &B::Mask) -> Result<(), LinalgError>,
    ) -> Result<(), LinalgError> {
        if self.samples.are_all(&samples) {
            return work(samples, &self.mask);
        }
        let bits = self.patterns.bits().row_range(samples.start, samples.len());
        work(samples, &self.backend.upload_mask(&bits)?)
    }
    /// Targets (n x C) on the device.
    pub fn y(&self) -> &B::Matrix {
        &self.y
    }
    /// Targets (n x C) on the host.
    pub fn y_host(&self) -> &HostMatrix {
        &self.y_host
    }
    /// Gates and patterns.
    pub fn patterns(&self) -> &PatternSet {
        &self.patterns
    }
    /// The patterns on the device.
    pub fn mask(&self) -> &B::Mask {
        &self.mask
    }
    /// The weight of the group norm.
    pub fn beta(&self) -> f64 {
        self.beta
    }
    /// Sets the weight of the group norm; nothing else depends on it.
    ///
    /// # Errors
    /// [`ModelError::OutOfRange`] for a negative or non-finite number.
    pub fn set_beta(&mut self, beta: f64) -> Result<(), ModelError> {
        check_beta(beta)?;
        self.beta = beta;
        Ok(())
    }
    /// The loss: the squared loss without weights unless another was set.
    pub fn loss(&self) -> &WeightedLoss {
        &self.loss
    }
    /// Sets the loss.
    ///
    /// # Errors
    /// [`ProgramError::Model`] if loss and weights do not fit the targets or overflow the storage precision.
    pub fn set_loss(&mut self, loss: WeightedLoss) -> Result<(), ProgramError> {
        let loss = loss.over(self.backend.samples());
        loss.check(&self.y_host)?;
        let name = |error| name_non_finite(error, "the weighted pull of y (in the chosen precision)", false);
        self.backend.upload_rows(&loss.xi_at_zero(&self.y_host)).map_err(name)?;
        if loss.slope().is_none() {
            self.cone_form = ConeForm::Hard;
        }
        self.loss = loss;
        Ok(())
    }
    /// Sets the targets (n x C); samples, patterns, beta and loss remain.
    ///
    /// # Errors
    /// The same as [`new`](Self::new), and [`ModelError::Shape`] for a different number of targets per sample. After an
    /// error, the old targets remain.
    pub fn set_targets(&mut self, y: HostMatrix) -> Result<(), ProgramError> {
        check_targets(&y, self.n_samples())?;
        if y.cols() != self.n_targets() {
            return Err(ModelError::Shape {
                what: "y",
                expected: format!("{} columns, as before", self.n_targets()),
                found: y.cols().to_string(),
            }
            .into());
        }
        self.loss.check(&y)?;
        (self.y, self.y_host) = (upload_targets(&self.backend, &y)?, y);
        Ok(())
    }

    /// The dual point xi of the zero network (n x C): y for the squared loss.
    pub fn xi_at_zero(&self) -> HostMatrix {
        self.loss.xi_at_zero(&self.y_host)
    }
    /// ||x_a|| for each sample.
    pub fn row_norms(&self) -> &[f64] {
        &self.row_norms
    }
    /// Number of samples n.
    pub fn n_samples(&self) -> usize {
        self.samples.n_samples()
    }
    /// Number of features d, including the bias: the rows of a block.
    pub fn n_features(&self) -> usize {
        self.patches.as_ref().map_or(self.samples.n_features(), PatchFeatures::block_rows)
    }
    /// Number of patterns P.
    pub fn n_patterns(&self) -> usize {
        self.patterns.len()
    }
    /// Number of targets C.
    pub fn n_targets(&self) -> usize {
        self.y_host.cols()
    }
    /// The activation of the neurons.
    pub fn activation(&self) -> Activation {
        self.activation
    }
    /// The layout of the blocks in the columns of a matrix.
    pub fn layout(&self) -> BlockLayout {
        let layout = self.activation.layout(self.n_patterns(), self.n_targets());
        self.positive.map_or(layout, |positive| BlockLayout { signs: Signs::Each { positive }, ..layout })
    }
    /// 2 P C, the number of blocks; P C where a pattern has one.
    pub fn n_blocks(&self) -> usize {
        self.layout().columns()
    }
    /// Columns of s, nu and the cone multipliers: one per block, none for gated neurons.
    pub fn n_cones(&self) -> usize {
        match self.activation {
            Activation::Relu => self.n_blocks(),
            Activation::Gated => 0,
        }
    }
    /// The lower bound at the xi of the zero network and eta = 0, from the
    /// [`gated_maxima`](crate::Certificate::gated_maxima) of these patterns.
    pub fn bound_at_zero(&self, gated_maxima: &[f64]) -> TargetSum {
        let xi = self.xi_at_zero();
        let limit = |maximum: &f64| if *maximum > 0.0 { self.beta / maximum } else { f64::INFINITY };
        self.loss.bound(&xi, &self.y_host, &gated_maxima.iter().map(limit).collect::<Vec<_>>())
    }

    /// The scale of objectives ([`WeightedLoss::scale`]).
    pub fn scale(&self) -> TargetSum {
        self.loss.scale(&self.y_host)
    }

    /// The objective of the zero network: 1/2 ||y||^2 for the squared loss.
    pub fn zero_objective(&self) -> f64 {
        self.zero_value().total
    }

    /// [`zero_objective`](ConvexProgram::zero_objective) with those of the targets.
    pub fn zero_value(&self) -> TargetSum {
        self.loss.at_zero(&self.y_host)
    }
}

fn squares(y: &HostMatrix) -> f64 {
    y.values().iter().map(|y| y * y).sum()
}

/// Checks that `y` has a row for each of `n` samples, and a finite sum of squares.
fn check_targets(y: &HostMatrix, n: usize) -> Result<(), ModelError> {
    if y.rows() != n || y.cols() == 0 {
        return Err(ModelError::Shape {
            what: "y",
            expected: format!("{n} targets, one per sample"),
            found: y.rows().to_string(),
        });
    }
    let largest = y.values().iter().fold(0.0, |largest: f64, y| largest.max(y.abs()));
    if !squares(y).is_finite() {
        let range = "small enough for 1/2 ||y||^2 to be a number: rescale y";
        return Err(ModelError::OutOfRange { name: "the largest y", value: largest, range });
    }
    Ok(())
}

fn upload_targets<B: Backend>(backend: &B, y: &HostMatrix) -> Result<B::Matrix, ProgramError> {
    backend.upload_rows(y).map_err(|error| name_non_finite(error, "y (in the chosen precision)", false))
}

fn check_beta(beta: f64) -> Result<(), ModelError> {
    if beta.is_finite() && beta >= 0.0 {
        return Ok(());
    }
    Err(ModelError::OutOfRange { name: "beta", value: beta, range: "a finite number that is 0 or larger" })
}

/// Errors in the construction of a programme.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ProgramError {
    /// An argument does not fit.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The device failed.
    #[error(transparent)]
    Linalg(#[from] LinalgError),
}

/// ||x_a|| of each sample, which has to fit the storage precision.
fn norms_of_samples<B: Backend>(backend: &B, samples: &Samples<B>) -> Result<Vec<f64>, LinalgError> {
    let mut norms = Vec::with_capacity(samples.n_samples());
    samples.for_each_tile(0, |_, xt| {
        norms.extend(backend.wide().column_norms(xt)?);
        Ok(())
    })?;
    let largest = if backend.scalar_bytes() == 4 { f64::from(f32::MAX) } else { f64::MAX };
    // A long sample may still have small entries.
    let overflow = (0..norms.len()).filter(|&a| norms[a] >= largest).find_map(|column| {
        let entries = samples.source().sample(column);
        entries.iter().position(|x| x.abs() > largest).map(|row| [row, backend.samples().first() + column])
    });
    match backend.samples().first_place(overflow) {
        None => Ok(norms),
        Some([row, column]) => Err(LinalgError::NonFinite { row, column, precision: backend.precision() }),
    }
}

/// Names the samples in an error about one that overflows the storage precision: samples are columns on the device, but
/// rows for the user.
pub(crate) fn name_samples(error: LinalgError) -> ProgramError {
    name_non_finite(error, "x (normalised, in the chosen precision)", true)
}

/// Names the argument in an error about a number that overflows the storage precision.
fn name_non_finite(error: LinalgError, what: &'static str, transposed: bool) -> ProgramError {
    match error {
        LinalgError::NonFinite { row, column, .. } => {
            let (row, column) = if transposed { (column, row) } else { (row, column) };
            ModelError::NonFinite { what, row, column }.into()
        }
        other => other.into(),
    }
}

/// Row weights g of the cone operator Gt = diag(g) (2 D_i - I) X.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RowScale {
    /// g_a = sqrt(sigma) / ||x_a||, and 0 for a zero row.
    Normalised {
        /// Weight of the cone constraint against u = v.
        sigma: f64,
    },
    /// g = 1: the G of Feng et al.
    Unscaled,
    /// g = 0: there are no cones.
    None,
}

impl RowScale {
    /// The weights g for samples with these norms.
    pub fn weights(self, row_norms: &[f64]) -> HostMatrix {
        HostMatrix::from_fn(row_norms.len(), 1, |a, _| match self {
            RowScale::None => 0.0,
            RowScale::Unscaled => 1.0,
            RowScale::Normalised { .. } if row_norms[a] == 0.0 => 0.0,
            RowScale::Normalised { sigma } => sigma.sqrt() / row_norms[a],
        })
    }
}
