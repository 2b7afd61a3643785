//! The samples that `--data` and its companions name.

use crate::args::{FitArgs, LogFormat, SourceArgs};
use crate::nearest;
use crate::ranks::Job;
use crate::reading::ReadingBar;
use crate::shell::quoted;
use anyhow::{Context, Result, anyhow, bail, ensure};
use cvx_admm::{Checkpoint, FileError, Model, TrainError};
use cvx_data::{DataError, Header, LabelColumn, Over, Reading, Request, open_over, open_watched};
use cvx_fetch::{CACHE_VARIABLE, DataSet, cache_folder};
use cvx_model::{DataSplit, Dataset, FeatureKind, ModelError, Recipe, Task, TaskChoice};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Reads the samples of this rank to train on, which must have labels: all of them, unless there are other ranks. Those
/// that options select are known only after all are read.
pub fn load_share(args: &FitArgs, job: &Job) -> Result<DataSplit> {
    let SourceArgs { classes, limit, .. } = &args.data.source;
    if !job.has_ranks() || !classes.is_empty() || limit.is_some() {
        return job.share(load_to_train(args)?);
    }
    load_samples(args, Some(&|n_samples| job.over(n_samples)))
}

/// Reads the samples to train on, which must have labels.
pub fn load_to_train(args: &FitArgs) -> Result<DataSplit> {
    load_samples(args, None)
}

fn load_samples(args: &FitArgs, over: Option<Over>) -> Result<DataSplit> {
    let request = Request {
        test: args.data.test.as_deref().map(located).transpose()?,
        numbers: args.data.task == TaskChoice::Regression,
        columns: args.data.columns.choices(),
        ..Request::default()
    };
    let quiet = args.output.quiet || args.output.log == LogFormat::Json;
    let split = load_over(&args.data.source, true, request, quiet, over)?;
    need_labels(&args.data.source, &split.train)?;
    Ok(split)
}

/// What a model requires of its samples.
pub fn request_for(model: &Model) -> Request {
    let transform = &model.transform;
    let plain = || Recipe::plain(transform.n_inputs(), transform.feature_names.as_deref());
    Request {
        n_features: Some(transform.n_inputs()),
        recipe: Some(transform.recipe.clone().unwrap_or_else(plain)),
        label_name: transform.label_name.clone(),
        numbers: matches!(model.task, Task::Regression { .. }),
        ..Request::default()
    }
}

/// Reads the samples that the arguments ask for; a table has labels if it is `labelled`. Unless it should be `quiet`, a
/// terminal shows the progress.
pub fn load(args: &SourceArgs, labelled: bool, request: Request, quiet: bool) -> Result<DataSplit> {
    load_over(args, labelled, request, quiet, None)
}

/// [`load`] of all samples, or of those that are here.
fn load_over(
    args: &SourceArgs,
    labelled: bool,
    request: Request,
    quiet: bool,
    over: Option<Over>,
) -> Result<DataSplit> {
    let label_column = match (&args.label_column, labelled) {
        (Some(column), _) => LabelColumn::Column(column.clone()),
        (None, true) => LabelColumn::Auto,
        (None, false) => LabelColumn::Absent,
    };
    let header = args.header.header;
    let mut split = read_over(&located(&args.data)?, &Request { label_column, header, ..request }, quiet, over)?;
    if !args.classes.is_empty() {
        let classes: Vec<String> = args.classes.iter().map(|class| class.trim().to_string()).collect();
        split.train = split.train.with_classes(&classes).context("--classes")?;
        if let Some(test) = split.test {
            split.test = Some(test.with_classes(&classes).context("--classes, in the test samples")?);
        }
    }
    if let Some(limit) = args.limit {
        split.train = split.train.limit(limit).context("--limit")?;
    }
    Ok(split)
}

/// Reads a [`located`] source.
pub fn read(source: &str, request: &Request, quiet: bool) -> Result<DataSplit> {
    read_over(source, request, quiet, None)
}

fn read_over(source: &str, request: &Request, quiet: bool, over: Option<Over>) -> Result<DataSplit> {
    let path = Path::new(source);
    if begins_like_ours(path) {
        match Checkpoint::load(path) {
            Ok(checkpoint) => bail!(
                "{source} is the checkpoint of a run after {} iterations, not data: cvx train --resume {}, with the \
                 arguments of that run, continues it",
                checkpoint.iterations(),
                quoted(source)
            ),
            Err(FileError::Magic { .. }) => {
                bail!("{source} is a model, not data: cvx info {} describes it", quoted(source))
            }
            Err(error) => return Err(error.into()),
        }
    }
    let bar = ReadingBar::new(quiet);
    let watch = |reading: Reading| bar.show(&reading);
    let split = match over {
        Some(over) => open_over(source, request, &watch, over),
        None => open_watched(source, request, &watch),
    };
    split.map_err(|error| match &error {
        DataError::NotFound { path } => {
            let mut names = nearest::beside(path);
            if path.components().count() == 1 {
                names.extend(
                    ["planted"].into_iter().chain(DataSet::ALL.map(|data_set| data_set.name)).map(String::from),
                );
            }
            anyhow!("{error}{}", nearest::hint(&path.file_name().unwrap_or_default().to_string_lossy(), names))
        }
        _ => error.into(),
    })
}

/// Whether a file begins with the first bytes of models and checkpoints. Only these are read, of a file of any size.
pub fn begins_like_ours(path: &Path) -> bool {
    let mut start = [0; 4];
    let read = |mut file: File| file.read_exact(&mut start);
    // Only a file: opening a pipe would wait for its writer.
    path.is_file() && File::open(path).and_then(read).is_ok() && start == *b"\x89CVX"
}

/// Fails if there are no labels, and tells where to put them.
pub fn need_labels(args: &SourceArgs, data: &Dataset) -> Result<()> {
    if data.labels().is_some() {
        return Ok(());
    }
    let place = match data.kind() {
        _ if args.data.contains(".npz") => "put them into the archive, under y_train or y",
        _ if args.data.contains(".npy") => "make an .npz file of two arrays, x_train and y_train",
        FeatureKind::Image { .. } => "put the images of each class into a folder with its name",
        FeatureKind::Table => "add a label column",
    };
    bail!("--data {}: the samples have no labels: {place}", args.data)
}

/// Adds the source to an error about its samples.
pub fn blame(error: TrainError, args: &SourceArgs) -> anyhow::Error {
    let of_samples = match &error {
        TrainError::Model(ModelError::NonFinite { what, .. }) => *what != "gates",
        TrainError::Model(error) => {
            matches!(
                error,
                ModelError::NotNumeric { .. } | ModelError::SingleClass { .. } | ModelError::NotBinary { .. }
            )
        }
        _ => false,
    };
    if of_samples { anyhow::Error::from(error).context(format!("--data {}", args.data)) } else { error.into() }
}

/// The folder of a fetched data set that is given by name; any other source as it is.
pub fn located(source: &str) -> Result<String> {
    let Some(data_set) = DataSet::by_name(source).filter(|_| !Path::new(source).exists()) else {
        return Ok(source.to_string());
    };
    let folder = cache_folder()?.join(data_set.name);
    ensure!(data_set.is_in(&folder), "{source} is not in {}: fetch it with: cvx data fetch {source}", folder.display());
    folder.into_os_string().into_string().map_err(|folder| {
        anyhow!("{}: the name of this folder is not Unicode: set {CACHE_VARIABLE} to another", folder.display())
    })
}

/// The source of samples that do not fit a model, and the options that decide how it is read.
pub fn reminder(args: &SourceArgs) -> String {
    format!("--data {} (see also --label-column, --header, --classes and --limit)", args.data)
}

/// The arguments for the same samples, as a shell takes them.
pub fn arguments(args: &SourceArgs) -> String {
    let mut text = format!("--data {}", quoted(&args.data));
    if !args.classes.is_empty() {
        text.push_str(&format!(" --classes {}", quoted(&args.classes.join(","))));
    }
    if let Some(limit) = args.limit {
        text.push_str(&format!(" --limit {limit}"));
    }
    match args.header.header {
        Header::Auto => {}
        Header::Yes => text.push_str(" --header yes"),
        Header::No => text.push_str(" --header no"),
    }
    if let Some(column) = &args.label_column {
        text.push_str(&format!(" --label-column {}", quoted(column)));
    }
    text
}
