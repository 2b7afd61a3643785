//! Features that are computed for a few images at a time.

use cvx_linalg::{Backend, HostMatrix, LinalgError, PatchPlan};
use std::ops::Range;

/// Images whose features are in memory at a time.
const RUN: usize = 256;

/// Calls `f` with features (P D x images) and the numbers of their images, run by run.
pub(super) fn for_each_run<B: Backend>(
    plan: &PatchPlan,
    backend: &B,
    images: &HostMatrix,
    mut f: impl FnMut(&B::Matrix, Range<usize>) -> Result<(), LinalgError>,
) -> Result<(), LinalgError> {
    for first in (0..images.cols()).step_by(RUN) {
        let run = first..(first + RUN).min(images.cols());
        let mut features = backend.zeros(plan.n_features(), run.len())?;
        backend.patch_features(plan, images, first, &mut features)?;
        f(&features, run)?;
    }
    Ok(())
}
