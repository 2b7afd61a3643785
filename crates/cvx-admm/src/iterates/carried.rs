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
