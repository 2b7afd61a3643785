//! Where a contender runs.

use anyhow::{Result, bail};
use cvx_admm::Device;
#[cfg(feature = "cuda")]
use cvx_linalg::{Backend, Cuda, StopToken};

/// The processor, or a GPU that stays open, so that no run pays for waking it.
#[derive(Clone)]
pub struct Place {
    ordinal: Option<usize>,
    #[cfg(feature = "cuda")]
    cuda: Option<Cuda<f32>>,
}

impl Place {
    /// The processor.
    pub fn processor() -> Self {
        Place {
            ordinal: None,
            #[cfg(feature = "cuda")]
            cuda: None,
        }
    }

    /// The GPU of this ordinal.
    ///
    /// # Errors
    /// When there is none, or none was compiled in.
    #[cfg(feature = "cuda")]
    pub fn gpu(ordinal: usize) -> Result<Self> {
        Ok(Place { ordinal: Some(ordinal), cuda: Some(Cuda::new(ordinal)?) })
    }

    /// The GPU of this ordinal.
    ///
    /// # Errors
    /// Always: it was not compiled in.
    #[cfg(not(feature = "cuda"))]
    pub fn gpu(_ordinal: usize) -> Result<Self> {
        bail!("this build has no CUDA back end: build cvx-bench with --features cuda")
    }

    /// By its name: `cpu`, `cuda` or `cuda:I`.
    ///
    /// # Errors
    /// For another name, and for a GPU that is not there.
    pub fn named(name: &str) -> Result<Self> {
        match (name, name.strip_prefix("cuda:").map(str::parse)) {
            ("cpu", _) => Ok(Place::processor()),
            ("cuda", _) => Place::gpu(0),
            (_, Some(Ok(ordinal))) => Place::gpu(ordinal),
            _ => bail!("--device {name} is none of cpu, cuda, cuda:I"),
        }
    }

    /// As the trainer takes it.
    pub fn device(&self) -> Device {
        self.ordinal.map_or(Device::Cpu, Device::Cuda)
    }

    /// `cpu` or `cuda`.
    pub fn name(&self) -> &'static str {
        if self.ordinal.is_some() { "cuda" } else { "cpu" }
    }

    /// For people: `cpu`, or the ordinal with the name of the card and its driver.
    pub fn description(&self) -> String {
        #[cfg(feature = "cuda")]
        if let Some(cuda) = &self.cuda {
            return cuda.describe();
        }
        "cpu".to_string()
    }

    /// The GPU, if it is one, opened anew for a run that `stop` ends.
    ///
    /// # Errors
    /// When it is gone.
    #[cfg(feature = "cuda")]
    pub fn cuda_with_stop(&self, stop: &StopToken) -> Result<Option<Cuda<f32>>> {
        Ok(self.ordinal.map(|ordinal| Cuda::with_stop(ordinal, stop.clone())).transpose()?)
    }

    /// The GPU, if it is one.
    #[cfg(feature = "cuda")]
    pub fn cuda(&self) -> Option<&Cuda<f32>> {
        self.cuda.as_ref()
    }
}
