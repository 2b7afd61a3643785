//! The CUDA back end: cuBLAS and cuSOLVER where arithmetic is the limit, own kernels where memory is.
//!
//! All matrices are on the GPU and all work goes to one stream; the host receives scalars. Sums have a fixed order, so
//! the same input gives the same bits on the same card. The kernels lie in `kernels/*.cuh`; their PTX is compiled in,
//! and the driver, cuBLAS and cuSOLVER are loaded when the first device is opened: the build needs none of them.

mod blas;
mod cholesky;
mod device;
mod gpu;
mod half;
mod kernels;
mod launch;
mod masks;
mod matrix;
mod part;
mod patches;
mod prox;
mod scalar;
#[cfg(feature = "training")]
mod training;

pub use gpu::Cuda;
pub use masks::CudaMask;
pub use matrix::CudaMatrix;

use crate::backend::{Backend, ConesOf, Half, MemoryInfo, SlackNorms, Transpose};
use crate::error::LinalgError;
use crate::host::HostMatrix;
use crate::layout::BlockLayout;
use crate::mask::BitMask;
use crate::patches::PatchPlan;
use crate::sample_source::SampleSource;
use crate::stop::StopToken;
use kernels::Kernel;
use scalar::CudaScalar;

impl<T: CudaScalar> Backend for Cuda<T> {
    type Matrix = CudaMatrix<T>;
    type HalfMatrix = CudaMatrix<u16>;
    type Mask = CudaMask;
    type Wide = Cuda<f64>;

    fn device(&self) -> &'static str {
        "cuda"
    }
    fn describe(&self) -> String {
        self.device.description().to_string()
    }
    fn precision(&self) -> &'static str {
        T::NAME
    }
    fn scalar_bytes(&self) -> usize {
        size_of::<T>()
    }
    fn wide(&self) -> Cuda<f64> {
        self.stored_as()
    }
    fn stop(&self) -> &StopToken {
        &self.stop
    }
    fn synchronize(&self) -> Result<(), LinalgError> {
        self.device.synchronize()
    }
    fn memory_info(&self) -> MemoryInfo {
        self.device.memory()
    }

    fn zeros(&self, rows: usize, cols: usize) -> Result<CudaMatrix<T>, LinalgError> {
        CudaMatrix::zeros(self, rows, cols)
    }
    fn upload(&self, host: &HostMatrix) -> Result<CudaMatrix<T>, LinalgError> {
        CudaMatrix::from_host(self, host)
    }
    fn download(&self, matrix: &CudaMatrix<T>) -> Result<HostMatrix, LinalgError> {
        matrix.to_host(self)
    }
    fn upload_mask(&self, mask: &BitMask) -> Result<CudaMask, LinalgError> {
        CudaMask::from_host(self, mask)
    }
    fn fill(&self, value: f64, x: &mut CudaMatrix<T>) -> Result<(), LinalgError> {
        matrix::fill(self, value, x)
    }
    fn copy(&self, source: &CudaMatrix<T>, out: &mut CudaMatrix<T>) -> Result<(), LinalgError> {
        matrix::copy(self, source, out)
    }
    fn read_part(&self, source: &CudaMatrix<T>, first: usize, out: &mut CudaMatrix<T>) -> Result<(), LinalgError> {
        matrix::read_part(self, source, first, out)
    }
    fn write_part(&self, source: &CudaMatrix<T>, out: &mut CudaMatrix<T>, first: usize) -> Result<(), LinalgError> {
        matrix::write_part(self, source, out, first)
    }
    fn read_rows(&self, source: &CudaMatrix<T>, first: usize, out: &mut CudaMatrix<T>) -> Result<(), LinalgError> {
        matrix::read_rows(self, source, first, out)
    }
    fn write_rows(&self, source: &CudaMatrix<T>, out: &mut CudaMatrix<T>, first: usize) -> Result<(), LinalgError> {
        matrix::write_rows(self, source, out, first)
    }
    fn load_samples(
        &self,
        source: &dyn SampleSource,
        first: usize,
        out: &mut CudaMatrix<T>,
    ) -> Result<(), LinalgError> {
        matrix::load_samples(self, source, first, out)
    }
    fn gather_columns(
        &self,
        source: &CudaMatrix<T>,
        indices: &[usize],
        out: &mut CudaMatrix<T>,
    ) -> Result<(), LinalgError> {
        matrix::gather_columns(self, source, indices, out)
    }
    fn widen(&self, source: &CudaMatrix<T>, out: &mut CudaMatrix<f64>) -> Result<(), LinalgError> {
        matrix::convert(self, Kernel::Widen, source, out)
    }
    fn narrow(&self, source: &CudaMatrix<f64>, out: &mut CudaMatrix<T>) -> Result<(), LinalgError> {
        matrix::convert(self, Kernel::Narrow, source, out)
    }

    fn half_zeros(&self, rows: usize, cols: usize) -> Result<CudaMatrix<u16>, LinalgError> {
        CudaMatrix::zeros(self, rows, cols)
    }
    fn store_half(&self, source: &CudaMatrix<T>, out: &mut CudaMatrix<u16>, first: usize) -> Result<(), LinalgError> {
        half::store(self, source, out, first)
    }
    fn load_half(
        &self,
        source: &CudaMatrix<u16>,
        first: usize,
        columns: &[usize],
        out: &mut CudaMatrix<T>,
    ) -> Result<(), LinalgError> {
        half::load(self, source, first, columns, out)
    }

    fn gemm(
        &self,
        alpha: f64,
        a: &CudaMatrix<T>,
        op_a: Transpose,
        b: &CudaMatrix<T>,
        op_b: Transpose,
        beta: f64,
        c: &mut CudaMatrix<T>,
    ) -> Result<(), LinalgError> {
        blas::gemm(self, alpha, a, op_a, b, op_b, beta, c)
    }
    fn gemm_wide(
        &self,
        alpha: f64,
        a: &CudaMatrix<T>,
        op_a: Transpose,
        b: &CudaMatrix<f64>,
        beta: f64,
        c: &mut CudaMatrix<f64>,
    ) -> Result<(), LinalgError> {
        blas::gemm_wide(self, alpha, a, op_a, b, beta, c)
    }
    fn weighted_gram(
        &self,
        a: &CudaMatrix<T>,
        weights: &CudaMatrix<T>,
        shift: f64,
        out: &mut CudaMatrix<T>,
    ) -> Result<(), LinalgError> {
        blas::weighted_gram(self, a, weights, shift, out)
    }
    fn scale(&self, alpha: f64, x: &mut CudaMatrix<T>) -> Result<(), LinalgError> {
        blas::scale(self, alpha, x)
    }
    fn axpby(&self, alpha: f64, x: &CudaMatrix<T>, beta: f64, y: &mut CudaMatrix<T>) -> Result<(), LinalgError> {
        blas::axpby(self, alpha, x, beta, y)
    }
    fn hadamard(&self, x: &CudaMatrix<T>, y: &CudaMatrix<T>, out: &mut CudaMatrix<T>) -> Result<(), LinalgError> {
        blas::hadamard(self, x, y, out)
    }
    fn add_terms(&self, weights: &[f64], terms: &[&CudaMatrix<T>], y: &mut CudaMatrix<T>) -> Result<(), LinalgError> {
        blas::add_terms(self, weights, terms, y)
    }
    fn dot(&self, x: &CudaMatrix<T>, y: &CudaMatrix<T>) -> Result<f64, LinalgError> {
        let mut product = [0.0];
        blas::dots(self, x, &[y], &mut product)?;
        Ok(product[0])
    }
    fn dots(&self, x: &CudaMatrix<T>, others: &[&CudaMatrix<T>]) -> Result<Vec<f64>, LinalgError> {
        let mut products = vec![0.0; others.len()];
        blas::dots(self, x, others, &mut products)?;
        Ok(products)
    }
    fn column_norms(&self, x: &CudaMatrix<T>) -> Result<Vec<f64>, LinalgError> {
        blas::column_norms(self, x)
    }

    fn cholesky(&self, a: &mut CudaMatrix<T>) -> Result<(), LinalgError> {
        cholesky::factor(self, a)
    }
    fn solve(&self, l: &CudaMatrix<T>, half: Half, b: &mut CudaMatrix<T>) -> Result<(), LinalgError> {
        cholesky::solve(self, l, half, b)
    }
    fn masked_gram(
        &self,
        a: &CudaMatrix<T>,
        mask: &CudaMask,
        out: &mut CudaMatrix<T>,
        diagonal: &mut CudaMatrix<T>,
    ) -> Result<(), LinalgError> {
        masks::masked_gram(self, a, mask, out, diagonal)
    }
    fn gram(
        &self,
        a: &CudaMatrix<T>,
        accumulate: bool,
        out: &mut CudaMatrix<T>,
        diagonal: &mut CudaMatrix<T>,
    ) -> Result<(), LinalgError> {
        masks::gram(self, a, accumulate, out, diagonal)
    }
    fn shifted_lower(
        &self,
        scale: f64,
        mask: Option<&CudaMask>,
        diagonal: &CudaMatrix<T>,
        matrix: &mut CudaMatrix<T>,
    ) -> Result<(), LinalgError> {
        cholesky::shifted_lower(self, scale, mask, diagonal, matrix)
    }

    fn masked_row_sum(
        &self,
        layout: BlockLayout,
        mask: Option<&CudaMask>,
        t: &CudaMatrix<T>,
        out: &mut CudaMatrix<T>,
    ) -> Result<(), LinalgError> {
        masks::masked_row_sum(self, layout, mask, t, out)
    }
    fn masked_broadcast(
        &self,
        mask: &CudaMask,
        alpha: f64,
        r: &CudaMatrix<T>,
        out: &mut CudaMatrix<T>,
    ) -> Result<(), LinalgError> {
        masks::masked_broadcast(self, mask, alpha, r, out)
    }
    fn sign_flip(
        &self,
        mask: &CudaMask,
        scale: &CudaMatrix<T>,
        x: &CudaMatrix<T>,
        minus: Option<&CudaMatrix<T>>,
        out: &mut CudaMatrix<T>,
    ) -> Result<(), LinalgError> {
        masks::sign_flip(self, mask, scale, x, minus, out)
    }
    fn add_pairs(
        &self,
        layout: BlockLayout,
        alpha: f64,
        c: &CudaMatrix<T>,
        x: &mut CudaMatrix<T>,
    ) -> Result<(), LinalgError> {
        masks::add_pairs(self, layout, alpha, c, x)
    }

    fn patch_features(
        &self,
        plan: &PatchPlan,
        images: &HostMatrix,
        first: usize,
        out: &mut CudaMatrix<T>,
    ) -> Result<(), LinalgError> {
        patches::patch_features(self, plan, images, first, out)
    }

    fn positive_part(&self, scale: f64, x: &mut CudaMatrix<T>) -> Result<(), LinalgError> {
        prox::positive_part(self, scale, x)
    }
    fn group_soft_threshold(
        &self,
        x: &CudaMatrix<T>,
        threshold: f64,
        out: &mut CudaMatrix<T>,
    ) -> Result<(), LinalgError> {
        prox::group_soft_threshold(self, x, threshold, out)
    }
    fn keep_signs(&self, above: &CudaMask, below: &CudaMask, x: &mut CudaMatrix<T>) -> Result<(), LinalgError> {
        prox::keep_signs(self, above, below, x)
    }
    fn slack_step(
        &self,
        mask: &CudaMask,
        scale: &CudaMatrix<T>,
        xu: &CudaMatrix<T>,
        relaxation: f64,
        dual_step: f64,
        s: &mut CudaMatrix<T>,
        nu: &mut CudaMatrix<T>,
    ) -> Result<SlackNorms, LinalgError> {
        prox::slack_step(self, mask, scale, xu, relaxation, dual_step, s, nu)
    }
    fn soft_slack_step(
        &self,
        cones: &ConesOf<'_, Self>,
        xu: &CudaMatrix<T>,
        relaxation: f64,
        dual_step: f64,
        q: &mut CudaMatrix<f64>,
        s: &mut CudaMatrix<T>,
        nu: &mut CudaMatrix<T>,
    ) -> Result<SlackNorms, LinalgError> {
        prox::soft_slack_step(self, cones, xu, [relaxation, dual_step], q, s, nu)
    }
}
