//! `--spec`.

use crate::args::ProveArgs;
use crate::exit::Exit;
use anyhow::{Result, bail};
use cvx_prove::Budget;
use std::path::Path;

pub fn run(_args: &ProveArgs, _spec: &Path, _budget: &Budget) -> Result<Exit> {
    bail!("soon")
}
