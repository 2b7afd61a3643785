//! Descriptions of the settings: name, default, range and effect of each, for documentation and front ends.

use crate::api::range;
use crate::api::settings::{Beta, Settings};
use crate::path::settings::PathSettings;
use cvx_model::PatchSettings;
use std::fmt::Display;

/// The description of one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingDescription {
    /// Name of the field of [`Settings`], [`PatchSettings`] or [`PathSettings`].
    pub name: &'static str,
    /// Default value.
    pub default: String,
    /// Allowed range.
    pub range: &'static str,
    /// Effect.
    pub effect: &'static str,
}

fn row(name: &'static str, default: String, range: &'static str, effect: &'static str) -> SettingDescription {
    SettingDescription { name, default, range, effect }
}

/// Every setting of a run, in the order of the fields of [`Settings`].
pub fn describe_settings() -> Vec<SettingDescription> {
    let s = &Settings::default();
    vec![
        row(
            "activation",
            s.activation.name().to_string(),
            "one of `relu`, `gated`",
            "the kind of neuron; gated ones have no cones, so an iteration takes a third of the work",
        ),
        row(
            "patterns",
            s.patterns.to_string(),
            range::AT_LEAST_ONE,
            "gates that are drawn; more lower the objective, and work and memory grow with them",
        ),
        row(
            "gates",
            "automatic".to_string(),
            "automatic, a kind, patches of images, or a matrix (d x P)",
            "where the gates come from: local squares for gated neurons on images, else Gaussian",
        ),
        row(
            "beta",
            beta(s),
            "a value or a fraction of the gated beta_max, 0 or larger",
            "weight of the regulariser: larger gives fewer neurons; `path` chooses it by held-out samples",
        ),
        row(
            "solver",
            "automatic".to_string(),
            "automatic, or a solver by name",
            "solver of the u-update; the automatic one has the least work that fits the memory",
        ),
        row("rank", given(s.rank), "0 or larger", "rank of the solvers that sketch; adapts if not given"),
        row("device", "automatic".to_string(), "automatic, the processor, or a GPU", "where the work is done"),
        row(
            "precision",
            s.precision.name().to_string(),
            "one of `f32`, `f64`",
            "how matrices are stored; the certificate is in f64 either way, f64 is for gaps below 1e-5",
        ),
        row(
            "threads",
            s.threads.to_string(),
            range::THREADS,
            "threads of the processor, 0 for one a core; the result does not depend on it",
        ),
        row("seed", s.seed.to_string(), "any", "seed of the gates"),
        row(
            "refine",
            s.refine.to_string(),
            "0 or larger; 0 for ReLU neurons with the sampled certificate",
            "most rounds in which neurons become gates; lowers the objective, each round is a run",
        ),
        row(
            "max_iterations",
            s.max_iterations.to_string(),
            range::AT_LEAST_ONE,
            "limit on the ADMM iterations of each round",
        ),
        row("gap", s.gap.to_string(), range::POSITIVE, "certified relative gap at which a run ends as Optimal"),
        row(
            "certify",
            s.certify.name().to_string(),
            "one of `network`, `sampled`, `global`",
            "whose objective the gap is of: the network's, or a feasible point's of the sampled programme; \
             `global` compares the network with all patterns, for up to four features",
        ),
        row(
            "time_limit",
            s.time_limit.map_or("none".to_string(), |limit| limit.to_string()),
            range::TIME_LIMIT,
            "seconds after which the best network so far is returned",
        ),
        row("rho", given(s.rho), range::POSITIVE, "first penalty; from the size of a neuron if not given"),
        row(
            "sigma",
            given(s.sigma),
            range::POSITIVE,
            "weight of the cones against u = v; 1/4 for direct solvers, 1/16 for iterative ones if not given",
        ),
        row(
            "adapt_rho",
            s.adapt_rho.to_string(),
            "true or false",
            "whether rho, and kappa of other losses than the squared one, follow the residuals",
        ),
        row(
            "over_relaxation",
            s.over_relaxation.to_string(),
            range::OVER_RELAXATION,
            "over-relaxation alpha; 1 is plain ADMM, larger is mostly faster",
        ),
        row(
            "dual_step",
            s.dual_step.to_string(),
            range::DUAL_STEP,
            "step gamma of the dual updates; other values than 1 turn the acceleration off",
        ),
        row(
            "anderson_depth",
            s.anderson_depth.to_string(),
            "0 or larger",
            "differences that Anderson acceleration uses; 0 turns it off and saves their memory",
        ),
        row(
            "evaluate_every",
            s.evaluate_every.to_string(),
            range::AT_LEAST_ONE,
            "iterations between two evaluations of the certificate, which cost one or two iterations each",
        ),
        row(
            "prune",
            s.prune.to_string(),
            "true or false",
            "whether neurons that the network can do without are removed at the end",
        ),
        row(
            "keep_iterates",
            s.keep_iterates.to_string(),
            "true or false",
            "whether the result has the last iterates, from which another run can start",
        ),
        row("bias", s.bias.to_string(), "true or false", "whether a bias column is added to the features"),
        row(
            "output_bias",
            s.output_bias.to_string(),
            "true or false",
            "whether a number without penalty is added to each output, so that the mean of the labels is not penalised",
        ),
        row(
            "normalisation",
            "automatic".to_string(),
            "automatic, or one by name",
            "how features are scaled: one scale for pixels, one a column for tables",
        ),
        row(
            "task",
            "automatic".to_string(),
            "automatic, `binary`, `multiclass` or `regression`",
            "classes or numbers; inferred from the labels",
        ),
        row(
            "constraints",
            "none".to_string(),
            "trends, curvatures and sets of columns; non-negative predictions",
            "what predictions obey by construction, on all inputs; the loss is no smaller with them",
        ),
        row(
            "output_range",
            "none".to_string(),
            "an interval that contains all targets of a regression",
            "predictions are clipped to it; training does not see it",
        ),
        row(
            "loss",
            s.loss.name().to_string(),
            "`squared`, `logistic`, `squared-hinge`, `multinomial`, or `huber` with a positive delta",
            "what a prediction costs",
        ),
        row(
            "class_weights",
            "none".to_string(),
            range::CLASS_WEIGHTS,
            "how much each class counts, beside the weights of the samples",
        ),
        row(
            "memory_budget",
            "nine tenths of what is free".to_string(),
            "a number of bytes",
            "a run that would need more is refused before it starts",
        ),
        row(
            "checkpoint",
            "none".to_string(),
            "a file, with seconds between two checkpoints",
            "where the run is saved so that it can be resumed",
        ),
    ]
}

/// Every setting of gates of patches, in the order of the fields of [`PatchSettings`].
pub fn describe_patch_settings() -> Vec<SettingDescription> {
    let p = PatchSettings::default();
    vec![
        row(
            "gates",
            p.gates.name().to_string(),
            "one of `clusters`, `random`",
            "whether gates are centres of clusters of training patches, or training patches",
        ),
        row(
            "side",
            given(p.side),
            "1 or more, and at most the shorter side of the images",
            "side of a patch in pixels; three sixteenths of the shorter side of an image, from 3 to 8, if automatic",
        ),
        row(
            "stride",
            given(p.stride),
            range::AT_LEAST_ONE,
            "pixels from one patch to the next; 1 if automatic, more where a side would have over 48 patches",
        ),
        row(
            "regions",
            given(p.regions),
            "1 or more, and at most the patches along a side",
            "regions along each side of an image, with weights of their own; 3 if automatic",
        ),
        row(
            "mirrored",
            given(p.mirrored),
            "automatic, true or false",
            "whether an image and its mirror image (left and right exchanged) have the same prediction; those in colour if automatic",
        ),
        row("active", p.active.to_string(), range::SHARE, "share of training patches for which a gate is on"),
        row(
            "whitening",
            p.whitening.map_or("none".to_string(), |share| share.to_string()),
            "none, or a positive number",
            "share of the mean variance that is added to that of each principal direction before it is scaled to 1",
        ),
        row(
            "directions",
            p.directions.to_string(),
            range::AT_LEAST_ONE,
            "principal directions of a patch that neurons are linear in; work and memory grow with them",
        ),
        row(
            "precision",
            given(p.precision),
            "automatic, or one of `single`, `half`",
            "what features are rounded to; half precision if automatic and those of single precision do not fit beside a factor",
        ),
    ]
}

/// Every setting of a path, in the order of the fields of [`PathSettings`].
pub fn describe_path_settings() -> Vec<SettingDescription> {
    let p = PathSettings::default();
    vec![
        row(
            "betas",
            p.betas.to_string(),
            range::BETAS,
            "number of betas, in equal ratios from the gated beta_max down",
        ),
        row("ratio", p.ratio.to_string(), range::SHARE, "the smallest beta over the gated beta_max"),
        row(
            "gap",
            p.gap.to_string(),
            range::POSITIVE,
            "certified gap at every beta; the runs at the chosen beta have that of the settings",
        ),
        row(
            "validation",
            "automatic".to_string(),
            "automatic, a share between 0 and 1, or folds: 2 or more, and not more than there are samples",
            "which samples choose the beta; five folds up to 5,000 samples, else a share of 0.2, if automatic",
        ),
        row(
            "choice",
            p.choice.name().to_string(),
            "one of `best`, `sparsest`",
            "the smallest mean loss of held-out samples, or the largest beta within one standard error of it",
        ),
        row(
            "returned",
            p.returned.name().to_string(),
            "one of `retrained`, `mean`",
            "the network of another run on all samples, or the mean of the networks of the folds",
        ),
        row(
            "patience",
            p.patience.map_or("none".to_string(), |patience| patience.to_string()),
            range::AT_LEAST_ONE,
            "clearly worse betas in a row after which no other is tried",
        ),
        row(
            "ensemble",
            p.ensemble.to_string(),
            range::ENSEMBLE,
            "networks with other seeds that are averaged; work and neurons grow with it",
        ),
        row(
            "budget",
            p.budget.map_or("none".to_string(), |budget| budget.to_string()),
            range::BUDGET,
            "seconds for the path; three quarters of it are for the betas",
        ),
    ]
}

fn given<T: Display>(value: Option<T>) -> String {
    value.map_or_else(|| "automatic".to_string(), |value| value.to_string())
}

fn beta(settings: &Settings) -> String {
    match settings.beta {
        Beta::Value(beta) => beta.to_string(),
        Beta::Fraction(fraction) => format!("{fraction} of the gated beta_max"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cvx_linalg::conformance::skip;
    use std::path::Path;

    const BEGIN: &str = "<!-- settings: generated by the tests of cvx-admm -->\n";
    const END: &str = "<!-- end of settings -->";

    /// The names of the fields, from the output of `Debug`.
    fn fields(text: &str) -> Vec<String> {
        let field = |line: &str| {
            line.strip_prefix("    ").filter(|rest| !rest.starts_with([' ', '}', ')'])).map(str::to_string)
        };
        text.lines().filter_map(field).filter_map(|line| Some(line.split_once(':')?.0.to_string())).collect()
    }

    #[test]
    fn every_field_is_described_in_its_order() {
        let names =
            |rows: Vec<SettingDescription>| rows.into_iter().map(|row| row.name.to_string()).collect::<Vec<_>>();
        assert_eq!(names(describe_settings()), fields(&format!("{:#?}", Settings::default())));
        assert_eq!(names(describe_patch_settings()), fields(&format!("{:#?}", PatchSettings::default())));
        assert_eq!(names(describe_path_settings()), fields(&format!("{:#?}", PathSettings::default())));
    }

    fn table(rows: Vec<SettingDescription>) -> String {
        let line = |row: SettingDescription| {
            let SettingDescription { name, default, range, effect } = row;
            format!("| `{name}` | {default} | {range} | {effect} |\n")
        };
        let rows: String = rows.into_iter().map(line).collect();
        format!("| name | default | range | effect |\n|---|---|---|---|\n{rows}")
    }

    /// `CVX_WRITE_DOCS=1 cargo test -p cvx-admm describe` rewrites the table.
    #[test]
    fn the_guide_has_the_table_of_the_code() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide.md");
        let Ok(page) = std::fs::read_to_string(&path) else {
            skip(&"the documentation is not beside the sources");
            return;
        };
        let tables = [
            ("Of a run (`Settings`):", describe_settings()),
            ("Of gates of patches (`PatchSettings`):", describe_patch_settings()),
            ("Of a path (`PathSettings`):", describe_path_settings()),
        ];
        let text: Vec<String> = tables.into_iter().map(|(title, rows)| format!("{title}\n\n{}", table(rows))).collect();
        let (head, rest) = page.split_once(BEGIN).expect("the guide has a place for the table");
        let (found, tail) = rest.split_once(END).expect("and an end of it");
        let expected = format!("\n{}\n", text.join("\n"));
        if std::env::var_os("CVX_WRITE_DOCS").is_some() {
            std::fs::write(&path, format!("{head}{BEGIN}{expected}{END}{tail}")).unwrap();
            return;
        }
        assert_eq!(found, expected, "the settings have changed: write the table anew");
    }
}
