//! The mean of several networks, as one network whose parts keep their certificates.

use crate::api::error::TrainError;
use crate::api::record::{Info, PhaseSeconds, TargetRecord};
use crate::problem::input::{Problem, TestSamples, predicted};
use crate::solver::closing::test_scores;
use crate::solver::solution::{RankRecord, Solution};
use cvx_artifact::{
    Certify, Claim, Model, Part, Predictions, Provenance, Scores, Status, joint_objective, mean_network,
};
use cvx_linalg::{Cpu, HostMatrix, LinalgError};
use cvx_model::{Confusion, Network, accuracy_over};

/// The mean of the networks of `solutions`, each trained on the samples of `all` without those that it held out.
/// `seconds` is the time since the data were in memory.
pub(crate) fn mean_of(
    all: &Problem,
    solutions: Vec<Solution>,
    held_out: &[Vec<usize>],
    seconds: f64,
) -> Result<Option<Solution>, TrainError> {
    let networks: Vec<_> = solutions.iter().map(|solution| solution.model.network.clone()).collect();
    let (Some(network), Some(first)) = (mean_network(&networks), solutions.first()) else { return Ok(None) };
    let part = |(solution, rows): (&Solution, &Vec<usize>)| {
        let part = solution.model.parts.first()?;
        Some(Part { held_out: rows.clone(), ..part.clone() })
    };
    let parts: Vec<Part> = solutions.iter().zip(held_out).filter_map(part).collect();
    let certify = first.model.claim.certify;
    let objectives: Vec<_> = parts.iter().map(|part| part.objective).collect();
    let Some(objective) = joint_objective(&objectives, certify) else { return Ok(None) };
    let targets = joint_targets(&solutions, &network, certify);
    let status = Status::of_all(solutions.iter().map(|solution| solution.status));

    let (cpu, task, y) = (Cpu::<f64>::new(), &all.targets.task, &all.targets.y);
    let outputs = predicted(&network, &cpu, &all.xt, &all.samples)?;
    let train = Scores { loss: all.loss.total(&outputs, y), accuracy: accuracy_over(&all.samples, task, &outputs, y) };
    // On the first rank, what belongs to all samples.
    let collect = |here: HostMatrix| all.samples.collect(here).map_err(LinalgError::from);
    let column = |weights: &[f64]| HostMatrix::from_vec(weights.len(), 1, weights.to_vec());
    let weights = all.loss.weights().map(|weights| collect(column(weights))).transpose()?;
    let (outputs, y) = (collect(outputs)?, collect(y.clone())?);
    let train_confusion = Confusion::new(task, &outputs, &y);
    let predict_test = |samples: &TestSamples| {
        let outputs = samples.predicted(&network, &cpu)?;
        Ok::<_, TrainError>(all.clipped(Predictions { outputs, targets: samples.y.clone() }))
    };
    let n_samples = all.samples.total(all.n_samples());
    let test_predictions = all.test.as_ref().map(predict_test).transpose()?;
    let (test, test_confusion) = test_scores(task, all.loss.loss(), test_predictions.as_ref());
    let iterations = solutions.iter().map(|solution| solution.model.provenance.iterations).sum();
    let claim = Claim {
        objective,
        weights: weights.map(HostMatrix::into_values),
        train_loss: train.loss,
        train_accuracy: train.accuracy,
        n_samples,
        fingerprint: all.fingerprint,
        status,
        ..first.model.claim.clone()
    };
    let model = Model {
        network,
        transform: all.transform.clone(),
        claim,
        provenance: Provenance { iterations, ..first.model.provenance.clone() },
        parts,
        ..first.model.clone()
    };
    let mut summary = first.summary.clone();
    summary.shape.n_samples = n_samples;
    Ok(Some(Solution {
        ranks: RankRecord::of(&all.samples),
        status,
        objective,
        train,
        train_predictions: all.clipped(Predictions { outputs, targets: y }),
        train_confusion,
        convex_accuracy: None,
        test,
        test_predictions,
        test_confusion,
        pruned: solutions.iter().map(|solution| solution.pruned).sum(),
        cone_violation: solutions.iter().map(|solution| solution.cone_violation).fold(0.0, f64::max),
        beta: first.beta,
        rho: first.rho,
        sigma: first.sigma,
        summary,
        warm_start: None,
        info: Info { targets, ..joint_info(&solutions, seconds) },
        model,
    }))
}

/// The records of the targets: their certificates are summed over the parts as those of the whole are, and their
/// neurons are those of the mean `network`.
fn joint_targets(solutions: &[Solution], network: &Network, certify: Certify) -> Vec<TargetRecord> {
    let of_target = |c: usize| {
        let objectives: Option<Vec<_>> =
            solutions.iter().map(|solution| solution.info.targets.get(c)?.objective).collect();
        let objective = objectives.and_then(|objectives| joint_objective(&objectives, certify));
        TargetRecord { objective, neurons: network.neurons_of(c).len() }
    };
    let count = solutions.first().map_or(0, |solution| solution.info.targets.len());
    (0..count).map(of_target).collect()
}

/// The record of the last runs of all parts, one after the other.
fn joint_info(solutions: &[Solution], seconds: f64) -> Info {
    let mut info = Info::default();
    for solution in solutions {
        let Info { history, seconds, penalty_changes, unconverged_solves, linear_residual, failure, .. } =
            &solution.info;
        info.history.extend(history);
        info.penalty_changes += penalty_changes;
        info.unconverged_solves += unconverged_solves;
        info.linear_residual = info.linear_residual.into_iter().chain(*linear_residual).reduce(f64::max);
        info.failure = info.failure.or_else(|| failure.clone());
        let PhaseSeconds { setup, u, v, s, dual, certificate, .. } = *seconds;
        let sum = &mut info.seconds;
        for (sum, own) in [
            (&mut sum.setup, setup),
            (&mut sum.u, u),
            (&mut sum.v, v),
            (&mut sum.s, s),
            (&mut sum.dual, dual),
            (&mut sum.certificate, certificate),
        ] {
            *sum += own;
        }
    }
    info.seconds.total = seconds;
    info
}
