//! The files of a source: where they lie, which ones a folder holds, and the bytes in them.

pub(crate) mod bytes;
pub(crate) mod folder;
pub(crate) mod input;
pub(crate) mod store;
