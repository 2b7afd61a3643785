//! The single-threaded kernels under every tile: the only calls of faer.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{LltError, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::{Accum, MatMut, MatRef, Par};
use std::ops::{Add, Div, Mul, Sub};

/// A storage precision of the CPU back end: `f32` or `f64`.
pub trait CpuScalar:
    Copy
    + Send
    + Sync
    + PartialEq
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + std::fmt::Debug
    + 'static
{
    /// `f32` or `f64`.
    const NAME: &'static str;
    #[doc(hidden)]
    const ZERO: Self;
    #[doc(hidden)]
    fn to_f64(self) -> f64;
    #[doc(hidden)]
    fn from_f64(value: f64) -> Self;
    #[doc(hidden)]
    fn sqrt(self) -> Self;
    /// `c = alpha a b`, added to `c` where `accumulate`.
    #[doc(hidden)]
    fn gemm(c: MatMut<'_, Self>, accumulate: bool, a: MatRef<'_, Self>, b: MatRef<'_, Self>, alpha: f64);
    /// Lower triangle of `c += alpha a b`; what lies above the diagonal stays.
    #[doc(hidden)]
    fn gemm_lower(c: MatMut<'_, Self>, a: MatRef<'_, Self>, b: MatRef<'_, Self>, alpha: f64);
    /// In-place factor of the lower triangle; the failing pivot otherwise.
    #[doc(hidden)]
    fn cholesky(a: MatMut<'_, Self>) -> Result<(), usize>;
    /// `b = l^-1 b`.
    #[doc(hidden)]
    fn solve_lower(l: MatRef<'_, Self>, b: MatMut<'_, Self>);
    /// `b = l^-T b`.
    #[doc(hidden)]
    fn solve_upper(l: MatRef<'_, Self>, b: MatMut<'_, Self>);
}

macro_rules! cpu_scalar {
    ($scalar:ty) => {
        impl CpuScalar for $scalar {
            const NAME: &'static str = stringify!($scalar);
            const ZERO: Self = 0.0;

            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $scalar
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                <$scalar>::sqrt(self)
            }
            fn gemm(c: MatMut<'_, Self>, accumulate: bool, a: MatRef<'_, Self>, b: MatRef<'_, Self>, alpha: f64) {
                let accum = if accumulate { Accum::Add } else { Accum::Replace };
                matmul(c, accum, a, b, alpha as $scalar, Par::Seq);
            }
            fn gemm_lower(c: MatMut<'_, Self>, a: MatRef<'_, Self>, b: MatRef<'_, Self>, alpha: f64) {
                let (lower, full) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
                triangular::matmul(c, lower, Accum::Add, a, full, b, full, alpha as $scalar, Par::Seq);
            }
            fn cholesky(a: MatMut<'_, Self>) -> Result<(), usize> {
                let scratch = cholesky_in_place_scratch::<$scalar>(a.nrows(), Par::Seq, Default::default());
                let mut memory = MemBuffer::new(scratch);
                cholesky_in_place(a, Default::default(), Par::Seq, MemStack::new(&mut memory), Default::default())
                    .map(|_| ())
                    .map_err(|LltError::NonPositivePivot { index }| index)
            }
            fn solve_lower(l: MatRef<'_, Self>, b: MatMut<'_, Self>) {
                solve_lower_triangular_in_place(l, b, Par::Seq);
            }
            fn solve_upper(l: MatRef<'_, Self>, b: MatMut<'_, Self>) {
                solve_upper_triangular_in_place(l.transpose(), b, Par::Seq);
            }
        }
    };
}

cpu_scalar!(f32);
cpu_scalar!(f64);
