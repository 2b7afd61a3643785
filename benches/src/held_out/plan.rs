//! A path as it is planned, and what comes of it.

use super::ground::Ground;
use super::outcome::{Candidate, Choice, Outcome, Score, TIME_LIMIT};
use crate::row::finite;
use anyhow::Result;
use cvx_admm::{Observer, PathPoint, PathSolution, Plan, Precision, Scores, Settings, StopToken, path, verify};

/// What every path has from the ground.
pub fn settings(ground: &Ground, seed: u64) -> Settings {
    Settings {
        gap: ground.gap,
        device: ground.place.device(),
        precision: if ground.double { Precision::F64 } else { Precision::F32 },
        threads: ground.threads,
        time_limit: ground.time_limit,
        seed,
        ..Settings::default()
    }
}

/// Follows the path, and says under this `name` where it is.
pub fn follow(plan: &Plan, ground: &Ground, name: &str) -> Result<PathSolution> {
    let Plan { settings, path: choice, .. } = plan;
    let (train, test) = (&ground.split.train, ground.split.test.as_ref());
    let mut progress = Progress(format!("{name} seed {}", settings.seed));
    Ok(path(train, test, settings, choice, &StopToken::new(), &mut progress)?)
}

/// What came of it; its network is verified.
pub fn outcome(found: PathSolution, ground: &Ground) -> Result<Outcome> {
    let PathSolution { points, chosen, seconds, solution, cut_short, .. } = found;
    let outcome = Outcome {
        status: TIME_LIMIT.to_string(),
        chosen: points.get(chosen).map(candidate),
        tried: points.iter().map(candidate).collect(),
        choosing_seconds: seconds,
        ..Outcome::default()
    };
    if cut_short.is_some() {
        return Ok(outcome);
    }
    Ok(Outcome {
        status: solution.status.to_string(),
        verified: verify(&solution.model, &ground.split.train)?.holds(),
        n_closing: Some(solution.model.claim.n_samples),
        beta: Some(solution.beta),
        iterations: Some(solution.info.history.len() as f64),
        objective: finite(solution.objective.network),
        dual_bound: finite(solution.objective.dual_bound),
        train_loss: finite(solution.train.loss),
        neurons: Some(solution.model.network.n_neurons()),
        train_accuracy: solution.train.accuracy,
        test_accuracy: solution.test.and_then(|test| test.accuracy),
        closing_seconds: solution.info.seconds.total,
        ..outcome
    })
}

fn candidate(point: &PathPoint) -> Candidate {
    Candidate {
        choice: Choice::Path {
            fraction: point.fraction,
            beta: point.beta,
            relative_gap: point.objective.relative_gap,
            neurons: point.neurons,
        },
        held_out: Score {
            accuracy: point.validation.accuracy,
            error: point.error,
            standard_error: Some(point.standard_error),
            loss: point.validation.loss,
        },
    }
}

/// Says where a long path is.
struct Progress(String);

impl Observer for Progress {
    fn point(&mut self, fraction: f64, relative_gap: f64, validation: &Scores) {
        let accuracy = validation.accuracy.map_or(String::new(), |accuracy| format!(", held out {accuracy:.4}"));
        eprintln!("{}: beta {fraction:.2e} of its largest, gap {relative_gap:.1e}{accuracy}", self.0);
    }
}
