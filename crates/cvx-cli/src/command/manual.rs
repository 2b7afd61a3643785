//! `cvx completions` and `cvx man`.

use crate::args::Cli;
use crate::exit::Exit;
use crate::terminal::stream::{note, print};
use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;
use std::path::Path;

/// Prints the completions of a shell.
pub fn completions(shell: Shell) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "cvx", &mut script);
    print(String::from_utf8(script)?.trim_end());
    Ok(Exit::Done)
}

/// Writes a page for the program and for each of its commands.
pub fn pages(folder: &Path) -> Result<Exit> {
    let place = || format!("{}: the manual pages cannot be written into this folder", folder.display());
    std::fs::create_dir_all(folder).with_context(place)?;
    clap_mangen::generate_to(Cli::command(), folder).with_context(place)?;
    note(format_args!("The manual pages are in {}", folder.display()));
    Ok(Exit::Done)
}
