//! Matrices that are used again.

use crate::backend::{Backend, Shape};
use crate::error::LinalgError;

/// Matrices that nobody uses at the moment. The pages of a large matrix cost more than a pass over it, so one that is
/// needed again is kept. Whoever takes matrices of few shapes keeps few.
pub struct Scratch<B: Backend> {
    backend: B,
    free: Vec<B::Matrix>,
}

impl<B: Backend> Scratch<B> {
    /// Without a matrix yet.
    pub fn new(backend: &B) -> Self {
        Scratch { backend: backend.clone(), free: Vec::new() }
    }

    /// A `rows x cols` matrix whose entries are undefined.
    ///
    /// # Errors
    /// Fails if the device has no memory for it.
    pub fn take(&mut self, rows: usize, cols: usize) -> Result<B::Matrix, LinalgError> {
        match self.free.iter().position(|matrix| (matrix.rows(), matrix.cols()) == (rows, cols)) {
            Some(at) => Ok(self.free.swap_remove(at)),
            None => self.backend.zeros(rows, cols),
        }
    }

    /// Keeps a matrix for the next [`take`](Scratch::take).
    pub fn give(&mut self, matrix: B::Matrix) {
        self.free.push(matrix);
    }
}
