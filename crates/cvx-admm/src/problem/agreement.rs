//! What ranks have to agree on before they work together.

use crate::api::error::{NamedSetting, TrainError};
use crate::api::listing::{as_given, difference, named};
use crate::api::settings::Settings;
use cvx_artifact::checksum_over;
use cvx_linalg::{LinalgError, SampleSums};
use cvx_model::Dataset;

/// Checks that all ranks were started with these settings, on data of these sizes, by the same version.
///
/// # Errors
/// [`TrainError::RanksDiffer`] on every rank.
pub(crate) fn agree_on_run(data: &Dataset, test: Option<&Dataset>, settings: &Settings) -> Result<(), TrainError> {
    let samples = data.samples();
    agree(samples, || {
        let facts = [
            ("the version", env!("CARGO_PKG_VERSION").to_string()),
            ("the number of samples", samples.total(data.n_samples()).to_string()),
            ("the number of features", data.n_features().to_string()),
            ("the number of test samples", test.map_or(0, Dataset::n_samples).to_string()),
        ];
        facts.into_iter().map(named).chain(as_given(settings)).collect()
    })
}

/// Checks that this list is that of all ranks, by a checksum; the texts travel where they differ.
///
/// # Errors
/// [`TrainError::RanksDiffer`] on every rank, with the first difference from the first rank.
pub(crate) fn agree(samples: &SampleSums, list: impl FnOnce() -> Vec<NamedSetting>) -> Result<(), TrainError> {
    if samples.ranks().is_none() {
        return Ok(());
    }
    let list = list();
    let bytes: Vec<f64> = format!("{list:?}").bytes().map(f64::from).collect();
    let sums = samples.gather(vec![f64::from(checksum_over(SampleSums::all_here(), &bytes))]);
    samples.check().map_err(LinalgError::from)?;
    if sums.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(());
    }
    let texts = list.into_iter().flat_map(|NamedSetting { name, value }| [name, value]).collect();
    let all = samples.texts(texts);
    samples.check().map_err(LinalgError::from)?;
    let setting = |pair: &[String]| NamedSetting { name: pair[0].clone(), value: pair[1].clone() };
    let lists: Vec<Vec<NamedSetting>> = all.iter().map(|texts| texts.chunks_exact(2).map(setting).collect()).collect();
    let found = |rank: usize| difference(&lists[rank], &lists[0]).map(|(given, first)| (rank, given, first));
    match (1..lists.len()).find_map(found) {
        Some((rank, given, first)) => Err(TrainError::RanksDiffer { rank, given, first }),
        None => Ok(()),
    }
}
