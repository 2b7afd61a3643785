//! The CPU back end: faer's kernels in fixed tiles on rayon's threads.
//!
//! Work is cut into tiles by shape alone and each tile is computed by one thread, so the result does not depend on
//! the number of threads. Tiles call faer with `Par::Seq`: its own thread pool spins and would fight rayon's.

mod blas;
mod cholesky;
mod eigen;
mod half;
mod kernel;
mod masks;
mod matrix;
mod patches;
mod pool;
mod prox;
mod tiles;
#[cfg(feature = "training")]
mod training;
mod vector;

pub use eigen::{SymmetricEigen, symmetric_eigen};
pub use kernel::CpuScalar;
pub use matrix::CpuMatrix;
pub use pool::ThreadPool;

use std::marker::PhantomData;

use crate::backend::{Backend, ConesOf, Half, MemoryInfo, SlackNorms, Transpose};
use crate::error::LinalgError;
use crate::host::HostMatrix;
use crate::layout::BlockLayout;
use crate::mask::BitMask;
use crate::patches::PatchPlan;
use crate::sample_source::SampleSource;
use crate::stop::StopToken;
use ::half::f16;

/// The CPU with matrices stored as `T` (`f32` or `f64`).
///
/// Operations run on the rayon pool that they are called from; see [`ThreadPool`] for one of a chosen size.
#[derive(Clone, Debug, Default)]
pub struct Cpu<T> {
    stop: StopToken,
    storage: PhantomData<T>,
}

impl<T: CpuScalar> Cpu<T> {
    /// The CPU, with a stop token of its own.
    pub fn new() -> Self {
        Self::with_stop(StopToken::new())
    }

    /// The CPU; its long operations fail when `stop` is raised.
    pub fn with_stop(stop: StopToken) -> Self {
        Cpu { stop, storage: PhantomData }
    }
}

/// Implemented for each scalar by name, not generically, so that faer is instantiated in this crate alone.
macro_rules! cpu_backend {
    ($scalar:ty) => {
        impl Backend for Cpu<$scalar> {
            type Matrix = CpuMatrix<$scalar>;
            type HalfMatrix = CpuMatrix<f16>;
            type Mask = BitMask;
            type Wide = Cpu<f64>;

            fn device(&self) -> &'static str {
                "cpu"
            }
            fn precision(&self) -> &'static str {
                <$scalar>::NAME
            }
            fn scalar_bytes(&self) -> usize {
                size_of::<$scalar>()
            }
            fn wide(&self) -> Cpu<f64> {
                Cpu::with_stop(self.stop.clone())
            }
            fn stop(&self) -> &StopToken {
                &self.stop
            }
            fn synchronize(&self) -> Result<(), LinalgError> {
                Ok(())
            }
            fn memory_info(&self) -> MemoryInfo {
                pool::memory_info()
            }

            fn zeros(&self, rows: usize, cols: usize) -> Result<Self::Matrix, LinalgError> {
                Ok(CpuMatrix::zeros(rows, cols))
            }
            fn upload(&self, host: &HostMatrix) -> Result<Self::Matrix, LinalgError> {
                CpuMatrix::from_host(host)
            }
            fn download(&self, matrix: &Self::Matrix) -> Result<HostMatrix, LinalgError> {
                Ok(matrix.to_host())
            }
            fn upload_mask(&self, mask: &BitMask) -> Result<BitMask, LinalgError> {
                Ok(mask.clone())
            }
            fn fill(&self, value: f64, x: &mut Self::Matrix) -> Result<(), LinalgError> {
                matrix::fill(value, x);
                Ok(())
            }
            fn copy(&self, source: &Self::Matrix, out: &mut Self::Matrix) -> Result<(), LinalgError> {
                matrix::convert("copy", source, out)
            }
            fn read_part(
                &self,
                source: &Self::Matrix,
                first: usize,
                out: &mut Self::Matrix,
            ) -> Result<(), LinalgError> {
                matrix::read_part(source, first, out)
            }
            fn write_part(
                &self,
                source: &Self::Matrix,
                out: &mut Self::Matrix,
                first: usize,
            ) -> Result<(), LinalgError> {
                matrix::write_part(source, out, first)
            }
            fn read_rows(
                &self,
                source: &Self::Matrix,
                first: usize,
                out: &mut Self::Matrix,
            ) -> Result<(), LinalgError> {
                matrix::read_rows(source, first, out)
            }
            fn write_rows(
                &self,
                source: &Self::Matrix,
                out: &mut Self::Matrix,
                first: usize,
            ) -> Result<(), LinalgError> {
                matrix::write_rows(source, out, first)
            }
            fn load_samples(
                &self,
                source: &dyn SampleSource,
                first: usize,
                out: &mut Self::Matrix,
            ) -> Result<(), LinalgError> {
                matrix::load_samples(source, first, out)
            }
            fn gather_columns(
                &self,
                source: &Self::Matrix,
                indices: &[usize],
                out: &mut Self::Matrix,
            ) -> Result<(), LinalgError> {
                matrix::gather_columns(source, indices, out)
            }
            fn widen(&self, source: &Self::Matrix, out: &mut CpuMatrix<f64>) -> Result<(), LinalgError> {
                matrix::convert("widen", source, out)
            }
            fn narrow(&self, source: &CpuMatrix<f64>, out: &mut Self::Matrix) -> Result<(), LinalgError> {
                matrix::convert("narrow", source, out)
            }

            fn half_zeros(&self, rows: usize, cols: usize) -> Result<CpuMatrix<f16>, LinalgError> {
                Ok(CpuMatrix::filled(rows, cols, f16::ZERO))
            }
            fn store_half(
                &self,
                source: &Self::Matrix,
                out: &mut CpuMatrix<f16>,
                first: usize,
            ) -> Result<(), LinalgError> {
                half::store(source, out, first)
            }
            fn load_half(
                &self,
                source: &CpuMatrix<f16>,
                first: usize,
                columns: &[usize],
                out: &mut Self::Matrix,
            ) -> Result<(), LinalgError> {
                half::load(source, first, columns, out)
            }

            fn gemm(
                &self,
                alpha: f64,
                a: &Self::Matrix,
                op_a: Transpose,
                b: &Self::Matrix,
                op_b: Transpose,
                beta: f64,
                c: &mut Self::Matrix,
            ) -> Result<(), LinalgError> {
                blas::gemm(&self.stop, alpha, a, op_a, b, op_b, beta, c)
            }
            fn gemm_wide(
                &self,
                alpha: f64,
                a: &Self::Matrix,
                op_a: Transpose,
                b: &CpuMatrix<f64>,
                beta: f64,
                c: &mut CpuMatrix<f64>,
            ) -> Result<(), LinalgError> {
                blas::gemm_wide(&self.stop, alpha, a, op_a, b, beta, c)
            }
            fn weighted_gram(
                &self,
                a: &Self::Matrix,
                weights: &Self::Matrix,
                shift: f64,
                out: &mut Self::Matrix,
            ) -> Result<(), LinalgError> {
                blas::weighted_gram(&self.stop, a, weights, shift, out)
            }
            fn scale(&self, alpha: f64, x: &mut Self::Matrix) -> Result<(), LinalgError> {
                blas::scale(alpha, x);
                Ok(())
            }
            fn axpby(&self, alpha: f64, x: &Self::Matrix, beta: f64, y: &mut Self::Matrix) -> Result<(), LinalgError> {
                blas::axpby(alpha, x, beta, y)
            }
            fn hadamard(&self, x: &Self::Matrix, y: &Self::Matrix, out: &mut Self::Matrix) -> Result<(), LinalgError> {
                blas::hadamard(x, y, out)
            }
            fn add_terms(
                &self,
                weights: &[f64],
                terms: &[&Self::Matrix],
                y: &mut Self::Matrix,
            ) -> Result<(), LinalgError> {
                blas::add_terms(weights, terms, y)
            }
            fn dot(&self, x: &Self::Matrix, y: &Self::Matrix) -> Result<f64, LinalgError> {
                let mut product = [0.0];
                blas::dots(x, &[y], &mut product)?;
                Ok(product[0])
            }
            fn dots(&self, x: &Self::Matrix, others: &[&Self::Matrix]) -> Result<Vec<f64>, LinalgError> {
                let mut products = vec![0.0; others.len()];
                blas::dots(x, others, &mut products)?;
                Ok(products)
            }
            fn column_norms(&self, x: &Self::Matrix) -> Result<Vec<f64>, LinalgError> {
                Ok(blas::column_norms(x))
            }

            fn cholesky(&self, a: &mut Self::Matrix) -> Result<(), LinalgError> {
                cholesky::factor(&self.stop, a)
            }
            fn solve(&self, l: &Self::Matrix, half: Half, b: &mut Self::Matrix) -> Result<(), LinalgError> {
                cholesky::solve(&self.stop, l, half, b)
            }
            fn masked_gram(
                &self,
                a: &Self::Matrix,
                mask: &BitMask,
                out: &mut Self::Matrix,
                diagonal: &mut Self::Matrix,
            ) -> Result<(), LinalgError> {
                masks::masked_gram(&self.stop, a, mask, out, diagonal)
            }
            fn gram(
                &self,
                a: &Self::Matrix,
                accumulate: bool,
                out: &mut Self::Matrix,
                diagonal: &mut Self::Matrix,
            ) -> Result<(), LinalgError> {
                masks::gram(&self.stop, a, accumulate, out, diagonal)
            }
            fn shifted_lower(
                &self,
                scale: f64,
                mask: Option<&BitMask>,
                diagonal: &Self::Matrix,
                matrix: &mut Self::Matrix,
            ) -> Result<(), LinalgError> {
                cholesky::shifted_lower(scale, mask, diagonal, matrix)
            }

            fn masked_row_sum(
                &self,
                layout: BlockLayout,
                mask: Option<&BitMask>,
                t: &Self::Matrix,
                out: &mut Self::Matrix,
            ) -> Result<(), LinalgError> {
                masks::masked_row_sum(layout, mask, t, out)
            }
            fn masked_broadcast(
                &self,
                mask: &BitMask,
                alpha: f64,
                r: &Self::Matrix,
                out: &mut Self::Matrix,
            ) -> Result<(), LinalgError> {
                masks::masked_broadcast(mask, alpha, r, out)
            }
            fn sign_flip(
                &self,
                mask: &BitMask,
                scale: &Self::Matrix,
                x: &Self::Matrix,
                minus: Option<&Self::Matrix>,
                out: &mut Self::Matrix,
            ) -> Result<(), LinalgError> {
                masks::sign_flip(mask, scale, x, minus, out)
            }
            fn add_pairs(
                &self,
                layout: BlockLayout,
                alpha: f64,
                c: &Self::Matrix,
                x: &mut Self::Matrix,
            ) -> Result<(), LinalgError> {
                masks::add_pairs(layout, alpha, c, x)
            }

            fn patch_features(
                &self,
                plan: &PatchPlan,
                images: &HostMatrix,
                first: usize,
                out: &mut Self::Matrix,
            ) -> Result<(), LinalgError> {
                patches::patch_features(&self.stop, plan, images, first, out)
            }

            fn positive_part(&self, scale: f64, x: &mut Self::Matrix) -> Result<(), LinalgError> {
                prox::positive_part(scale, x);
                Ok(())
            }
            fn group_soft_threshold(
                &self,
                x: &Self::Matrix,
                threshold: f64,
                out: &mut Self::Matrix,
            ) -> Result<(), LinalgError> {
                prox::group_soft_threshold(x, threshold, out)
            }
            fn keep_signs(&self, above: &BitMask, below: &BitMask, x: &mut Self::Matrix) -> Result<(), LinalgError> {
                prox::keep_signs(above, below, x)
            }
            fn slack_step(
                &self,
                mask: &BitMask,
                scale: &Self::Matrix,
                xu: &Self::Matrix,
                relaxation: f64,
                dual_step: f64,
                s: &mut Self::Matrix,
                nu: &mut Self::Matrix,
            ) -> Result<SlackNorms, LinalgError> {
                prox::slack_step(mask, scale, xu, relaxation, dual_step, s, nu)
            }
            fn soft_slack_step(
                &self,
                cones: &ConesOf<'_, Self>,
                xu: &Self::Matrix,
                relaxation: f64,
                dual_step: f64,
                q: &mut CpuMatrix<f64>,
                s: &mut Self::Matrix,
                nu: &mut Self::Matrix,
            ) -> Result<SlackNorms, LinalgError> {
                prox::soft_slack_step(cones, xu, [relaxation, dual_step], q, s, nu)
            }
        }
    };
}

cpu_backend!(f32);
cpu_backend!(f64);
