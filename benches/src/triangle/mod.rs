//! Distances of patches to centres of clusters, and a linear classifier of them (Coates & Ng 2011).

mod centres;
mod features;
mod plain;
mod ridge;

pub use features::Triangle;
pub use plain::agrees;
pub use ridge::{Linear, Ridge};
