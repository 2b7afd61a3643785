//! The data that a benchmark is given.

use anyhow::{Context, Result};
use cvx_data::{Request, open};
use cvx_model::DataSplit;

/// Which samples.
#[derive(clap::Args)]
pub struct Source {
    /// Data source.
    #[arg(long, default_value = "planted")]
    pub data: String,
    /// Use the first N training samples.
    #[arg(long)]
    limit: Option<usize>,
}

impl Source {
    /// Reads them.
    pub fn open(&self) -> Result<DataSplit> {
        self.open_classes(&[])
    }

    /// Reads those of these classes; of all where none is named.
    pub fn open_classes(&self, classes: &[String]) -> Result<DataSplit> {
        let mut split = open(&self.data, &Request::default())?;
        if !classes.is_empty() {
            split.train = split.train.with_classes(classes).context("--classes")?;
            let test = split.test.map(|test| test.with_classes(classes)).transpose();
            split.test = test.context("--classes, in the test samples")?;
        }
        if let Some(limit) = self.limit {
            split.train = split.train.limit(limit)?;
        }
        Ok(split)
    }

    /// Which data, for a row.
    pub fn name(&self) -> String {
        name(&self.data)
    }
}

/// The last component of a source says which data; where they lie is the machine's business.
pub fn name(source: &str) -> String {
    source.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_string()
}
