//! Shows the convex programme of a small data set, and the beta at which the zero network becomes its certified
//! optimum.

use cvx_linalg::{Backend, Cpu};
use cvx_model::{
    Certificate, ConvexProgram, Dataset, FeatureKind, Labels, Normalisation, PatternSet, Targets, TaskChoice,
    Transform, beta_max, relative_gap,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // 80 samples with two features; the class is whether a sample lies in a disc.
    let x: Vec<f64> = (0..160).map(|k| 2.0 * (1.3 * k as f64 + 0.1 * (k * k) as f64).sin()).collect();
    let ring = |row: usize| x[2 * row].hypot(x[2 * row + 1]) < 1.6;
    let labels = Labels::numbers((0..80).map(|row| f64::from(u8::from(ring(row)))).collect());
    let targets = Targets::new(&labels, TaskChoice::Auto)?;
    let data = Dataset::new(2, x.clone(), Some(labels), FeatureKind::Table)?;

    // Features scaled one by one, and a bias: three numbers per sample.
    let xt = Transform::fit(&data, Normalisation::Column, true)?.apply(&data)?;
    let gates = PatternSet::sample_gates(xt.rows(), 12, 0);
    let mut program = ConvexProgram::new(Cpu::<f64>::new(), &xt, targets.y, &gates, 1.0)?;
    let (n, d, p) = (program.n_samples(), program.n_features(), program.n_patterns());
    println!("n = {n}, d = {d}, P = {p} ({} gates share a pattern with another)", program.patterns().merged());

    // One product bounds the threshold from above; projections onto the cones find it.
    let gated = Certificate::new(&program)?.gated_beta_max()?;
    println!("zero is optimal for beta >= {:.4}; one product gives {gated:.4}", beta_max(&program, 1e-10)?.upper);

    for fraction in [1.0, 0.5] {
        program.set_beta(fraction * gated)?;
        let zero = program.backend().zeros(d, program.n_blocks())?;
        let mut certificate = Certificate::new(&program)?;
        let (network, bound) = (certificate.network(&zero)?.objective, certificate.dual_at_zero()?.value);
        let gap = relative_gap(network, bound, program.zero_objective());
        println!(
            "beta = {fraction} of that: the zero network has {network:.3}, the bound is {bound:.3}, gap {gap:.1e}"
        );
    }
    Ok(())
}
