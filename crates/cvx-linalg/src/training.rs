//! The two operations of a back end that training by Adam needs and no solver does (feature `training`).
//!
//! They are a trait of their own, which [`Backend`] does not know. Only the benchmarks use it, for the baseline that
//! the solvers are compared with. It lives in this crate all the same: on a GPU both are kernels, and this crate alone
//! launches kernels and sees the storage of a matrix.

use crate::backend::Backend;
use crate::error::LinalgError;

/// Coefficients of one step of Adam (Kingma & Ba 2015, algorithm 1) with weight decay. The corrections for the moments'
/// start at zero are part of `rate` and `root_scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Learning rate over `1 - first_decay^t` at step t.
    pub rate: f64,
    /// Share of the first moment that is kept.
    pub first_decay: f64,
    /// Share of the second moment that is kept.
    pub second_decay: f64,
    /// `1 / sqrt(1 - second_decay^t)`.
    pub root_scale: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Gradient of the weight decay per unit of weight.
    pub weight_decay: f64,
}

/// A back end that can back-propagate through a ReLU and take a step of Adam.
pub trait AdamBackend: Backend {
    /// `g = 0` where `z <= 0`, entry by entry: the derivative of [`positive_part`](Backend::positive_part), applied to
    /// what is propagated back through it. Unlike the bits of a mask, the signs of `z` change with every step.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] unless `g` has the shape of `z`.
    fn gate(&self, z: &Self::Matrix, g: &mut Self::Matrix) -> Result<(), LinalgError>;

    /// Adam's update of weights w with moments m and v, entry by entry: `g = gradient + weight_decay w`,
    /// `m = first_decay m + (1 - first_decay) g`, `v = second_decay v + (1 - second_decay) g^2`,
    /// `w -= rate m / (root_scale sqrt(v) + epsilon)`.
    ///
    /// It is one pass over four matrices, where operations of one step each would take ten. With small batches, most of
    /// the time of a step is spent here.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] unless all four matrices have one shape.
    fn adam_step(
        &self,
        step: &AdamStep,
        gradient: &Self::Matrix,
        m: &mut Self::Matrix,
        v: &mut Self::Matrix,
        w: &mut Self::Matrix,
    ) -> Result<(), LinalgError>;
}
