//! Theorems in words.

use cvx_admm::Model;
use cvx_prove::{Claim, Theorem};

/// Names of outputs and features.
pub struct Names {
    /// Of the outputs.
    pub outputs: Vec<String>,
    /// Of the features, if they have names.
    pub features: Vec<String>,
    /// Whether predictions are clipped outputs; theorems are about outputs.
    pub clipped: bool,
}

impl Names {
    /// Those of a model.
    pub fn of(model: &Model) -> Self {
        let features = model.transform.feature_names.clone().unwrap_or_default();
        Names { outputs: model.outputs(), features, clipped: model.output_range.is_some() }
    }

    /// Those of the outputs of a model less those of another.
    pub fn of_difference(model: &Model) -> Self {
        let mut names = Self::of(model);
        names.outputs.iter_mut().for_each(|name| name.push_str(" less the other's"));
        names
    }
}

/// A theorem about a network, or about it and another.
pub fn words(names: &Names, theorem: &Theorem) -> String {
    let Names { outputs: names, features, clipped } = names;
    let threshold = theorem.threshold;
    let claim = match &theorem.claim {
        Claim::Combination { outputs, inputs, constant } => {
            let mut terms: Vec<String> = Vec::new();
            for (weight, name) in outputs.iter().zip(names).filter(|(weight, _)| **weight != 0.0) {
                let sign = if *weight < 0.0 {
                    "- "
                } else if terms.is_empty() {
                    ""
                } else {
                    "+ "
                };
                let factor = if weight.abs() == 1.0 { String::new() } else { format!("{} ", weight.abs()) };
                terms.push(format!("{sign}{factor}[{name}]"));
            }
            if inputs.iter().any(|weight| *weight != 0.0) {
                terms.push("+ inputs".to_string());
            }
            let before = if *clipped { " before clipping" } else { "" };
            format!("{}{before} > {}", terms.join(" "), threshold - constant)
        }
        Claim::Slope { output, feature, sign, .. } => {
            let feature = features.get(*feature).cloned().unwrap_or_else(|| format!("feature {}", feature + 1));
            let trend = if *sign > 0.0 { "falls" } else { "rises" };
            let output = names.get(*output).map_or("", String::as_str);
            format!("[{output}] never {trend} along {feature}")
        }
    };
    format!("{claim} ({})", theorem.deployed.name())
}
