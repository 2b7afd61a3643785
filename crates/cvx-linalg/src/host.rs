//! A dense matrix on the host, in f64: what goes to a device and comes back from it.

/// A dense `rows x cols` matrix of `f64` in column-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct HostMatrix {
    rows: usize,
    cols: usize,
    values: Vec<f64>,
}

impl HostMatrix {
    /// A matrix of zeros.
    pub fn zeros(rows: usize, cols: usize) -> Self {
        Self::from_vec(rows, cols, vec![0.0; rows * cols])
    }

    /// Wraps column-major `values`.
    ///
    /// # Panics
    /// When `values` does not hold `rows * cols` numbers: a programming error, never a matter of input.
    pub fn from_vec(rows: usize, cols: usize, values: Vec<f64>) -> Self {
        assert_eq!(values.len(), rows * cols, "a {rows} x {cols} matrix");
        HostMatrix { rows, cols, values }
    }

    /// The matrix with entries `f(row, column)`.
    pub fn from_fn(rows: usize, cols: usize, mut f: impl FnMut(usize, usize) -> f64) -> Self {
        let mut values = Vec::with_capacity(rows * cols);
        for j in 0..cols {
            values.extend((0..rows).map(|i| f(i, j)));
        }
        HostMatrix { rows, cols, values }
    }

    /// The rows of `parts`, one part after the other.
    ///
    /// # Panics
    /// When a part has not `cols` columns: a programming error, never a matter of input.
    pub fn stacked(cols: usize, parts: &[HostMatrix]) -> Self {
        assert!(parts.iter().all(|part| part.cols == cols), "matrices of {cols} columns");
        let values = (0..cols).flat_map(|j| parts.iter().flat_map(move |part| part.col(j))).copied().collect();
        HostMatrix { rows: parts.iter().map(HostMatrix::rows).sum(), cols, values }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// All entries, column by column.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// All entries, to be written.
    pub fn values_mut(&mut self) -> &mut [f64] {
        &mut self.values
    }

    /// All entries, without the matrix.
    pub fn into_values(self) -> Vec<f64> {
        self.values
    }

    /// One column.
    pub fn col(&self, j: usize) -> &[f64] {
        &self.values[j * self.rows..(j + 1) * self.rows]
    }

    /// One column, to be written.
    pub fn col_mut(&mut self, j: usize) -> &mut [f64] {
        &mut self.values[j * self.rows..(j + 1) * self.rows]
    }

    /// The transposed matrix.
    pub fn transposed(&self) -> Self {
        HostMatrix::from_fn(self.cols, self.rows, |i, j| self[(j, i)])
    }
}

impl std::ops::Index<(usize, usize)> for HostMatrix {
    type Output = f64;
    fn index(&self, (i, j): (usize, usize)) -> &f64 {
        &self.values[j * self.rows + i]
    }
}

impl std::ops::IndexMut<(usize, usize)> for HostMatrix {
    fn index_mut(&mut self, (i, j): (usize, usize)) -> &mut f64 {
        &mut self.values[j * self.rows + i]
    }
}
