//! Work that all ranks do, and that ends on all of them.

use crate::launcher::StartError;
use crate::world::{Mpi, World};
use cvx_linalg::Communicator;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

/// Exit code of a job with a rank that had an error, and of one with a rank that panicked.
const FAILED: i32 = 2;
const PANICKED: i32 = 70;

/// How long another rank with an error waits for the first one to say the same.
const PATIENCE: Duration = Duration::from_secs(2);

/// Starts MPI and does `work`. A rank with an error, or one that panics, ends the job on all ranks, since the others
/// would wait for it: `say` gets the error before.
///
/// # Errors
/// [`StartError`] before any work.
pub fn together<R, E>(work: impl FnOnce(World) -> Result<R, E>, say: impl FnOnce(&E)) -> Result<R, StartError> {
    let mpi = Mpi::start()?;
    match catch_unwind(AssertUnwindSafe(|| work(mpi.world()))) {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(error)) => {
            if mpi.world().rank() > 0 {
                thread::sleep(PATIENCE);
            }
            say(&error);
            mpi.world().abort(FAILED)
        }
        // It has been printed. To unwind into the end of MPI would be to wait for the others there.
        Err(_) => mpi.world().abort(PANICKED),
    }
}
