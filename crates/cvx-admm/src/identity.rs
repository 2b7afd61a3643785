//! What makes two runs the same: the settings that the iterates depend on, as a checkpoint keeps them, and in the words of the command line.

use crate::settings::{Gates, Settings, ValidSettings};
use crate::train::Problem;

/// The settings that the iterates depend on, by the names that users know. Limits, threads and what is written may change from one part of
/// a run to the next.
pub(crate) fn identity(problem: &Problem, settings: &ValidSettings) -> Vec<(String, String)> {
    let Settings { patterns, gates, beta, solver, .. } = &**settings;
    let checksum = |values: &[f64]| {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        format!("of checksum {:08x}", crc32fast::hash(&bytes))
    };
    let gates = match gates {
        Gates::Given(gates) => checksum(gates.values()),
        drawn => format!("{drawn:?}"),
    };
    let weights = problem.loss.weights().map_or_else(|| "none".to_string(), checksum);
    let text = |value: &dyn std::fmt::Debug| format!("{value:?}");
    let all = [
        ("activation", text(&settings.activation)),
        ("patterns", text(patterns)),
        ("gates", gates),
        ("beta", text(beta)),
        ("solver", text(solver)),
        ("rank", text(&settings.rank)),
        ("original solvers", text(&settings.original_solvers)),
        ("precision", text(&settings.precision)),
        ("seed", text(&settings.seed)),
        ("refine", text(&settings.refine)),
        ("certify", text(&settings.certify)),
        ("rho", text(&settings.rho)),
        ("sigma", text(&settings.sigma)),
        ("adaptation of rho", text(&settings.adapt_rho)),
        ("over-relaxation", text(&settings.over_relaxation)),
        ("dual step", text(&settings.dual_step)),
        ("anderson memory", text(&settings.anderson_memory)),
        ("judge every", text(&settings.judge_every)),
        ("scale rows", text(&settings.scale_rows)),
        ("bias", text(&settings.bias)),
        ("normalisation", text(&problem.normalisation)),
        ("task", text(&problem.targets.task.name())),
        ("loss", text(&problem.loss.loss())),
        ("weights", weights),
    ];
    all.map(|(name, value)| (name.to_string(), value)).into()
}

/// A setting as it is kept, as the command line has it: `beta` and `Fraction(0.001)` are `--beta-fraction 0.001`. What has no argument of its
/// own is given by its name.
pub(crate) fn as_arguments(name: &str, kept: &str) -> String {
    let inner = |text: &'_ str, of: &str| Some(text.strip_prefix(of)?.strip_suffix(')')?.to_string());
    let value = inner(kept, "Some(").or(inner(kept, "Kind(")).unwrap_or_else(|| kept.trim_matches('"').to_string());
    match (name, kept) {
        ("beta", _) => match inner(kept, "Fraction(") {
            Some(fraction) => format!("--beta-fraction {}", plain(&fraction)),
            None => format!("--beta {}", plain(&inner(kept, "Value(").unwrap_or(value))),
        },
        ("bias", "true") => "--bias".to_string(),
        ("bias", _) => "--no-bias".to_string(),
        ("rank" | "rho" | "sigma", "None") | ("gates", "Auto") => format!("no --{name}"),
        ("gates", _) if kept.starts_with("of checksum") => format!("--gates {kept}"),
        ("weights", _) => format!("weights of the samples {kept}"),
        ("normalisation", _) => format!("--normalize {}", plain(&value)),
        ("loss", _) => match inner(&value.replace(" }", ")"), "Huber { delta: ") {
            Some(delta) => format!("--loss huber --huber-delta {}", plain(&delta)),
            None => format!("--loss {}", plain(&value)),
        },
        (
            "activation" | "certify" | "gates" | "patterns" | "precision" | "rank" | "refine" | "rho" | "seed"
            | "sigma" | "solver" | "task",
            _,
        ) => format!("--{name} {}", plain(&value)),
        _ => format!("{name} {kept}"),
    }
}

/// `SquaredHinge` is `squared-hinge`, `1.0` is `1`.
fn plain(value: &str) -> String {
    let mut words = String::new();
    for (at, letter) in value.char_indices() {
        if at > 0 && letter.is_ascii_uppercase() {
            words.push('-');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words.strip_suffix(".0").map_or(words.clone(), str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Beta, Precision, SolverChoice};
    use cvx_model::{Activation, GateKind, Loss, Normalisation};
    use cvx_solvers::SolverKind;
    use std::fmt::Debug;

    fn shown(name: &str, value: impl Debug) -> String {
        as_arguments(name, &format!("{value:?}"))
    }

    #[test]
    fn f3_settings_have_the_names_that_the_command_line_knows() {
        for kind in SolverKind::ALL {
            assert_eq!(shown("solver", SolverChoice::Kind(kind)), format!("--solver {}", kind.name()));
        }
        for kind in GateKind::ALL {
            assert_eq!(shown("gates", Gates::Kind(kind)), format!("--gates {}", kind.name()));
        }
        for loss in [Loss::Squared, Loss::Logistic, Loss::SquaredHinge] {
            assert_eq!(shown("loss", loss), format!("--loss {}", loss.name()));
        }
        for (found, expected) in [
            (shown("beta", Beta::Fraction(1e-3)), "--beta-fraction 0.001"),
            (shown("beta", Beta::Value(1.0)), "--beta 1"),
            (shown("beta", Beta::Value(1e-9)), "--beta 1e-9"),
            (shown("loss", Loss::Huber { delta: 1.5 }), "--loss huber --huber-delta 1.5"),
            (shown("precision", Precision::F32), "--precision f32"),
            (shown("activation", Activation::Gated), "--activation gated"),
            (shown("normalisation", Normalisation::Column), "--normalize column"),
            (shown("solver", SolverChoice::Auto), "--solver auto"),
            (shown("gates", Gates::Auto), "no --gates"),
            (as_arguments("gates", "of checksum 01234567"), "--gates of checksum 01234567"),
            (shown("rho", None::<f64>), "no --rho"),
            (shown("rho", Some(2.0)), "--rho 2"),
            (shown("rank", Some(30)), "--rank 30"),
            (shown("bias", false), "--no-bias"),
            (shown("task", "binary"), "--task binary"),
            (shown("patterns", 50), "--patterns 50"),
            (as_arguments("weights", "none"), "weights of the samples none"),
            (shown("dual step", 1.0), "dual step 1.0"),
        ] {
            assert_eq!(found, expected);
        }
    }
}
