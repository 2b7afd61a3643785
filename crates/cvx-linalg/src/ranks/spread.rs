//! A matrix that is whole on every rank, or has parts on the ranks.

use crate::backend::Shape;
use crate::error::LinalgError;

/// A matrix, or a mask, of a back end whose samples are in shards.
pub enum Spread<M> {
    /// The same on every rank.
    Whole(M),
    /// A row for each sample: the rows of each shard of this rank.
    Rows(Vec<M>),
    /// A column for each sample: the columns of each shard of this rank.
    Columns(Vec<M>),
}

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Whole,
    Rows,
    Columns,
}

impl<M> Spread<M> {
    pub(super) fn layout(&self) -> Layout {
        match self {
            Spread::Whole(_) => Layout::Whole,
            Spread::Rows(_) => Layout::Rows,
            Spread::Columns(_) => Layout::Columns,
        }
    }

    /// The parts of this rank.
    pub(super) fn parts(&self) -> &[M] {
        match self {
            Spread::Whole(whole) => std::slice::from_ref(whole),
            Spread::Rows(parts) | Spread::Columns(parts) => parts,
        }
    }

    /// The parts of this rank, to be written.
    pub(super) fn parts_mut(&mut self) -> &mut [M] {
        match self {
            Spread::Whole(whole) => std::slice::from_mut(whole),
            Spread::Rows(parts) | Spread::Columns(parts) => parts,
        }
    }

    /// What `f` makes of each part, in the same layout.
    pub(super) fn map<N, E>(&self, mut f: impl FnMut(&M) -> Result<N, E>) -> Result<Spread<N>, E> {
        match self {
            Spread::Whole(whole) => Ok(Spread::Whole(f(whole)?)),
            Spread::Rows(parts) => Ok(Spread::Rows(parts.iter().map(f).collect::<Result<_, E>>()?)),
            Spread::Columns(parts) => Ok(Spread::Columns(parts.iter().map(f).collect::<Result<_, E>>()?)),
        }
    }

    /// The whole matrix.
    pub(super) fn whole(&self, operation: &'static str) -> Result<&M, LinalgError> {
        match self {
            Spread::Whole(whole) => Ok(whole),
            _ => Err(LinalgError::Spread { operation }),
        }
    }

    /// The whole matrix, to be written.
    pub(super) fn whole_mut(&mut self, operation: &'static str) -> Result<&mut M, LinalgError> {
        match self {
            Spread::Whole(whole) => Ok(whole),
            _ => Err(LinalgError::Spread { operation }),
        }
    }
}

/// Fails unless all operands are laid out in the same way.
pub(super) fn alike(operation: &'static str, layouts: &[Layout]) -> Result<(), LinalgError> {
    match layouts.windows(2).all(|pair| pair[0] == pair[1]) {
        true => Ok(()),
        false => Err(LinalgError::Spread { operation }),
    }
}

/// The rows and columns of this rank.
impl<M: Shape> Shape for Spread<M> {
    fn rows(&self) -> usize {
        match self {
            Spread::Rows(parts) => parts.iter().map(M::rows).sum(),
            _ => self.parts().first().map_or(0, M::rows),
        }
    }

    fn cols(&self) -> usize {
        match self {
            Spread::Columns(parts) => parts.iter().map(M::cols).sum(),
            _ => self.parts().first().map_or(0, M::cols),
        }
    }
}
