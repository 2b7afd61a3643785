//! A run that is interrupted, with its checkpoint.

use cvx_admm::{Checkpoint, CheckpointPlan, Iteration, Settings, Status, StopToken, train_with};
use cvx_model::Dataset;
use std::ops::ControlFlow;
use tempfile::TempDir;

/// The checkpoint of a run that ends after iteration `at`.
pub fn interrupted(at: usize, data: &Dataset, settings: &Settings, folder: &TempDir) -> Checkpoint {
    let file = folder.path().join("run.ckpt");
    let checkpoint = Some(CheckpointPlan { path: file.clone(), every: 1e9 });
    let mut stop =
        |record: &Iteration| if record.iteration == at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let first = Settings { checkpoint, ..settings.clone() };
    let part = train_with(data, None, &first, None, &StopToken::new(), &mut stop).unwrap();
    assert_eq!((part.status, part.info.history.len()), (Status::Interrupted, at));
    Checkpoint::load(&file).unwrap()
}
