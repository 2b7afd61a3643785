//! Eigenvalues of small symmetric matrices, on the host.

use crate::error::LinalgError;
use crate::host::HostMatrix;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::{Col, MatMut, MatRef, Par};

/// A symmetric matrix as Q diag(values) Q'.
#[derive(Clone, Debug, PartialEq)]
pub struct SymmetricEigen {
    /// Eigenvalues, ascending.
    pub values: Vec<f64>,
    /// Q: orthonormal eigenvectors as columns, in the order of the values.
    pub vectors: HostMatrix,
}

/// Eigenvalues and eigenvectors of the symmetric matrix whose lower triangle `matrix` holds. Whatever the device, this
/// is done on one thread of the host: the matrices are as small as a sketch's rank.
///
/// # Errors
/// [`LinalgError::Shape`] for a matrix that is not square, [`LinalgError::NoEigenvalues`] where the iteration does not
/// converge, as with entries that are not finite.
pub fn symmetric_eigen(matrix: &HostMatrix) -> Result<SymmetricEigen, LinalgError> {
    let order = matrix.rows();
    if matrix.cols() != order {
        return Err(LinalgError::shape("symmetric_eigen", format!("the matrix is {order} x {}", matrix.cols())));
    }
    if matrix.values().iter().any(|value| !value.is_finite()) {
        return Err(LinalgError::NoEigenvalues);
    }
    if order == 0 {
        return Ok(SymmetricEigen { values: Vec::new(), vectors: HostMatrix::zeros(0, 0) });
    }
    let (mut values, mut vectors) = (Col::<f64>::zeros(order), HostMatrix::zeros(order, order));
    let scratch = self_adjoint_evd_scratch::<f64>(order, ComputeEigenvectors::Yes, Par::Seq, Default::default());
    let mut memory = MemBuffer::new(scratch);
    self_adjoint_evd(
        MatRef::from_column_major_slice(matrix.values(), order, order),
        values.as_diagonal_mut(),
        Some(MatMut::from_column_major_slice_mut(vectors.values_mut(), order, order)),
        Par::Seq,
        MemStack::new(&mut memory),
        Default::default(),
    )
    .map_err(|_| LinalgError::NoEigenvalues)?;
    Ok(SymmetricEigen { values: values.iter().copied().collect(), vectors })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn values_and_vectors_rebuild_the_matrix(order in 0usize..24, exponent in -6..6i32, seed: u64) {
            let scale = 10f64.powi(exponent);
            let entry = |i: usize, j: usize| {
                let mixed = (i * 31 + j * 17) as u64 ^ seed.rotate_left((i + j) as u32);
                scale * ((mixed % 1009) as f64 / 504.5 - 1.0)
            };
            let matrix = HostMatrix::from_fn(order, order, |i, j| entry(i.max(j), i.min(j)));
            let SymmetricEigen { values, vectors: q } = symmetric_eigen(&matrix).unwrap();
            prop_assert!(values.is_sorted());
            for i in 0..order {
                for j in 0..order {
                    let rebuilt: f64 = (0..order).map(|k| q[(i, k)] * values[k] * q[(j, k)]).sum();
                    prop_assert!((rebuilt - matrix[(i, j)]).abs() <= 1e-12 * scale * order as f64);
                    let product: f64 = q.col(i).iter().zip(q.col(j)).map(|(a, b)| a * b).sum();
                    prop_assert!((product - f64::from(u8::from(i == j))).abs() <= 1e-12);
                }
            }
        }
    }

    #[test]
    fn what_has_no_eigenvalues_is_an_error() {
        let mut matrix = HostMatrix::zeros(3, 3);
        matrix[(1, 0)] = f64::NAN;
        assert_eq!(symmetric_eigen(&matrix), Err(LinalgError::NoEigenvalues));
        assert!(matches!(symmetric_eigen(&HostMatrix::zeros(3, 2)), Err(LinalgError::Shape { .. })));
    }
}
