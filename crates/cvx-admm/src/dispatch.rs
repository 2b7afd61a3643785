//! The one place that turns a device and a precision into a back end.

use crate::clock::Clock;
use crate::error::TrainError;
use crate::observer::Observer;
use crate::settings::{Device, Precision, ValidSettings};
use crate::train::{Host, Problem, Solution, WarmStart, run};
#[cfg(feature = "cuda")]
use cvx_linalg::{Backend, Cuda, LinalgError};
use cvx_linalg::{Cpu, StopToken, ThreadPool};

/// Trains on the chosen device.
pub(crate) fn dispatch(
    problem: &Problem,
    settings: &ValidSettings,
    warm: Option<&WarmStart>,
    stop: &StopToken,
    clock: Clock,
    observer: &mut dyn Observer,
) -> Result<Solution, TrainError> {
    let stop = stop.for_run(settings.time_limit.map(|limit| clock.deadline(limit)));
    let pool = ThreadPool::new(settings.threads)?;
    #[cfg_attr(not(feature = "cuda"), expect(unused_mut))]
    let mut host = Host { threads: pool.threads(), passed_over: None };
    match settings.device {
        Device::Cpu => {}
        #[cfg(feature = "cuda")]
        Device::Cuda(ordinal) => {
            let cuda = Cuda::<f32>::with_stop(ordinal, stop)?;
            return pool.run(|| on_cuda(cuda, host, problem, settings, warm, clock, observer));
        }
        #[cfg(not(feature = "cuda"))]
        Device::Cuda(ordinal) => return Err(TrainError::NotCompiledIn { device: format!("cuda:{ordinal}") }),
        #[cfg(feature = "cuda")]
        Device::Auto => {
            // The first GPU, if there is one that works; why one that is there does not is said.
            match Cuda::<f32>::with_stop(0, stop.clone()) {
                Ok(cuda) => {
                    match pool.run(|| on_cuda(cuda, host.clone(), problem, settings, warm, clock, &mut *observer)) {
                        Err(error @ TrainError::Memory { .. }) => host.passed_over = Some(error.to_string()),
                        ended => return ended,
                    }
                }
                Err(LinalgError::NoDriver | LinalgError::NoSuchDevice { .. }) => {}
                Err(error) => host.passed_over = Some(error.to_string()),
            }
        }
        #[cfg(not(feature = "cuda"))]
        Device::Auto => {}
    }
    pool.run(|| match settings.precision {
        Precision::F32 => run(Cpu::<f32>::with_stop(stop), host, problem, settings, warm, clock, observer),
        Precision::F64 => run(Cpu::<f64>::with_stop(stop), host, problem, settings, warm, clock, observer),
    })
}

#[cfg(feature = "cuda")]
fn on_cuda(
    cuda: Cuda<f32>,
    host: Host,
    problem: &Problem,
    settings: &ValidSettings,
    warm: Option<&WarmStart>,
    clock: Clock,
    observer: &mut dyn Observer,
) -> Result<Solution, TrainError> {
    match settings.precision {
        Precision::F32 => run(cuda, host, problem, settings, warm, clock, observer),
        Precision::F64 => run(cuda.wide(), host, problem, settings, warm, clock, observer),
    }
}
