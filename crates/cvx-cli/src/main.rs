//! `cvx`: trains two-layer ReLU networks by convex ADMM, and reports how good they are.
//!
//! From top to bottom; imports point downwards:
//!
//! * `command`: the commands;
//! * `notes`, `outputs`, `patterns`, `ranks`, `watcher`: steps that `train` and `path` share;
//! * `page`, `report`, `terminal`: a run as HTML, as JSON and as text;
//! * `summary`, `figures`: a run in words and in figures;
//! * `understanding`: what the network of a run has learned;
//! * `settings`, `source`: arguments as settings and as samples;
//! * `args`: the command line;
//! * `phrase`: errors of the library in the terms of the command line;
//! * `exit`, `file`, `interrupt`, `nearest`, `number`, `process`, `reading`, `shell`: small tools.

mod args;
mod command;
mod config;
mod exit;
mod figures;
mod file;
mod interrupt;
mod nearest;
mod notes;
mod number;
mod outputs;
mod page;
mod patterns;
mod phrase;
mod process;
mod ranks;
mod reading;
mod report;
mod settings;
mod shell;
mod source;
mod summary;
mod terminal;
mod understanding;
mod watcher;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let run = |arguments| command::run(args::Cli::parse_from(arguments).command);
    match config::arguments().and_then(run) {
        Ok(exit) => exit.into(),
        Err(error) => {
            terminal::stream::complain(&error);
            ExitCode::from(2)
        }
    }
}
