//! The randomised Nystrom sketch of a positive semidefinite matrix that is given by its products.

use crate::backend::{Backend, Shape, Transpose};
use crate::cpu::{SymmetricEigen, symmetric_eigen};
use crate::error::LinalgError;
use crate::host::HostMatrix;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// `out` = K `x` for a symmetric positive semidefinite K of order N and test vectors as columns (N x k).
pub type SketchMap<'a, B> =
    dyn FnMut(&mut <B as Backend>::Matrix, &<B as Backend>::Matrix) -> Result<(), LinalgError> + 'a;

/// The rank of a sketch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SketchRank {
    /// This many, or all of them where there are fewer.
    Fixed(usize),
    /// Doubled until the estimated error is small enough, more columns no longer pay, or the limit is reached.
    Adaptive {
        /// Limit.
        largest: usize,
        /// Estimate of ||K - U diag(lambda) U'|| that is small enough.
        error: f64,
    },
}

/// First rank of an adaptive sketch.
const FIRST_RANK: usize = 16;

/// A doubling of the rank has to lower the error to this share of it, or the next one is not tried: a larger sketch of
/// a spectrum that hardly decays does not pay.
const WORTHWHILE: f64 = 0.9;

/// Power steps of the error estimate.
const POWER_STEPS: usize = 5;

/// Share of the largest eigenvalue of the r x r core below which a direction is rounding, per column.
const CORE_ROUNDING: f64 = 1e-14;

/// K ~ U diag(lambda) U', from below: K minus this low-rank matrix is positive semidefinite (Halko, Martinsson &
/// Tropp 2011; Frangella, Tropp & Udell 2021).
///
/// K is applied to r random vectors of signs, in storage precision. The products are shifted by the rounding of that
/// precision, so that noise does not become negative eigenvalues, and converted into U and lambda in f64.
///
/// ```
/// use cvx_linalg::{Backend, Cpu, HostMatrix, NystromSketch, SketchRank};
///
/// // diag(100, 1, 0.01)
/// let cpu = Cpu::<f64>::new();
/// let weights = cpu.upload(&HostMatrix::from_vec(3, 1, vec![100.0, 1.0, 0.01]))?;
/// let sketch = NystromSketch::new(&cpu, 3, SketchRank::Fixed(3), 1, 0, &mut |out, x| cpu.hadamard(&weights, x, out))?;
/// assert!((sketch.eigenvalues()[0] - 100.0).abs() < 1e-9 && sketch.error() < 1e-9);
/// # Ok::<(), cvx_linalg::LinalgError>(())
/// ```
pub struct NystromSketch<B: Backend> {
    basis: B::Matrix,
    eigenvalues: Vec<f64>,
    error: f64,
    products: usize,
}

impl<B: Backend> NystromSketch<B> {
    /// Sketches the matrix of order `size` that `map` applies, to at most `batch` test vectors at once.
    ///
    /// # Errors
    /// Those of `map` and of the device; [`LinalgError::NoEigenvalues`] where `map` returns numbers that are not
    /// finite.
    pub fn new(
        backend: &B,
        size: usize,
        rank: SketchRank,
        batch: usize,
        seed: u64,
        map: &mut SketchMap<'_, B>,
    ) -> Result<Self, LinalgError> {
        let mut rng = Pcg64::seed_from_u64(seed);
        let (largest, small_enough) = match rank {
            SketchRank::Fixed(rank) => (rank.min(size), f64::INFINITY),
            SketchRank::Adaptive { largest, error } => (largest.min(size), error),
        };
        let mut sample = Sample::<B>::new(backend, size)?;
        let mut rank = if small_enough.is_finite() { FIRST_RANK.min(largest) } else { largest };
        let mut last_error = f64::INFINITY;
        loop {
            sample.extend(backend, rank, batch, &mut rng, map)?;
            let mut sketch = sample.factor(backend)?;
            sketch.error = sketch.estimate_error(backend, &mut rng, map)?;
            sketch.products = sample.rank() + POWER_STEPS;
            if sketch.error <= small_enough || rank == largest || sketch.error > WORTHWHILE * last_error {
                return Ok(sketch);
            }
            last_error = sketch.error;
            rank = (2 * rank).min(largest);
        }
    }

    /// Number r of eigenvalues above rounding.
    pub fn rank(&self) -> usize {
        self.eigenvalues.len()
    }

    /// U (N x r), with orthonormal columns.
    pub fn basis(&self) -> &B::Matrix {
        &self.basis
    }

    /// lambda, descending, all positive.
    pub fn eigenvalues(&self) -> &[f64] {
        &self.eigenvalues
    }

    /// Estimate of ||K - U diag(lambda) U'|| by a few steps of the power method.
    pub fn error(&self) -> f64 {
        self.error
    }

    /// Number of products with K that were used.
    pub fn products(&self) -> usize {
        self.products
    }

    fn estimate_error(&self, backend: &B, rng: &mut Pcg64, map: &mut SketchMap<'_, B>) -> Result<f64, LinalgError> {
        let size = self.basis.rows();
        let mut x = backend.upload(&signs(size, 1, rng))?;
        let mut image = backend.zeros(size, 1)?;
        let rank = self.rank();
        let values = HostMatrix::from_fn(rank, rank, |i, j| if i == j { self.eigenvalues[i] } else { 0.0 });
        let values = backend.upload(&values)?;
        let (mut inner, mut weighted) = (backend.zeros(rank, 1)?, backend.zeros(rank, 1)?);
        let mut error = 0.0;
        for _ in 0..POWER_STEPS {
            map(&mut image, &x)?;
            if rank > 0 {
                backend.gemm(1.0, &self.basis, Transpose::Yes, &x, Transpose::No, 0.0, &mut inner)?;
                backend.gemm(1.0, &values, Transpose::No, &inner, Transpose::No, 0.0, &mut weighted)?;
                backend.gemm(-1.0, &self.basis, Transpose::No, &weighted, Transpose::No, 1.0, &mut image)?;
            }
            error = backend.norm(&image)?;
            if error == 0.0 || !error.is_finite() {
                break;
            }
            backend.scale(1.0 / error, &mut image)?;
            std::mem::swap(&mut x, &mut image);
        }
        Ok(error)
    }
}

/// `rows x columns` random signs, scaled so that a column has norm 1.
fn signs(rows: usize, columns: usize, rng: &mut Pcg64) -> HostMatrix {
    let size = 1.0 / (rows as f64).sqrt();
    HostMatrix::from_fn(rows, columns, |_, _| if rng.random::<bool>() { size } else { -size })
}

/// Test vectors and their products with K, in f64.
struct Sample<B: Backend> {
    wide: B::Wide,
    /// Omega and Y = K Omega (N x r).
    test: <B::Wide as Backend>::Matrix,
    image: <B::Wide as Backend>::Matrix,
}

impl<B: Backend> Sample<B> {
    fn new(backend: &B, size: usize) -> Result<Self, LinalgError> {
        let wide = backend.wide();
        let (test, image) = (wide.zeros(size, 0)?, wide.zeros(size, 0)?);
        Ok(Sample { wide, test, image })
    }

    fn rank(&self) -> usize {
        self.test.cols()
    }

    /// Draws test vectors until there are `rank`, and applies K to the new ones. A full set is the unit vectors; the
    /// sketch is then K itself.
    fn extend(
        &mut self,
        backend: &B,
        rank: usize,
        batch: usize,
        rng: &mut Pcg64,
        map: &mut SketchMap<'_, B>,
    ) -> Result<(), LinalgError> {
        let (wide, size) = (&self.wide, self.test.rows());
        let mut first = if rank == size { 0 } else { self.rank() };
        for matrix in [&mut self.test, &mut self.image] {
            let mut larger = wide.zeros(size, rank)?;
            if first > 0 {
                wide.write_part(matrix, &mut larger, 0)?;
            }
            *matrix = larger;
        }
        while first < rank {
            let count = batch.max(1).min(rank - first);
            let test = if rank == size {
                HostMatrix::from_fn(size, count, |i, j| f64::from(u8::from(i == first + j)))
            } else {
                signs(size, count, rng)
            };
            let test = backend.upload(&test)?;
            let (mut image, mut wide_part) = (backend.zeros(size, count)?, wide.zeros(size, count)?);
            map(&mut image, &test)?;
            backend.widen(&test, &mut wide_part)?;
            wide.write_part(&wide_part, &mut self.test, first * size)?;
            backend.widen(&image, &mut wide_part)?;
            wide.write_part(&wide_part, &mut self.image, first * size)?;
            first += count;
        }
        Ok(())
    }

    /// Omega without the rows where K is zero, if there are such rows. The shift must not add them to U, or features
    /// that are zero everywhere would get weights.
    fn reached(&self) -> Result<Option<<B::Wide as Backend>::Matrix>, LinalgError> {
        let (wide, size, rank) = (&self.wide, self.test.rows(), self.rank());
        let mut column = wide.zeros(size, 1)?;
        let mut reached = vec![false; size];
        for j in 0..rank {
            wide.read_part(&self.image, j * size, &mut column)?;
            let values = wide.download(&column)?;
            reached.iter_mut().zip(values.values()).for_each(|(reached, &value)| *reached |= value != 0.0);
        }
        if reached.iter().all(|&reached| reached) {
            return Ok(None);
        }
        let mut test = wide.zeros(size, rank)?;
        for j in 0..rank {
            wide.read_part(&self.test, j * size, &mut column)?;
            let mut values = wide.download(&column)?;
            values.values_mut().iter_mut().zip(&reached).filter(|(_, reached)| !**reached).for_each(|(v, _)| *v = 0.0);
            wide.write_part(&wide.upload(&values)?, &mut test, j * size)?;
        }
        Ok(Some(test))
    }

    /// The sketch, with a shift nu of the rounding of the products. That is relative to ||K||, of which ||Y|| is an
    /// estimate that may be far too small: test vectors can be nearly orthogonal to the large eigenvectors. The largest
    /// eigenvalue of the sketch is another, which does not depend on their angles.
    fn factor(&self, backend: &B) -> Result<NystromSketch<B>, LinalgError> {
        let shift = backend.epsilon() * self.wide.norm(&self.image)?;
        let sketch = self.factor_shifted(backend, shift)?;
        match sketch.eigenvalues.first() {
            Some(largest) if backend.epsilon() * largest > shift => {
                self.factor_shifted(backend, backend.epsilon() * largest)
            }
            _ => Ok(sketch),
        }
    }

    /// U and lambda of Y (Omega'Y)^-1 Y', with Y shifted by nu Omega and lambda by -nu.
    fn factor_shifted(&self, backend: &B, shift: f64) -> Result<NystromSketch<B>, LinalgError> {
        let (wide, size, rank) = (&self.wide, self.test.rows(), self.rank());
        let empty = |backend: &B| -> Result<_, LinalgError> {
            Ok(NystromSketch { basis: backend.zeros(size, 0)?, eigenvalues: Vec::new(), error: 0.0, products: 0 })
        };
        if rank == 0 || shift == 0.0 {
            return empty(backend);
        }
        let test = self.reached()?;
        let test = test.as_ref().unwrap_or(&self.test);
        let mut shifted = wide.zeros(size, rank)?;
        wide.copy(&self.image, &mut shifted)?;
        wide.axpby(shift, test, 1.0, &mut shifted)?;

        // S with S'(Omega'Y)S = I over the directions that are more than rounding.
        let SymmetricEigen { values, vectors } = symmetric_eigen(&self.inner(test, &shifted)?)?;
        let threshold = CORE_ROUNDING * rank as f64 * values.last().copied().unwrap_or(0.0);
        let whitening = scaled_columns(&values, &vectors, threshold);
        if whitening.cols() == 0 {
            return empty(backend);
        }
        let mut half = wide.zeros(size, whitening.cols())?;
        wide.gemm(1.0, &shifted, Transpose::No, &wide.upload(&whitening)?, Transpose::No, 0.0, &mut half)?;
        drop(shifted);

        // The sketch is half half': its eigenvalues are those of half'half.
        let SymmetricEigen { values, vectors } = symmetric_eigen(&self.inner(&half, &half)?)?;
        // Below the shift there is nothing but the shift.
        let rotation = scaled_columns(&values, &vectors, shift);
        let eigenvalues: Vec<f64> = values.iter().rev().map(|value| value - shift).take(rotation.cols()).collect();
        let mut wide_basis = wide.zeros(size, rotation.cols())?;
        if rotation.cols() == 0 {
            return empty(backend);
        }
        wide.gemm(1.0, &half, Transpose::No, &wide.upload(&rotation)?, Transpose::No, 0.0, &mut wide_basis)?;
        drop(half);
        // Directions near rounding are not quite orthogonal yet: the nearest basis that is, U (U'U)^-1/2 (Lowdin 1950).
        let SymmetricEigen { values, vectors } = symmetric_eigen(&self.inner(&wide_basis, &wide_basis)?)?;
        let scaled = |i: usize, j: usize| vectors[(i, j)] / values[j].max(f64::EPSILON).sqrt();
        let scaled = wide.upload(&HostMatrix::from_fn(vectors.rows(), vectors.cols(), scaled))?;
        let mut rotated = wide.zeros(size, rotation.cols())?;
        wide.gemm(1.0, &wide_basis, Transpose::No, &scaled, Transpose::No, 0.0, &mut rotated)?;
        wide.gemm(1.0, &rotated, Transpose::No, &wide.upload(&vectors)?, Transpose::Yes, 0.0, &mut wide_basis)?;
        drop(rotated);
        let mut basis = backend.zeros(size, rotation.cols())?;
        backend.narrow(&wide_basis, &mut basis)?;
        Ok(NystromSketch { basis, eigenvalues, error: 0.0, products: 0 })
    }

    /// a'b, made symmetric, on the host.
    fn inner(
        &self,
        a: &<B::Wide as Backend>::Matrix,
        b: &<B::Wide as Backend>::Matrix,
    ) -> Result<HostMatrix, LinalgError> {
        let mut product = self.wide.zeros(a.cols(), b.cols())?;
        self.wide.gemm(1.0, a, Transpose::Yes, b, Transpose::No, 0.0, &mut product)?;
        let product = self.wide.download(&product)?;
        Ok(HostMatrix::from_fn(a.cols(), b.cols(), |i, j| 0.5 * (product[(i, j)] + product[(j, i)])))
    }
}

/// The eigenvectors of the values above `threshold`, the largest first, each over the root of its value.
fn scaled_columns(values: &[f64], vectors: &HostMatrix, threshold: f64) -> HostMatrix {
    let order = values.len();
    let kept = values.iter().filter(|&&value| value > threshold.max(0.0)).count();
    HostMatrix::from_fn(order, kept, |i, j| vectors[(i, order - 1 - j)] / values[order - 1 - j].sqrt())
}
