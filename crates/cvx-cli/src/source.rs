//! From `--data` and its companions to samples.

use crate::args::SourceArgs;
use anyhow::{Context, Result};
use cvx_data::{LabelColumn, Request, open};
use cvx_model::DataSplit;

/// Reads the samples that the arguments ask for; `n_features` is what a model expects, where there is one.
pub fn load(args: &SourceArgs, test: Option<&str>, labelled: bool, n_features: Option<usize>) -> Result<DataSplit> {
    let request = Request {
        test: test.map(str::to_string),
        label_column: match (&args.label_column, labelled) {
            (Some(column), _) => LabelColumn::Column(column.clone()),
            (None, true) => LabelColumn::Auto,
            (None, false) => LabelColumn::Absent,
        },
        n_features,
        ..Request::default()
    };
    let mut split = open(&args.data, &request)?;
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

/// Where samples that do not fit a model came from, and what decides how they are read.
pub fn reminder(args: &SourceArgs) -> String {
    format!("--data {} (see also --unlabelled, --label-column, --classes and --limit)", args.data)
}
