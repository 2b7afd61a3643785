//! The public types: settings, errors, observers and the record of a run.

pub(crate) mod error;
pub(crate) mod listing;
pub(crate) mod observer;
pub(crate) mod range;
pub(crate) mod record;
pub(crate) mod settings;
pub(crate) mod weights;
