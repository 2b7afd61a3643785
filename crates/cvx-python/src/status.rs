//! What to do about the status of a run.

use cvx_admm::Status;

/// What a user can do about a status, with the parameters of this package; empty where there is nothing to do.
pub fn advice(status: Status) -> &'static str {
    match status {
        Status::Optimal => "",
        Status::IterationLimit => {
            "raise max_iterations, use a larger beta (cvx_relu.path finds one), or accept a larger gap"
        }
        Status::TimeLimit => "raise time_limit, or accept a larger gap",
        Status::Interrupted => "the best network so far was kept",
        Status::InsufficientProgress => {
            "the gap has stalled: use precision=\"f64\" or a larger beta, or accept the network with its gap"
        }
        Status::DeviceError => "use device=\"cpu\", or fewer samples or patterns; the best network so far was kept",
        Status::NumericalError => "use precision=\"f64\", or check the data for extreme values",
    }
}
