//! What all who choose have in common: samples, seeds, limits, a device.

use anyhow::{Context, Result};
use cvx_bench::place::Place;
use cvx_model::{DataSplit, Dataset, Normalisation, Targets, TaskChoice, split};

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
}

#[cfg(test)]
impl Ground {
    /// A planted problem on one thread, in f64.
    pub fn planted(name: &str) -> Self {
        Self::of(name, cvx_data::open(name, &cvx_data::Request::default()).unwrap())
    }

    /// 60 images of textures to train on and 40 to test, on one thread, in f64.
    pub fn textures(channels: usize, size: usize) -> Self {
        use crate::image::textures::textures;
        let (train, test) = (textures(60, channels, size, 1), Some(textures(40, channels, size, 2)));
        Self::of("textures", DataSplit { train, test })
    }

    fn of(name: &str, split: DataSplit) -> Self {
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
