//! Matrices that are used again.

use crate::backend::{Backend, Shape};
use crate::error::LinalgError;
use std::collections::VecDeque;

/// Matrices that nobody uses at the moment. The pages of a large matrix cost more than a pass over it, so one that may
/// be needed again is kept, up to a number of them.
pub struct Scratch<B: Backend> {
    backend: B,
    free: VecDeque<B::Matrix>,
    most: usize,
}

impl<B: Backend> Scratch<B> {
    /// Without a matrix yet; at most `most` are kept.
    pub fn new(backend: &B, most: usize) -> Self {
        Scratch { backend: backend.clone(), free: VecDeque::new(), most }
    }

    /// A `rows x cols` matrix whose entries are undefined.
    ///
    /// # Errors
    /// Fails if the device has no memory for it.
    pub fn take(&mut self, rows: usize, cols: usize) -> Result<B::Matrix, LinalgError> {
        self.kept(rows, cols).map_or_else(|| self.backend.zeros(rows, cols), Ok)
    }

    /// An n x `cols` matrix with a row for each column of `xt` (d x n), whose entries are undefined. Not beside
    /// [`take`](Scratch::take): a back end may hold the two in different ways.
    ///
    /// # Errors
    /// Fails if the device has no memory for it.
    pub fn take_rows(&mut self, xt: &B::Matrix, cols: usize) -> Result<B::Matrix, LinalgError> {
        self.kept(xt.cols(), cols).map_or_else(|| self.backend.zero_rows(xt, cols), Ok)
    }

    fn kept(&mut self, rows: usize, cols: usize) -> Option<B::Matrix> {
        let at = self.free.iter().position(|matrix| (matrix.rows(), matrix.cols()) == (rows, cols))?;
        self.free.remove(at)
    }

    /// Keeps a matrix for the next [`take`](Scratch::take), and drops the one that has not been taken for longest if
    /// there are too many.
    pub fn give(&mut self, matrix: B::Matrix) {
        self.free.push_back(matrix);
        if self.free.len() > self.most {
            self.free.pop_front();
        }
    }
}
