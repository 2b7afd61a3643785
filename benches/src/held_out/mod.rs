//! Networks of which everything is chosen on held-out samples: what a user ends up with.

mod chooser;
mod clock;
mod conv_adam;
mod ground;
mod outcome;
mod patches;
mod path;
mod plan;
mod row;
mod table;
mod triangle;
mod tuned;

pub use chooser::Chooser;
pub use conv_adam::ConvAdam;
pub use ground::Ground;
pub use patches::PatchPath;
pub use path::ChosenPath;
pub use row::Row;
pub use table::print;
pub use triangle::ChosenTriangle;
pub use tuned::Grid;

use crate::row::append;
use crate::source::Source;
use anyhow::{Result, ensure};
use cvx_admm::Settings;
use cvx_bench::place::Place;
use cvx_linalg::ThreadPool;
use std::path::Path;

/// Samples, and what all who choose have in common.
#[derive(clap::Args)]
pub struct Common {
    #[command(flatten)]
    source: Source,
    /// Use the samples of these classes alone.
    #[arg(long, value_name = "A,B,..", value_delimiter = ',')]
    classes: Vec<String>,
    /// Share of the training samples that is held out to choose by.
    #[arg(long, value_name = "SHARE", default_value_t = 0.2)]
    validation: f64,
    /// Seeds: each draws a split, and gates or first weights.
    #[arg(long, value_delimiter = ',', default_value = "0,1,2")]
    seeds: Vec<u64>,
    /// Certified gap of the convex programme on all training samples.
    #[arg(long, default_value_t = Settings::default().gap)]
    gap: f64,
    /// Seconds that one contender may take from one seed, choosing and closing run together.
    #[arg(long, value_name = "SECONDS")]
    time_limit: Option<f64>,
    /// Store in f64.
    #[arg(long)]
    f64: bool,
    /// Where: cpu, cuda or cuda:I.
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Threads; 0 takes one per core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
}

impl Common {
    /// Reads the samples.
    pub fn open(&self) -> Result<Ground> {
        ensure!(self.validation > 0.0 && self.validation < 1.0, "--validation has to lie between 0 and 1");
        let classes: Vec<String> = self.classes.iter().map(|class| class.trim().to_string()).collect();
        Ok(Ground {
            data: self.source.name(),
            split: self.source.open_classes(&classes)?,
            classes,
            validation: self.validation,
            seeds: self.seeds.clone(),
            gap: self.gap,
            time_limit: self.time_limit,
            double: self.f64,
            place: Place::named(&self.device)?,
            threads: self.threads,
        })
    }
}

impl Ground {
    /// Runs every method from every seed, appends a row for each run, and returns them all.
    pub fn run(&self, bench: &'static str, choosers: &[Box<dyn Chooser>], json: &Path) -> Result<Vec<Row>> {
        let threads = ThreadPool::new(self.threads)?.threads();
        let mut rows = Vec::new();
        for chooser in choosers {
            for &seed in &self.seeds {
                let row = Row::new(bench, chooser.as_ref(), self, seed, threads);
                append(json, &row)?;
                eprintln!("{} seed {seed}: {}", row.contender, row.outcome.status);
                rows.push(row);
            }
        }
        Ok(rows)
    }
}
