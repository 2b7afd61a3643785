//! Features that are computed or read for a few images at a time.

use cvx_linalg::{Backend, HostMatrix, LinalgError, PatchPlan};
use std::ops::Range;

/// Images whose features are in memory at a time, where they are computed again or stored in half precision.
pub const IMAGES_AT_A_TIME: usize = 256;

/// Calls `f` with features (P D x images) and the numbers of their images, run by run.
pub(super) fn for_each_run<B: Backend>(
    plan: &PatchPlan,
    backend: &B,
    images: &HostMatrix,
    f: impl FnMut(&B::Matrix, Range<usize>) -> Result<(), LinalgError>,
) -> Result<(), LinalgError> {
    let fill = |run: Range<usize>, features: &mut B::Matrix| backend.patch_features(plan, images, run.start, features);
    in_runs(backend, (plan.n_features(), images.cols()), fill, f)
}

/// The same with features (`rows` x `images`) that `fill` writes.
pub(super) fn in_runs<B: Backend>(
    backend: &B,
    (rows, images): (usize, usize),
    mut fill: impl FnMut(Range<usize>, &mut B::Matrix) -> Result<(), LinalgError>,
    mut f: impl FnMut(&B::Matrix, Range<usize>) -> Result<(), LinalgError>,
) -> Result<(), LinalgError> {
    let mut features = backend.zeros(rows, IMAGES_AT_A_TIME.min(images))?;
    for first in (0..images).step_by(IMAGES_AT_A_TIME) {
        let run = first..(first + IMAGES_AT_A_TIME).min(images);
        if run.len() < IMAGES_AT_A_TIME && first > 0 {
            features = backend.zeros(rows, run.len())?;
        }
        fill(run.clone(), &mut features)?;
        f(&features, run)?;
    }
    Ok(())
}
