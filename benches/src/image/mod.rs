//! Images as patches, for the methods that learn from patches and are no programme of this workspace.

mod geometry;
mod samples;
#[cfg(test)]
pub mod textures;

pub use geometry::Geometry;
pub use samples::{Images, Samples};
