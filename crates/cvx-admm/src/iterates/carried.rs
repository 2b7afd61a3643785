//! Multipliers of neurons, which go on as the patterns of the neurons become those of their blocks (docs/math.md,
//! section 17, (17.4)).

use crate::iterates::penalty::Weights;
use crate::iterates::state::State;
use cvx_linalg::{Backend, HostMatrix, LinalgError, Shape};
use cvx_model::ConvexProgram;

/// What balances rho lambda in the u-update of the blocks of m neurons: X' times the weights of the samples
/// +-kappa d o mu + rho g o e o nu. The same weights are those of other patterns, with other nu.
pub(crate) struct Carried<B: Backend> {
    /// d x m.
    lambda: B::Matrix,
    /// n x m.
    samples: B::Matrix,
    /// n x C.
    mu: HostMatrix,
}

impl<B: Backend> Carried<B> {
    /// The multipliers of the blocks in these columns; `None` without cones.
    pub fn of(
        program: &ConvexProgram<B>,
        state: &State<B>,
        row_scale: &B::Matrix,
        Weights { rho, kappa }: Weights,
        columns: &[usize],
    ) -> Result<Option<Self>, LinalgError> {
        let Some(cones) = &state.cones else { return Ok(None) };
        let (backend, m) = (program.backend(), columns.len());
        let mut all = zero_rows(program, program.n_cones())?;
        backend.sign_flip(program.mask(), row_scale, &cones.nu, None, &mut all)?;
        backend.scale(rho, &mut all)?;
        let mu = state.split.mu().clone();
        add_predictions(program, kappa, &mu, &mut all)?;
        let (mut lambda, mut samples) = (backend.zeros(program.n_features(), m)?, zero_rows(program, m)?);
        let (mut block, mut rows) = (backend.zeros(program.n_features(), 1)?, zero_rows(program, 1)?);
        for (k, &j) in columns.iter().enumerate() {
            move_column(backend, (&state.lambda, j), (&mut lambda, k), &mut block)?;
            move_column(backend, (&all, j), (&mut samples, k), &mut rows)?;
        }
        Ok(Some(Carried { lambda, samples, mu }))
    }

    /// Puts those of neuron k to the block in column `columns[k]` of another programme.
    pub fn settle(
        self,
        program: &ConvexProgram<B>,
        state: &mut State<B>,
        row_scale: &B::Matrix,
        Weights { rho, kappa }: Weights,
        columns: &[Option<usize>],
    ) -> Result<(), LinalgError> {
        let backend = program.backend();
        let Some(cones) = &mut state.cones else { return Ok(()) };
        let mut all = zero_rows(program, program.n_cones())?;
        let (mut block, mut rows) = (backend.zeros(program.n_features(), 1)?, zero_rows(program, 1)?);
        for (k, &column) in columns.iter().enumerate() {
            let Some(j) = column else { continue };
            move_column(backend, (&self.lambda, k), (&mut state.lambda, j), &mut block)?;
            move_column(backend, (&self.samples, k), (&mut all, j), &mut rows)?;
        }
        add_predictions(program, -kappa, &self.mu, &mut all)?;
        let mut weights = backend.download(row_scale)?;
        weights.values_mut().iter_mut().for_each(|g| *g = if *g > 0.0 { 1.0 / (rho * *g) } else { 0.0 });
        backend.sign_flip(program.mask(), &backend.upload_rows(&weights)?, &all, None, &mut cones.nu)?;
        // nu <= 0, as every multiplier of a cone.
        backend.positive_part(-1.0, &mut cones.nu)?;
        backend.scale(-1.0, &mut cones.nu)?;
        // F u = q, and so r = mu, is where an iterative solver starts.
        state.solution.residual = backend.upload_rows(&self.mu)?;
        state.split.set_mu(self.mu);
        Ok(())
    }
}

/// `all` (n x 2PC) += alpha d o mu in each block, with its sign.
fn add_predictions<B: Backend>(
    program: &ConvexProgram<B>,
    alpha: f64,
    mu: &HostMatrix,
    all: &mut B::Matrix,
) -> Result<(), LinalgError> {
    let backend = program.backend();
    let mut masked = zero_rows(program, program.layout().pairs())?;
    backend.masked_broadcast(program.mask(), alpha, &backend.upload_rows(mu)?, &mut masked)?;
    backend.add_pairs(program.layout(), 1.0, &masked, all)
}

fn zero_rows<B: Backend>(program: &ConvexProgram<B>, columns: usize) -> Result<B::Matrix, LinalgError> {
    program.backend().sample_rows(program.n_samples(), columns)
}

/// Column `to` of `out` becomes column `from` of `source`, by way of `column`.
fn move_column<B: Backend>(
    backend: &B,
    (source, from): (&B::Matrix, usize),
    (out, to): (&mut B::Matrix, usize),
    column: &mut B::Matrix,
) -> Result<(), LinalgError> {
    backend.read_part(source, from * source.rows(), column)?;
    backend.write_part(column, out, to * source.rows())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cvx_linalg::Cpu;
    use cvx_model::{PatternSet, RowScale};

    const WEIGHTS: Weights = Weights { rho: 0.7, kappa: 1.3 };

    fn random(rows: usize, columns: usize, seed: u64) -> HostMatrix {
        PatternSet::sample_gates(rows, columns, seed)
    }

    /// Soft cones of neurons, of which the first three are positive.
    fn program(xt: &HostMatrix, neurons: &HostMatrix) -> ConvexProgram<Cpu<f64>> {
        let y = random(xt.cols(), 1, 3);
        let mut program = ConvexProgram::new(Cpu::<f64>::new(), xt, y, neurons, 0.1).unwrap();
        program.soften_cones();
        program.set_neurons(neurons, 3).unwrap();
        program
    }

    /// +-kappa d o mu + rho g o e o nu of each block.
    fn samples_of(program: &ConvexProgram<Cpu<f64>>, g: &HostMatrix, nu: &HostMatrix, mu: &HostMatrix) -> HostMatrix {
        let (layout, bits) = (program.layout(), program.patterns().bits());
        HostMatrix::from_fn(nu.rows(), nu.cols(), |a, j| {
            let (d, e) = if bits.get(a, layout.pattern(j)) { (1.0, 1.0) } else { (0.0, -1.0) };
            layout.sign(j) * WEIGHTS.kappa * d * mu[(a, 0)] + WEIGHTS.rho * g[(a, 0)] * e * nu[(a, j)]
        })
    }

    /// Carries multipliers from one set of neurons to another; returns those before and after.
    fn carry(moved: f64) -> (HostMatrix, HostMatrix, [HostMatrix; 2]) {
        let (cpu, xt, neurons) = (Cpu::<f64>::new(), random(4, 40, 1), random(4, 5, 2));
        let others = random(4, 5, 9);
        let next = HostMatrix::from_fn(4, 5, |k, j| neurons[(k, j)] + moved * others[(k, j)]);
        let (before, after) = (program(&xt, &neurons), program(&xt, &next));
        assert_eq!((before.n_cones(), after.n_cones()), (5, 5));
        let row_scale = RowScale::Normalised { sigma: 0.25 };
        let g = row_scale.weights(before.row_norms());
        let scale = cpu.upload(&g).unwrap();
        let state_at = |program: &ConvexProgram<Cpu<f64>>, v: &HostMatrix| {
            State::at(program, v, row_scale, WEIGHTS, false).unwrap()
        };
        let mut state = state_at(&before, &neurons);
        let mut nu = random(40, 5, 4);
        nu.values_mut().iter_mut().for_each(|nu| *nu = -nu.abs());
        let mu = random(40, 1, 5);
        state.lambda = cpu.upload(&random(4, 5, 6)).unwrap();
        state.cones.as_mut().unwrap().nu = cpu.upload(&nu).unwrap();
        state.split.set_mu(mu.clone());
        let carried = Carried::of(&before, &state, &scale, WEIGHTS, &[0, 1, 2, 3, 4]).unwrap().unwrap();
        let mut new = state_at(&after, &next);
        let columns: Vec<Option<usize>> = (0..5).map(Some).collect();
        carried.settle(&after, &mut new, &scale, WEIGHTS, &columns).unwrap();
        assert_eq!(cpu.download(&new.lambda).unwrap(), random(4, 5, 6));
        assert_eq!((new.split.mu(), &cpu.download(&new.solution.residual).unwrap()), (&mu, &mu));
        let found = cpu.download(&new.cones.unwrap().nu).unwrap();
        let samples = [samples_of(&before, &g, &nu, &mu), samples_of(&after, &g, &found, &mu)];
        (nu, found, samples)
    }

    #[test]
    fn the_same_patterns_have_the_same_multipliers() {
        let (before, after, _) = carry(0.0);
        let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-13 * (1.0 + a.abs());
        assert!(before.values().iter().zip(after.values()).all(near));
    }

    /// The weight of a sample is that of the other pattern, unless its multiplier would have the wrong sign.
    #[test]
    fn other_patterns_have_the_same_weights_of_samples() {
        let (before, after, [old, new]) = carry(0.8);
        assert_ne!(before, after);
        let mut kept = 0;
        for ((nu, old), new) in after.values().iter().zip(old.values()).zip(new.values()) {
            assert!(*nu <= 0.0);
            if *nu < 0.0 {
                kept += 1;
                assert!((old - new).abs() < 1e-12 * (1.0 + old.abs()), "{old} and {new}");
            }
        }
        assert!(kept > 100 && kept < after.values().len(), "{kept}");
    }
}
