//! `--config`: arguments from a file.

use crate::args::Cli;
use crate::nearest;
use anyhow::{Context, Result, bail, ensure};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use toml::{Table, Value};

/// The arguments of the program, with those of a configuration before the user's own, which take precedence.
///
/// # Errors
/// If the file cannot be read, or holds an option or a value that the command does not have.
pub fn arguments() -> Result<Vec<OsString>> {
    let given: Vec<OsString> = env::args_os().collect();
    let program = Cli::command();
    // Errors in them are reported by the final parse.
    let Ok(matches) = program.clone().try_get_matches_from(&given) else { return Ok(given) };
    let Some((name, matches)) = matches.subcommand() else { return Ok(given) };
    let Some(command) = program.find_subcommand(name) else { return Ok(given) };
    let Ok(Some(file)) = matches.try_get_one::<std::path::PathBuf>("config") else { return Ok(given) };
    let configured = read(file, &program, command, matches).with_context(|| format!("--config {}", file.display()))?;
    // The program and its command, then the rest.
    let rest = given.len().min(2);
    Ok([&given[..rest], &configured, &given[rest..]].concat())
}

/// What a configuration adds to the arguments that were given.
fn read(file: &Path, program: &Command, command: &Command, given: &ArgMatches) -> Result<Vec<OsString>> {
    ensure!(file.exists(), "there is no such file: check the name{}", nearest::file(file));
    let text =
        fs::read_to_string(file).context("cannot be read: check that it is a text file, and that you may read it")?;
    let mut arguments = Vec::new();
    for (name, value) in text.parse::<Table>()? {
        let found = command.get_arguments().find(|argument| argument.get_long() == Some(&name));
        let Some(argument) = found.filter(|_| name != "config") else {
            let hint = nearest::hint(&name, command.get_arguments().filter_map(Arg::get_long));
            bail!("cvx {} has no argument '{name}': see cvx {} --help{hint}", command.get_name(), command.get_name());
        };
        if let Some(argument) = as_argument(&name, value)?.filter(|_| !given_instead(argument, command, given)) {
            check(program, command, &argument).with_context(|| name)?;
            arguments.push(argument);
        }
    }
    Ok(arguments)
}

/// Checks one argument with its value. The final parse sees all arguments together, and could not tell that this one
/// is from the file.
fn check(program: &Command, command: &Command, argument: &OsString) -> Result<()> {
    let alone = [program.get_name(), command.get_name()].map(OsString::from).into_iter().chain([argument.clone()]);
    let Err(error) = program.clone().try_get_matches_from(alone) else { return Ok(()) };
    // It may need other arguments, which the final parse checks.
    if error.kind() == ErrorKind::MissingRequiredArgument {
        return Ok(());
    }
    let text = error.to_string();
    let words: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    bail!("{}", words.join(" ").trim_start_matches("error: "))
}

/// Whether the user has given this argument, or one that conflicts with it.
fn given_instead(argument: &Arg, command: &Command, given: &ArgMatches) -> bool {
    let excludes = |one: &Arg, other: &Arg| {
        command.get_arg_conflicts_with(one).iter().any(|conflict| conflict.get_id() == other.get_id())
    };
    command
        .get_arguments()
        .filter(|other| given.value_source(other.get_id().as_str()) == Some(ValueSource::CommandLine))
        .any(|other| other.get_id() == argument.get_id() || excludes(argument, other) || excludes(other, argument))
}

/// `--name=value`; a flag for `true`, nothing for `false`.
fn as_argument(name: &str, value: Value) -> Result<Option<OsString>> {
    let text = match value {
        Value::Boolean(on) => return Ok(on.then(|| format!("--{name}").into())),
        Value::Array(values) => values.iter().map(|value| plain(name, value)).collect::<Result<Vec<_>>>()?.join(","),
        value => plain(name, &value)?,
    };
    Ok(Some(format!("--{name}={text}").into()))
}

fn plain(name: &str, value: &Value) -> Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        other => bail!("{name} is {other}, but it must be text, a number, true, false, or a list of these"),
    }
}
