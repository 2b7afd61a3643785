//! Shows the certificate for an iteration of your own: proximal gradient steps on the programme of gated neurons.

use cvx_linalg::{Backend, Cpu, HostMatrix, LinearOperator};
use cvx_model::Multipliers;
use cvx_model::{Activation, Certificate, ConvexProgram, PatternSet, PredictionOperator, relative_gap};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (n, d) = (120, 4);
    let cpu = Cpu::<f64>::new();
    let xt = HostMatrix::from_fn(d, n, |k, a| (1.7 * a as f64 + 2.3 * (k * a) as f64 + k as f64).sin());
    let y = HostMatrix::from_fn(n, 1, |a, _| (xt[(0, a)] * xt[(1, a)] + 0.3 * xt[(2, a)]).abs());
    let gates = PatternSet::sample_gates(d, 10, 0);
    let program = ConvexProgram::new(cpu.clone(), &xt, y, &gates, 0.5)?.with_activation(Activation::Gated);

    let mut f = PredictionOperator::new(&program)?;
    let ((rows, blocks), targets) = (f.input_shape(), program.n_targets());
    let (mut v, mut gradient) = (cpu.zeros(rows, blocks)?, cpu.zeros(rows, blocks)?);
    let mut residual = cpu.zeros(n, targets)?;

    // ||F||^2 by the power method: the step must not exceed its inverse.
    let mut direction = cpu.upload(&HostMatrix::from_fn(rows, blocks, |k, i| 1.0 + (k + 2 * i) as f64))?;
    let mut curvature = 0.0;
    for _ in 0..50 {
        f.apply(&mut residual, &direction)?;
        f.apply_adjoint(&mut gradient, &residual)?;
        curvature = cpu.norm(&gradient)? / cpu.norm(&direction)?;
        cpu.copy(&gradient, &mut direction)?;
        cpu.scale(1.0 / curvature, &mut direction)?;
    }
    let step = 0.95 / curvature;

    // Gated neurons have no cones, so the bound needs only the multipliers of the residual.
    let mut certificate = Certificate::new(&program)?;
    for iteration in 0..=2000 {
        // residual = F v - y, gradient = F' residual.
        f.apply(&mut residual, &v)?;
        cpu.axpby(-1.0, program.y(), 1.0, &mut residual)?;
        if iteration % 400 == 0 {
            let network = certificate.network(&v)?;
            let bound = certificate.dual(&residual, Multipliers::Zero)?.value;
            let gap = relative_gap(network.objective, bound, program.zero_objective());
            let neurons = network.neurons;
            println!("{iteration:4}: {:.6}, at least {bound:.6}, gap {gap:.1e}, {neurons} neurons", network.objective);
        }
        f.apply_adjoint(&mut gradient, &residual)?;
        cpu.axpby(1.0, &v, -step, &mut gradient)?;
        cpu.group_soft_threshold(&gradient, step * program.beta(), &mut v)?;
    }
    Ok(())
}
