//! The end of a run: the computation of its result.

use crate::api::error::TrainError;
use crate::api::observer::Summary;
use crate::api::record::{Round, TargetRecord};
use crate::problem::input::Problem;
use crate::run::admm::{Admm, Context};
use crate::run::recorder::{Record, train_scores};
use crate::run::termination::Termination;
use crate::solver::prune::prune;
use crate::solver::solution::{RankRecord, Solution};
use cvx_artifact::{Claim, Model, Part, Predictions, Provenance, Scores, Status, Witness};
use cvx_linalg::{Backend, HostMatrix, LinalgError, MaskedSystem};
use cvx_model::{Calibration, Confusion, Loss, Network, SystemOperator, Task, accuracy, accuracy_over};

/// Ends a run: computes the network, its final metrics, and the witness that proves its bound. `round` and sigma are
/// those of the run.
pub(crate) fn close<B: Backend>(
    admm: &mut Admm<B>,
    cx: &Context<'_, B>,
    record: &mut Record<B>,
    problem: &Problem,
    status: Status,
    summary: &Summary,
    (round, sigma): (usize, f64),
) -> Result<Solution, TrainError> {
    let (program, settings, task) = (cx.program, cx.settings, cx.task);
    // After a numerical error, parts of the last iterate are not finite.
    let last = (status != Status::NumericalError).then_some(&admm.state.v);
    let cone_violation = admm.incumbent.close(program, last)?;
    let v = program.backend().download(admm.incumbent.v())?;
    let network = Network::from_blocks(&v, program.activation(), program.patterns().gates(), program.layout());
    let network = Network {
        output_bias: admm.incumbent.network().output_bias.clone(),
        patches: program.patches().map(|features| features.patches().clone()),
        ..network
    };
    let best = admm.incumbent.network().clone();
    let (network, pruned) = if settings.prune { prune(program, &mut admm.incumbent, network) } else { (network, 0) };
    let samples = program.backend().samples();
    let collect = |here: HostMatrix| samples.collect(here).map_err(LinalgError::from);
    let (xi, multipliers) = admm.incumbent.witness(program)?;
    let (xi, multipliers) = (collect(xi)?, collect(multipliers)?);
    let objective = admm.incumbent.objective();
    let objectives = admm.incumbent.objectives();
    let of_target =
        |c: usize| TargetRecord { objective: objectives.get(c).copied(), neurons: network.neurons_of(c).len() };
    let several = program.n_targets() > 1;
    record.info.targets = if several { (0..program.n_targets()).map(of_target).collect() } else { Vec::new() };
    let status = Termination::after_closing(settings.gap, status, objective.relative_gap);
    let train = train_scores(program, task, admm.incumbent.network());
    let (outputs, targets) =
        (collect(admm.incumbent.network().prediction.clone())?, collect(program.y_host().clone())?);
    let train_confusion = Confusion::new(task, &outputs, &targets);
    let train_predictions = problem.clipped(Predictions { outputs, targets });
    // A later run continues from the blocks, which were not pruned.
    admm.incumbent.replace_value(best);
    let convex_accuracy = match status {
        // The u-update may have been interrupted.
        Status::Interrupted | Status::TimeLimit | Status::NumericalError | Status::DeviceError => None,
        // u = 0 and the zero network give the same output.
        _ if admm.iteration == 0 => train.accuracy,
        _ => convex_accuracy(admm, cx)?,
    };
    record.info.seconds.total = record.clock.seconds();
    let test_predictions = match &problem.test {
        None => None,
        Some(test) => {
            let outputs = test.predicted(&network, program.backend())?;
            Some(problem.clipped(Predictions { outputs, targets: test.y.clone() }))
        }
    };
    let loss = program.loss().loss();
    let (test, test_confusion) = test_scores(task, loss, test_predictions.as_ref());
    record.info.rounds.truncate(round);
    record.info.rounds.push(Round {
        patterns: program.n_patterns(),
        neurons: network.n_neurons(),
        network: objective.network,
        dual_bound: objective.dual_bound,
        iterations: record.info.history.len(),
        seconds: record.info.seconds.total,
    });
    let part = Part {
        held_out: Vec::new(),
        beta: program.beta(),
        objective,
        neurons: network.n_neurons(),
        output_bias: network.output_bias.clone(),
        witness: Some(Witness {
            gates: program.patterns().gates().clone(),
            patterns: samples.collect_mask(program.patterns().bits()).map_err(LinalgError::from)?,
            groups: program.patterns().groups().to_vec(),
            signs: program.layout().signs,
            xi,
            multipliers,
        }),
        global: None,
    };
    let column = |weights: &[f64]| HostMatrix::from_vec(weights.len(), 1, weights.to_vec());
    let weights = program.loss().weights().map(|weights| collect(column(weights))).transpose()?;
    let model = Model {
        network,
        transform: problem.transform.clone(),
        normalisation: problem.normalisation,
        task: task.clone(),
        kind: problem.kind,
        claim: Claim {
            objective,
            certify: settings.certify,
            beta: program.beta(),
            loss: program.loss().loss(),
            output_bias: program.loss().has_output_bias(),
            weights: weights.map(HostMatrix::into_values),
            train_loss: train.loss,
            train_accuracy: train.accuracy,
            n_samples: samples.total(program.n_samples()),
            fingerprint: problem.fingerprint,
            status,
        },
        provenance: Provenance {
            version: env!("CARGO_PKG_VERSION").to_string(),
            solver: summary.solver.name().to_string(),
            device: summary.device.to_string(),
            precision: program.backend().precision().to_string(),
            seed: settings.seed,
            iterations: record.info.history.len() as u64,
        },
        cones: problem.cones.clone(),
        output_range: problem.output_range,
        parts: vec![part],
        calibration: Calibration::identity_for(program.loss().loss(), program.n_targets()),
        intervals: None,
    };
    Ok(Solution {
        status,
        model,
        objective,
        train,
        train_predictions,
        train_confusion,
        convex_accuracy,
        test,
        test_predictions,
        test_confusion,
        pruned,
        cone_violation,
        beta: program.beta(),
        rho: admm.penalty.rho(),
        sigma,
        summary: summary.clone(),
        ranks: RankRecord::of(samples),
        warm_start: (settings.keep_iterates)
            .then(|| admm.state.warm_start(admm.penalty.weights(), sigma))
            .transpose()?,
        info: record.info.clone(),
    })
}

/// Scores of the test samples, with those by class.
pub(crate) fn test_scores(
    task: &Task,
    loss: Loss,
    predictions: Option<&Predictions>,
) -> (Option<Scores>, Option<Confusion>) {
    let Some(Predictions { outputs, targets }) = predictions else { return (None, None) };
    let scores = Scores { loss: loss.total(outputs, targets), accuracy: accuracy(task, outputs, targets) };
    (Some(scores), Confusion::new(task, outputs, targets))
}

/// Training accuracy of the convex model F u itself: the residual of an inexact u-update may belong to another point.
fn convex_accuracy<B: Backend>(admm: &mut Admm<B>, cx: &Context<'_, B>) -> Result<Option<f64>, LinalgError> {
    let (program, backend) = (cx.program, cx.program.backend());
    let solution = &mut admm.state.solution;
    match &solution.xu {
        Some(xu) => backend.masked_row_sum(program.layout(), Some(program.mask()), xu, &mut solution.residual)?,
        None => {
            let mut system = SystemOperator::with_workspace(program, &mut admm.system);
            system.complete(solution)?;
            backend.axpby(1.0, system.target(), 1.0, &mut solution.residual)?;
        }
    }
    let mut prediction = backend.download(&solution.residual)?;
    program.loss().add_bias(&mut prediction, program.y_host());
    Ok(accuracy_over(backend.samples(), cx.task, &prediction, program.y_host()))
}
