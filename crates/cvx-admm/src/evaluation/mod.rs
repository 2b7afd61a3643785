//! Evaluation of the iterates: the certificate, its schedule, and estimates between two evaluations.

pub(crate) mod estimate;
pub(crate) mod incumbent;
pub(crate) mod schedule;
