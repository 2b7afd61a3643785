//! What a finished run returns.

use crate::admm::Run;
use crate::error::TrainError;
use crate::observer::Summary;
use crate::prune::prune;
use crate::train::{Problem, Solution};
use cvx_artifact::Scores;
use cvx_artifact::Status;
use cvx_artifact::{Claim, Model, Provenance, Witness};
use cvx_linalg::{Backend, SystemSolution};
use cvx_model::{Confusion, Network, accuracy};

/// Closes a run: the network, its last metrics, and the witness that proves its bound.
pub(crate) fn finish<B: Backend>(
    run: &mut Run<'_, B>,
    status: Status,
    summary: Summary,
    sigma: f64,
    problem: &Problem,
) -> Result<Solution, TrainError> {
    let (program, task) = (run.program, &problem.targets.task);
    // Where numbers have failed, some of the last iterate are none.
    let last = (status != Status::NumericalError).then_some(&run.state.v);
    let cone_violation = run.incumbent.close(last)?;
    let v = program.backend().download(run.incumbent.v())?;
    let network = Network::from_blocks(&v, program.activation(), program.patterns().gates(), program.n_targets());
    let best = run.incumbent.network().clone();
    let (network, pruned) = if run.settings.prune { prune(program, &mut run.incumbent, network) } else { (network, 0) };
    let (xi, multipliers) = run.incumbent.witness()?;
    let objective = run.incumbent.objective();
    let ended_early = matches!(status, Status::IterationLimit | Status::TimeLimit | Status::InsufficientProgress);
    // The closing evaluation may find what the last one of the loop just missed.
    let status = if ended_early && objective.relative_gap <= run.settings.gap { Status::Optimal } else { status };
    let value = run.incumbent.network();
    let train = Scores { loss: value.loss, accuracy: accuracy(task, &value.prediction, program.y_host()) };
    let train_confusion = Confusion::new(task, &value.prediction, program.y_host());
    // A later run goes on from the blocks, which were not pruned.
    run.incumbent.replace_value(best);
    let convex_accuracy = match status {
        // The u-update may have been left half done.
        Status::Interrupted | Status::TimeLimit | Status::NumericalError | Status::DeviceError => None,
        // u = 0 and the zero network predict the same.
        _ if run.progress.iteration == 0 => train.accuracy,
        _ => {
            // F u itself: an inexact u-update's residual may stand for something else.
            let SystemSolution { xu, residual, .. } = &mut run.state.solution;
            program.backend().masked_row_sum(Some(program.mask()), xu, residual)?;
            let convex = program.backend().download(residual)?;
            accuracy(task, &convex, program.y_host())
        }
    };
    run.info.seconds.total = run.clock.seconds();
    let (test, test_confusion) = match &run.held_out {
        None => (None, None),
        Some((held_out, y)) => {
            let prediction = network.predict(program.backend(), held_out.samples())?;
            let loss = program.loss().loss().total(&prediction, y);
            let scores = Scores { loss, accuracy: accuracy(task, &prediction, y) };
            (Some(scores), Confusion::new(task, &prediction, y))
        }
    };
    let model = Model {
        network,
        transform: problem.transform.clone(),
        normalisation: problem.normalisation,
        task: task.clone(),
        kind: problem.kind,
        claim: Claim {
            objective,
            certify: run.settings.certify,
            beta: program.beta(),
            loss: program.loss().loss(),
            weights: program.loss().weights().map(<[f64]>::to_vec),
            train_loss: train.loss,
            train_accuracy: train.accuracy,
            n_samples: program.n_samples(),
            fingerprint: problem.fingerprint,
            status,
        },
        provenance: Provenance {
            version: env!("CARGO_PKG_VERSION").to_string(),
            solver: summary.solver.name().to_string(),
            device: summary.device.to_string(),
            precision: run.settings.precision.name().to_string(),
            seed: run.settings.seed,
            iterations: run.info.history.len() as u64,
        },
        witness: Some(Witness {
            gates: program.patterns().gates().clone(),
            patterns: program.patterns().bits().clone(),
            xi,
            multipliers,
        }),
    };
    Ok(Solution {
        status,
        model,
        objective,
        train,
        train_confusion,
        convex_accuracy,
        test,
        test_confusion,
        pruned,
        cone_violation,
        beta: program.beta(),
        rho: run.penalty.rho(),
        sigma,
        summary,
        warm_start: run.state.warm_start(run.penalty.rho(), sigma)?,
        info: std::mem::take(&mut run.info),
    })
}
