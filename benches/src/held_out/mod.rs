//! Networks of which everything is chosen on held-out samples: what a user ends up with.

mod path;
mod row;
mod table;
mod tuned;

pub use path::ChosenPath;
pub use row::{Outcome, Row};
pub use table::print;
pub use tuned::Grid;

use crate::row::append;
use crate::source::Source;
use anyhow::{Context, Result, ensure};
use cvx_admm::Settings;
use cvx_bench::place::Place;
use cvx_linalg::ThreadPool;
use cvx_model::{DataSplit, Dataset, Normalisation, Targets, TaskChoice, split};
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

/// What is chosen from.
pub struct Ground {
    /// Data source.
    pub data: String,
    /// Classes that were asked for; none for all.
    pub classes: Vec<String>,
    /// All training samples, and the test samples that no choice may see.
    pub split: DataSplit,
    /// Share of the training samples that is held out.
    pub validation: f64,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// Certified gap of the closing run.
    pub gap: f64,
    /// Seconds for choosing and closing run.
    pub time_limit: Option<f64>,
    /// Store in f64.
    pub double: bool,
    /// Where it runs.
    pub place: Place,
    /// Threads; 0 takes one per core.
    pub threads: usize,
}

/// The training samples in two parts.
pub struct Fold {
    /// Trained on.
    pub kept: Dataset,
    /// Chosen by.
    pub held_out: Dataset,
}

/// One who chooses a network: by the held-out samples alone, then trains it on all training samples, then looks at the
/// test samples.
pub trait Chooser {
    /// Name in tables.
    fn name(&self) -> String;
    /// What is given and not chosen, for a row.
    fn settings(&self) -> serde_json::Value;
    /// Chooses and trains.
    fn choose(&self, ground: &Ground, seed: u64) -> Result<Outcome>;
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
    /// The rows of the training samples that this seed holds out: those that [`cvx_admm::path`] does.
    pub fn held_out(&self, seed: u64) -> Result<Vec<usize>> {
        let labels = self.split.train.labels().context("the data have no labels")?;
        let classes = !Targets::new(labels, TaskChoice::Auto)?.task.classes().is_empty();
        Ok(split::share(labels, classes, self.validation, seed))
    }

    /// The training samples in their two parts.
    pub fn fold(&self, seed: u64) -> Result<Fold> {
        let (data, held_out) = (&self.split.train, self.held_out(seed)?);
        Ok(Fold { kept: data.without(&held_out)?, held_out: data.select(&held_out)? })
    }

    /// How features are scaled, for all: by samples that are trained on.
    pub fn normalisation(&self) -> Normalisation {
        Normalisation::default_for(self.split.train.kind())
    }

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

#[cfg(test)]
impl Ground {
    /// A planted problem on one thread, in f64.
    pub fn planted(name: &str) -> Self {
        let split = cvx_data::open(name, &cvx_data::Request::default()).unwrap();
        Ground {
            data: name.to_string(),
            classes: Vec::new(),
            split,
            validation: 0.2,
            seeds: vec![3],
            gap: 1e-3,
            time_limit: None,
            double: true,
            place: Place::processor(),
            threads: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_disjoint_and_make_up_all_training_samples() {
        let ground = Ground::planted("planted:100x4");
        let Fold { kept, held_out } = ground.fold(3).unwrap();
        assert_eq!((kept.n_samples(), held_out.n_samples()), (80, 20));
        let rows = |data: &Dataset| (0..data.n_samples()).map(|row| data.row(row).to_vec()).collect::<Vec<_>>();
        let mut all = [rows(&kept), rows(&held_out)].concat();
        let mut expected = rows(&ground.split.train);
        [&mut all, &mut expected].into_iter().for_each(|rows| rows.sort_by(|a, b| a[0].total_cmp(&b[0])));
        assert_eq!(all, expected);
        assert_ne!(rows(&ground.fold(4).unwrap().held_out), rows(&held_out));
    }
}
