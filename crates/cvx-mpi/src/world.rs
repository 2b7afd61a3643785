//! All processes that one launcher started.

use crate::launcher::{StartError, contradiction};
use cvx_linalg::{Communicator, RankError};
use ferrompi::ThreadLevel;

/// MPI, from its start to its end. It ends when this is dropped, on all ranks together; a rank that cannot get there
/// has to [abort](World::abort), or the others wait for it.
pub struct Mpi {
    engine: ferrompi::Mpi,
    neighbours: usize,
}

impl Mpi {
    /// Starts MPI.
    ///
    /// # Errors
    /// [`StartError::ForeignLauncher`] if a launcher of another MPI started this process, [`StartError::Library`] for
    /// what the library says.
    pub fn start() -> Result<Self, StartError> {
        // A run has threads of its own, and calls come from one at a time.
        let engine = ferrompi::Mpi::init_thread(ThreadLevel::Serialized).map_err(failed)?;
        if engine.thread_level() < ThreadLevel::Serialized {
            let detail = "it was built without threads (MPI_THREAD_SERIALIZED)".to_string();
            return Err(StartError::Library { detail });
        }
        let seen = engine.world().size() as usize;
        if let Some((launcher, started)) = contradiction(seen) {
            let library = ferrompi::Mpi::library_version().unwrap_or_default();
            let library = library.lines().next().unwrap_or_default().trim_end_matches(',').to_string();
            return Err(StartError::ForeignLauncher { launcher, started, seen, library });
        }
        // All ranks are asked together, and so it is done once, here.
        let neighbours = engine.world().split_shared().map_err(failed)?.size() as usize;
        Ok(Mpi { engine, neighbours })
    }

    /// The ranks.
    pub fn world(&self) -> World {
        World { world: self.engine.world(), neighbours: self.neighbours }
    }
}

/// The connection of this rank to all others.
pub struct World {
    world: ferrompi::Communicator,
    neighbours: usize,
}

impl World {
    /// Ends all ranks with this exit code, at once.
    pub fn abort(&self, code: i32) -> ! {
        self.world.abort(code)
    }
}

impl Communicator for World {
    fn rank(&self) -> usize {
        self.world.rank() as usize
    }

    fn size(&self) -> usize {
        self.world.size() as usize
    }

    fn neighbours(&self) -> usize {
        self.neighbours
    }

    fn gather(&self, mine: &[u8], lengths: &[usize]) -> Result<Vec<u8>, RankError> {
        let (counts, starts, total) = places(lengths)?;
        let mut all = vec![0; total];
        self.world.allgatherv(mine, &mut all, &counts, &starts).map_err(lost)?;
        Ok(all)
    }

    fn exchange(&self, mine: &[u8], to: &[usize], from: &[usize]) -> Result<Vec<u8>, RankError> {
        let (sends, sent_from, _) = places(to)?;
        let (receives, received_at, total) = places(from)?;
        let mut all = vec![0; total];
        self.world.alltoallv(mine, &sends, &sent_from, &mut all, &receives, &received_at).map_err(lost)?;
        Ok(all)
    }
}

/// Counts and where they begin, in the 32 bits that MPI has for them, and their sum.
fn places(lengths: &[usize]) -> Result<(Vec<i32>, Vec<i32>, usize), RankError> {
    let total: usize = lengths.iter().sum();
    let number = |length: usize| {
        i32::try_from(length).map_err(|_| RankError::Lost { detail: format!("a message of {total} bytes is too long") })
    };
    let starts = lengths.iter().scan(0, |next, length| {
        let start = *next;
        *next += length;
        Some(number(start))
    });
    Ok((
        lengths.iter().map(|&length| number(length)).collect::<Result<_, _>>()?,
        starts.collect::<Result<_, _>>()?,
        total,
    ))
}

fn failed(error: ferrompi::Error) -> StartError {
    StartError::Library { detail: error.to_string() }
}

fn lost(error: ferrompi::Error) -> RankError {
    RankError::Lost { detail: error.to_string() }
}
