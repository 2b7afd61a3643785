//! The ranks of an MPI job, of which this process may be one.

use crate::args::OutputArgs;
use crate::exit::Exit;
use anyhow::Result;
use cvx_linalg::{Communicator, RankError, Ranks, SampleSums, Shards};
use cvx_model::DataSplit;
use std::borrow::Cow;
use std::sync::Arc;

/// What this process knows of the others.
pub struct Job {
    world: Option<Arc<dyn Communicator>>,
}

impl Job {
    /// Whether the samples are spread over ranks.
    pub fn has_ranks(&self) -> bool {
        self.world.is_some()
    }

    /// Whether this process says and writes what all have found.
    pub fn is_first(&self) -> bool {
        self.world.as_ref().is_none_or(|world| world.rank() == 0)
    }

    /// Where n samples are.
    pub fn over(&self, n_samples: usize) -> Result<SampleSums, RankError> {
        let ranks = |world: &Arc<dyn Communicator>| Ranks::new(world.clone(), Shards::of(n_samples));
        let ranks = self.world.as_ref().map(ranks).transpose()?;
        Ok(ranks.map_or_else(SampleSums::default, |ranks| SampleSums::of_rank(Arc::new(ranks))))
    }

    /// Keeps the training samples of this rank. All ranks keep the test samples.
    pub fn share(&self, split: DataSplit) -> Result<DataSplit> {
        let samples = self.over(split.train.n_samples())?;
        let Some(ranks) = samples.ranks() else { return Ok(split) };
        let own: Vec<usize> = ranks.own().collect();
        Ok(DataSplit { train: split.train.select(&own)?.over(&samples)?, test: split.test })
    }

    /// The samples that the outputs of a run need: for a page, the first rank gets those of all.
    pub fn of_outputs<'a>(&self, split: &'a DataSplit, output: &OutputArgs) -> Result<Cow<'a, DataSplit>> {
        // All ranks send them, or none.
        if !self.has_ranks() || !split.train.samples().of_first(output.report.is_some()) {
            return Ok(Cow::Borrowed(split));
        }
        Ok(Cow::Owned(DataSplit { train: split.train.on_first()?, test: split.test.clone() }))
    }
}

/// Does `work` on every rank of the job, or alone.
#[cfg(not(feature = "mpi"))]
pub fn run(work: impl FnOnce(&Job) -> Result<Exit>) -> Result<Exit> {
    work(&Job { world: None })
}

/// Does `work` on every rank of the job, or alone if no launcher of MPI started this process.
///
/// A rank with an error, or one that panics, ends the job: the others would wait for it.
#[cfg(feature = "mpi")]
pub fn run(work: impl FnOnce(&Job) -> Result<Exit>) -> Result<Exit> {
    if !cvx_mpi::is_launched() {
        return work(&Job { world: None });
    }
    let on_rank = |world| work(&Job { world: Some(Arc::new(world)) });
    Ok(cvx_mpi::together(on_rank, crate::terminal::stream::complain)?)
}

/// Whether a launcher of MPI started this process.
pub fn is_launched() -> bool {
    #[cfg(feature = "mpi")]
    return cvx_mpi::is_launched();
    #[cfg(not(feature = "mpi"))]
    return false;
}
