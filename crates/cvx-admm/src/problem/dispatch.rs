//! The mapping from a device and a precision to a back end.

use crate::api::error::TrainError;
use crate::api::settings::{Device, Precision, ValidSettings};
use crate::clock::Clock;
use crate::problem::input::Host;
use cvx_linalg::{Backend, Cpu, StopToken, ThreadPool};
#[cfg(feature = "cuda")]
use cvx_linalg::{Cuda, LinalgError};

/// A job that can run on any device.
pub(crate) trait Job: Send {
    /// The result of the job.
    type Output: Send;
    /// Runs the job. If [`Device::Auto`] finds that a GPU has too little memory, it runs the job again on the CPU.
    fn run<B: Backend>(&mut self, backend: B, host: Host) -> Result<Self::Output, TrainError>;
}

/// Runs `job` on the chosen device.
pub(crate) fn dispatch<J: Job>(
    mut job: J,
    settings: &ValidSettings,
    stop: &StopToken,
    clock: Clock,
) -> Result<J::Output, TrainError> {
    let stop = stop.for_run(settings.time_limit.map(|limit| clock.deadline(limit)));
    let pool = ThreadPool::new(settings.threads)?;
    #[cfg_attr(not(feature = "cuda"), expect(unused_mut))]
    let mut host = Host { threads: pool.threads(), passed_over: None };
    match settings.device {
        Device::Cpu => {}
        #[cfg(feature = "cuda")]
        Device::Cuda(ordinal) => {
            let cuda = Cuda::<f32>::with_stop(ordinal, stop)?;
            return pool.run(|| on_cuda(cuda, host, settings, &mut job));
        }
        #[cfg(not(feature = "cuda"))]
        Device::Cuda(ordinal) => return Err(TrainError::NotCompiledIn { device: Device::Cuda(ordinal).to_string() }),
        #[cfg(feature = "cuda")]
        Device::Auto => {
            // Tries the first GPU. If a GPU exists but does not work, the reason is reported.
            match Cuda::<f32>::with_stop(0, stop.clone()) {
                Ok(cuda) => match pool.run(|| on_cuda(cuda, host.clone(), settings, &mut job)) {
                    Err(error @ TrainError::Memory { .. }) => host.passed_over = Some(error.to_string()),
                    ended => return ended,
                },
                Err(LinalgError::NoDriver | LinalgError::NoSuchDevice { .. }) => {}
                Err(error) => host.passed_over = Some(error.to_string()),
            }
        }
        #[cfg(not(feature = "cuda"))]
        Device::Auto => {}
    }
    pool.run(|| match settings.precision {
        Precision::F32 => job.run(Cpu::<f32>::with_stop(stop), host),
        Precision::F64 => job.run(Cpu::<f64>::with_stop(stop), host),
    })
}

#[cfg(feature = "cuda")]
fn on_cuda<J: Job>(
    cuda: Cuda<f32>,
    host: Host,
    settings: &ValidSettings,
    job: &mut J,
) -> Result<J::Output, TrainError> {
    match settings.precision {
        Precision::F32 => job.run(cuda, host),
        Precision::F64 => job.run(cuda.wide(), host),
    }
}

impl Precision {
    /// Size of a stored number in bytes.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Precision::F32 => 4,
            Precision::F64 => 8,
        }
    }
}

impl Device {
    /// Whether the device must be a GPU.
    pub(crate) fn is_gpu(self) -> bool {
        matches!(self, Device::Cuda(_))
    }
}
