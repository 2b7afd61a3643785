//! Bit-packed 0/1 matrices: the patterns' only form, D_i X is never built.

/// An `n x P` matrix of bits, packed twice: by column for sweeps down one pattern, by row for co-activation counts.
///
/// Each packing takes `n * P / 8` bytes, a 32nd of the same matrix in `f32`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitMask {
    rows: usize,
    cols: usize,
    by_column: Vec<u64>,
    by_row: Vec<u64>,
}

const BITS: usize = u64::BITS as usize;

impl BitMask {
    /// The mask with bits `f(row, column)`.
    pub fn from_fn(rows: usize, cols: usize, f: impl Fn(usize, usize) -> bool) -> Self {
        let column_words = rows.div_ceil(BITS);
        let mut words = vec![0; column_words * cols];
        for j in 0..cols {
            for i in 0..rows {
                if f(i, j) {
                    words[j * column_words + i / BITS] |= 1 << (i % BITS);
                }
            }
        }
        BitMask::packed(rows, cols, words)
    }

    /// The mask whose [`words`](BitMask::words) these are; `None` for another number of
    /// words, or bits beyond the last row.
    pub fn from_columns(rows: usize, cols: usize, words: Vec<u64>) -> Option<Self> {
        let per_column = rows.div_ceil(BITS);
        if words.len() != per_column.checked_mul(cols)? {
            return None;
        }
        let is_whole = |word: &u64| rows.is_multiple_of(BITS) || word >> (rows % BITS) == 0;
        let mut last_words = words.iter().skip(per_column.saturating_sub(1)).step_by(per_column.max(1));
        last_words.all(is_whole).then(|| BitMask::packed(rows, cols, words))
    }

    /// The packing by row beside the one by column, whose unused bits are zero.
    fn packed(rows: usize, cols: usize, by_column: Vec<u64>) -> Self {
        let (column_words, row_words) = (rows.div_ceil(BITS), cols.div_ceil(BITS));
        let mut by_row = vec![0; row_words * rows];
        for (at, &word) in by_column.iter().enumerate() {
            let (j, first) = (at / column_words, at % column_words * BITS);
            let mut left = word;
            while left != 0 {
                by_row[(first + left.trailing_zeros() as usize) * row_words + j / BITS] |= 1 << (j % BITS);
                left &= left - 1;
            }
        }
        BitMask { rows, cols, by_column, by_row }
    }

    /// Columns `first..first + count` as a mask of their own.
    ///
    /// # Panics
    /// When there are fewer columns.
    pub fn columns(&self, first: usize, count: usize) -> Self {
        assert!(first + count <= self.cols, "columns {first} to {} of {}", first + count, self.cols);
        self.select(&(first..first + count).collect::<Vec<_>>())
    }

    /// The columns of these numbers, in this order, as a mask of their own.
    ///
    /// # Panics
    /// When there is no such column.
    pub fn select(&self, columns: &[usize]) -> Self {
        BitMask::from_fn(self.rows, columns.len(), |i, j| self.get(i, columns[j]))
    }

    /// Rows `first..first + count` as a mask of their own.
    ///
    /// # Panics
    /// When there are fewer rows.
    pub fn row_range(&self, first: usize, count: usize) -> Self {
        assert!(first + count <= self.rows, "rows {first} to {} of {}", first + count, self.rows);
        let (words, shift) = (count.div_ceil(BITS), first % BITS);
        let kept =
            |w: usize, word: u64| if (w + 1) * BITS > count { word & !(u64::MAX << (count % BITS)) } else { word };
        // The bits of two words, unless the first row begins one.
        let word = |column: &[u64], at: usize| match (shift, column.get(at + 1)) {
            (0, _) => column[at],
            (_, None) => column[at] >> shift,
            (_, Some(next)) => column[at] >> shift | next << (BITS - shift),
        };
        let part = move |j: usize| (0..words).map(move |w| kept(w, word(self.column(j), first / BITS + w)));
        let by_column = (0..self.cols).flat_map(part);
        BitMask {
            rows: count,
            cols: self.cols,
            by_column: by_column.collect(),
            by_row: self.by_row[first * self.row_words()..(first + count) * self.row_words()].to_vec(),
        }
    }

    /// These masks of `cols` columns, one below the other.
    ///
    /// # Panics
    /// For masks with another number of columns.
    pub fn stacked(cols: usize, parts: &[BitMask]) -> Self {
        assert!(parts.iter().all(|part| part.cols == cols), "masks of {cols} columns");
        let rows: usize = parts.iter().map(BitMask::rows).sum();
        let words = rows.div_ceil(BITS);
        let mut by_column = vec![0; words * cols];
        let mut first = 0;
        for part in parts {
            let (at, shift) = (first / BITS, first % BITS);
            for j in 0..cols {
                let column = &mut by_column[j * words + at..(j + 1) * words];
                for (w, word) in part.column(j).iter().enumerate() {
                    column[w] |= word << shift;
                    if shift > 0 && w + 1 < column.len() {
                        column[w + 1] |= word >> (BITS - shift);
                    }
                }
            }
            first += part.rows;
        }
        BitMask { rows, cols, by_column, by_row: parts.iter().flat_map(BitMask::words_by_row).copied().collect() }
    }

    /// Number of rows n.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns P.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// One bit.
    pub fn get(&self, row: usize, col: usize) -> bool {
        self.column(col)[row / BITS] >> (row % BITS) & 1 == 1
    }

    /// The bits of one column, 64 rows to a word, the lowest bit first.
    pub fn column(&self, col: usize) -> &[u64] {
        let words = self.column_words();
        &self.by_column[col * words..(col + 1) * words]
    }

    /// The bits of all columns, one after the other.
    pub fn words(&self) -> &[u64] {
        &self.by_column
    }

    /// The bits of all rows, one after the other.
    pub fn words_by_row(&self) -> &[u64] {
        &self.by_row
    }

    /// The bits of one row, 64 columns to a word, the lowest bit first.
    pub fn row(&self, row: usize) -> &[u64] {
        let words = self.row_words();
        &self.by_row[row * words..(row + 1) * words]
    }

    /// Number of set bits in one column.
    pub fn count(&self, col: usize) -> usize {
        self.column(col).iter().map(|word| word.count_ones() as usize).sum()
    }

    fn column_words(&self) -> usize {
        self.rows.div_ceil(BITS)
    }

    fn row_words(&self) -> usize {
        self.cols.div_ceil(BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// At once: a loop over so many columns would not end.
    #[test]
    fn a_mask_without_rows_may_have_any_number_of_columns() {
        assert!(BitMask::from_columns(0, 1 << 60, Vec::new()).is_some_and(|mask| mask.words_by_row().is_empty()));
        assert_eq!(BitMask::from_columns(65, 1 << 63, Vec::new()), None);
    }

    proptest! {
        #[test]
        fn both_packings_hold_the_same_bits(rows in 1usize..200, cols in 1usize..150, seed: u64) {
            let bit = |i: usize, j: usize| (i * 31 + j * 17 + seed as usize % 7).is_multiple_of(3);
            let mask = BitMask::from_fn(rows, cols, bit);
            let words = mask.words().to_vec();
            let again = BitMask::from_columns(rows, cols, words.clone());
            prop_assert_eq!(again.as_ref(), Some(&mask));
            prop_assert_eq!(BitMask::from_columns(rows, cols + 1, words.clone()), None);
            for j in 0..cols {
                let mut beyond = words.clone();
                beyond[(j + 1) * rows.div_ceil(64) - 1] |= 1 << 63;
                prop_assert_eq!(BitMask::from_columns(rows, cols, beyond).is_some(), rows.is_multiple_of(64) );
            }
            let (first, count) = (cols / 3, cols - cols / 3);
            let reversed: Vec<usize> = (0..cols).rev().collect();
            prop_assert_eq!(mask.select(&reversed), BitMask::from_fn(rows, cols, |i, j| bit(i, cols - 1 - j)));
            prop_assert_eq!(mask.columns(first, count), BitMask::from_fn(rows, count, |i, j| bit(i, first + j)));
            let cut = if seed % 2 == 0 { rows / 128 * 64 } else { rows / 3 };
            let parts = [mask.row_range(0, cut), mask.row_range(cut, rows - cut)];
            prop_assert_eq!(&parts[1], &BitMask::from_fn(rows - cut, cols, |i, j| bit(cut + i, j)));
            prop_assert_eq!(&BitMask::stacked(cols, &parts), &mask);
            let short = mask.row_range(cut, (rows - cut) / 2);
            prop_assert_eq!(short, BitMask::from_fn((rows - cut) / 2, cols, |i, j| bit(cut + i, j)));
            for j in 0..cols {
                prop_assert_eq!(mask.count(j), (0..rows).filter(|&i| bit(i, j)).count());
                for i in 0..rows {
                    prop_assert_eq!(mask.get(i, j), bit(i, j));
                    prop_assert_eq!(mask.row(i)[j / 64] >> (j % 64) & 1 == 1, bit(i, j));
                }
            }
        }
    }
}
