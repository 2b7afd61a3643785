//! The best network and the best bound so far. A run returns them for every status.

use crate::checkpoint::codec::{CheckpointError, Recorder, Replay};
use cvx_artifact::{Certify, Objective};
use cvx_linalg::{Backend, HostMatrix, LinalgError};
use cvx_model::{
    Certificate, CertificateWorkspace, ConvexProgram, DualBound, Multipliers, NetworkValue, TargetSum, TargetValue,
    relative_gap,
};
use serde::{Deserialize, Serialize};

/// Best network, best bound with its multipliers, and the gap between them.
pub(crate) struct Incumbent<B: Backend> {
    workspace: CertificateWorkspace<B>,
    certify: Certify,
    /// Blocks of the best network (d x 2PC).
    v: B::Matrix,
    network: NetworkValue,
    sampled_primal: Option<TargetSum>,
    bound: TargetSum,
    /// Objective of the zero network.
    zero: TargetSum,
    /// The scale of the gap.
    scale: TargetSum,
    /// Whether the best bound is still the one at the xi of the zero network.
    at_zero: bool,
    /// Whether the multipliers are those of another beta and their bound at this beta has not been evaluated yet.
    inherited: bool,
    /// -xi (n x C) of the best bound.
    residual: B::Matrix,
    /// e o g o eta of the best bound (n x 2PC); `None` for gated neurons.
    multipliers: Option<B::Matrix>,
}

/// The numbers of a checkpoint.
#[derive(Serialize, Deserialize)]
struct Numbers {
    objective: f64,
    loss: f64,
    targets: Vec<TargetValue>,
    neurons: usize,
    sampled_primal: Option<TargetSum>,
    bound: TargetSum,
    at_zero: bool,
}

impl<B: Backend> Incumbent<B> {
    /// Starts with the zero network and the bound at its xi (y for the squared loss) and eta = 0, which follows from
    /// `gated_maxima`.
    pub fn new(program: &ConvexProgram<B>, certify: Certify, gated_maxima: &[f64]) -> Result<Self, LinalgError> {
        let backend = program.backend();
        let blocks = program.n_blocks();
        let cones = program.n_cones();
        Ok(Incumbent {
            workspace: CertificateWorkspace::new(program)?,
            certify,
            v: backend.zeros(program.n_features(), blocks)?,
            network: zero_network(program),
            sampled_primal: None,
            bound: program.bound_at_zero(gated_maxima),
            zero: program.zero_value(),
            scale: program.scale(),
            at_zero: true,
            inherited: false,
            residual: backend.zeros_like(program.y())?,
            multipliers: (cones > 0).then(|| backend.sample_rows(program.n_samples(), cones)).transpose()?,
        })
    }

    /// Starts another run on the same patterns. The best network stays if it is better than zero. The bound becomes
    /// that of the zero network. With `proof`, the multipliers stay too; their bound depends on beta, so it is
    /// evaluated with the first iterate.
    pub fn restart(
        &mut self,
        program: &ConvexProgram<B>,
        gated_maxima: &[f64],
        proof: bool,
    ) -> Result<(), LinalgError> {
        (self.zero, self.scale) = (program.zero_value(), program.scale());
        let better_than_zero = self.network.objective < self.zero.total;
        if !better_than_zero {
            self.forget_network(program)?;
        }
        (self.sampled_primal, self.bound) = (None, program.bound_at_zero(gated_maxima));
        (self.at_zero, self.inherited) = (true, proof);
        Ok(())
    }

    /// Updates the best network for another beta, which is `ratio` times the old one.
    pub fn revalue(&mut self, ratio: f64) {
        let NetworkValue { objective, loss, targets, .. } = &mut self.network;
        *objective = *loss + (*objective - *loss) * ratio;
        for TargetValue { objective, loss } in targets {
            *objective = *loss + (*objective - *loss) * ratio;
        }
    }

    /// Replaces the best network by the zero network.
    pub fn forget_network(&mut self, program: &ConvexProgram<B>) -> Result<(), LinalgError> {
        self.v = program.backend().zeros(program.n_features(), program.n_blocks())?;
        self.network = zero_network(program);
        Ok(())
    }

    /// Evaluates an iterate: v (d x 2PC) as a network, residual and nu as a dual point. Returns the value of the
    /// network.
    pub fn evaluate(
        &mut self,
        program: &ConvexProgram<B>,
        v: &B::Matrix,
        residual: &B::Matrix,
        nu: Option<&B::Matrix>,
        rho: f64,
        row_scale: &B::Matrix,
    ) -> Result<NetworkValue, LinalgError> {
        let backend = program.backend();
        let value = self.evaluate_network(program, v)?;
        if self.certify == Certify::Sampled {
            self.evaluate_sampled(program, v)?;
        }
        self.evaluate_inherited(program)?;
        let multipliers = nu.map_or(Multipliers::Zero, |nu| Multipliers::OfIterate { nu, row_scale, rho });
        let mut certificate = Certificate::with_workspace(program, &mut self.workspace);
        let DualBound { value: total, targets, .. } = certificate.dual(residual, multipliers)?;
        if total > self.bound.total {
            self.bound = TargetSum { total, targets };
            self.at_zero = false;
            backend.copy(residual, &mut self.residual)?;
            self.multipliers.as_mut().map_or(Ok(()), |best| certificate.sign_multipliers(multipliers, best))?;
        }
        Ok(value)
    }

    /// Evaluates the bound of another beta's multipliers at this beta.
    fn evaluate_inherited(&mut self, program: &ConvexProgram<B>) -> Result<(), LinalgError> {
        if std::mem::take(&mut self.inherited) {
            let mut certificate = Certificate::with_workspace(program, &mut self.workspace);
            let found = certificate.dual(&self.residual, signed(self.multipliers.as_ref()))?;
            let DualBound { value: total, targets, .. } = found;
            if total > self.bound.total {
                (self.bound, self.at_zero) = (TargetSum { total, targets }, false);
            }
        }
        Ok(())
    }

    /// Writes the state to a checkpoint.
    pub fn save(&self, out: &mut Recorder<'_, B>) -> Result<(), CheckpointError> {
        let NetworkValue { objective, loss, targets, neurons, prediction, output_bias } = &self.network;
        out.record(
            "incumbent",
            &Numbers {
                objective: *objective,
                loss: *loss,
                targets: targets.clone(),
                neurons: *neurons,
                sampled_primal: self.sampled_primal.clone(),
                bound: self.bound.clone(),
                at_zero: self.at_zero,
            },
        )?;
        out.host_rows("best.f", prediction)?;
        out.host("best.bias", &HostMatrix::from_vec(output_bias.len(), 1, output_bias.clone()))?;
        out.matrix("best.v", &self.v)?;
        out.matrix("bound.residual", &self.residual)?;
        self.multipliers.as_ref().map_or(Ok(()), |multipliers| out.matrix("bound.eta", multipliers))
    }

    /// Restores the state from a checkpoint.
    pub fn restore(&mut self, saved: &mut Replay<'_, B>) -> Result<(), CheckpointError> {
        let Numbers { objective, loss, targets, neurons, sampled_primal, bound, at_zero } =
            saved.record("incumbent")?;
        let lists =
            [Some(targets.len()), Some(bound.targets.len()), sampled_primal.as_ref().map(|sum| sum.targets.len())];
        if lists.into_iter().flatten().any(|length| length != self.bound.targets.len()) {
            return Err(saved.damaged("the values of its targets are those of another number of targets"));
        }
        saved.host_rows("best.f", &mut self.network.prediction)?;
        let mut bias = HostMatrix::zeros(self.network.output_bias.len(), 1);
        saved.host("best.bias", &mut bias)?;
        self.network.output_bias = bias.into_values();
        saved.matrix("best.v", &mut self.v)?;
        saved.matrix("bound.residual", &mut self.residual)?;
        if let Some(multipliers) = &mut self.multipliers {
            saved.matrix("bound.eta", multipliers)?;
        }
        (self.network.objective, self.network.loss, self.network.neurons) = (objective, loss, neurons);
        self.network.targets = targets;
        (self.sampled_primal, self.bound, self.at_zero) = (sampled_primal, bound, at_zero);
        Ok(())
    }

    /// Evaluates the feasible point near v, as a point of the programme and as a network.
    fn evaluate_sampled(&mut self, program: &ConvexProgram<B>, v: &B::Matrix) -> Result<(), LinalgError> {
        let point = Certificate::with_workspace(program, &mut self.workspace).feasible_point(v)?;
        if self.sampled_primal.as_ref().is_none_or(|best| point.objective < best.total) {
            self.sampled_primal = Some(TargetSum { total: point.objective, targets: point.targets });
        }
        if point.objective < self.network.objective {
            let blocks = program.backend().upload(&point.blocks)?;
            self.evaluate_network(program, &blocks)?;
        }
        Ok(())
    }

    /// Evaluates v as a network, and keeps it if it is the best.
    pub fn evaluate_network(&mut self, program: &ConvexProgram<B>, v: &B::Matrix) -> Result<NetworkValue, LinalgError> {
        let value = Certificate::with_workspace(program, &mut self.workspace).network(v)?;
        if value.objective < self.network.objective {
            program.backend().copy(v, &mut self.v)?;
            self.network = value.clone();
        }
        Ok(value)
    }

    /// The certificate evaluator, for other checks in f64.
    pub fn certificate<'a>(&'a mut self, program: &'a ConvexProgram<B>) -> Certificate<'a, B> {
        Certificate::with_workspace(program, &mut self.workspace)
    }

    /// The current certificate.
    pub fn objective(&self) -> Objective {
        let zero = self.zero.total;
        let sampled_primal = self.sampled_primal.as_ref().map(|sum| sum.total);
        // Zero is feasible, so its objective is an upper bound of the sampled optimum in the absence of a better one.
        let upper = match self.certify {
            Certify::Network | Certify::Global => self.network.objective,
            Certify::Sampled => sampled_primal.unwrap_or(zero).min(zero),
        };
        Objective {
            network: self.network.objective,
            sampled_primal: sampled_primal.filter(|&value| value < zero || zero == 0.0),
            dual_bound: self.bound.total,
            relative_gap: relative_gap(upper, self.bound.total, self.scale.total),
        }
    }

    /// The parts of the targets in the [certificate](Incumbent::objective), each with a gap of its own (C); none for a
    /// loss of rows. They are of the same network, point and multipliers as the whole.
    pub fn objectives(&self) -> Vec<Objective> {
        let sampled = self.sampled_primal.as_ref().filter(|_| self.objective().sampled_primal.is_some());
        let of_target = |(c, value): (usize, &TargetValue)| {
            let (network, dual_bound) = (value.objective, self.bound.targets[c]);
            let sampled_primal = sampled.map(|sum| sum.targets[c]);
            let upper = match self.certify {
                Certify::Network | Certify::Global => network,
                Certify::Sampled => sampled_primal.unwrap_or(self.zero.targets[c]),
            };
            let relative_gap = relative_gap(upper, dual_bound, self.scale.targets[c]);
            Objective { network, sampled_primal, dual_bound, relative_gap }
        };
        self.network.targets.iter().enumerate().map(of_target).collect()
    }

    /// The value of the best network.
    pub fn network(&self) -> &NetworkValue {
        &self.network
    }

    /// Replaces the value of the best network by that of the network to return, and returns the old one.
    pub fn replace_value(&mut self, value: NetworkValue) -> NetworkValue {
        std::mem::replace(&mut self.network, value)
    }

    /// The best network's blocks (d x 2PC).
    pub fn v(&self) -> &B::Matrix {
        &self.v
    }

    /// Computes the values that only the final report needs: the feasible objective near the last iterate, if there is
    /// one, and the cone violation of the best network.
    pub fn close(&mut self, program: &ConvexProgram<B>, last: Option<&B::Matrix>) -> Result<f64, LinalgError> {
        last.map_or(Ok(()), |v| self.evaluate_sampled(program, v))?;
        Certificate::with_workspace(program, &mut self.workspace).cone_violation(&self.v)
    }

    /// xi (n x C) and the signed multipliers (n x 2PC) that prove the bound.
    pub fn witness(&self, program: &ConvexProgram<B>) -> Result<(HostMatrix, HostMatrix), LinalgError> {
        let backend = program.backend();
        if self.at_zero {
            // Computed on the host, since the device would round it.
            return Ok((program.xi_at_zero(), HostMatrix::zeros(program.n_samples(), program.n_cones())));
        }
        let multipliers = match &self.multipliers {
            Some(multipliers) => backend.download(multipliers)?,
            None => HostMatrix::zeros(program.n_samples(), 0),
        };
        let mut xi = backend.download(&self.residual)?;
        xi.values_mut().iter_mut().for_each(|value| *value = -*value);
        // As it was when the bound was computed.
        program.loss().clip(&mut xi, program.y_host());
        Ok((xi, multipliers))
    }
}

fn signed<B: Backend>(multipliers: Option<&B::Matrix>) -> Multipliers<'_, B> {
    multipliers.map_or(Multipliers::Zero, Multipliers::Signed)
}

fn zero_network<B: Backend>(program: &ConvexProgram<B>) -> NetworkValue {
    let mut prediction = HostMatrix::zeros(program.n_samples(), program.n_targets());
    let output_bias = program.loss().add_bias(&mut prediction, program.y_host());
    let TargetSum { total, targets } = program.zero_value();
    NetworkValue {
        objective: total,
        loss: total,
        targets: targets.into_iter().map(|loss| TargetValue { objective: loss, loss }).collect(),
        neurons: 0,
        prediction,
        output_bias,
    }
}
