//! The arguments as settings of the library.

use crate::args::{ChoiceArgs, FitArgs, ModelArgs, PathArgs, Patterns, TrainArgs};
use anyhow::{Context, Result, bail};
use cvx_admm::{Beta, Certify, CheckpointPlan, Gates, PathSettings, Settings, Validation, Wishes};
use cvx_data::read_matrix;
use cvx_linalg::HostMatrix;
use cvx_model::{Activation, GateKind, Loss};

/// What `cvx train` does.
pub enum Training {
    /// One run.
    AtGivenBeta(Box<Settings>),
    /// A path that chooses beta: what is given of it.
    AtChosenBeta(Box<(Settings, PathSettings, Wishes)>),
}

/// The settings of `cvx train`, checked. Beta is chosen where it is not given, and nothing asks for a single run.
pub fn of_training(args: &TrainArgs) -> Result<Training> {
    let global = args.fit.stopping.certify == Certify::Global;
    let single = args.refine > 0 || args.checkpoint.is_some() || args.resume.is_some() || global;
    if args.beta.is_some() || args.beta_fraction.is_some() || single { of_run(args) } else { of_choice(args) }
}

fn of_run(args: &TrainArgs) -> Result<Training> {
    let beta = match (args.beta, args.beta_fraction) {
        (Some(beta), _) => Beta::Value(beta),
        (None, Some(fraction)) => Beta::Fraction(fraction),
        (None, None) => Settings::default().beta,
    };
    let ChoiceArgs { folds, validation, ensemble, budget } = args.choice;
    let given = [
        ("--folds", folds.is_some()),
        ("--validation", validation.is_some()),
        ("--ensemble", ensemble.is_some()),
        ("--budget", budget.is_some()),
    ];
    if let Some((option, _)) = given.into_iter().find(|(_, given)| *given) {
        bail!(
            "{option} is for a beta that is chosen by held-out samples: leave it out, or leave out --beta, \
             --beta-fraction, --refine, --checkpoint, --resume and --certify global"
        );
    }
    let every = args.checkpoint_every;
    let checkpoint = args.checkpoint.clone().map(|path| CheckpointPlan { path, every });
    let settings = Settings { beta, refine: args.refine, checkpoint, ..of_fit(&args.fit)? };
    settings.validate()?;
    Ok(Training::AtGivenBeta(Box::new(settings)))
}

fn of_choice(args: &TrainArgs) -> Result<Training> {
    let FitArgs { model, .. } = &args.fit;
    let (settings, path) = (of_fit(&args.fit)?, of_folds(&args.choice));
    settings.validate()?;
    path.validate()?;
    let wishes = Wishes {
        activation: model.activation,
        patterns: match model.patterns {
            Some(Patterns::Count(patterns)) => Some(patterns),
            Some(Patterns::Auto) | None => None,
        },
        gates: (settings.gates != Gates::Auto).then(|| settings.gates.clone()),
        output_bias: (model.output_bias || model.no_output_bias).then_some(settings.output_bias),
        ensemble: args.choice.ensemble,
        validation: validation(&args.choice),
        returned: None,
    };
    Ok(Training::AtChosenBeta(Box::new((settings, path, wishes))))
}

/// The settings of `cvx path` and those of its runs, checked.
pub fn of_path(args: &PathArgs) -> Result<(Settings, PathSettings)> {
    let settings = of_fit(&args.fit)?;
    settings.validate()?;
    let path = PathSettings {
        betas: args.betas,
        ratio: args.beta_ratio,
        gap: args.path_gap,
        choice: args.choose,
        returned: args.returned,
        ..of_folds(&args.choice)
    };
    path.validate()?;
    Ok((settings, path))
}

fn validation(args: &ChoiceArgs) -> Option<Validation> {
    args.folds.map(Validation::Folds).or(args.validation.map(Validation::Share))
}

/// What both commands set of the choice of beta.
fn of_folds(args: &ChoiceArgs) -> PathSettings {
    let default = PathSettings::default();
    PathSettings {
        validation: validation(args).unwrap_or_default(),
        ensemble: args.ensemble.unwrap_or(default.ensemble),
        budget: args.budget,
        ..default
    }
}

/// What both commands set; everything else has its default.
fn of_fit(args: &FitArgs) -> Result<Settings> {
    let FitArgs { data, model, constraints, stopping, advanced, .. } = args;
    let default = Settings::default();
    let gates = gates(args)?;
    Ok(Settings {
        activation: model.activation.unwrap_or(match gates {
            Gates::Patches(_) => Activation::Gated,
            _ => default.activation,
        }),
        patterns: match model.patterns {
            Some(Patterns::Count(patterns)) => patterns,
            Some(Patterns::Auto) | None => default.patterns,
        },
        output_bias: model.output_bias && !model.no_output_bias,
        gates,
        seed: model.seed,
        loss: loss(model)?,
        constraints: constraints.constraints(),
        output_range: constraints.output_range,
        bias: !model.no_bias,
        prune: !model.no_prune,
        keep_iterates: false,
        task: data.task,
        class_weights: data.class_weight.clone().unwrap_or_default(),
        normalisation: data.normalize,
        gap: stopping.gap.unwrap_or(default.gap),
        certify: stopping.certify,
        max_iterations: stopping.max_iterations,
        time_limit: stopping.time_limit,
        solver: advanced.solver,
        rank: advanced.rank,
        device: advanced.device,
        precision: advanced.precision,
        threads: advanced.threads,
        memory_budget: advanced.memory_budget.map(budget_bytes).transpose()?,
        rho: advanced.rho,
        sigma: advanced.sigma,
        ..default
    })
}

/// The name of gates of patches.
const CONVOLUTION: &str = "conv";

fn loss(args: &ModelArgs) -> Result<Loss> {
    match (args.loss, args.huber_delta) {
        (Loss::Huber { .. }, Some(delta)) => Ok(Loss::Huber { delta }),
        (_, Some(_)) => bail!("--huber-delta is only for --loss huber: give both or neither"),
        (loss, None) => Ok(loss),
    }
}

fn budget_bytes(gigabytes: f64) -> Result<u64> {
    if gigabytes > 0.0 && gigabytes.is_finite() {
        return Ok((gigabytes * 1e9) as u64);
    }
    bail!("--memory-budget is {gigabytes}, but it must be a positive number of gigabytes")
}

/// A kind of gates by its name, or the gates in a file, whose number excludes `--patterns`.
fn gates(args: &FitArgs) -> Result<Gates> {
    let given = match (&args.model.gates, args.patches.first()) {
        (None, None) => return Ok(Gates::Auto),
        (None, Some(_)) => return Ok(Gates::Patches(args.patches.settings())),
        (Some(given), _) if given.as_os_str() == CONVOLUTION => return Ok(Gates::Patches(args.patches.settings())),
        (Some(given), Some(option)) => {
            bail!("{option} is for --gates {CONVOLUTION}: leave it out, or leave out --gates {}", given.display())
        }
        (Some(given), None) => given,
    };
    if let Some(kind) = given.to_str().and_then(|name| name.parse().ok()) {
        return Ok(Gates::Kind(kind));
    }
    if args.model.patterns.is_some() {
        bail!(
            "--patterns is the number of gates that are drawn, and a file holds all gates: give --patterns or --gates"
        );
    }
    let names = format!("{}, {CONVOLUTION}", GateKind::ALL.map(GateKind::name).join(", "));
    if !given.exists() {
        bail!("--gates is '{}', which is none of {names}, and there is no such file: check the name", given.display());
    }
    let read = read_matrix(given, Some("gates")).with_context(|| format!("--gates (a file, or one of {names})"));
    let (rows, cols, values) = read?;
    Ok(Gates::Given(HostMatrix::from_fn(rows, cols, |i, j| values[i * cols + j])))
}
