//! The features of the blocks of a programme on patches, and the products with them.

use crate::patches::Patches;
use crate::patches::runs::{IMAGES_AT_A_TIME, for_each_run, in_runs};
use cvx_linalg::{Backend, FeaturePrecision, HostMatrix, LinalgError, PatchPlan, Shape, Transpose};
use std::ops::Range;
use std::sync::Arc;

/// Least number of features of half precision that are read for all images at a time, for their kernel.
pub const FEATURES_AT_A_TIME: usize = 512;

/// Z = [Z_1 .. Z_P] of some images, where row a of Z_i is what block i is linear in.
///
/// They are stored, in the precision of the back end or in half precision, or computed again for every product.
pub struct PatchFeatures<B: Backend> {
    patches: Arc<Patches>,
    plan: Arc<PatchPlan>,
    store: Store<B>,
    /// Number of images.
    n: usize,
}

enum Store<B: Backend> {
    /// Z' (P D x n).
    Kept(B::Matrix),
    /// Z' of half precision, which products read in runs of images.
    Half(B::HalfMatrix),
    /// The images (pixels x n).
    Images(Arc<HostMatrix>),
}

impl<B: Backend> PatchFeatures<B> {
    /// Computes the features of `images` (pixels x n) for `gates` (s s channels + 1 rows), and keeps them: in half
    /// precision, if that is theirs, else in the precision of the back end.
    ///
    /// # Errors
    /// [`LinalgError`] if gates or images do not fit, or if the device has no memory for P D n numbers.
    pub fn kept(
        backend: &B,
        patches: &Arc<Patches>,
        gates: &HostMatrix,
        images: &HostMatrix,
    ) -> Result<Self, LinalgError> {
        let plan = patches.plan(gates.clone());
        plan.check()?;
        let (rows, n) = (plan.n_features(), images.cols());
        let store = match plan.precision {
            FeaturePrecision::Single => {
                let mut features = backend.zeros(rows, n)?;
                backend.patch_features(&plan, images, 0, &mut features)?;
                Store::Kept(features)
            }
            FeaturePrecision::Half => {
                let mut features = backend.half_zeros(rows, n)?;
                for_each_run(&plan, backend, images, |run, images| {
                    backend.store_half(run, &mut features, images.start)
                })?;
                Store::Half(features)
            }
        };
        Ok(Self::of(patches, plan, store, n))
    }

    /// The same features, computed anew for every product: images and a few runs of features are all the memory.
    ///
    /// # Errors
    /// [`LinalgError`] if gates or images do not fit.
    pub fn recomputed(
        patches: &Arc<Patches>,
        gates: &HostMatrix,
        images: Arc<HostMatrix>,
    ) -> Result<Self, LinalgError> {
        let plan = patches.plan(gates.clone());
        plan.check()?;
        let n = images.cols();
        Ok(Self::of(patches, plan, Store::Images(images), n))
    }

    fn of(patches: &Arc<Patches>, plan: PatchPlan, store: Store<B>, n: usize) -> Self {
        PatchFeatures { patches: patches.clone(), plan: Arc::new(plan), store, n }
    }

    /// The features of these images among them.
    ///
    /// # Errors
    /// [`LinalgError`] if the device has no memory for them.
    pub fn select(&self, backend: &B, images: &[usize]) -> Result<Self, LinalgError> {
        let store = match &self.store {
            Store::Kept(all) => {
                let mut some = backend.zeros(all.rows(), images.len())?;
                backend.gather_columns(all, images, &mut some)?;
                Store::Kept(some)
            }
            Store::Half(all) => {
                let mut some = backend.half_zeros(all.rows(), images.len())?;
                let read = |run: Range<usize>, out: &mut B::Matrix| backend.load_half(all, 0, &images[run], out);
                in_runs(backend, (all.rows(), images.len()), read, |run, to| {
                    backend.store_half(run, &mut some, to.start)
                })?;
                Store::Half(some)
            }
            Store::Images(all) => {
                Store::Images(Arc::new(HostMatrix::from_fn(all.rows(), images.len(), |i, j| all[(i, images[j])])))
            }
        };
        Ok(PatchFeatures { store, n: images.len(), patches: self.patches.clone(), plan: self.plan.clone() })
    }

    /// What the gates have in common.
    pub fn patches(&self) -> &Arc<Patches> {
        &self.patches
    }

    /// The gates (s s channels + 1 rows).
    pub fn gates(&self) -> &HostMatrix {
        &self.plan.gates
    }

    /// Number of images.
    pub fn n_images(&self) -> usize {
        self.n
    }

    /// D, the rows of a block.
    pub fn block_rows(&self) -> usize {
        self.plan.block_rows()
    }

    /// Calls `f` with features (P D x images) and the numbers of their images: all of them where they are kept in the
    /// precision of the back end, else in runs.
    fn for_each_run(
        &self,
        backend: &B,
        mut f: impl FnMut(&B::Matrix, Range<usize>) -> Result<(), LinalgError>,
    ) -> Result<(), LinalgError> {
        match &self.store {
            Store::Kept(features) => f(features, 0..self.n),
            Store::Half(features) => {
                let read = |run: Range<usize>, out: &mut B::Matrix| {
                    backend.load_half(features, 0, &run.collect::<Vec<_>>(), out)
                };
                in_runs(backend, (features.rows(), self.n), read, f)
            }
            Store::Images(images) => for_each_run(&self.plan, backend, images, f),
        }
    }

    /// `out` = F u (n x C) for the blocks `u` (D x PC).
    ///
    /// # Errors
    /// [`LinalgError`] if the back end fails.
    pub fn predict(&self, backend: &B, u: &B::Matrix, out: &mut B::Matrix) -> Result<(), LinalgError> {
        let u = stacked(backend, u, self.plan.n_features())?;
        self.for_each_run(backend, |z, images| {
            put_rows(backend, out, images, |rows| backend.gemm(1.0, z, Transpose::Yes, &u, Transpose::No, 0.0, rows))
        })
    }

    /// `u += alpha F' r` for r (n x C) and the blocks `u` (D x PC).
    ///
    /// # Errors
    /// [`LinalgError`] if the back end fails.
    pub fn pull(&self, backend: &B, alpha: f64, r: &B::Matrix, u: &mut B::Matrix) -> Result<(), LinalgError> {
        let mut sum = stacked(backend, u, self.plan.n_features())?;
        self.for_each_run(backend, |z, images| {
            let rows = rows_of(backend, r, images)?;
            let r = rows.as_ref().unwrap_or(r);
            backend.gemm(alpha, z, Transpose::No, r, Transpose::No, 1.0, &mut sum)
        })?;
        backend.read_part(&sum, 0, u)
    }

    /// [`predict`](Self::predict) in f64.
    ///
    /// # Errors
    /// [`LinalgError`] if the back end fails.
    pub fn predict_wide(&self, backend: &B, u: &Wide<B>, out: &mut Wide<B>) -> Result<(), LinalgError> {
        let wide = backend.wide();
        let u = stacked(&wide, u, self.plan.n_features())?;
        self.for_each_run(backend, |z, images| {
            put_rows(&wide, out, images, |rows| backend.gemm_wide(1.0, z, Transpose::Yes, &u, 0.0, rows))
        })
    }

    /// [`pull`](Self::pull) in f64.
    ///
    /// # Errors
    /// [`LinalgError`] if the back end fails.
    pub fn pull_wide(&self, backend: &B, alpha: f64, r: &Wide<B>, u: &mut Wide<B>) -> Result<(), LinalgError> {
        let wide = backend.wide();
        let mut sum = stacked(&wide, u, self.plan.n_features())?;
        self.for_each_run(backend, |z, images| {
            let rows = rows_of(&wide, r, images)?;
            backend.gemm_wide(alpha, z, Transpose::No, rows.as_ref().unwrap_or(r), 1.0, &mut sum)
        })?;
        wide.read_part(&sum, 0, u)
    }

    /// Z Z', as [`MaskedSystem::kernel`](cvx_linalg::MaskedSystem::kernel) wants it.
    ///
    /// # Errors
    /// [`LinalgError`] if the back end fails, or if the features are not kept.
    pub fn kernel(&self, backend: &B, out: &mut B::Matrix, diagonal: &mut B::Matrix) -> Result<(), LinalgError> {
        match &self.store {
            Store::Kept(features) => backend.gram(features, false, out, diagonal),
            Store::Half(features) => {
                // Some rows of all images at a time, few enough to be small beside the n x n kernel, and enough that
                // passing over it for each of them does not show.
                let (rows, all) = (features.rows(), (0..self.n).collect::<Vec<_>>());
                let tile = (rows * IMAGES_AT_A_TIME / self.n.max(1)).max(FEATURES_AT_A_TIME).min(rows);
                let mut some = backend.zeros(tile, self.n)?;
                for first in (0..rows).step_by(tile) {
                    if rows - first < tile {
                        some = backend.zeros(rows - first, self.n)?;
                    }
                    backend.load_half(features, first, &all, &mut some)?;
                    backend.gram(&some, first > 0, out, diagonal)?;
                }
                Ok(())
            }
            Store::Images(_) => Err(LinalgError::Shape {
                operation: "kernel",
                detail: "the features are computed anew for every product, and a kernel would need them all"
                    .to_string(),
            }),
        }
    }
}

type Wide<B> = <<B as Backend>::Wide as Backend>::Matrix;

/// Blocks of all gates one below the other, a column for each target: the entries as they are, in another shape.
fn stacked<B: Backend>(backend: &B, u: &B::Matrix, rows: usize) -> Result<B::Matrix, LinalgError> {
    let mut out = backend.zeros(rows, u.rows() * u.cols() / rows.max(1))?;
    backend.read_part(u, 0, &mut out)?;
    Ok(out)
}

/// These rows of `r`; `None` for all of them.
fn rows_of<B: Backend>(backend: &B, r: &B::Matrix, rows: Range<usize>) -> Result<Option<B::Matrix>, LinalgError> {
    if rows.len() == r.rows() {
        return Ok(None);
    }
    let (mut some, mut column) = (backend.zeros(rows.len(), r.cols())?, backend.zeros(rows.len(), 1)?);
    for c in 0..r.cols() {
        backend.read_part(r, c * r.rows() + rows.start, &mut column)?;
        backend.write_part(&column, &mut some, c * rows.len())?;
    }
    Ok(Some(some))
}

/// Writes these rows of `out` by `f`.
fn put_rows<B: Backend>(
    backend: &B,
    out: &mut B::Matrix,
    rows: Range<usize>,
    f: impl FnOnce(&mut B::Matrix) -> Result<(), LinalgError>,
) -> Result<(), LinalgError> {
    if rows.len() == out.rows() {
        return f(out);
    }
    let (mut some, mut column) = (backend.zeros(rows.len(), out.cols())?, backend.zeros(rows.len(), 1)?);
    f(&mut some)?;
    for c in 0..out.cols() {
        backend.read_part(&some, c * rows.len(), &mut column)?;
        backend.write_part(&column, out, c * out.rows() + rows.start)?;
    }
    Ok(())
}
