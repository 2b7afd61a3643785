//! The convex programme with the beta that a path of them chooses, as `cvx path` does it.

use super::chooser::Chooser;
use super::ground::Ground;
use super::outcome::Outcome;
use super::plan::{follow, outcome, settings};
use anyhow::Result;
use cvx_admm::{Gates, PathSettings, PathSolution, Plan, Settings, Validation};
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
            ..settings(ground, seed)
        };
        let validation = Validation::Share(ground.validation);
        let path = PathSettings { betas: self.betas, validation, ..PathSettings::default() };
        follow(&Plan { settings, path, beside: None }, ground, &self.name(ground))
    }
}

impl Chooser for ChosenPath {
    fn name(&self, _ground: &Ground) -> String {
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
        outcome(self.run(ground, seed)?, ground)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cvx_admm::{Beta, Precision, train};

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
