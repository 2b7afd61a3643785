//! `cvx train --json` and `cvx path --json`.

use super::choice::ChoiceReport;
use super::history;
use super::patches::PatchesReport;
use super::scores::ScoresReport;
use super::targets::TargetReport;
use crate::process::peak_memory_bytes;
use crate::summary::quality::Qualities;
use crate::understanding::Understanding;
use cvx_admm::{
    Info, NamedConstraints, Objective, PathSolution, PhaseSeconds, RankRecord, Round, Settings, Solution, Status,
};
use cvx_linalg::Traffic;
use cvx_model::Loss;
use serde::Serialize;

/// One run.
#[derive(Serialize)]
pub struct RunReport<'a> {
    status: Status,
    solver: &'static str,
    device: &'static str,
    device_name: &'a str,
    precision: &'static str,
    threads: usize,
    seed: u64,
    task: &'static str,
    activation: &'static str,
    loss: &'static str,
    huber_delta: Option<f64>,
    certify: &'static str,
    n_samples: usize,
    n_features: usize,
    n_patterns: usize,
    n_targets: usize,
    /// Of gates of patches; null for others.
    patches: Option<PatchesReport>,
    /// Null without constraints.
    constraints: Option<NamedConstraints>,
    /// The interval that predictions are clipped to, if there is one.
    output_range: Option<[f64; 2]>,
    beta: f64,
    rho: f64,
    sigma: f64,
    iterations: usize,
    penalty_changes: usize,
    unconverged_solves: usize,
    linear_residual: Option<f64>,
    objective: &'a Objective,
    /// Null with one target.
    targets: Option<Vec<TargetReport>>,
    train: TrainReport<'a>,
    test: Option<ScoresReport<'a>>,
    network: NetworkReport,
    seconds: &'a PhaseSeconds,
    /// Null in one process.
    ranks: Option<RanksReport>,
    peak_memory_bytes: Option<u64>,
    rounds: &'a [Round],
    /// Cones of directions that the search for a bound over all patterns looked at; 0 without it.
    searched_cones: u64,
    /// How beta was chosen; null at a given beta.
    choice: Option<ChoiceReport<'a>>,
    /// Of a mean of networks, the certificate of each.
    parts: Vec<PartReport<'a>>,
    /// What the network has learned; null without a page, because it takes seconds.
    understanding: Option<&'a Understanding>,
    #[serde(serialize_with = "history::serialize")]
    history: &'a Info,
}

/// What the sums of the first rank have cost.
#[derive(Serialize)]
struct RanksReport {
    count: usize,
    shards: usize,
    sums: u64,
    /// Sent by this rank.
    bytes: u64,
    /// In sums, waiting for others included.
    seconds: f64,
    /// Over all iterations of the path, if there is one; null where their number is not known.
    sums_per_iteration: Option<f64>,
    bytes_per_iteration: Option<f64>,
}

impl RanksReport {
    fn new(record: &RankRecord, iterations: Option<usize>) -> Self {
        let Traffic { sums, bytes, seconds } = record.traffic;
        let per_iteration = |count: u64| Some(count as f64 / iterations?.max(1) as f64);
        RanksReport {
            count: record.ranks,
            shards: record.shards,
            sums,
            bytes,
            seconds,
            sums_per_iteration: per_iteration(sums),
            bytes_per_iteration: per_iteration(bytes),
        }
    }
}

/// The iterations of a run, or of a path: of all folds at all betas, and of the runs at the chosen one. `None` if some
/// of them are not recorded, or may be recorded twice: of a path that was cut short or compared two networks, and of a
/// mean of folds that was not solved, some of which may be as the path left them.
fn all_iterations(solution: &Solution, path: Option<&PathSolution>) -> Option<usize> {
    let last = solution.info.history.len();
    let Some(PathSolution { points, cut_short, beside, .. }) = path else { return Some(last) };
    let of_folds = solution.model.parts.iter().any(|part| !part.held_out.is_empty());
    let unsolved = of_folds && solution.status != Status::Optimal;
    let known = cut_short.is_none() && beside.is_none() && !unsolved;
    known.then(|| points.iter().map(|point| point.iterations).sum::<usize>() + last)
}

#[derive(Serialize)]
struct PartReport<'a> {
    beta: f64,
    held_out_samples: usize,
    neurons: usize,
    #[serde(flatten)]
    objective: &'a Objective,
}

#[derive(Serialize)]
struct TrainReport<'a> {
    #[serde(flatten)]
    scores: ScoresReport<'a>,
    convex_accuracy: Option<f64>,
}

#[derive(Serialize)]
struct NetworkReport {
    neurons: usize,
    pruned: usize,
    cone_violation: f64,
}

impl<'a> RunReport<'a> {
    /// The report of a run that ended, with the `settings` that it was given and the path on which its beta was chosen.
    pub fn new(
        solution: &'a Solution,
        settings: &Settings,
        path: Option<&'a PathSolution>,
        qualities: &'a Qualities,
        understanding: Option<&'a Understanding>,
    ) -> Self {
        let Solution { model, summary, info, .. } = solution;
        RunReport {
            status: solution.status,
            solver: summary.solver.name(),
            device: summary.device,
            device_name: &summary.device_name,
            precision: settings.precision.name(),
            threads: summary.threads,
            seed: settings.seed,
            task: model.task.name(),
            activation: model.network.activation().name(),
            loss: model.claim.loss.name(),
            huber_delta: match model.claim.loss {
                Loss::Huber { delta } => Some(delta),
                _ => None,
            },
            certify: model.claim.certify.name(),
            n_samples: summary.shape.n_samples,
            n_features: summary.shape.n_features,
            n_patterns: summary.shape.n_patterns,
            n_targets: summary.shape.n_targets,
            patches: PatchesReport::new(solution, settings),
            constraints: NamedConstraints::of(model),
            output_range: model.output_range.map(|range| [range.low(), range.high()]),
            beta: solution.beta,
            rho: solution.rho,
            sigma: solution.sigma,
            iterations: info.history.len(),
            penalty_changes: info.penalty_changes,
            unconverged_solves: info.unconverged_solves,
            linear_residual: info.linear_residual,
            objective: &solution.objective,
            targets: TargetReport::of(solution),
            train: TrainReport {
                scores: ScoresReport::new(solution.train, qualities.train.as_ref(), solution.train_confusion.as_ref()),
                convex_accuracy: solution.convex_accuracy,
            },
            test: (solution.test)
                .map(|scores| ScoresReport::new(scores, qualities.test.as_ref(), solution.test_confusion.as_ref())),
            network: NetworkReport {
                neurons: model.network.n_neurons(),
                pruned: solution.pruned,
                cone_violation: solution.cone_violation,
            },
            seconds: &info.seconds,
            ranks: solution.ranks.map(|ranks| RanksReport::new(&ranks, all_iterations(solution, path))),
            peak_memory_bytes: peak_memory_bytes(),
            rounds: &info.rounds,
            searched_cones: info.cones,
            choice: path.map(|path| ChoiceReport::new(path, qualities.held_out.as_ref())),
            parts: (model.parts.iter())
                .map(|part| PartReport {
                    beta: part.beta,
                    held_out_samples: part.held_out.len(),
                    neurons: part.neurons,
                    objective: &part.objective,
                })
                .collect(),
            understanding,
            history: info,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cvx_admm::{Beside, Iteration, PathSettings, Returned, StopToken, Validation, path};
    use cvx_model::{Activation, Dataset, FeatureKind, Labels};
    use std::ops::ControlFlow;

    /// The path, and how many iterations it has done before it ended, which it does after `most` of them.
    fn along(settings: &Settings, path_settings: &PathSettings, most: usize) -> (PathSolution, usize) {
        let x: Vec<f64> = (0..90).map(|k| f64::from(k * k * 37 % 101) / 50.0 - 1.0).collect();
        let y = x.chunks(3).map(|row| row[0].abs() - row[1] * row[2]).collect();
        let data = Dataset::new(3, x, Some(Labels::numbers(y)), FeatureKind::Table).unwrap();
        let mut count = 0;
        let mut observer = |_: &Iteration| {
            count += 1;
            if count < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let found = path(&data, None, settings, path_settings, &StopToken::new(), &mut observer).unwrap();
        (found, count)
    }

    #[test]
    fn sums_are_divided_by_all_iterations_of_a_path() {
        let settings = Settings { patterns: 5, threads: 1, activation: Activation::Gated, ..Settings::default() };
        let folds = PathSettings { betas: 3, ratio: 0.1, validation: Validation::Folds(3), ..PathSettings::default() };
        let mean = PathSettings { returned: Returned::Mean, ..folds.clone() };
        let refined = Settings { refine: 2, ..settings.clone() };
        let twice = PathSettings { ensemble: 2, ..folds.clone() };
        let limited = Settings { max_iterations: 3, gap: 1e-9, ..settings.clone() };
        for (settings, along_folds) in
            [(&settings, &folds), (&settings, &mean), (&refined, &folds), (&limited, &folds), (&settings, &twice)]
        {
            let (found, count) = along(settings, along_folds, usize::MAX);
            assert_eq!(all_iterations(&found.solution, Some(&found)), Some(count));
            let last = found.solution.info.history.len();
            assert!(last > 0 && last < count && all_iterations(&found.solution, None) == Some(last));
            let traffic = Traffic { sums: 10 * count as u64, bytes: 80 * count as u64, seconds: 1.0 };
            let ranks = Some(RankRecord { ranks: 2, shards: 8, traffic });
            let solution = Solution { ranks, ..found.solution.clone() };
            let qualities = Qualities::of(&solution, Some(&found));
            let report = RunReport::new(&solution, settings, Some(&found), &qualities, None);
            let report = serde_json::to_value(&report).unwrap();
            assert_eq!(report["ranks"]["sums_per_iteration"], 10.0);
            assert_eq!(report["ranks"]["bytes_per_iteration"], 80.0);
        }
        let (found, _) = along(&settings, &folds, usize::MAX);
        let beside = Some(Beside { settings: settings.clone(), point: found.points[0].clone() });
        let compared = PathSolution { beside, ..found };
        assert_eq!(
            all_iterations(&compared.solution, Some(&compared)),
            None,
            "of the other network, one point is kept"
        );
        // Cut short on the way, and in the last runs, of which the others are as the path left them.
        let (_, all) = along(&settings, &mean, usize::MAX);
        for most in [1, all / 2, all - 1] {
            let (found, _) = along(&settings, &mean, most);
            assert_eq!(all_iterations(&found.solution, Some(&found)), None, "{most} of {all}");
        }
    }
}
