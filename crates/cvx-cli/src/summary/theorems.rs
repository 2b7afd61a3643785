//! Theorems in words.

use cvx_admm::Model;
use cvx_prove::{Claim, Theorem};

/// A theorem about a model, or about it and another.
pub fn words(model: &Model, theorem: &Theorem) -> String {
    let names = model.outputs();
    let threshold = theorem.threshold;
    let claim = match &theorem.claim {
        Claim::Combination { outputs, inputs, constant } => {
            let mut terms: Vec<String> = Vec::new();
            for (weight, name) in outputs.iter().zip(&names).filter(|(weight, _)| **weight != 0.0) {
                let sign = if *weight < 0.0 { "- " } else if terms.is_empty() { "" } else { "+ " };
                let factor = if weight.abs() == 1.0 { String::new() } else { format!("{} ", weight.abs()) };
                terms.push(format!("{sign}{factor}[{name}]"));
            }
            if inputs.iter().any(|weight| *weight != 0.0) {
                terms.push("+ inputs".to_string());
            }
            format!("{} > {}", terms.join(" "), threshold - constant)
        }
        Claim::Slope { output, feature, sign, .. } => {
            let name = model.transform.feature_names.as_ref().and_then(|names| names.get(*feature).cloned());
            let feature = name.unwrap_or_else(|| format!("feature {}", feature + 1));
            let trend = if *sign > 0.0 { "falls" } else { "rises" };
            let output = names.get(*output).map_or("", String::as_str);
            format!("[{output}] never {trend} along {feature}")
        }
    };
    format!("{claim} ({})", theorem.deployed.name())
}
