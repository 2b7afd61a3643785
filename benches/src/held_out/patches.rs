//! Gated neurons on patches of images, with all that the program chooses by itself, as `cvx train` does it.

use super::chooser::Chooser;
use super::ground::Ground;
use super::outcome::Outcome;
use super::plan::{follow, outcome, settings};
use anyhow::Result;
use cvx_admm::{Gates, PathSettings, Plan, TrainError, Validation, Wishes, automatic};
use cvx_model::PatchSettings;
use serde_json::{Value, json};

/// The path that the program takes for images.
#[derive(Clone, Debug)]
pub struct PatchPath {
    /// Number of gates; `None` for what the program takes.
    pub patterns: Option<usize>,
}

impl PatchPath {
    fn plan(&self, ground: &Ground, seed: u64) -> Result<Plan, TrainError> {
        let wishes = Wishes {
            patterns: self.patterns,
            // The program's own choice for images that are large enough; on anything else it is to say so.
            gates: Some(Gates::Patches(PatchSettings::default())),
            validation: Some(Validation::Share(ground.validation)),
            ..Wishes::default()
        };
        automatic(&ground.split.train, &settings(ground, seed), &PathSettings::default(), &wishes)
    }
}

impl Chooser for PatchPath {
    fn name(&self, ground: &Ground) -> String {
        let patterns = self.plan(ground, 0).map_or(self.patterns, |plan| Some(plan.settings.patterns));
        patterns.map_or("conv".to_string(), |patterns| format!("conv {patterns}"))
    }

    fn settings(&self) -> Value {
        json!({ "activation": "gated", "gates": "conv", "patterns": self.patterns })
    }

    fn choose(&self, ground: &Ground, seed: u64) -> Result<Outcome> {
        outcome(follow(&self.plan(ground, seed)?, ground, &self.name(ground))?, ground)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cvx_admm::Gates;

    /// Images of this size have gates of patches without being asked for.
    #[test]
    fn the_path_is_the_one_that_the_program_plans_by_itself() {
        let ground = Ground::textures(1, 16);
        let plan = PatchPath { patterns: None }.plan(&ground, 3).unwrap();
        let validation = Some(Validation::Share(0.2));
        let (given, wishes) = (settings(&ground, 3), Wishes { validation, ..Wishes::default() });
        let own = automatic(&ground.split.train, &given, &PathSettings::default(), &wishes).unwrap();
        // It is the planned network alone, without the one beside it.
        assert!(plan == Plan { beside: None, ..own } && matches!(plan.settings.gates, Gates::Patches(_)));
        assert_eq!((plan.settings.seed, plan.settings.threads), (3, 1));
        assert_eq!(PatchPath { patterns: None }.name(&ground), format!("conv {}", plan.settings.patterns));
    }

    #[test]
    fn tables_have_no_patches() {
        let (path, ground) = (PatchPath { patterns: Some(5) }, Ground::planted("planted:60x4"));
        assert_eq!(path.name(&ground), "conv 5");
        assert!(path.choose(&ground, 3).unwrap_err().to_string().contains("images"));
    }
}
