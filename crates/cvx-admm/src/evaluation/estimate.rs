//! An estimate of the gap without a certificate. It uses the values of the iteration, in their precision and without a
//! product with X.

use crate::evaluation::incumbent::Incumbent;
use crate::iterates::state::State;
use cvx_artifact::Objective;
use cvx_linalg::{Backend, LinalgError};
use cvx_model::{ConvexProgram, SystemOperator, relative_gap};

/// If no more than one block in this many is a neuron, the evaluation of the network takes less time than an iteration.
const SPARSE: usize = 4;

/// Estimate of the certificate of this iterate. The bound is that at xi = -kappa r; its block `gradients` have these
/// norms ([`State::gradient_norms`]). The objective is that of v: exact if v has few neurons, else with the predictions
/// of u, to which those of v converge.
pub(crate) fn estimated_gap<B: Backend>(
    program: &ConvexProgram<B>,
    system: &SystemOperator<'_, B>,
    state: &State<B>,
    incumbent: &mut Incumbent<B>,
    gradients: &[f64],
    kappa: f64,
) -> Result<f64, LinalgError> {
    let (backend, loss, y, beta) = (program.backend(), program.loss(), program.y_host(), program.beta());
    let residual = backend.download(&state.solution.residual)?;
    let norms = backend.column_norms(&state.v)?;
    let neurons = norms.iter().filter(|&&norm| norm > 0.0).count();
    let upper = if SPARSE * neurons <= norms.len() {
        incumbent.evaluate_network(program, &state.v)?.objective
    } else {
        let mut prediction = backend.download(system.target())?;
        prediction.values_mut().iter_mut().zip(residual.values()).for_each(|(f, r)| *f += r);
        loss.add_bias(&mut prediction, y);
        loss.total(&prediction, y) + beta * norms.iter().sum::<f64>()
    };
    let mut xi = residual;
    xi.values_mut().iter_mut().for_each(|r| *r *= -kappa);
    loss.clip(&mut xi, y);
    let limit = |norms: &[f64]| beta / norms.iter().copied().fold(0.0, f64::max);
    let limits: Vec<f64> = gradients.chunks_exact(gradients.len() / program.n_targets()).map(limit).collect();
    let bound = loss.bound(&xi, y, &limits).total;
    let Objective { network, dual_bound, .. } = incumbent.objective();
    Ok(relative_gap(upper.min(network), bound.max(dual_bound), program.scale().total))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iterates::penalty::Weights;
    use cvx_artifact::Certify;
    use cvx_linalg::{Accuracy, Cpu, HostMatrix, LinearSolver};
    use cvx_model::{Activation, BlockCones, Certificate, Loss, RowScale, Trend, WeightedLoss};
    use cvx_solvers::Cholesky;
    use std::sync::Arc;

    /// In f64 and with exact solves, the estimated bound is that of the certificate. So is the estimated objective if
    /// neurons are few; if they are many, it is close near the optimum.
    #[test]
    fn the_estimate_is_the_certificate_without_its_products() {
        let (n, d, p, rho) = (40, 6, 12, 3.0);
        let wave = |k: usize| ((k * k) as f64 * 0.37 + k as f64).sin();
        let xt = HostMatrix::from_fn(d, n, |j, a| wave(7 * a + j));
        let y = HostMatrix::from_fn(n, 2, |a, c| if wave(7 * a + c) > 0.1 { 1.0 } else { -1.0 });
        let gates = HostMatrix::from_fn(d, p, |j, i| wave(100 + 11 * i + j));
        // Feature 0 increasing, with gates that do not see it.
        let trends = (0..d).map(|k| (k == 0).then_some(Trend::Increasing)).collect();
        let cones = Arc::new(BlockCones::new(trends, vec![None; d], Vec::new(), false));
        let blind = HostMatrix::from_fn(d, p, |j, i| if j == 0 { 0.0 } else { gates[(j, i)] });
        for (loss, confined) in [(Loss::Squared, false), (Loss::Logistic, false), (Loss::Squared, true)] {
            let program = ConvexProgram::new(Cpu::<f64>::new(), &xt, y.clone(), &gates, 1.0).unwrap();
            let mut program = program.with_activation(Activation::Gated);
            if confined {
                program = program.with_cones(cones.clone(), &blind).unwrap();
            }
            program.set_loss(WeightedLoss::new(loss, None).unwrap()).unwrap();
            let maxima = Certificate::new(&program).unwrap().gated_maxima().unwrap();
            for fraction in [0.7, 0.02] {
                program.set_beta(fraction * maxima[0].max(maxima[1])).unwrap();
                let beta = program.beta();
                let kappa = program.loss().kappa(&y);
                let mut system = SystemOperator::new(&program, RowScale::None, rho / kappa).unwrap();
                let mut state = State::new(&program, None, kappa, false).unwrap();
                let mut incumbent = Incumbent::new(&program, Certify::Network, &maxima).unwrap();
                let mut solver = Cholesky::new();
                solver.prepare(&mut system).unwrap();
                let mut last = (0.0, 0.0);
                for iteration in 1..=400 {
                    state.u_update(&mut solver, &mut system, Accuracy::Relative(1e-9)).unwrap();
                    let gradients = state.gradient_norms(&program, rho).unwrap();
                    state.v_update(&program, 1.0, beta / rho).unwrap();
                    state.dual_update(1.0).unwrap();
                    let weights = Weights { rho, kappa };
                    state.slack_update(&program, system.row_scale(), [1.0, 1.0], weights).unwrap();
                    let estimate = estimated_gap(&program, &system, &state, &mut incumbent, &gradients, kappa).unwrap();
                    let scaled = state.scaled_residual(kappa).unwrap();
                    let residual = scaled.as_ref().unwrap_or(&state.solution.residual);
                    incumbent.evaluate(&program, &state.v, residual, None, rho, system.row_scale()).unwrap();
                    let exact = incumbent.objective().relative_gap;
                    if fraction == 0.7 {
                        assert!((estimate - exact).abs() < 1e-9, "{loss:?}, {iteration}: {estimate}, {exact}");
                    }
                    last = (estimate, exact);
                }
                let (estimate, exact) = last;
                let place = format!("{loss:?}, {fraction}: {estimate}, {exact}");
                assert!(exact < 0.02 && (estimate - exact).abs() <= 0.25 * exact + 1e-9, "{place}");
            }
        }
    }
}
