//! The one place that turns a device and a precision into a back end.

use crate::clock::Clock;
use crate::error::TrainError;
use crate::observer::Observer;
use crate::settings::{Device, Precision, ValidSettings};
use crate::train::{Problem, Solution, WarmStart, run};
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
    match (settings.device, settings.precision) {
        (Device::Cuda(ordinal), _) => Err(TrainError::NoSuchDevice { device: format!("cuda:{ordinal}") }),
        (Device::Auto | Device::Cpu, precision) => {
            let pool = ThreadPool::new(settings.threads)?;
            let threads = pool.threads();
            pool.run(|| match precision {
                Precision::F32 => run(Cpu::<f32>::with_stop(stop), threads, problem, settings, warm, clock, observer),
                Precision::F64 => run(Cpu::<f64>::with_stop(stop), threads, problem, settings, warm, clock, observer),
            })
        }
    }
}
