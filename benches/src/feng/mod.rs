//! Feng et al. as printed: the iteration, the solvers and the constants of "Scalable ADMM for Convex Neural Networks on
//! GPU". The shipped crates have better ones of each; these are here so that their curves can be drawn again.

mod dense_cholesky;
mod kind;
mod line_search_rbcd;
mod run;
mod whole_nystrom;

pub use dense_cholesky::DenseCholesky;
pub use kind::FengSolver;
pub use line_search_rbcd::LineSearchRbcd;
pub use run::Run;
pub use whole_nystrom::{WholeNystrom, whole_nystrom_pcg};

use cvx_admm::{Beta, Settings};

/// Their iteration, to be run with unscaled rows: beta = 0.001 and rho = 0.01 fixed, no relaxation, no
/// acceleration, and an evaluation in every iteration.
///
/// beta is that of this project's objective, which has the factor 1/2 that their equation (3) omits.
pub fn settings() -> Settings {
    Settings {
        beta: Beta::Value(1e-3),
        rho: Some(1e-2),
        adapt_rho: false,
        over_relaxation: 1.0,
        anderson_depth: 0,
        evaluate_every: 1,
        ..Settings::default()
    }
}
