//! `cvx data fetch`.

use crate::args::FetchArgs;
use crate::exit::Exit;
use crate::reading::bar_target;
use crate::terminal::stream::{complain, print};
use anyhow::{Result, anyhow};
use cvx_fetch::{DataSet, FetchError, Remote, cache_folder};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;

/// Fetches a data set and prints where it is.
pub fn fetch(args: &FetchArgs) -> Result<Exit> {
    let data_set = &args.data_set;
    let folder = match &args.to {
        Some(folder) => folder.clone(),
        None => cache_folder()?.join(data_set.name),
    };
    let base = args.from.as_deref().unwrap_or(data_set.base).trim_end_matches('/');
    let bar = ProgressBar::with_draw_target(None, bar_target(args.quiet));
    bar.set_style(ProgressStyle::with_template("{msg} {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}")?);
    let fetched = cvx_fetch::fetch(data_set, base, &folder, &mut |file: &Remote, bytes| {
        bar.set_message(file.name);
        bar.set_length(file.size);
        bar.set_position(bytes);
    });
    bar.finish_and_clear();
    match fetched {
        Ok(()) if args.quiet => {}
        Ok(()) => {
            let source = args.to.as_ref().map_or(data_set.name.to_string(), |folder| folder.display().to_string());
            print(format_args!("{} is in {}: train on it with --data {source}", data_set.name, folder.display()));
        }
        Err(error) => {
            complain(&anyhow!("{error}{}", by_hand(&error, data_set, base, &folder)));
            return Ok(Exit::Failed);
        }
    }
    Ok(Exit::Done)
}

/// How to do by hand what failed on the network.
fn by_hand(error: &FetchError, data_set: &DataSet, base: &str, folder: &Path) -> String {
    match error {
        FetchError::Io { .. } | FetchError::NoCache | FetchError::Archive { .. } => String::new(),
        _ => {
            let names: Vec<&str> = data_set.files.iter().map(|file| file.name).collect();
            format!(". By hand: put {} from {base} into {} and run this again", names.join(", "), folder.display())
        }
    }
}
