//! The convex programme with the beta that a path of them chooses, as `cvx path` does it.

use super::chooser::Chooser;
use super::ground::Ground;
use super::outcome::{Candidate, Choice, Outcome, Score, TIME_LIMIT};
use crate::row::finite;
use anyhow::Result;
use cvx_admm::{
    Gates, Observer, PathPoint, PathSettings, PathSolution, Precision, Scores, Settings, StopToken, Validation, path,
    verify,
};
use cvx_model::{Activation, GateKind};
use serde_json::{Value, json};

/// A path with its settings.
#[derive(Clone, Debug)]
pub struct ChosenPath {
    /// ReLU or gated neurons.
    pub activation: Activation,
    /// Where the gates come from; `None` for the program's default.
    pub gates: Option<GateKind>,
    /// Number of patterns.
    pub patterns: usize,
    /// Number of betas.
    pub betas: usize,
}

impl ChosenPath {
    fn run(&self, ground: &Ground, seed: u64) -> Result<PathSolution> {
        let settings = Settings {
            activation: self.activation,
            gates: self.gates.map_or(Gates::Auto, Gates::Kind),
            patterns: self.patterns,
            gap: ground.gap,
            device: ground.place.device(),
            precision: if ground.double { Precision::F64 } else { Precision::F32 },
            threads: ground.threads,
            time_limit: ground.time_limit,
            seed,
            ..Settings::default()
        };
        let choice = PathSettings {
            betas: self.betas,
            validation: Validation::Share(ground.validation),
            ..PathSettings::default()
        };
        let test = ground.split.test.as_ref();
        let mut progress = Progress(format!("{} seed {seed}", self.name()));
        Ok(path(&ground.split.train, test, &settings, &choice, &StopToken::new(), &mut progress)?)
    }
}

impl Chooser for ChosenPath {
    fn name(&self) -> String {
        let gates = self.gates.map_or(String::new(), |kind| format!(" {}", kind.name()));
        format!("{}{gates} {}", self.activation.name(), self.patterns)
    }

    fn settings(&self) -> Value {
        json!({
            "activation": self.activation.name(),
            "gates": self.gates.map_or("default", GateKind::name),
            "patterns": self.patterns,
            "betas": self.betas,
        })
    }

    fn choose(&self, ground: &Ground, seed: u64) -> Result<Outcome> {
        let PathSolution { points, chosen, seconds, solution, cut_short, .. } = self.run(ground, seed)?;
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
            neurons: Some(solution.model.network.n_neurons()),
            train_accuracy: solution.train.accuracy,
            test_accuracy: solution.test.and_then(|test| test.accuracy),
            closing_seconds: solution.info.seconds.total,
            ..outcome
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use cvx_admm::{Beta, train};

    /// max ||X'D_i y|| is that of the samples which are trained on.
    #[test]
    fn the_path_is_on_the_part_that_is_kept_and_the_closing_run_on_all() {
        let ground = Ground::planted("planted:100x4");
        let few = ChosenPath { activation: Activation::Gated, gates: None, patterns: 8, betas: 3 };
        let found = few.run(&ground, 3).unwrap();
        let settings = Settings {
            activation: Activation::Gated,
            patterns: 8,
            beta: Beta::Fraction(1.0),
            precision: Precision::F64,
            threads: 1,
            seed: 3,
            ..Settings::default()
        };
        let kept = train(&ground.fold(3).unwrap().kept, None, &settings).unwrap();
        // It grows with the samples, of which a fifth is held out. The scales of the features are those of all samples.
        assert!((found.gated_beta_max / kept.beta - 1.0).abs() < 0.02);

        let closing = found.solution.model;
        assert_eq!((closing.claim.n_samples, closing.normalisation), (100, ground.normalisation()));
        assert_eq!(closing.claim.loss, cvx_model::Loss::Squared);
    }
}
