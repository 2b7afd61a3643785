//! The mapping from a device and a precision to a back end.

use crate::api::error::TrainError;
use crate::api::settings::{Device, Precision, ValidSettings};
use crate::clock::Clock;
use crate::problem::input::Host;
#[cfg(feature = "cuda")]
use cvx_linalg::Cuda;
use cvx_linalg::{Backend, Cpu, Distributed, LinalgError, SampleSums, StopToken, ThreadPool};

/// A job that can run on any device.
pub(crate) trait Job: Send {
    /// The result of the job.
    type Output: Send;
    /// Runs the job. If [`Device::Auto`] finds that a GPU has too little memory, it runs the job again on the CPU.
    fn run<B: Backend>(&mut self, backend: B, host: Host) -> Result<Self::Output, TrainError>;
}

/// Runs `job` on the chosen device, or, if these samples are those of a rank, on the processor.
pub(crate) fn dispatch<J: Job>(
    mut job: J,
    samples: &SampleSums,
    settings: &ValidSettings,
    stop: &StopToken,
    clock: Clock,
) -> Result<J::Output, TrainError> {
    let stop = stop.for_run(settings.time_limit.map(|limit| clock.deadline(limit)));
    let pool = ThreadPool::new(threads(samples, settings.threads))?;
    #[cfg_attr(not(feature = "cuda"), expect(unused_mut))]
    let mut host = Host { threads: pool.threads(), passed_over: None };
    if let Some(ranks) = samples.ranks() {
        let ranks = ranks.clone();
        let ended = pool.run(|| match settings.precision {
            Precision::F32 => job.run(Distributed::new(Cpu::<f32>::new(), ranks, stop), host),
            Precision::F64 => job.run(Distributed::new(Cpu::<f64>::new(), ranks, stop), host),
        });
        // Any other error, and any result, may follow from sums that failed.
        samples.check().map_err(LinalgError::from)?;
        return ended;
    }
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

/// Number of threads (0: all); ranks of one machine share it.
fn threads(samples: &SampleSums, given: usize) -> usize {
    match samples.ranks() {
        Some(ranks) if given == 0 => {
            let all = std::thread::available_parallelism().map_or(1, usize::from);
            (all / ranks.neighbours()).max(1)
        }
        _ => given,
    }
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
