//! A Nystrom sketch of all of A - I: the preconditioner of Feng et al.

use cvx_linalg::{Backend, LinalgError, MaskedSystem, NystromSketch, Shape, SketchRank, SolverFlops};
use cvx_solvers::{Deflation, Pcg, Preconditioner, SolverSettings};

/// The name of the solver in rows, figures and tables.
pub const NAME: &str = "nystrom-pcg (original)";

/// The sketch is made anew when rho has left its own by more than this factor. Up to there, the condition number that
/// it leaves grows by no more.
const STALE: f64 = 4.0;

/// Limit of a rank that adapts: a rank costs a product with X and all masks.
const LARGEST_RANK: usize = 128;

/// The error of the sketch at which a rank that adapts is large enough.
const SKETCH_ERROR: f64 = 10.0;

/// A - I = F'F/rho + Gt'Gt, sketched as one matrix of order 2dP; the shift of A is 1. Each eigenvalue of Gt'Gt comes 2P
/// times and uses up as many ranks; the sketch of what the blocks have in common ([`SolverKind::NystromPcg`]) needs
/// one.
///
/// [`SolverKind::NystromPcg`]: cvx_solvers::SolverKind::NystromPcg
pub struct WholeNystrom<B: Backend> {
    settings: SolverSettings,
    parts: Option<Parts<B>>,
}

struct Parts<B: Backend> {
    deflation: Deflation<B>,
    /// The rho of the sketch.
    sketched_at: f64,
    /// Scratch: the residual and the result, one column to a target (2dP x C).
    flat: B::Matrix,
    out: B::Matrix,
}

impl<B: Backend> WholeNystrom<B> {
    /// An unprepared preconditioner.
    pub fn new(settings: SolverSettings) -> Self {
        WholeNystrom { settings, parts: None }
    }
}

impl<B: Backend> Preconditioner<B> for WholeNystrom<B> {
    fn prepare(&mut self, system: &mut dyn MaskedSystem<B>) -> Result<(), LinalgError> {
        self.parts = None;
        let (d, columns) = system.input_shape();
        let (backend, targets) = (system.blocks().backend.clone(), system.blocks().y.cols());
        let size = d * columns / targets;
        let adaptive = SketchRank::Adaptive { largest: LARGEST_RANK, error: SKETCH_ERROR };
        let rank = self.settings.rank.map_or(adaptive, SketchRank::Fixed);
        // The targets share one A, so that a matrix of the unknowns' shape carries one test vector to a target.
        let (mut x, mut image) = (backend.zeros(d, columns)?, backend.zeros(d, columns)?);
        let sketch = NystromSketch::new(&backend, size, rank, targets, self.settings.seed, &mut |out, test| {
            backend.fill(0.0, &mut x)?;
            backend.write_part(test, &mut x, 0)?;
            system.apply(&mut image, &x)?;
            backend.axpby(-1.0, &x, 1.0, &mut image)?;
            backend.read_part(&image, 0, out)
        })?;
        drop((x, image));
        self.parts = Some(Parts {
            deflation: Deflation::new(&backend, sketch, 1.0, targets)?,
            sketched_at: system.penalty(),
            flat: backend.zeros(size, targets)?,
            out: backend.zeros(size, targets)?,
        });
        Ok(())
    }

    fn update_penalty(&mut self, system: &mut dyn MaskedSystem<B>) -> Result<(), LinalgError> {
        let rho = system.penalty();
        match &self.parts {
            Some(parts) if (parts.sketched_at / STALE..=parts.sketched_at * STALE).contains(&rho) => Ok(()),
            _ => self.prepare(system),
        }
    }

    fn apply(&mut self, backend: &B, r: &B::Matrix, out: &mut B::Matrix) -> Result<(), LinalgError> {
        let Some(parts) = &mut self.parts else {
            return backend.copy(r, out);
        };
        backend.read_part(r, 0, &mut parts.flat)?;
        parts.deflation.apply(backend, &parts.flat, &mut parts.out)?;
        backend.write_part(&parts.out, out, 0)
    }

    fn flops(&self, rows: usize, cols: usize) -> SolverFlops {
        let rank = self.parts.as_ref().map_or(0, |parts| parts.deflation.sketch().rank()) as f64;
        SolverFlops { update: 0.0, solve: 4.0 * rank * rows as f64 * cols as f64 }
    }
}

/// Conjugate gradients, preconditioned with a sketch of all of A; not yet prepared.
pub fn whole_nystrom_pcg<B: Backend>(settings: SolverSettings) -> Pcg<B> {
    Pcg::preconditioned(NAME, settings, Box::new(WholeNystrom::new(settings)))
}
