//! The problems of a sweep: every data source with every number of patterns and every beta.

use anyhow::Result;
use cvx_data::{Request, open};
use cvx_model::Dataset;
use serde::Serialize;
use std::path::PathBuf;

/// Problems to sweep.
#[derive(clap::Args)]
pub struct Problems {
    /// Data sources, each swept over all fractions.
    #[arg(long, value_delimiter = ',', default_value = "planted:1000x20,planted:500x200")]
    data: Vec<String>,
    /// Use the first N samples of each.
    #[arg(long)]
    limit: Option<usize>,
    /// beta over its gated maximum.
    #[arg(long, value_delimiter = ',', default_value = "0.0003,0.003,0.03")]
    fractions: Vec<f64>,
    /// Numbers of patterns.
    #[arg(long, value_delimiter = ',', default_value = "20,100")]
    patterns: Vec<usize>,
    /// Certified gap.
    #[arg(long, default_value_t = 1e-3)]
    pub gap: f64,
    /// Append a JSON line for each run.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// One of them.
pub struct Problem<'a> {
    /// The data source, and its samples.
    pub source: &'a str,
    pub data: &'a Dataset,
    /// Number of patterns.
    pub patterns: usize,
    /// beta over its gated maximum.
    pub fraction: f64,
}

impl Problems {
    /// Does something with each problem.
    pub fn each(&self, mut work: impl FnMut(&Problem) -> Result<()>) -> Result<()> {
        for source in &self.data {
            let mut data = open(source, &Request::default())?.train;
            if let Some(limit) = self.limit {
                data = data.limit(limit)?;
            }
            for &patterns in &self.patterns {
                for &fraction in &self.fractions {
                    work(&Problem { source, data: &data, patterns, fraction })?;
                }
            }
        }
        Ok(())
    }

    /// Appends these rows where `--json` says.
    pub fn record(&self, rows: &[impl Serialize]) -> Result<()> {
        self.json.iter().try_for_each(|path| rows.iter().try_for_each(|row| crate::row::append(path, row)))
    }
}

impl Problem<'_> {
    /// The cells of a table that name it: data, P, beta / max.
    pub fn cells(&self) -> Vec<String> {
        vec![self.source.to_string(), self.patterns.to_string(), self.fraction.to_string()]
    }
}

/// The iterations of a run that reached its gap; otherwise a dash.
pub fn reached(status: &str, iterations: usize) -> String {
    if status == "Optimal" { iterations.to_string() } else { "-".to_string() }
}
