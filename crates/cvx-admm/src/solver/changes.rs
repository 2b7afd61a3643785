//! Changes between two runs of a solver: start, beta, weights, targets and gates.

use super::{Solver, row_scale};
use crate::api::error::TrainError;
use crate::evaluation::incumbent::Incumbent;
use crate::iterates::carried::Carried;
use crate::iterates::penalty::{Penalty, Preparation, Weights};
use crate::iterates::split_loss::SplitStart;
use crate::iterates::state::{State, WarmStart};
use crate::run::admm::Admm;
use cvx_artifact::{Status, fingerprint_over};
use cvx_linalg::{Backend, HostMatrix};
use cvx_model::{
    Activation, BlockRole, Certificate, ConvexProgram, Labels, Network, ProgramError, SystemWorkspace, WeightedLoss,
};
use std::sync::Arc;

impl<B: Backend> Solver<B> {
    /// Starts from these iterates instead of zeros.
    ///
    /// # Errors
    /// [`TrainError::WarmStart`] for iterates of another problem.
    pub fn warm_start(&mut self, warm: &WarmStart) -> Result<(), TrainError> {
        check_warm_start(warm, &self.program)?;
        self.sigma = warm.sigma;
        self.row_scale = row_scale(&self.settings, warm.sigma);
        let first_kappa = self.first_kappa();
        let kappa = warm.split.as_ref().map_or(first_kappa, |split| split.kappa);
        let state = State::new(&self.program, Some(warm), kappa, self.accelerated())?;
        let penalty = Penalty::new(Weights { rho: warm.rho, kappa }, first_kappa, self.settings.adapt_rho);
        let linear = self.linear_solver();
        self.install(linear, penalty, state, Preparation::Everything)
    }

    /// Sets another beta. The factors remain, rho changes if necessary, and the iterates continue as
    /// [`Continuation`](crate::Continuation) specifies.
    ///
    /// # Errors
    /// [`TrainError::Model`] for a negative or infinite beta.
    pub fn set_beta(&mut self, beta: f64) -> Result<(), TrainError> {
        let (from, rho_from) = (self.program.beta(), self.first_rho());
        self.program.set_beta(beta)?;
        self.summary.beta = beta;
        let start = self.first_rho();
        self.interrupt();
        let Some(admm) = self.admm.as_mut().filter(|_| self.ended != Some(Status::NumericalError)) else {
            return Ok(());
        };
        admm.penalty.follow(start / rho_from);
        match self.continuation.cone_share() {
            Some(share) => admm.state.loosen_cones(share)?,
            None => {
                let weights = admm.penalty.weights();
                let point = admm.state.point(weights)?;
                if let Some((last, last_beta, last_weights)) = self.last.take()
                    && weights == last_weights
                {
                    let step = (beta - from) / (from - last_beta);
                    // Further away, or between equal betas, the line says nothing.
                    if step.abs() <= 1.0 {
                        admm.state.extrapolate(&self.program, admm.system.row_scale(), &last, step, weights)?;
                    }
                }
                self.last = Some((point, from, weights));
            }
        }
        if from > 0.0 {
            admm.incumbent.revalue(beta / from);
            return Ok(());
        }
        // At beta = 0, the objective does not give the norms.
        admm.incumbent.forget_network(&self.program)?;
        admm.incumbent.evaluate_network(&self.program, &admm.state.v)?;
        Ok(())
    }

    /// The time since the end of the last run is not that of the next: another solver has worked meanwhile.
    pub(crate) fn take_turn(&mut self) {
        self.ended_at = self.record.clock.seconds();
    }

    /// Sets the certified gap at which the next run ends.
    pub(crate) fn set_gap(&mut self, gap: f64) {
        self.settings.set_gap(gap);
        self.summary.gap = gap;
        self.evaluate_sparingly();
    }

    /// Sets the weights of the samples (n positive numbers; `None`: all 1). The factors remain; if the curvature of the
    /// loss changes, the n x n factor is updated. The iterates continue, and the certificate is computed from scratch.
    ///
    /// # Errors
    /// [`TrainError::Model`] for weights that are not positive, or for a wrong number of weights.
    pub fn set_weights(&mut self, weights: Option<Vec<f64>>) -> Result<(), TrainError> {
        let loss = WeightedLoss::new(self.settings.loss, weights)?.with_output_bias(self.settings.output_bias);
        let loss = loss.over(&self.problem.samples);
        self.program.set_loss(loss.clone())?;
        Arc::make_mut(&mut self.problem).loss = loss;
        self.changed_loss()
    }

    /// Sets the labels of the samples, which must be of the same classes, or have the same number of values per sample.
    /// The factors remain, the iterates continue, and the certificate is computed from scratch.
    ///
    /// # Errors
    /// [`TrainError::Model`] for labels that do not fit.
    pub fn set_targets(&mut self, labels: &Labels) -> Result<(), TrainError> {
        let y = self.problem.targets.task.encode(labels)?;
        self.program.set_targets(y.clone())?;
        let problem = Arc::make_mut(&mut self.problem);
        (problem.fingerprint, problem.targets.y) = (fingerprint_over(&problem.samples, &*problem.xt, &y), y);
        self.changed_loss()
    }

    /// Loss or targets have changed: the best network and bound belong to another objective.
    fn changed_loss(&mut self) -> Result<(), TrainError> {
        self.gated_maxima = Certificate::new(&self.program)?.gated_maxima()?;
        let (kappa, row_scale) = (self.first_kappa(), self.row_scale);
        self.interrupt();
        self.last = None;
        let differences = self.differences();
        let Some(admm) = &mut self.admm else { return Ok(()) };
        admm.penalty.set_curvature(kappa);
        admm.penalty.restart();
        if admm.preparation == Preparation::Nothing {
            admm.preparation = Preparation::Penalty;
        }
        admm.system = SystemWorkspace::new(&self.program, row_scale, admm.penalty.system())?;
        admm.state.restart_split(&self.program, admm.penalty.weights().kappa)?;
        admm.incumbent = Incumbent::new(&self.program, self.settings.certify, &self.gated_maxima)?;
        admm.incumbent.evaluate_network(&self.program, &admm.state.v)?;
        admm.anderson = admm.state.accelerator(differences)?;
        Ok(())
    }

    /// Sets other gates (d x P), the first of which are those of the neurons of `start`. The next run starts at the
    /// network `start`, moved into its new blocks. The parts of the solver that do not depend on patterns remain.
    ///
    /// # Errors
    /// [`TrainError`] for gates that do not fit, or for too little memory.
    pub fn set_gates(&mut self, gates: &HostMatrix, start: &Network) -> Result<(), TrainError> {
        self.set_patterns(start, |neuron| neuron, |program| program.set_gates(gates))
    }

    /// Sets the neurons of `start` as gates, each with a block of its own sign alone, and `fresh` gates (d x k) with a
    /// block of each sign. The next run starts at `start`. The parts of the solver that do not depend on patterns
    /// remain.
    ///
    /// # Errors
    /// The same as [`set_gates`](Self::set_gates).
    pub fn set_neurons(&mut self, start: &Network, fresh: &HostMatrix) -> Result<(), TrainError> {
        let (order, positive) = start.by_sign();
        let sorted = start.select(&order);
        let carried = self.carried(&order)?;
        // Those of sign + first.
        let place = |neuron| if neuron < positive { neuron } else { neuron + fresh.cols() };
        let (above, below) = sorted.w1.values().split_at(positive * sorted.w1.rows());
        let gates = [above, fresh.values(), below, fresh.values()].concat();
        let gates = HostMatrix::from_vec(sorted.w1.rows(), sorted.n_neurons() + 2 * fresh.cols(), gates);
        self.set_patterns(&sorted, place, |program| program.set_neurons(&gates, positive + fresh.cols()))?;
        let Solver { program, admm, .. } = self;
        if let (Some(carried), Some(admm)) = (carried, admm) {
            let Admm { state, system, penalty, .. } = admm;
            let columns = columns_of(&sorted, place, program);
            carried.settle(program, state, system.row_scale(), penalty.weights(), &columns)?;
        }
        Ok(())
    }

    /// The multipliers of the neurons of the best network in this order; `None` where pruning has made others of them.
    fn carried(&self, neurons: &[usize]) -> Result<Option<Carried<B>>, TrainError> {
        let Some(admm) = &self.admm else { return Ok(None) };
        let norms = self.program.backend().column_norms(admm.incumbent.v())?;
        let used: Vec<usize> = (0..norms.len()).filter(|&j| norms[j] > 0.0).collect();
        if used.len() != neurons.len() || self.ended == Some(Status::NumericalError) {
            return Ok(None);
        }
        let columns: Vec<usize> = neurons.iter().map(|&neuron| used[neuron]).collect();
        let Admm { state, system, penalty, .. } = admm;
        Ok(Carried::of(&self.program, state, system.row_scale(), penalty.weights(), &columns)?)
    }

    /// Changes the patterns; `place` tells the new gate of each neuron of `start`.
    fn set_patterns(
        &mut self,
        start: &Network,
        place: impl Fn(usize) -> usize,
        change: impl FnOnce(&mut ConvexProgram<B>) -> Result<(), ProgramError>,
    ) -> Result<(), TrainError> {
        // The old iterates are dropped first: old and new ones together may be too large.
        let (linear, mut penalty, preparation) = match self.admm.take() {
            Some(Admm { linear, penalty, .. }) => (linear, penalty, Preparation::Patterns),
            None => {
                let penalty = self.first_penalty(self.first_rho());
                (self.linear_solver(), penalty, Preparation::Everything)
            }
        };
        penalty.restart();
        (self.record.held_out, self.last) = (None, None);
        change(&mut self.program)?;
        let v = moved_blocks(start, place, &self.program);
        self.gated_maxima = Certificate::new(&self.program)?.gated_maxima()?;
        self.record.held_out = self.problem.held_out(&self.program)?;
        let layout = self.program.layout();
        (self.summary.shape.n_patterns, self.summary.shape.signs) = (layout.patterns, layout.signs.count());
        let state = State::at(&self.program, &v, self.row_scale, penalty.weights(), self.accelerated())?;
        self.round += 1;
        self.keeps_record = true;
        self.install(linear, penalty, state, preparation)
    }
}

/// The blocks of `network` at their columns in `next` (d x blocks), where `place` tells the gate of each neuron: w1_j
/// |w2_jc| for target c and the sign of w2_jc, or w1_j w2_jc of a gated neuron. Neurons of the same pattern, target and
/// sign are added, which stays in their cone; a neuron that is inactive on every sample is omitted.
fn moved_blocks<B: Backend>(network: &Network, place: impl Fn(usize) -> usize, next: &ConvexProgram<B>) -> HostMatrix {
    let (activation, patterns, layout) = (network.activation(), next.patterns(), next.layout());
    let mut moved = HostMatrix::zeros(network.w1.rows(), layout.columns());
    for neuron in 0..network.n_neurons() {
        let w1 = network.w1.col(neuron);
        for target in 0..layout.targets {
            let weight = network.w2[(neuron, target)];
            let negative = activation == Activation::Relu && weight < 0.0;
            // A gate that serves several groups has a pattern for each.
            let serves = |pattern: &usize| {
                let role = BlockRole { negative, group: patterns.groups()[*pattern] };
                next.cones().is_none_or(|cones| cones.contains(activation, role, w1))
            };
            let Some(pattern) = patterns.patterns_of(place(neuron)).iter().copied().find(serves) else { continue };
            let factor = if activation == Activation::Relu { weight.abs() } else { weight };
            let block = moved.col_mut(layout.column(target, pattern, negative));
            block.iter_mut().zip(w1).for_each(|(sum, w1)| *sum += factor * w1);
        }
    }
    moved
}

/// The column of the block of each neuron of a ReLU network with one output each, as [`moved_blocks`] has it.
fn columns_of<B: Backend>(
    network: &Network,
    place: impl Fn(usize) -> usize,
    next: &ConvexProgram<B>,
) -> Vec<Option<usize>> {
    let layout = next.layout();
    let column = |neuron: usize| {
        let target = (0..layout.targets).find(|&c| network.w2[(neuron, c)] != 0.0)?;
        let pattern = next.patterns().pattern_of(place(neuron))?;
        Some(layout.column(target, pattern, network.w2[(neuron, target)] < 0.0))
    };
    (0..network.n_neurons()).map(column).collect()
}

fn check_warm_start<B: Backend>(warm: &WarmStart, program: &ConvexProgram<B>) -> Result<(), TrainError> {
    let (d, n, blocks, cones) = (program.n_features(), program.n_samples(), program.n_blocks(), program.n_cones());
    let mut parts = vec![
        ("v", &warm.v, d, blocks),
        ("lambda", &warm.lambda, d, blocks),
        ("s", &warm.s, n, cones),
        ("nu", &warm.nu, n, cones),
    ];
    if let Some(SplitStart { q, mu, .. }) = &warm.split {
        parts.extend([("q", q, n, program.n_targets()), ("mu", mu, n, program.n_targets())]);
    }
    for (name, matrix, rows, columns) in parts {
        if (matrix.rows(), matrix.cols()) != (rows, columns) {
            return Err(TrainError::WarmStart {
                detail: format!("{name} is {} x {}, expected {rows} x {columns}", matrix.rows(), matrix.cols()),
            });
        }
    }
    let kappa = warm.split.as_ref().map_or(1.0, |split| split.kappa);
    for (name, value) in [("rho", warm.rho), ("sigma", warm.sigma), ("kappa", kappa)] {
        if !(value > 0.0 && value.is_finite()) {
            return Err(TrainError::WarmStart { detail: format!("{name} = {value} must be positive") });
        }
    }
    Ok(())
}
