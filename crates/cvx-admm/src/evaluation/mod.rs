//! How good the iterates are: the certificate, when it is evaluated, and what it is estimated to be in between.

pub(crate) mod estimate;
pub(crate) mod incumbent;
pub(crate) mod schedule;
