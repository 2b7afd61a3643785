//! Which training samples are read: all of them, or those of one rank.

use std::cell::OnceCell;
use std::ops::Range;
use std::path::Path;

use cvx_model::{ModelError, RankError, SampleSums};

use crate::error::DataError;

/// Where samples of this number are.
pub type Over<'a> = &'a dyn Fn(usize) -> Result<SampleSums, RankError>;

/// The samples that a reader keeps.
pub(crate) struct Share<'a> {
    over: Option<Over<'a>>,
    samples: OnceCell<SampleSums>,
}

impl<'a> Share<'a> {
    /// All of them.
    pub(crate) fn all() -> Self {
        Share { over: None, samples: OnceCell::new() }
    }

    /// Those that are here.
    pub(crate) fn here(over: Over<'a>) -> Self {
        Share { over: Some(over), samples: OnceCell::new() }
    }

    /// Whether these are all samples whatever their number.
    pub(crate) fn is_all(&self) -> bool {
        self.over.is_none()
    }

    /// The rows that are kept of `n_samples`. The first number that is asked about is that of the samples: of an array
    /// with another, only rows that it has are kept.
    pub(crate) fn rows(&self, n_samples: usize) -> Result<Range<usize>, DataError> {
        let Some(over) = self.over.filter(|_| n_samples > 0) else { return Ok(0..n_samples) };
        if self.samples.get().is_none() {
            // Nobody else can have set it.
            let _ = self.samples.set(over(n_samples)?);
        }
        let own = self.samples().ranks().map_or(0..n_samples, |ranks| ranks.own());
        Ok(own.start.min(n_samples)..own.end.min(n_samples))
    }

    /// Where the samples are, once their number is known.
    pub(crate) fn samples(&self) -> &SampleSums {
        self.samples.get().unwrap_or(SampleSums::all_here())
    }

    /// The error of samples that are kept, with its row among all.
    pub(crate) fn unusable(&self, path: &Path, mut error: ModelError) -> DataError {
        if let ModelError::NonFinite { row, .. } | ModelError::BadValue { row, .. } = &mut error {
            *row += self.samples().first();
        }
        DataError::Unusable { path: path.to_owned(), error }
    }
}
