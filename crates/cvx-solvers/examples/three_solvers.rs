//! Shows one u-update solved by three solvers: they agree on u, and differ in what it takes them.

use cvx_linalg::{
    Accuracy, Backend, ConeRhs, Cpu, HostMatrix, LinalgError, MaskedSystem, Shape, SystemRhs, SystemSolution,
};
use cvx_model::{Certificate, ConvexProgram, PatternSet, ProgramError, RowScale, SystemOperator};
use cvx_solvers::{SolverKind, SolverSettings};

fn main() -> Result<(), ProgramError> {
    let (n, d, rho) = (300, 20, 2.0);
    let cpu = Cpu::<f64>::new();
    // Features of unlike scales, as tables have them.
    let feature = |k: usize, a: usize| (k + 1) as f64 * (0.9 * a as f64 + 1.3 * ((k + 1) * a) as f64 + k as f64).sin();
    let xt = HostMatrix::from_fn(d, n, feature);
    let y = HostMatrix::from_fn(n, 1, |a, _| xt[(0, a)].max(0.0) - xt[(1, a)].abs());
    let program = ConvexProgram::new(cpu.clone(), &xt, y, &PatternSet::sample_gates(d, 15, 0), 0.1)?;
    let columns = program.n_blocks();

    // What ADMM would ask for: v - lambda and s - nu.
    let blocks = cpu.upload(&HostMatrix::from_fn(d, columns, |i, j| (i as f64 - 0.5 * j as f64).sin()))?;
    let rows = cpu.upload(&HostMatrix::from_fn(n, columns, |a, j| (0.2 * a as f64 + j as f64).cos()))?;
    let rhs = SystemRhs { blocks: &blocks, rows: Some(ConeRhs { s: &rows, nu: None }) };

    let mut first = None;
    for kind in [SolverKind::Cholesky, SolverKind::GramPcg, SolverKind::Cg] {
        let mut system = SystemOperator::new(&program, RowScale::Unscaled, rho)?;
        let mut solver = kind.build::<Cpu<f64>>(&SolverSettings::default());
        let mut solution = SystemSolution::zeros(&system.blocks())?;
        solver.prepare(&mut system)?;
        let info = solver.solve(&mut system, &rhs, Accuracy::Relative(1e-10), &mut solution)?;
        // Recomputed by other code: ||b - A u|| / ||b||.
        let residual = Certificate::new(&program)?.system_residual(&system, &solution.u, &rhs)?;
        print!("{kind}: {:?}, {} inner steps, residual {residual:.0e}", info.status, info.iterations);
        match &first {
            None => println!(),
            Some(exact) => println!(", ||u - u of cholesky|| / ||u|| = {:.0e}", distance(&cpu, &solution.u, exact)?),
        }
        first = first.or(Some(solution.u));
    }
    Ok(())
}

/// ||u - exact|| / ||exact||.
fn distance<B: Backend>(backend: &B, u: &B::Matrix, exact: &B::Matrix) -> Result<f64, LinalgError> {
    let mut difference = backend.zeros(u.rows(), u.cols())?;
    backend.copy(u, &mut difference)?;
    backend.axpby(-1.0, exact, 1.0, &mut difference)?;
    Ok(backend.norm(&difference)? / backend.norm(exact)?)
}
