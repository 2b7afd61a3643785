//! The usual convolutional relative: one convolution with a bias, ReLU, means over regions, a linear layer with a bias.

mod network;
mod plain;
mod trainer;

pub use network::Convolution;
pub use plain::agrees;
pub use trainer::Trainer;
