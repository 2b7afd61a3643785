//! The interface between the algorithms and a device.

use crate::error::LinalgError;
use crate::host::HostMatrix;
use crate::layout::BlockLayout;
use crate::mask::BitMask;
use crate::patches::PatchPlan;
use crate::ranks::SampleSums;
use crate::sample_source::SampleSource;
use crate::soft_cones::SoftCones;
use crate::stop::StopToken;

/// Whether an operand enters a product as it is or transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transpose {
    /// As it is.
    No,
    /// Transposed.
    Yes,
}

/// Which triangle of a Cholesky factor L a solve applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// L^-1.
    Lower,
    /// L^-T.
    Upper,
    /// (L L')^-1.
    Both,
}

/// Memory of the device, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryInfo {
    /// Installed.
    pub total: u64,
    /// Free for new work.
    pub free: u64,
}

/// Squared norms that the fused slack and dual step computes as it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SlackNorms {
    /// ||Gt u - s||^2 with the new s: the primal residual of the cone constraint.
    pub residual: f64,
    /// ||s - s_old||^2: the change that drives the dual residual.
    pub change: f64,
    /// ||Gt u||^2.
    pub image: f64,
    /// ||nu||^2 of the new nu.
    pub dual: f64,
}

/// The shape of a matrix on a device.
pub trait Shape {
    /// Number of rows.
    fn rows(&self) -> usize;
    /// Number of columns.
    fn cols(&self) -> usize;
}

/// [`SoftCones`] of a back end.
pub type ConesOf<'a, B> =
    SoftCones<'a, <B as Backend>::Mask, <B as Backend>::Matrix, <<B as Backend>::Wide as Backend>::Matrix>;

/// A device with its storage precision, and the operations that the algorithms are written in.
///
/// Conventions that all operations share:
/// * matrices are column-major and live on the device; coefficients and results are host `f64`s;
/// * sums are accumulated in `f64` and in an order that depends on shapes alone, never on the number of threads:
///   the same input gives the same bits;
/// * the blocks of the unknowns are columns in the order of a [`BlockLayout`]; a matrix with `P C` columns holds P
///   columns per target;
/// * a shape that does not fit is [`LinalgError::Shape`], a stop request in a long operation [`LinalgError::Stopped`].
///
/// Each operation has its test in [`crate::conformance`]; those about where training samples are, in `tests/ranks.rs`.
pub trait Backend: Clone + Send + Sync + 'static {
    /// A dense matrix on the device.
    type Matrix: Shape + Send + Sync;
    /// A matrix of numbers of half precision on the device, which are stored and read, and not computed with.
    type HalfMatrix: Shape + Send + Sync;
    /// A bit mask on the device; it does not depend on the precision.
    type Mask: Send + Sync;
    /// The same device with `f64` storage, for what must not be computed in `f32`: the d x d factor, the certificate.
    type Wide: Backend<Mask = Self::Mask, Wide = Self::Wide>;

    // ---- device -------------------------------------------------------------------------------------------------

    /// `cpu` or `cuda`.
    fn device(&self) -> &'static str;
    /// A description of the device: `cpu`, or `cuda:0` with the name of the card.
    fn describe(&self) -> String {
        self.device().to_string()
    }
    /// `f32` or `f64`: how matrices are stored.
    fn precision(&self) -> &'static str;
    /// Bytes of one stored number.
    fn scalar_bytes(&self) -> usize;
    /// Rounding of one stored number, relative to it.
    fn epsilon(&self) -> f64 {
        if self.scalar_bytes() == 4 { f64::from(f32::EPSILON) } else { f64::EPSILON }
    }
    /// The same device in `f64`.
    fn wide(&self) -> Self::Wide;
    /// The token that the long operations look at.
    fn stop(&self) -> &StopToken;
    /// Waits until all requested work is done. Call it before reading a clock.
    fn synchronize(&self) -> Result<(), LinalgError>;
    /// Memory of the device.
    fn memory_info(&self) -> MemoryInfo;

    // ---- memory -------------------------------------------------------------------------------------------------

    /// A `rows x cols` matrix of zeros.
    fn zeros(&self, rows: usize, cols: usize) -> Result<Self::Matrix, LinalgError>;
    /// Copies a host matrix to the device.
    ///
    /// # Errors
    /// [`LinalgError::NonFinite`] with the first entry that is not finite in the storage precision.
    fn upload(&self, host: &HostMatrix) -> Result<Self::Matrix, LinalgError>;
    /// Copies a matrix to the host.
    fn download(&self, matrix: &Self::Matrix) -> Result<HostMatrix, LinalgError>;
    /// The whole of a matrix with a row for each training sample, on the first rank; elsewhere, and of other matrices,
    /// what [`download`](Backend::download) returns.
    fn collect(&self, matrix: &Self::Matrix) -> Result<HostMatrix, LinalgError> {
        self.download(matrix)
    }
    /// Number of rows of the matrix that [`collect`](Backend::collect) returns on the first rank.
    fn total_rows(&self, matrix: &Self::Matrix) -> usize {
        matrix.rows()
    }
    /// Copies a mask to the device.
    fn upload_mask(&self, mask: &BitMask) -> Result<Self::Mask, LinalgError>;
    // ---- training samples: a back end may have a part of them, and keeps apart what has a row or column for each ----

    /// Whether all training samples are here; values of samples on the host are summed by it.
    fn samples(&self) -> &SampleSums {
        SampleSums::all_here()
    }
    /// The same back end with other training samples of the same ranks: those of a [part](SampleSums::divided).
    fn over(&self, _samples: &SampleSums) -> Self {
        self.clone()
    }
    /// Zeros in the shape of `like`.
    fn zeros_like(&self, like: &Self::Matrix) -> Result<Self::Matrix, LinalgError> {
        self.zeros(like.rows(), like.cols())
    }
    /// Zeros with a row for each column of `xt`, which are samples (d x n) of any kind: n x `cols`.
    fn zero_rows(&self, xt: &Self::Matrix, cols: usize) -> Result<Self::Matrix, LinalgError> {
        self.zeros(xt.cols(), cols)
    }
    /// Zeros with a row for each of the `n` training samples here: n x `cols`.
    fn sample_rows(&self, n: usize, cols: usize) -> Result<Self::Matrix, LinalgError> {
        self.zeros(n, cols)
    }
    /// Zeros with a column for each of the `n` training samples here: `rows` x n.
    fn sample_columns(&self, rows: usize, n: usize) -> Result<Self::Matrix, LinalgError> {
        self.zeros(rows, n)
    }
    /// All of `source`, which are the training samples here (d x n).
    ///
    /// # Errors
    /// Those of [`load_samples`](Backend::load_samples).
    fn load_columns(&self, source: &dyn SampleSource) -> Result<Self::Matrix, LinalgError> {
        let mut all = self.zeros(source.n_features(), source.n_samples())?;
        self.load_samples(source, 0, &mut all)?;
        Ok(all)
    }
    /// [`upload`](Backend::upload) of a matrix with a row for each training sample.
    fn upload_rows(&self, host: &HostMatrix) -> Result<Self::Matrix, LinalgError> {
        self.upload(host)
    }
    /// [`upload`](Backend::upload) of a matrix that is held as `like` is.
    fn upload_like(&self, host: &HostMatrix, _like: &Self::Matrix) -> Result<Self::Matrix, LinalgError> {
        self.upload(host)
    }
    /// [`upload_mask`](Backend::upload_mask) of a mask with a row for each training sample.
    fn upload_row_mask(&self, mask: &BitMask) -> Result<Self::Mask, LinalgError> {
        self.upload_mask(mask)
    }

    // ---- memory, continued ----------------------------------------------------------------------------------------

    /// Sets every entry of `x` to `value`, whatever it held: unlike [`scale`](Backend::scale) by zero, it leaves no
    /// NaN.
    fn fill(&self, value: f64, x: &mut Self::Matrix) -> Result<(), LinalgError>;
    /// `out = source`.
    fn copy(&self, source: &Self::Matrix, out: &mut Self::Matrix) -> Result<(), LinalgError>;
    /// Fills `out` with the entries of `source` from number `first` on, both column by column: a range of whole
    /// columns, or all entries in another shape.
    fn read_part(&self, source: &Self::Matrix, first: usize, out: &mut Self::Matrix) -> Result<(), LinalgError>;
    /// Copies all entries of `source` into `out`, from its entry number `first` on: the inverse of
    /// [`read_part`](Backend::read_part).
    fn write_part(&self, source: &Self::Matrix, out: &mut Self::Matrix, first: usize) -> Result<(), LinalgError>;
    /// `out` = the rows of `source` from number `first` on: all columns for a run of samples.
    fn read_rows(&self, source: &Self::Matrix, first: usize, out: &mut Self::Matrix) -> Result<(), LinalgError>;
    /// The rows of `out` from number `first` on become those of `source`: the inverse of
    /// [`read_rows`](Backend::read_rows).
    fn write_rows(&self, source: &Self::Matrix, out: &mut Self::Matrix, first: usize) -> Result<(), LinalgError>;
    /// Column j of `out` becomes sample `first` + j of `source`.
    ///
    /// # Errors
    /// [`LinalgError::Shape`]; [`LinalgError::NonFinite`] with the first entry, in the numbering of `source`, that is
    /// not finite in the storage precision.
    fn load_samples(&self, source: &dyn SampleSource, first: usize, out: &mut Self::Matrix) -> Result<(), LinalgError>;
    /// Column j of `out` is column `indices[j]` of `source`: the blocks of some neurons, or a mini-batch of samples. By
    /// [`read_part`](Backend::read_part) it would take a call (on a GPU, of a kernel) for each column.
    ///
    /// # Errors
    /// [`LinalgError::Shape`], also for an index beyond the last column; `out` is then unchanged.
    fn gather_columns(
        &self,
        source: &Self::Matrix,
        indices: &[usize],
        out: &mut Self::Matrix,
    ) -> Result<(), LinalgError>;
    /// `out = source` in `f64`.
    fn widen(&self, source: &Self::Matrix, out: &mut <Self::Wide as Backend>::Matrix) -> Result<(), LinalgError>;
    /// `out = source` rounded to the storage precision.
    fn narrow(&self, source: &<Self::Wide as Backend>::Matrix, out: &mut Self::Matrix) -> Result<(), LinalgError>;

    // ---- half precision -----------------------------------------------------------------------------------------

    /// A `rows x cols` matrix of zeros in half precision.
    fn half_zeros(&self, rows: usize, cols: usize) -> Result<Self::HalfMatrix, LinalgError>;
    /// The columns of `out` from number `first` on become those of `source`, rounded as
    /// [`FeaturePrecision::Half`](crate::FeaturePrecision::Half) says.
    fn store_half(&self, source: &Self::Matrix, out: &mut Self::HalfMatrix, first: usize) -> Result<(), LinalgError>;
    /// Column j of `out` becomes the rows of column `columns[j]` of `source` from number `first` on, without rounding.
    ///
    /// # Errors
    /// [`LinalgError::Shape`], also for rows or columns beyond the last; `out` is then unchanged.
    fn load_half(
        &self,
        source: &Self::HalfMatrix,
        first: usize,
        columns: &[usize],
        out: &mut Self::Matrix,
    ) -> Result<(), LinalgError>;

    // ---- BLAS ---------------------------------------------------------------------------------------------------

    /// `c = alpha op(a) op(b) + beta c`; with `beta = 0`, `c` is not read.
    #[allow(clippy::too_many_arguments)]
    fn gemm(
        &self,
        alpha: f64,
        a: &Self::Matrix,
        op_a: Transpose,
        b: &Self::Matrix,
        op_b: Transpose,
        beta: f64,
        c: &mut Self::Matrix,
    ) -> Result<(), LinalgError>;
    /// `c = alpha op(a) b + beta c` with `a` in storage precision and everything else in f64: what a copy of `a` in f64
    /// would give, without the copy.
    fn gemm_wide(
        &self,
        alpha: f64,
        a: &Self::Matrix,
        op_a: Transpose,
        b: &<Self::Wide as Backend>::Matrix,
        beta: f64,
        c: &mut <Self::Wide as Backend>::Matrix,
    ) -> Result<(), LinalgError>;
    /// Lower triangle of `out = shift I + a diag(weights) a'`, with `weights` a column of `a.cols()` numbers.
    fn weighted_gram(
        &self,
        a: &Self::Matrix,
        weights: &Self::Matrix,
        shift: f64,
        out: &mut Self::Matrix,
    ) -> Result<(), LinalgError>;
    /// `x = alpha x`.
    fn scale(&self, alpha: f64, x: &mut Self::Matrix) -> Result<(), LinalgError>;
    /// `y = alpha x + beta y`.
    fn axpby(&self, alpha: f64, x: &Self::Matrix, beta: f64, y: &mut Self::Matrix) -> Result<(), LinalgError>;
    /// `out = x o y`, entry by entry.
    fn hadamard(&self, x: &Self::Matrix, y: &Self::Matrix, out: &mut Self::Matrix) -> Result<(), LinalgError>;
    /// `y += sum_k weights[k] terms[k]`; on the processor in one pass over `y`, rounded once.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] for a term of another shape, or another number of weights.
    fn add_terms(&self, weights: &[f64], terms: &[&Self::Matrix], y: &mut Self::Matrix) -> Result<(), LinalgError>;
    /// Sum of the entrywise products.
    fn dot(&self, x: &Self::Matrix, y: &Self::Matrix) -> Result<f64, LinalgError>;
    /// [`dot`](Backend::dot) of `x` with each of `others`. On a GPU it waits once for all of them.
    fn dots(&self, x: &Self::Matrix, others: &[&Self::Matrix]) -> Result<Vec<f64>, LinalgError>;
    /// Euclidean norm of all entries.
    fn norm(&self, x: &Self::Matrix) -> Result<f64, LinalgError> {
        Ok(self.dot(x, x)?.sqrt())
    }
    /// Euclidean norm of each column.
    fn column_norms(&self, x: &Self::Matrix) -> Result<Vec<f64>, LinalgError>;

    // ---- factor -------------------------------------------------------------------------------------------------

    /// Cholesky factor L of the symmetric matrix whose lower triangle `a` holds; L overwrites that triangle, and the
    /// entries above the diagonal are neither read nor written.
    ///
    /// # Errors
    /// [`LinalgError::NotPositiveDefinite`]; `a` then holds a partial factor.
    fn cholesky(&self, a: &mut Self::Matrix) -> Result<(), LinalgError>;
    /// Solves in place with the factor in the lower triangle of `l`.
    fn solve(&self, l: &Self::Matrix, half: Half, b: &mut Self::Matrix) -> Result<(), LinalgError>;
    /// `(a'a) o (D D')` for a mask with one row per column of `a`: its entries above the diagonal go above the diagonal
    /// of `out`, its diagonal to the column `diagonal`. The entries of `out` on and below its diagonal are not changed.
    /// For a mask that stays: [`shifted_lower`](Backend::shifted_lower) counts for every scale.
    fn masked_gram(
        &self,
        a: &Self::Matrix,
        mask: &Self::Mask,
        out: &mut Self::Matrix,
        diagonal: &mut Self::Matrix,
    ) -> Result<(), LinalgError>;
    /// `a'a`, where [`masked_gram`](Backend::masked_gram) has the product with the mask; added to what is there with
    /// `accumulate`.
    fn gram(
        &self,
        a: &Self::Matrix,
        accumulate: bool,
        out: &mut Self::Matrix,
        diagonal: &mut Self::Matrix,
    ) -> Result<(), LinalgError>;
    /// On and below the diagonal, `matrix = I + scale N`, or `I + scale N o (D D')` for a mask with a row for each of
    /// N. N is stored above the diagonal and in `diagonal` as [`Backend::gram`] leaves it: kernel and factor share one
    /// matrix, and another scale or mask needs no new products.
    fn shifted_lower(
        &self,
        scale: f64,
        mask: Option<&Self::Mask>,
        diagonal: &Self::Matrix,
        matrix: &mut Self::Matrix,
    ) -> Result<(), LinalgError>;

    // ---- masks --------------------------------------------------------------------------------------------------

    /// `out_c = sum_i d_i o (t_{c,i}^+ - t_{c,i}^-)`: the signed, masked sum over the blocks of `layout` (`t`: n x 2PC,
    /// `out`: n x C). With one block for each pattern `out_c = sum_i +-d_i o t_{c,i}` (`t`: n x PC). Without a mask
    /// every d_i is 1.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] unless `t`, `out` and the mask (n x P) have the shapes of the layout.
    fn masked_row_sum(
        &self,
        layout: BlockLayout,
        mask: Option<&Self::Mask>,
        t: &Self::Matrix,
        out: &mut Self::Matrix,
    ) -> Result<(), LinalgError>;
    /// `out_{c,i} = alpha d_i o r_c` (`r`: n x C, `out`: n x PC).
    fn masked_broadcast(
        &self,
        mask: &Self::Mask,
        alpha: f64,
        r: &Self::Matrix,
        out: &mut Self::Matrix,
    ) -> Result<(), LinalgError>;
    /// `out = diag(scale) E_i (x - minus)` per block, with E_i = 2 D_i - I (`scale`: a column of n numbers; `x`,
    /// `minus`, `out`: n x 2PC). Nothing is subtracted without a `minus`.
    fn sign_flip(
        &self,
        mask: &Self::Mask,
        scale: &Self::Matrix,
        x: &Self::Matrix,
        minus: Option<&Self::Matrix>,
        out: &mut Self::Matrix,
    ) -> Result<(), LinalgError>;
    /// `x^+ += alpha c`, `x^- -= alpha c` per pair of blocks (`c`: m x PC, `x`: m x 2PC); with one block for each
    /// pattern `x += alpha c` or `x -= alpha c` by its sign (`x`: m x PC).
    ///
    /// # Errors
    /// [`LinalgError::Shape`] unless `c` and `x` have the columns of the layout, and as many rows as each other.
    fn add_pairs(
        &self,
        layout: BlockLayout,
        alpha: f64,
        c: &Self::Matrix,
        x: &mut Self::Matrix,
    ) -> Result<(), LinalgError>;

    // ---- patches ------------------------------------------------------------------------------------------------

    /// Column j of `out` becomes the features of image `first` + j of `images` (pixels x n, in f64), as
    /// [`PatchPlan`] defines them: `plan.n_features()` numbers of its precision, whatever the storage.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] for images of another size or features of another number.
    fn patch_features(
        &self,
        plan: &PatchPlan,
        images: &HostMatrix,
        first: usize,
        out: &mut Self::Matrix,
    ) -> Result<(), LinalgError>;

    // ---- prox ---------------------------------------------------------------------------------------------------

    /// `x = max(0, scale x)` entry by entry.
    fn positive_part(&self, scale: f64, x: &mut Self::Matrix) -> Result<(), LinalgError>;
    /// Each column of `out` is that of `x` times `max(0, 1 - threshold / ||column||)`; a zero column stays zero.
    fn group_soft_threshold(&self, x: &Self::Matrix, threshold: f64, out: &mut Self::Matrix)
    -> Result<(), LinalgError>;
    /// The projection onto cones that are given entry by entry: a positive entry of `x` stays where its bit of `above`
    /// is set, a negative one where that of `below` is, and becomes 0 elsewhere. Column j of `x` has column j modulo P
    /// of the masks (each m x P; `x`: m x a multiple of P).
    ///
    /// # Errors
    /// [`LinalgError::Shape`] unless the masks have one shape, which fits `x`.
    fn keep_signs(&self, above: &Self::Mask, below: &Self::Mask, x: &mut Self::Matrix) -> Result<(), LinalgError>;
    /// The slack and dual step (4b), (4c) in one pass: with `gu = diag(scale) E_i xu` and
    /// `gh = relaxation gu + (1 - relaxation) s`, sets `s = max(gh + nu, 0)` and `nu += dual_step (gh - s)`.
    #[allow(clippy::too_many_arguments)]
    fn slack_step(
        &self,
        mask: &Self::Mask,
        scale: &Self::Matrix,
        xu: &Self::Matrix,
        relaxation: f64,
        dual_step: f64,
        s: &mut Self::Matrix,
        nu: &mut Self::Matrix,
    ) -> Result<SlackNorms, LinalgError>;
    /// [`slack_step`](Backend::slack_step) with cones whose violation has a price, jointly with the predictions `q`
    /// (n x C): with z = gh + nu, q and s become the minimisers of (17.2), for each sample and target
    ///
    /// $$ \omega l_{\uparrow} \Bigl( q + \sum_{+} \tfrac1g (-s_j)_+ \Bigr) + \omega l_{\downarrow} \Bigl( q - \sum_{-} \tfrac1g (-s_j)_+ \Bigr) + \tfrac\kappa2 (q - \hat q)^2 + \tfrac\rho2 \sum_j (s_j - z_j)^2 $$
    ///
    /// where q comes as qhat, and l is split at its minimum into a nondecreasing and a nonincreasing part.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] unless all matrices have the shapes of the layout.
    #[allow(clippy::too_many_arguments)]
    fn soft_slack_step(
        &self,
        cones: &ConesOf<'_, Self>,
        xu: &Self::Matrix,
        relaxation: f64,
        dual_step: f64,
        q: &mut <Self::Wide as Backend>::Matrix,
        s: &mut Self::Matrix,
        nu: &mut Self::Matrix,
    ) -> Result<SlackNorms, LinalgError>;
}
