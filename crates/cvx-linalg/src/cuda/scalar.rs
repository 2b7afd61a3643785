//! The storage precisions, with what cuBLAS and cuSOLVER do in each.

use super::part::Part;
use cudarc::cublas::sys::{self as blas, cublasHandle_t, cublasStatus_t};
use cudarc::cusolver::sys::{self as solver, cusolverDnHandle_t, cusolverStatus_t};
use cudarc::driver::{DeviceRepr, ValidAsZeroBits};
use std::ffi::c_int;

pub(super) use blas::{
    cublasDiagType_t::CUBLAS_DIAG_NON_UNIT, cublasFillMode_t::CUBLAS_FILL_MODE_LOWER, cublasOperation_t,
    cublasOperation_t::CUBLAS_OP_N, cublasOperation_t::CUBLAS_OP_T, cublasSideMode_t,
};

/// A storage precision of the CUDA back end: `f32` or `f64`.
///
/// The unsafe functions hand their parts on to a library that calls them by another name for each precision: handles
/// have to be valid, parts to lie in live matrices, and shapes to fit. Nobody outside can implement it.
pub trait CudaScalar: DeviceRepr + ValidAsZeroBits + Copy + PartialEq + Send + Sync + 'static {
    /// `f32` or `f64`.
    const NAME: &'static str;
    /// Which of a kernel's two entries is its own.
    const ENTRY: usize;
    fn to_f64(self) -> f64;
    fn from_f64(value: f64) -> Self;
    /// `c = alpha op(a) op(b) + beta c`.
    #[allow(clippy::too_many_arguments)]
    unsafe fn gemm(
        handle: cublasHandle_t,
        alpha: f64,
        a: (Part<Self>, cublasOperation_t),
        b: (Part<Self>, cublasOperation_t),
        beta: f64,
        c: Part<Self>,
    ) -> cublasStatus_t;
    /// Lower triangle of `c = alpha a b' + beta c`, which has to be symmetric.
    unsafe fn syrkx(
        handle: cublasHandle_t,
        alpha: f64,
        a: Part<Self>,
        b: Part<Self>,
        beta: f64,
        c: Part<Self>,
    ) -> cublasStatus_t;
    /// `b = op(l)^-1 b` (left) or `b op(l)^-1` (right).
    unsafe fn trsm(
        handle: cublasHandle_t,
        side: cublasSideMode_t,
        l: Part<Self>,
        op: cublasOperation_t,
        b: Part<Self>,
    ) -> cublasStatus_t;
    /// Number of entries that [`potrf`](CudaScalar::potrf) works in.
    unsafe fn potrf_workspace(handle: cusolverDnHandle_t, a: Part<Self>, count: &mut c_int) -> cusolverStatus_t;
    /// Cholesky factor in the lower triangle of `a`; the first bad pivot, from 1, in `info`.
    unsafe fn potrf(
        handle: cusolverDnHandle_t,
        a: Part<Self>,
        workspace: (Part<Self>, c_int),
        info: Part<i32>,
    ) -> cusolverStatus_t;
}

macro_rules! cuda_scalar {
    ($scalar:ty, $entry:literal, $gemm:ident, $syrkx:ident, $trsm:ident, $workspace:ident, $potrf:ident) => {
        impl CudaScalar for $scalar {
            const NAME: &'static str = stringify!($scalar);
            const ENTRY: usize = $entry;
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            fn from_f64(value: f64) -> Self {
                value as $scalar
            }
            unsafe fn gemm(
                handle: cublasHandle_t,
                alpha: f64,
                (a, op_a): (Part<Self>, cublasOperation_t),
                (b, op_b): (Part<Self>, cublasOperation_t),
                beta: f64,
                c: Part<Self>,
            ) -> cublasStatus_t {
                let inner = if op_a == CUBLAS_OP_N { a.cols } else { a.rows };
                let (alpha, beta) = (alpha as $scalar, beta as $scalar);
                // SAFETY: the caller's duty.
                unsafe {
                    blas::$gemm(
                        handle,
                        op_a,
                        op_b,
                        c.rows as i64,
                        c.cols as i64,
                        inner as i64,
                        &alpha,
                        a.pointer as *const _,
                        a.stride as i64,
                        b.pointer as *const _,
                        b.stride as i64,
                        &beta,
                        c.pointer as *mut _,
                        c.stride as i64,
                    )
                }
            }
            unsafe fn syrkx(
                handle: cublasHandle_t,
                alpha: f64,
                a: Part<Self>,
                b: Part<Self>,
                beta: f64,
                c: Part<Self>,
            ) -> cublasStatus_t {
                let (alpha, beta) = (alpha as $scalar, beta as $scalar);
                // SAFETY: the caller's duty.
                unsafe {
                    blas::$syrkx(
                        handle,
                        CUBLAS_FILL_MODE_LOWER,
                        CUBLAS_OP_N,
                        c.rows as i64,
                        a.cols as i64,
                        &alpha,
                        a.pointer as *const _,
                        a.stride as i64,
                        b.pointer as *const _,
                        b.stride as i64,
                        &beta,
                        c.pointer as *mut _,
                        c.stride as i64,
                    )
                }
            }
            unsafe fn trsm(
                handle: cublasHandle_t,
                side: cublasSideMode_t,
                l: Part<Self>,
                op: cublasOperation_t,
                b: Part<Self>,
            ) -> cublasStatus_t {
                let one: $scalar = 1.0;
                // SAFETY: the caller's duty.
                unsafe {
                    blas::$trsm(
                        handle,
                        side,
                        CUBLAS_FILL_MODE_LOWER,
                        op,
                        CUBLAS_DIAG_NON_UNIT,
                        b.rows as i64,
                        b.cols as i64,
                        &one,
                        l.pointer as *const _,
                        l.stride as i64,
                        b.pointer as *mut _,
                        b.stride as i64,
                    )
                }
            }
            unsafe fn potrf_workspace(
                handle: cusolverDnHandle_t,
                a: Part<Self>,
                count: &mut c_int,
            ) -> cusolverStatus_t {
                let (order, stride) = (a.rows as c_int, a.stride as c_int);
                // SAFETY: the caller's duty.
                unsafe { solver::$workspace(handle, LOWER, order, a.pointer as *mut _, stride, count) }
            }
            unsafe fn potrf(
                handle: cusolverDnHandle_t,
                a: Part<Self>,
                (workspace, count): (Part<Self>, c_int),
                info: Part<i32>,
            ) -> cusolverStatus_t {
                let (order, stride) = (a.rows as c_int, a.stride as c_int);
                // SAFETY: the caller's duty.
                unsafe {
                    solver::$potrf(
                        handle,
                        LOWER,
                        order,
                        a.pointer as *mut _,
                        stride,
                        workspace.pointer as *mut _,
                        count,
                        info.pointer as *mut _,
                    )
                }
            }
        }
    };
}

/// cuSOLVER's bindings have a type of their own for it.
const LOWER: solver::cublasFillMode_t = solver::cublasFillMode_t::CUBLAS_FILL_MODE_LOWER;

#[rustfmt::skip]
cuda_scalar!(f32, 0, cublasSgemm_v2_64, cublasSsyrkx_64, cublasStrsm_v2_64, cusolverDnSpotrf_bufferSize, cusolverDnSpotrf);
#[rustfmt::skip]
cuda_scalar!(f64, 1, cublasDgemm_v2_64, cublasDsyrkx_64, cublasDtrsm_v2_64, cusolverDnDpotrf_bufferSize, cusolverDnDpotrf);
