//! The penalties rho and kappa: their initial values, their changes, and the rescaling that follows a change.
//!
//! Only this file assigns them.

use cvx_linalg::{Accuracy, Backend, LinalgError, LinearSolver, MaskedSystem, SolverFlops};
use cvx_model::{Activation, ConvexProgram};
use cvx_solvers::SolverKind;
use serde::{Deserialize, Serialize};

/// Weight of the cone constraint against u = v, with rows scaled to one norm. See `docs/math.md`, section 2.
pub(crate) fn default_sigma(solver: SolverKind) -> f64 {
    // With rho sigma fixed, a smaller sigma leaves the n x n kernel fewer large eigenvalues. This does not change the
    // cost of a factorisation but speeds up conjugate gradients. Below 1/16 the outer iteration becomes slower.
    if solver.is_direct() { 0.25 } else { 0.0625 }
}

/// From this iteration on, the u-updates are solved to a smaller error than the outer residuals. Measured on the
/// oracles: as many outer iterations as with exact solves, at the fewest inner steps.
const SETTLED: f64 = 100.0;

/// First iteration at which the residuals are compared, and the minimum distance between two comparisons.
const FIRST_CHECK: usize = 20;

/// The distance between comparisons grows by this factor, so that rho settles and the iteration converges.
const CHECK_GROWTH: f64 = 1.5;

/// A penalty changes if the residuals, or another beta, call for a change by at least this factor.
pub(crate) const THRESHOLD: f64 = 2.5;

/// Maximum factor of a single change.
const LARGEST_CHANGE: f64 = 10.0;

/// Factor by which rho rises if the factorisation of the kernel fails in the storage precision, and maximum number of
/// such rises.
const RESCUE: f64 = 10.0;
const RESCUES: usize = 24;

/// Initial rho for a programme with this beta and, for ReLU neurons, this sigma. `maxima` holds the gated beta_max of
/// each target. The soft-threshold beta/rho then has the size of a neuron. xi is that of the zero network, which is y
/// for the squared loss.
///
/// Both rules scale with x and y as the problem does, and with the repetition of samples.
pub(crate) fn initial_rho<B: Backend>(program: &ConvexProgram<B>, maxima: &[f64], sigma: f64) -> f64 {
    let gated_beta_max = maxima.iter().copied().fold(0.0, f64::max);
    // rho must be positive even if beta = 0, y = 0 or X = 0.
    let beta = program.beta().clamp(1e-8 * gated_beta_max, gated_beta_max);
    let (xi, norms, columns) = (program.xi_at_zero(), program.row_norms(), 0..program.n_targets());
    let [of_samples, of_xi] = program.backend().samples().sum(norms.len(), |rows| {
        let xi = columns.clone().flat_map(|c| &xi.col(c)[rows.clone()]);
        [sum_of_squares(&norms[rows.clone()]), sum_of_squares(xi)]
    });
    let rho = match program.activation() {
        Activation::Relu => relu_rho(beta, [of_samples, of_xi], program.n_patterns() * program.n_targets(), sigma),
        Activation::Gated => gated_rho(beta / gated_beta_max, maxima, of_xi),
    };
    if rho > 0.0 && rho.is_finite() { rho } else { 1.0 }
}

/// `squares` are the sums of squares of X and xi.
///
/// If blocks of one sign add up like independent ones, each predicts ||xi|| / sqrt(blocks), so its norm is ||xi|| /
/// (sqrt(blocks) ||X||_F). Measured optima over CIFAR and planted problems (n 500 to 10,000, d 21 to 3,073, P 20 to
/// 200, beta over two and a half decades) are within a factor of 3 of it. Those of 60 to 200 samples are 3 to 10 times
/// as large. With cones, rho sigma matters most.
fn relu_rho(beta: f64, [of_samples, of_xi]: [f64; 2], blocks: usize, sigma: f64) -> f64 {
    0.015 * beta * (blocks as f64 * of_samples / of_xi).sqrt() / sigma
}

/// Along its gradient, a single block has a norm of about ||xi||^2 / beta_max. Measured optima over CIFAR and planted
/// problems (n 500 to 10,000, d 21 to 3,073, P 20 to 500, beta over nearly three decades) are within a factor of 3 of
/// it.
fn gated_rho(fraction: f64, maxima: &[f64], of_xi: f64) -> f64 {
    12.0 * fraction * sum_of_squares(maxima) / of_xi
}

fn sum_of_squares<'a>(values: impl IntoIterator<Item = &'a f64>) -> f64 {
    values.into_iter().map(|value| value * value).sum()
}

/// The penalties of the split: rho of u = v and Gt u = s, kappa of F u = q.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Weights {
    pub rho: f64,
    pub kappa: f64,
}

/// The factors by which scaled duals change with their penalties, so that the multipliers remain the same.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use = "the scaled duals are the multipliers over the penalties"]
pub(crate) struct Rescaling {
    /// Of lambda and nu.
    pub duals: f64,
    /// Of mu.
    pub split: f64,
}

impl Rescaling {
    /// No change.
    pub const NONE: Rescaling = Rescaling { duals: 1.0, split: 1.0 };
}

/// Norms of one iteration, used to balance the residuals: of u = v and Gt u = s, or, in brackets, of F u = q.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Residuals {
    /// ||(u - v, Gt u - s)|| [||F u - q||].
    pub primal: f64,
    /// ||(v - v_old, s - s_old)|| [||q - q_old||], which times rho [kappa] is the dual residual.
    pub change: f64,
    /// ||(u, Gt u)|| [||F u||].
    pub primal_scale: f64,
    /// ||(lambda, nu)|| [||mu||].
    pub dual_scale: f64,
}

impl Residuals {
    /// Whether an iterate is no longer finite.
    pub fn finite(&self) -> bool {
        [self.primal, self.change, self.primal_scale, self.dual_scale].iter().all(|norm| norm.is_finite())
    }

    fn relative(&self) -> (f64, f64) {
        let over = |size: f64, scale: f64| size / scale.max(f64::MIN_POSITIVE);
        (over(self.primal, self.primal_scale), over(self.change, self.dual_scale))
    }

    /// The larger of the two relative residuals.
    pub fn largest(&self) -> f64 {
        let (primal, dual) = self.relative();
        primal.max(dual)
    }

    /// Required accuracy of the u-update after `iteration`: an error no larger than the outer residuals, and smaller
    /// than them by a growing factor as the iteration settles.
    pub fn inner_accuracy(&self, iteration: usize) -> Accuracy {
        let share = (SETTLED / iteration as f64).min(1.0);
        Accuracy::Error(share * (self.primal * self.change).sqrt())
    }

    /// Factor by which the penalty would have to change to balance the relative residuals (He, Yang & Wang 2000).
    fn balance(&self) -> f64 {
        let (primal, dual) = self.relative();
        if primal > 0.0 && dual > 0.0 { (primal / dual).sqrt() } else { 1.0 }
    }
}

/// The preparation that a solver needs before its next solve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preparation {
    /// All of the preparation.
    Everything,
    /// The parts that depend on the patterns or on rho.
    Patterns,
    /// The parts that depend on rho or kappa.
    Penalty,
    /// All of the preparation, in the state that the resumed run had.
    Again,
    /// None, unless rho changes.
    Nothing,
}

/// rho and kappa, and the schedule of their changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Penalty {
    rho: f64,
    /// Factor by which rho should change, accumulated over the changes of beta since rho last changed.
    due: f64,
    /// The weight of F u against u = v is kappa/rho: 1/rho for the squared loss.
    kappa: f64,
    /// kappa at the start: the largest curvature of the loss.
    first_kappa: f64,
    adapt: bool,
    next_check: usize,
    work_since_change: f64,
    changes: usize,
    /// The penalty of the system at the preparation of the solver; the size of a sketch depends on it.
    prepared_at: f64,
    /// The factors of rho and kappa that the last iteration calls for.
    proposed: Option<(f64, f64)>,
}

impl Penalty {
    /// Starts at these penalties. `first_kappa` is the largest curvature of the loss.
    pub fn new(Weights { rho, kappa }: Weights, first_kappa: f64, adapt: bool) -> Self {
        Penalty {
            rho,
            due: 1.0,
            kappa,
            first_kappa,
            adapt,
            next_check: FIRST_CHECK,
            work_since_change: 0.0,
            changes: 0,
            prepared_at: rho / kappa,
            proposed: None,
        }
    }

    /// Whether this penalty, read from a file, can belong to the run of `other` after the given number of iterations.
    pub fn continues(&self, other: &Penalty, iterations: usize) -> bool {
        let Penalty { rho, due, kappa, first_kappa, changes, prepared_at, proposed, .. } = self;
        let (rho_factor, kappa_factor) = proposed.unwrap_or((1.0, 1.0));
        let factors = [*rho, *due, *kappa, *prepared_at, rho_factor, kappa_factor];
        factors.iter().all(|factor| *factor > 0.0 && factor.is_finite())
            && first_kappa.to_bits() == other.first_kappa.to_bits()
            && *changes <= iterations
    }

    pub fn rho(&self) -> f64 {
        self.rho
    }

    pub fn weights(&self) -> Weights {
        Weights { rho: self.rho, kappa: self.kappa }
    }

    /// The penalty of the system (4a): rho over kappa.
    pub fn system(&self) -> f64 {
        self.rho / self.kappa
    }

    /// Number of changes so far.
    pub fn changes(&self) -> usize {
        self.changes
    }

    /// The next iteration at which the residuals are compared.
    #[cfg(test)]
    pub fn next_check(&self) -> usize {
        self.next_check
    }

    /// Records a change of beta, which changes [`initial_rho`] by `ratio`. rho itself changes in the next
    /// [`prepare`](Penalty::prepare) in which the change is large enough to justify a factorisation.
    pub fn follow(&mut self, ratio: f64) {
        if self.adapt && ratio > 0.0 && ratio.is_finite() {
            self.due *= ratio;
        }
        self.restart();
    }

    /// Starts another programme: the residuals are compared from its first iterations on.
    pub fn restart(&mut self) {
        (self.next_check, self.proposed) = (FIRST_CHECK, None);
    }

    /// Records a change of the loss, whose largest curvature is now `first_kappa`; kappa changes by the same factor.
    /// The solver's penalty rho/kappa changes with it.
    pub fn set_curvature(&mut self, first_kappa: f64) {
        self.kappa *= first_kappa / self.first_kappa;
        self.first_kappa = first_kappa;
    }

    /// Completes the preparation of the solver at the current rho. A pending change of rho is made if its factor is
    /// at least `threshold`. If the factor does not exist in the storage precision (with a tiny rho, rounding hides the
    /// identity), rho rises until it does.
    pub fn prepare<B: Backend>(
        &mut self,
        preparation: &mut Preparation,
        linear: &mut dyn LinearSolver<B>,
        system: &mut dyn MaskedSystem<B>,
        threshold: f64,
    ) -> Result<Rescaling, LinalgError> {
        let first = self.rho;
        let follows = !(1.0 / threshold..=threshold).contains(&self.due);
        if follows {
            self.rho *= self.due;
            self.due = 1.0;
        }
        match preparation {
            Preparation::Everything | Preparation::Patterns => self.prepared_at = self.system(),
            Preparation::Again | Preparation::Penalty | Preparation::Nothing => {}
        }
        let at = if *preparation == Preparation::Again { self.prepared_at } else { self.system() };
        system.set_penalty(at);
        let mut result = match preparation {
            Preparation::Everything => linear.prepare(system),
            Preparation::Patterns => linear.update_patterns(system),
            Preparation::Again => match linear.prepare(system) {
                // It has changed since, possibly because this one had no factor.
                Ok(()) | Err(LinalgError::NotPositiveDefinite { .. }) if at != self.system() => {
                    linear.update_penalty(system, self.system())
                }
                prepared => prepared,
            },
            Preparation::Penalty => linear.update_penalty(system, self.system()),
            Preparation::Nothing if follows => linear.update_penalty(system, self.system()),
            Preparation::Nothing => Ok(()),
        };
        for _ in 0..RESCUES {
            let Err(LinalgError::NotPositiveDefinite { .. }) = result else {
                break;
            };
            self.rho *= RESCUE;
            self.due = 1.0;
            result = linear.update_penalty(system, self.system());
        }
        result?;
        *preparation = Preparation::Nothing;
        Ok(Rescaling { duals: first / self.rho, split: 1.0 })
    }

    /// Whether [`settle`](Penalty::settle) will change a penalty before the next iteration. `split` are the residuals
    /// of F u = q, if kappa follows them.
    pub fn propose(
        &mut self,
        iteration: usize,
        residuals: &Residuals,
        split: Option<&Residuals>,
        flops: SolverFlops,
    ) -> bool {
        self.work_since_change += flops.solve;
        if !self.adapt || iteration < self.next_check {
            return false;
        }
        self.next_check = (iteration + FIRST_CHECK).max((iteration as f64 * CHECK_GROWTH) as usize);
        // Changes are limited by operation counts, not by a clock: a change needs as much preceding work in iterations.
        let earned = self.work_since_change >= flops.update;
        let factor = |residuals: &Residuals| {
            let factor = residuals.balance().clamp(1.0 / LARGEST_CHANGE, LARGEST_CHANGE);
            if (1.0 / THRESHOLD..=THRESHOLD).contains(&factor) { 1.0 } else { factor }
        };
        let factors = (factor(residuals), split.map_or(1.0, factor));
        self.proposed = (earned && factors != (1.0, 1.0)).then_some(factors);
        self.proposed.is_some()
    }

    /// Multiplies rho and kappa by the proposed factors, if there are any.
    pub fn settle<B: Backend>(
        &mut self,
        linear: &mut dyn LinearSolver<B>,
        system: &mut dyn MaskedSystem<B>,
    ) -> Result<Rescaling, LinalgError> {
        let Some((rho_factor, kappa_factor)) = self.proposed else { return Ok(Rescaling::NONE) };
        let (rho, kappa) = (self.rho * rho_factor, self.kappa * kappa_factor);
        match linear.update_penalty(system, rho / kappa) {
            Err(LinalgError::NotPositiveDefinite { .. }) => {
                // The factor does not exist in this precision: keep the last penalties that have one, and propose no
                // more changes.
                (self.adapt, self.proposed) = (false, None);
                linear.update_penalty(system, self.system())?;
                return Ok(Rescaling::NONE);
            }
            other => other?,
        }
        // Assigned only now, so that a run that was stopped before ends with duals that belong to its rho.
        (self.rho, self.kappa, self.proposed) = (rho, kappa, None);
        if rho_factor != 1.0 {
            self.due = 1.0;
        }
        self.changes += 1;
        self.work_since_change = 0.0;
        Ok(Rescaling { duals: 1.0 / rho_factor, split: 1.0 / kappa_factor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cvx_linalg::{Cpu, HostMatrix};

    #[test]
    fn r10_the_first_rho_scales_with_x_squared_and_not_with_y() {
        // x -> 1000 x and y -> 5 y: the fraction of beta_max remains the same.
        let norms = [1.0, 2.0, 3.0];
        let xi = HostMatrix::from_vec(2, 1, vec![1.0, -1.0]);
        let five = HostMatrix::from_vec(2, 1, vec![5.0, -5.0]);
        let rho = relu_rho(0.01, [sum_of_squares(&norms), sum_of_squares(xi.values())], 9, 0.25);
        let larger = norms.map(|norm| 1000.0 * norm);
        let scaled = relu_rho(50.0, [sum_of_squares(&larger), sum_of_squares(five.values())], 9, 0.25);
        assert!((scaled / rho - 1e6).abs() < 1e-6);
        let [xi, five] = [&xi, &five].map(|matrix| sum_of_squares(matrix.values()));
        let (rho, scaled) = (gated_rho(0.01, &[7.0], xi), gated_rho(0.01, &[35_000.0], five));
        assert!((scaled / rho - 1e6).abs() < 1e-6);
    }

    #[test]
    fn a_penalty_exists_even_without_data_or_beta() {
        let (x, y) = (HostMatrix::from_vec(2, 1, vec![1.0, -0.5]), HostMatrix::from_vec(2, 1, vec![1.0, -1.0]));
        let gates = HostMatrix::from_vec(1, 1, vec![1.0]);
        let nothing = HostMatrix::zeros(2, 1);
        for activation in [Activation::Relu, Activation::Gated] {
            for (x, y, beta, maximum) in
                [(&x, &y, 0.0, 1.0), (&x, &nothing, 1.0, 0.0), (&nothing, &y, 1.0, 0.0), (&nothing, &nothing, 0.0, 0.0)]
            {
                let xt = HostMatrix::from_fn(1, 2, |_, a| x.col(0)[a]);
                let program = ConvexProgram::new(Cpu::<f64>::new(), &xt, y.clone(), &gates, beta).unwrap();
                let rho = initial_rho(&program.with_activation(activation), &[maximum], 0.25);
                assert!(rho > 0.0 && rho.is_finite(), "{activation:?}, {rho}");
            }
        }
    }

    #[test]
    fn inner_solves_are_as_accurate_as_the_residuals_and_then_more() {
        let residuals = Residuals { primal: 4.0, change: 0.25, primal_scale: 9.0, dual_scale: 9.0 };
        assert_eq!(residuals.inner_accuracy(1), Accuracy::Error(1.0));
        assert_eq!(residuals.inner_accuracy(100), Accuracy::Error(1.0));
        assert_eq!(residuals.inner_accuracy(400), Accuracy::Error(0.25));
    }

    /// Each penalty follows its own residuals, and one change serves both.
    #[test]
    fn kappa_follows_the_residuals_of_the_split_prediction() {
        let balanced = Residuals { primal: 1.0, change: 1.0, primal_scale: 1.0, dual_scale: 1.0 };
        let high = Residuals { change: 25.0, ..balanced };
        let free = SolverFlops { update: 0.0, solve: 1.0 };
        let mut penalty = Penalty::new(Weights { rho: 2.0, kappa: 0.25 }, 0.25, true);
        assert!(!penalty.propose(20, &balanced, None, free) && !penalty.propose(40, &balanced, Some(&balanced), free));
        assert!(penalty.propose(60, &balanced, Some(&high), free));
        assert_eq!(penalty.proposed, Some((1.0, 0.2)));
        assert!(penalty.propose(90, &high, Some(&high), free));
        assert_eq!(penalty.proposed, Some((0.2, 0.2)));
        // Heavier weights: kappa keeps its ratio to the curvature.
        penalty.kappa = 0.05;
        penalty.set_curvature(1.0);
        assert!((penalty.weights().kappa - 0.2).abs() < 1e-15);
    }

    #[test]
    fn changes_have_to_be_earned_by_iterating() {
        let mut penalty = Penalty::new(Weights { rho: 1.0, kappa: 1.0 }, 1.0, true);
        let residuals = Residuals { primal: 1.0, change: 1e-4, primal_scale: 1.0, dual_scale: 1.0 };
        let dear = SolverFlops { update: 30.0, solve: 1.0 };
        let proposals: Vec<usize> = (1..200).filter(|&k| penalty.propose(k, &residuals, None, dear)).collect();
        assert_eq!(proposals.first(), Some(&40), "not at 20: only 20 of 30 were earned");
    }
}
