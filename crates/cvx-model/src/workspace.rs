//! Scratch of an operator, which it owns or borrows.

use std::ops::{Deref, DerefMut};

/// Scratch that belongs to an operator, or to somebody who keeps it from one operator to the next.
pub(crate) enum Workspace<'a, T> {
    /// For one operator.
    Owned(Box<T>),
    /// Kept elsewhere.
    Borrowed(&'a mut T),
}

impl<T> Deref for Workspace<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        match self {
            Workspace::Owned(scratch) => scratch,
            Workspace::Borrowed(scratch) => scratch,
        }
    }
}

impl<T> DerefMut for Workspace<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match self {
            Workspace::Owned(scratch) => scratch,
            Workspace::Borrowed(scratch) => scratch,
        }
    }
}
