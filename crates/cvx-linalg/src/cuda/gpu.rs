//! A GPU and the precision of the matrices on it.

use super::device::{self, Device};
use super::scalar::CudaScalar;
use crate::error::LinalgError;
use crate::stop::StopToken;
use std::marker::PhantomData;
use std::sync::Arc;

/// An NVIDIA GPU with matrices stored as `T` (`f32` or `f64`). All values for one GPU share it, with one stream.
pub struct Cuda<T> {
    pub(super) device: Arc<Device>,
    pub(super) stop: StopToken,
    storage: PhantomData<T>,
}

impl<T> Clone for Cuda<T> {
    fn clone(&self) -> Self {
        self.stored_as()
    }
}

impl<T> Cuda<T> {
    /// The same GPU and stop token, with matrices stored as `S`.
    pub(super) fn stored_as<S>(&self) -> Cuda<S> {
        Cuda { device: Arc::clone(&self.device), stop: self.stop.clone(), storage: PhantomData }
    }
}

impl<T: CudaScalar> Cuda<T> {
    /// The GPU with this ordinal, with a stop token of its own.
    ///
    /// # Errors
    /// [`LinalgError::NoDriver`], [`LinalgError::NoSuchDevice`], [`LinalgError::NoLibrary`] or [`LinalgError::Device`].
    pub fn new(ordinal: usize) -> Result<Self, LinalgError> {
        Self::with_stop(ordinal, StopToken::new())
    }

    /// The GPU with this ordinal; its long operations fail when `stop` is raised.
    ///
    /// # Errors
    /// Those of [`new`](Cuda::new).
    pub fn with_stop(ordinal: usize, stop: StopToken) -> Result<Self, LinalgError> {
        Ok(Cuda { device: Device::shared(ordinal)?, stop, storage: PhantomData })
    }

    /// Number of GPUs that the driver sees.
    ///
    /// # Errors
    /// [`LinalgError::NoDriver`] where no driver can be loaded.
    pub fn count() -> Result<usize, LinalgError> {
        device::count()
    }
}
