//! What a question came to: printed, and written to files.

use crate::args::ProveArgs;
use crate::exit::Exit;
use crate::file;
use crate::report::to_json;
use crate::terminal::stream::{note, print};
use anyhow::Result;
use cvx_prove::Theorem;
use serde_json::Value;

/// The answer to a question.
pub struct Answered {
    /// For the terminal.
    pub text: String,
    /// For `--json`.
    pub json: Value,
    /// For `--proof`.
    pub theorems: Vec<Theorem>,
    /// Whether a question of yes or no is proved.
    pub holds: bool,
    /// Whether the text is the result of the program, which `--quiet` leaves.
    pub is_result: bool,
}

impl Answered {
    /// Writes and prints it.
    pub fn finish(self, args: &ProveArgs) -> Result<Exit> {
        let Answered { text, json, theorems, holds, is_result } = self;
        if (is_result || !args.quiet) && !args.json.as_deref().is_some_and(file::is_stdout) {
            print(text);
        }
        let saved = save(args, &theorems);
        let reported = args.json.as_deref().map(|path| file::write_whole(path, &to_json(&json)?));
        Ok(match Exit::of([saved, reported]) {
            Exit::Done if holds => Exit::Done,
            _ => Exit::Failed,
        })
    }
}

/// Writes the theorems, if there are any.
fn save(args: &ProveArgs, theorems: &[Theorem]) -> Option<Result<()>> {
    let path = args.proof.as_deref()?;
    if theorems.is_empty() {
        note("Nothing was proved: there is no proof to write");
        return None;
    }
    Some(cvx_prove::file::save(theorems, path).map_err(Into::into))
}
