//! `cvx verify`.

use crate::args::VerifyArgs;
use crate::exit::Exit;
use crate::number::percent;
use crate::terminal::stream::{complain, note, print};
use crate::terminal::table::facts;
use crate::{notes, source};
use anyhow::{Context, Result, anyhow};
use cvx_admm::{Certify, Model, verify};

/// Recomputes a model's claims and prints whether they hold.
pub fn run(args: &VerifyArgs) -> Result<Exit> {
    let model = Model::load(&args.model)?;
    let split = source::load(&args.source, true, source::request_for(&model))?;
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
