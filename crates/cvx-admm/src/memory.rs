//! Which solver fits the memory, decided before anything is allocated.

use crate::error::TrainError;
use crate::settings::SolverChoice;
use cvx_solvers::{ProblemShape, SolverKind};

/// The chosen solver and the bytes at its peak.
///
/// # Errors
/// [`TrainError::Memory`] when the chosen solver (for `Auto`: every solver) needs more than `budget`.
pub(crate) fn choose_solver(
    choice: SolverChoice,
    shape: &ProblemShape,
    budget: u64,
) -> Result<(SolverKind, u64), TrainError> {
    let needed = |kind: SolverKind| shape.base_bytes().saturating_add(kind.memory_bytes(shape));
    // `ALL` is in order of speed; the dense reference is never the better choice.
    let mut automatic = SolverKind::ALL.into_iter().filter(|&kind| kind != SolverKind::CholeskyDense);
    let fitting = automatic.find(|&kind| needed(kind) <= budget);
    let (solver, fits) = match choice {
        SolverChoice::Kind(kind) => (kind, needed(kind) <= budget),
        SolverChoice::Auto => (fitting.unwrap_or(SolverKind::Cg), fitting.is_some()),
    };
    if fits {
        return Ok((solver, needed(solver)));
    }
    Err(TrainError::Memory { solver, needed: needed(solver), budget, fits: fitting })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(n_samples: usize) -> ProblemShape {
        ProblemShape { n_samples, n_features: 3073, n_patterns: 50, n_targets: 1, scalar_bytes: 4 }
    }

    #[test]
    fn auto_takes_cholesky_while_it_fits_and_cg_beyond() {
        let (kind, bytes) = choose_solver(SolverChoice::Auto, &shape(10_000), 4 << 30).unwrap();
        assert_eq!(kind, SolverKind::Cholesky);
        assert!((1 << 30..5 << 29).contains(&bytes), "{bytes}");
        let (kind, _) = choose_solver(SolverChoice::Auto, &shape(50_000), 8 << 30).unwrap();
        assert_eq!(kind, SolverKind::Cg);
    }

    #[test]
    fn e8_what_does_not_fit_is_refused_with_its_bytes_and_what_would_fit() {
        let dense = SolverChoice::Kind(SolverKind::CholeskyDense);
        let error = choose_solver(dense, &shape(10_000), 4 << 30).unwrap_err();
        let TrainError::Memory { needed, fits, .. } = &error else {
            panic!("{error}");
        };
        assert!(*needed > 90 << 30);
        assert_eq!(*fits, Some(SolverKind::Cholesky));
        assert!(error.to_string().contains("--solver cholesky would fit"));
        let huge = choose_solver(SolverChoice::Auto, &shape(1 << 60), u64::MAX / 2).unwrap_err();
        assert!(matches!(huge, TrainError::Memory { fits: None, .. }));
    }
}
