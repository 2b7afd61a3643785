//! A training run in words.

use super::quality::{self, Qualities};
use crate::number::{counted, gap, percent};
use crate::phrase;
use cvx_admm::{
    Certify, Claim, Model, NamedConstraints, Objective, PathSolution, Predictions, Scores, Solution, Status,
    TargetRecord,
};
use cvx_model::{Activation, Confusion, Loss, accuracy};

/// Relative difference that rounding explains: closer numbers are equal.
const ROUNDING: f64 = 1e-12;

/// Relative residual of a direct u-update above which it has a row.
const LARGE_RESIDUAL: f64 = 1e-2;

/// The columns of the certificate by target.
pub fn targets_header(solution: &Solution) -> [&'static str; 5] {
    let title = match solution.model.task.classes() {
        [] => "certificate by target",
        _ => "certificate by class",
    };
    [title, "objective", "bound", "gap", "neurons"]
}

/// What a regression is compared with.
const TRAINING_MEAN: &str = "the training mean";

/// The loss that was minimised, such as: huber with delta 1, weighted.
pub fn loss(claim: &Claim) -> String {
    let weighted = if claim.weights.is_some() { ", weighted" } else { "" };
    match claim.loss {
        Loss::Huber { delta } => format!("huber with delta {delta}{weighted}"),
        loss => format!("{}{weighted}", loss.name()),
    }
}

/// What the predictions obey, and where they are clipped.
pub fn obeyed(model: &Model) -> Vec<(&'static str, String)> {
    let constraints = NamedConstraints::of(model).map(|constraints| ("constraints", constraints.words()));
    let range = model.output_range.map(|range| ("output range", format!("{} to {}", range.low(), range.high())));
    constraints.into_iter().chain(range).collect()
}

/// The samples whose classes are counted, test samples if there are any, and the count.
pub fn confusion(solution: &Solution) -> Option<(&'static str, &Confusion)> {
    match &solution.test_confusion {
        Some(confusion) => Some(("test samples", confusion)),
        None => solution.train_confusion.as_ref().map(|confusion| ("training samples", confusion)),
    }
}

/// The certificate by target, a row each; none with one target, and if the loss couples them.
pub fn targets(solution: &Solution) -> Vec<Vec<String>> {
    let row = |(name, target): (String, &TargetRecord)| {
        let Objective { network, dual_bound, relative_gap, .. } = target.objective?;
        let numbers = [format!("{network:.6}"), format!("{dual_bound:.6}"), gap(relative_gap)];
        Some([name].into_iter().chain(numbers).chain([target.neurons.to_string()]).collect())
    };
    solution.model.outputs().into_iter().zip(&solution.info.targets).filter_map(row).collect()
}

/// The counts on samples that chose beta; `None` for a regression, and without such samples.
pub fn held_out_confusion(path: &PathSolution) -> Option<Confusion> {
    let Predictions { outputs, targets } = &path.held_out.predictions;
    (targets.rows() > 0).then(|| Confusion::new(&path.solution.model.task, outputs, targets))?
}

/// The scores of the predictions of those samples, each the mean of the networks that did not see it. The point of the
/// path has the mean of their scores instead.
pub fn held_out_scores(solution: &Solution, path: &PathSolution) -> Scores {
    let Predictions { outputs, targets } = &path.held_out.predictions;
    let model = &solution.model;
    Scores { loss: model.claim.loss.total(outputs, targets), accuracy: accuracy(&model.task, outputs, targets) }
}

/// What the certificate says, and what can be done; one or two sentences each.
pub fn words(solution: &Solution) -> Vec<String> {
    let mut words = vec![meaning(solution)];
    words.extend(unsolved(solution));
    if let Some(failure) = &solution.info.failure {
        words.push(format!("The run was cut short: {}.", phrase::linalg(failure)));
    }
    if let Some(advice) = phrase::advice(solution.status) {
        words.push(format!("{}: {advice}.", solution.status));
    }
    words
}

/// That programmes of single targets are not solved, where the gap of their sum does not show it.
fn unsolved(solution: &Solution) -> Option<String> {
    let gap = solution.summary.gap;
    let targets = &solution.info.targets;
    let is_open = |target: &&TargetRecord| target.objective.is_some_and(|objective| objective.relative_gap > gap);
    let open = targets.iter().filter(is_open).count();
    (open > 0 && solution.objective.relative_gap <= gap).then(|| {
        let what = if solution.model.task.classes().is_empty() { "targets" } else { "classes" };
        format!(
            "The gap is that of all {} {what} together. {open} of them {} not within it by themselves, because others \
             lie below their bounds: a smaller --gap solves them further.",
            targets.len(),
            if open == 1 { "is" } else { "are" }
        )
    })
}

/// Names and values of the results.
pub fn results(solution: &Solution, path: Option<&PathSolution>) -> Vec<(&'static str, String)> {
    let qualities = Qualities::of(solution, path);
    let (objective, seconds) = (&solution.objective, &solution.info.seconds);
    let phases = format!(
        "{:.2} s: set-up {:.2}, u {:.2}, v {:.2}, s {:.2}, dual {:.2}, certificate {:.2}",
        seconds.total, seconds.setup, seconds.u, seconds.v, seconds.s, seconds.dual, seconds.certificate
    );
    let mut rows = vec![
        ("status", format!("{} after {}", solution.status, counted(solution.info.history.len(), "iteration"))),
        ("loss", loss(&solution.model.claim)),
        ("network objective", format!("{:.6}", objective.network)),
        ("dual bound", format!("{:.6}", objective.dual_bound)),
    ];
    if let (Certify::Sampled, Some(primal)) = (solution.model.claim.certify, objective.sampled_primal) {
        rows.push(("sampled primal", format!("{primal:.6}")));
    }
    if let [first, .., last] = &solution.info.rounds[..] {
        let text = format!(
            "from {:.6}, where the {} sampled patterns were left, to {:.6} with {} after {}",
            first.network,
            first.patterns,
            last.network,
            last.patterns,
            counted(solution.info.rounds.len() - 1, "round")
        );
        rows.push(("refinement", text));
    }
    let certify = solution.model.claim.certify;
    rows.push(("relative gap", format!("{} ({} certificate)", gap(objective.relative_gap), certify.name())));
    if solution.info.cones > 0 {
        rows.push(("search", format!("{} of directions", counted(solution.info.cones as usize, "cone"))));
    }
    rows.push(("training samples", quality::words(&solution.train, qualities.train.as_ref(), TRAINING_MEAN)));
    if let (Some(path), Some(held_out)) = (path, &qualities.held_out) {
        let scores = held_out_scores(solution, path);
        rows.push(("held-out samples", quality::words(&scores, Some(held_out), TRAINING_MEAN)));
    }
    if let Some(test) = &solution.test {
        rows.push(("test samples", quality::words(test, qualities.test.as_ref(), TRAINING_MEAN)));
    }
    let parts = solution.model.parts.len();
    if parts > 1 {
        rows.push(("parts", format!("the mean of {parts} networks; objective, bound and gap are of all together")));
    }
    let (neurons, gated) = (solution.model.network.n_neurons(), is_gated(solution));
    let mut network = counted(neurons, if gated { "gated neuron" } else { "neuron" });
    if solution.model.network.patches.is_some() {
        let gates = solution.model.network.distinct_gates().0.cols();
        network.push_str(&format!(" on {} of patches", counted(gates, "gate")));
    }
    if solution.pruned > 0 {
        network.push_str(&format!(", {} pruned", solution.pruned));
    }
    if !gated {
        network.push_str(&format!(", cones violated by at most {:.1e}", solution.cone_violation));
    }
    rows.push(("network", network));
    rows.extend(obeyed(&solution.model));
    // An iterative solver reaches the tolerance that it is given. A run that ended well has nothing to repair.
    let exact = solution.summary.solver.is_direct() && solution.status != Status::Optimal;
    if let Some(residual) = solution.info.linear_residual.filter(|&residual| exact && residual > LARGE_RESIDUAL) {
        let text = format!("{residual:.1e}: the u-update is inexact; --precision f64 may take fewer iterations");
        rows.push(("linear residual", text));
    }
    // The clock of a mean runs from the start of the choice, that of a network of all samples from its own start.
    let before = path.filter(|_| parts == 1).map(|path| format!(", after {:.2} for the choice", path.seconds));
    rows.push(("seconds", phases + &before.unwrap_or_default()));
    rows
}

fn is_gated(solution: &Solution) -> bool {
    solution.model.network.activation() == Activation::Gated
}

/// What the certificate says. All but the global one are about the sampled programme, not about all networks.
fn meaning(solution: &Solution) -> String {
    // Those of a refined network are of its neurons.
    let refined = solution.info.rounds.len() > 1;
    let patterns = if refined { "the patterns of its last round" } else { "the sampled patterns" };
    let objective = &solution.objective;
    let (above, rounding) = (objective.network - objective.dual_bound, ROUNDING * objective.dual_bound);
    match solution.model.claim.certify {
        _ if solution.model.network.n_neurons() == 0 && solution.status != Status::Optimal => {
            "Nothing was learned yet: this is the zero network.".to_string()
        }
        _ if solution.beta == 0.0 => {
            "Without a penalty (beta = 0) the dual bound says little: a small --beta gives the network a certificate."
                .to_string()
        }
        Certify::Global => {
            // Neurons of several outputs would share the norm of their first layer.
            let neurons = if solution.model.outputs().len() > 1 { " whose neurons have one output each" } else { "" };
            let obeying = if solution.model.cones.is_some() { " and whose neurons obey the constraints" } else { "" };
            format!(
                "No two-layer ReLU network of any width{neurons}{obeying} has an objective more than {} lower.",
                // Rounded up, so that the sentence stays true.
                percent((objective.relative_gap * 1e4).ceil() * 1e-4)
            )
        }
        Certify::Network if above < -rounding => {
            format!("This network is better than every point of the convex programme over {patterns}.")
        }
        Certify::Network if above <= rounding => {
            format!("This network attains the optimum of the convex programme over {patterns}.")
        }
        Certify::Network if solution.model.parts.len() > 1 => format!(
            "Together, the {} networks are within {} of{} the best points of their convex programmes over the sampled \
             patterns.",
            solution.model.parts.len(),
            percent(objective.relative_gap),
            if is_gated(solution) { "" } else { ", or better than," }
        ),
        // Without cones the network is a point of the programme itself.
        Certify::Network if is_gated(solution) => format!(
            "This network is within {} of the best point of the convex programme over {patterns}.",
            percent(objective.relative_gap)
        ),
        Certify::Network => format!(
            "This network is within {} of, or better than, the best point of the convex programme over {patterns}.",
            percent(objective.relative_gap)
        ),
        Certify::Sampled if solution.status == Status::Optimal => format!(
            "The optimum of the convex programme over the sampled patterns lies between the dual bound and the {}, \
             {:.1e} apart.",
            // A sampled primal that is not better than the zero network has no row.
            objective.sampled_primal.map_or("objective of the zero network", |_| "sampled primal"),
            objective.relative_gap
        ),
        Certify::Sampled => {
            "The optimum of the convex programme over the sampled patterns is at least the dual bound.".to_string()
        }
    }
}
