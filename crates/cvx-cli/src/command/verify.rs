//! `cvx verify`.

use crate::args::VerifyArgs;
use crate::exit::Exit;
use crate::number::{counted, percent};
use crate::summary::theorems::{self, Names};
use crate::terminal::stream::{complain, note, print};
use crate::terminal::table::{facts, numbers};
use crate::{notes, source};
use anyhow::{Context, Result, anyhow, ensure};
use cvx_admm::{Certify, Model, verify};
use cvx_prove::{Prover, Theorem};
use rayon::prelude::*;
use std::path::Path;

/// Checks the proofs of a file, or recomputes a model's claims, and prints whether they hold.
pub fn run(args: &VerifyArgs) -> Result<Exit> {
    if let Some(model) = &args.of_model {
        return proofs(args, model);
    }
    ensure!(
        !args.source.data.is_empty(),
        "--data is needed: the source that the model was trained on (or --model, to check a file of proofs)"
    );
    let model = Model::load(&args.file)?;
    let split = source::load(&args.source, true, source::request_for(&model), args.quiet)?;
    source::need_labels(&args.source, &split.train)?;
    if !args.quiet {
        notes::of_table(&split.train, model.transform.label_name.as_deref()).into_iter().for_each(note);
    }
    let found = verify(&model, &split.train).with_context(|| source::reminder(&args.source))?;
    let claim = &model.claim;
    if !args.quiet {
        let pair = |claimed: f64, found: Option<f64>| match found {
            Some(found) => format!("claimed {claimed:.9}, found {found:.9}"),
            None => format!("claimed {claimed:.9}, not checked: the model carries no proof"),
        };
        let mut rows = vec![
            ("network objective", pair(claim.objective.network, Some(found.network))),
            ("training loss", pair(claim.train_loss, Some(found.loss))),
            ("dual bound", pair(claim.objective.dual_bound, found.dual_bound)),
        ];
        if let (Certify::Sampled, Some(primal)) = (claim.certify, claim.objective.sampled_primal) {
            let text = format!("claimed {primal:.9}, not checked: its point is not part of the model");
            rows.push(("sampled primal", text));
        }
        if let Some(gap) = found.relative_gap {
            let claimed = claim.objective.relative_gap;
            rows.push((
                "relative gap",
                format!("claimed {claimed:.1e}, found {gap:.1e} ({} certificate)", claim.certify.name()),
            ));
        }
        if let Some(accuracy) = found.accuracy {
            rows.push(("training accuracy", percent(accuracy)));
        }
        if let Some(hold) = found.constraints_hold {
            let signs = if hold { "every weight has its sign" } else { "a weight has the wrong sign" };
            rows.push(("constraints", signs.to_string()));
        }
        print(facts(&rows));
    }
    if found.holds() {
        if !args.quiet {
            print("The claims hold.");
        }
        return Ok(Exit::Done);
    }
    complain(&anyhow!(
        "the model does not keep its claims: {}",
        match (found.network_agrees, found.bound_agrees, found.dual_bound) {
            _ if found.constraints_hold == Some(false) => "a weight breaks its constraints",
            (false, ..) => "its objective differs from what these data give",
            (_, false, None) => "it carries no proof of its dual bound",
            (_, false, _) => "its dual bound is more than its proof gives",
            _ => "its gap is smaller than objective and bound allow",
        }
    ));
    Ok(Exit::Failed)
}

/// Checks every theorem of a file against the weights of its model.
fn proofs(args: &VerifyArgs, model: &Path) -> Result<Exit> {
    let all = cvx_prove::file::load(&args.file)?;
    let (prover, names) = subject(args, model)?;
    let checked = |(number, theorem): (usize, &Theorem)| {
        prover.check(theorem).map(|_| theorem.proof.leaves()).with_context(|| format!("theorem {}", number + 1))
    };
    let leaves = all.par_iter().enumerate().map(checked).collect::<Result<Vec<usize>>>();
    let leaves = match leaves {
        Ok(leaves) => leaves,
        Err(error) => {
            complain(&error.context(args.file.display().to_string()));
            return Ok(Exit::Failed);
        }
    };
    if !args.quiet {
        let mut kinds: Vec<(String, usize)> = Vec::new();
        for theorem in &all {
            let words = theorems::words(&names, theorem);
            match kinds.iter_mut().find(|(known, _)| *known == words) {
                Some((_, count)) => *count += 1,
                None => kinds.push((words, 1)),
            }
        }
        let rows = kinds.into_iter().map(|(words, count)| vec![words, count.to_string()]).collect();
        print(numbers(&["theorem", "sets"], rows));
        print(format_args!(
            "All {} hold, by {}.",
            counted(all.len(), "theorem"),
            counted(leaves.iter().sum(), "leaf bound")
        ));
    }
    Ok(Exit::Done)
}

/// What the proofs are about: a model, two of them, or a network that another program has written.
fn subject(args: &VerifyArgs, path: &Path) -> Result<(Prover, Names)> {
    if path.extension().is_some_and(|ending| ending == "onnx") {
        let bytes = std::fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
        let imported = cvx_export::import(&bytes).with_context(|| path.display().to_string())?;
        let outputs = (0..imported.network.w2.cols()).map(|c| format!("Y_{c}")).collect();
        let prover = Prover::of_network(&imported.network, &imported.transform, imported.roundings)?;
        return Ok((prover, Names { outputs, features: Vec::new(), clipped: imported.output_range.is_some() }));
    }
    let model = Model::load(path)?;
    Ok(match &args.same_as {
        Some(other) => (Prover::of_difference(&model, &Model::load(other)?)?, Names::of_difference(&model)),
        None => (Prover::new(&model)?, Names::of(&model)),
    })
}
