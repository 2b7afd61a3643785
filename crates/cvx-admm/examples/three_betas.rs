//! Shows a solver that is set up once and solves at three betas, with the dual point of each.

use cvx_admm::{Settings, Solver};
use cvx_data::{Request, open};
use cvx_linalg::Cpu;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = open("planted:400x10", &Request::default())?.train;
    let mut solver = Solver::new(Cpu::<f64>::new(), &data, None, &Settings::default())?;
    for share in [0.1, 0.03, 0.01] {
        solver.set_beta(share * solver.gated_beta_max())?;
        let solution = solver.solve(&mut ())?;
        let (network, gap) = (&solution.model.network, solution.objective.relative_gap);
        let xi = solver.dual_point()?.xi;
        let largest = xi.values().iter().fold(0.0, |largest: f64, xi| largest.max(xi.abs()));
        println!("beta {:.3}: {} neurons, gap {gap:.1e}, |xi| <= {largest:.3}", solution.beta, network.n_neurons());
    }
    Ok(())
}
