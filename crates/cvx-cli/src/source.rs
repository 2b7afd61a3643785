//! From `--data` and its companions to samples.

use crate::args::SourceArgs;
use anyhow::{Context, Result, anyhow, ensure};
use cvx_data::{LabelColumn, Request, open};
use cvx_fetch::{CACHE_VARIABLE, DataSet, cache_folder};
use cvx_model::DataSplit;
use std::path::Path;

/// Reads the samples that the arguments ask for; `n_features` is what a model expects, where there is one.
pub fn load(args: &SourceArgs, test: Option<&str>, labelled: bool, n_features: Option<usize>) -> Result<DataSplit> {
    let request = Request {
        test: test.map(located).transpose()?,
        label_column: match (&args.label_column, labelled) {
            (Some(column), _) => LabelColumn::Column(column.clone()),
            (None, true) => LabelColumn::Auto,
            (None, false) => LabelColumn::Absent,
        },
        n_features,
        ..Request::default()
    };
    let mut split = open(&located(&args.data)?, &request)?;
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

/// A data set that was fetched, by its name, as the folder that it is in; any other source as it is.
pub fn located(source: &str) -> Result<String> {
    let Some(data_set) = DataSet::by_name(source).filter(|_| !Path::new(source).exists()) else {
        return Ok(source.to_string());
    };
    let folder = cache_folder()?.join(data_set.name);
    ensure!(data_set.is_in(&folder), "{source} is not in {}: fetch it with: cvx data fetch {source}", folder.display());
    folder.into_os_string().into_string().map_err(|folder| {
        anyhow!("{}: the name of this folder is not Unicode: name another in {CACHE_VARIABLE}", folder.display())
    })
}

/// Where samples that do not fit a model came from, and what decides how they are read.
pub fn reminder(args: &SourceArgs) -> String {
    format!("--data {} (see also --unlabelled, --label-column, --classes and --limit)", args.data)
}
