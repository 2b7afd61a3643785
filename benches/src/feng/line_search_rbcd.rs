//! The block coordinate descent of Feng et al.

use cvx_linalg::{
    Accuracy, Backend, BlockLayout, HostMatrix, LinalgError, LinearInfo, LinearSolver, LinearStatus, MaskedBlocks,
    MaskedSystem, Shape, SolverFlops, SolverState, SystemRhs, SystemSolution, Transpose,
};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// The name in rows, figures and tables.
pub const NAME: &str = "rbcd (original)";

/// Patterns of one step.
const GROUP: usize = 3;

/// Most steps of one u-update.
const STEP_LIMIT: usize = 1000;

/// Mean decrease of the objective over the last steps at which the first u-update ends, and the factor from each
/// u-update to the next.
const THRESHOLD: f64 = 0.7;
const THRESHOLD_DECAY: f64 = 0.96;

/// The mean is over this many steps, times the root of the number of groups.
const MEMORY: f64 = 8.0;

/// Step size to begin with, its floor, and the size at which the search gives up.
const FIRST_STEP: f64 = 3e-6;
const LEAST_STEP: f64 = 1e-10;
const GIVE_UP: f64 = 1e-8;

/// Armijo's share of the length of a step that the objective has to fall by.
const ARMIJO: f64 = 1e-3;

/// Block coordinate descent on u itself, by gradient steps with a backtracking line search and a threshold that decays
/// from one u-update to the next: the method and the constants of Feng et al. Their line search adds the old distance
/// of the second half of a block where it should subtract it. This one evaluates the change of the objective in closed
/// form, -step ||g||^2 + step^2/2 (rho g'M g + ||F g||^2).
pub struct LineSearchRbcd<B: Backend> {
    seed: u64,
    parts: Option<Parts<B>>,
}

struct Parts<B: Backend> {
    /// M = I + X' diag(g^2) X (d x d).
    m: B::Matrix,
    /// b of (4a), with F'y/rho (d x 2PC).
    b: B::Matrix,
    blocks: Vec<Block<B>>,
    /// F u and its change (n x C).
    prediction: B::Matrix,
    change: B::Matrix,
    /// The last decreases of the objective.
    decreases: Vec<f64>,
    threshold: f64,
    step: f64,
    /// Solves so far: each chooses blocks by a seed of its own.
    solves: u64,
    rng: Pcg64,
    last_steps: usize,
}

/// A few patterns that move together: `count` of them from `first` on. Gates are drawn independently, so neighbours are
/// as random as any other choice.
struct Block<B: Backend> {
    first: usize,
    count: usize,
    /// Their columns of the patterns (n x k).
    mask: B::Mask,
    /// The columns of one sign and target (d x k), while they are copied.
    columns: B::Matrix,
    /// u, the gradient, M times either, the right-hand side (d x 2kC).
    u: B::Matrix,
    gradient: B::Matrix,
    image: B::Matrix,
    b: B::Matrix,
    /// X times a block (n x 2kC), d_i o the prediction (n x kC), X' of it (d x kC).
    rows: B::Matrix,
    masked: B::Matrix,
    fit: B::Matrix,
}

impl<B: Backend> LineSearchRbcd<B> {
    /// An unprepared solver.
    pub fn new(seed: u64) -> Self {
        LineSearchRbcd { seed, parts: None }
    }
}

impl<B: Backend> Block<B> {
    fn new(parts: &MaskedBlocks<'_, B>, first: usize, count: usize) -> Result<Self, LinalgError> {
        let (backend, d, n) = (parts.backend, parts.n_rows, parts.n_samples());
        let width = count * parts.y.cols();
        let zeros = || backend.zeros(d, 2 * width);
        Ok(Block {
            first,
            count,
            mask: backend.upload_mask(&parts.masked()?.bits.columns(first, count))?,
            columns: backend.zeros(d, count)?,
            u: zeros()?,
            gradient: zeros()?,
            image: zeros()?,
            b: zeros()?,
            rows: backend.zeros(n, 2 * width)?,
            masked: backend.zeros(n, width)?,
            fit: backend.zeros(d, width)?,
        })
    }

    /// The block's runs of columns, one to each sign and target: first entries in the block's own matrices, and in
    /// those of all P patterns.
    fn runs(&self, patterns: usize) -> impl Iterator<Item = (usize, usize)> + use<B> {
        let (d, first, count) = (self.u.rows(), self.first, self.count);
        (0..self.u.cols() / count).map(move |run| (run * count * d, (run * patterns + first) * d))
    }

    /// Takes the block's columns of u and of the right-hand side.
    fn read(&mut self, backend: &B, u: &B::Matrix, b: &B::Matrix, patterns: usize) -> Result<(), LinalgError> {
        for (own, all) in self.runs(patterns) {
            backend.read_part(u, all, &mut self.columns)?;
            backend.write_part(&self.columns, &mut self.u, own)?;
            backend.read_part(b, all, &mut self.columns)?;
            backend.write_part(&self.columns, &mut self.b, own)?;
        }
        Ok(())
    }

    /// Puts the block's columns of u back.
    fn write(&mut self, backend: &B, u: &mut B::Matrix, patterns: usize) -> Result<(), LinalgError> {
        for (own, all) in self.runs(patterns) {
            backend.read_part(&self.u, own, &mut self.columns)?;
            backend.write_part(&self.columns, u, all)?;
        }
        Ok(())
    }
}

impl<B: Backend> Parts<B> {
    fn new(system: &dyn MaskedSystem<B>, seed: u64) -> Result<Self, LinalgError> {
        let (d, columns) = system.input_shape();
        let parts = system.blocks();
        let (backend, n, targets) = (parts.backend, parts.n_samples(), parts.y.cols());
        let wide = backend.wide();
        let mut lower = wide.zeros(d, d)?;
        let cones = parts.expect_cones("line-search descent")?;
        wide.weighted_gram(&parts.masked()?.samples.to_wide()?, cones.scale_squared, 1.0, &mut lower)?;
        let lower = wide.download(&lower)?;
        let m = backend.upload(&HostMatrix::from_fn(d, d, |i, j| lower[(i.max(j), i.min(j))]))?;
        let number = parts.masked()?.bits.cols().div_ceil(GROUP);
        let bits = parts.masked()?.bits;
        let bound = |k: usize| k * bits.cols() / number;
        let blocks = (0..number).map(|k| Block::new(&parts, bound(k), bound(k + 1) - bound(k)));
        let blocks = blocks.collect::<Result<Vec<_>, LinalgError>>()?;
        let state = (MEMORY * (blocks.len() as f64).sqrt()).ceil() as usize;
        Ok(Parts {
            m,
            b: backend.zeros(d, columns)?,
            blocks,
            prediction: backend.zeros(n, targets)?,
            change: backend.zeros(n, targets)?,
            decreases: vec![f64::INFINITY; state],
            threshold: THRESHOLD,
            step: FIRST_STEP,
            solves: 0,
            rng: Pcg64::seed_from_u64(seed),
            last_steps: 1,
        })
    }

    /// One gradient step on one random block; returns the decrease of the objective.
    fn descend(&mut self, system: &dyn MaskedSystem<B>, u: &mut B::Matrix) -> Result<f64, LinalgError> {
        let (rho, parts, (no, yes)) = (system.penalty(), system.blocks(), (Transpose::No, Transpose::Yes));
        let (backend, p, targets) = (parts.backend, parts.layout.patterns, parts.layout.targets);
        let chosen = self.rng.random_range(0..self.blocks.len());
        let block = &mut self.blocks[chosen];
        block.read(backend, u, &self.b, p)?;
        let layout = BlockLayout::both(block.count, targets);
        let Block { mask, u: own, gradient, image, b, rows, masked, fit, .. } = block;
        // g = rho (M u - b) + F'F u
        backend.gemm(rho, &self.m, no, own, no, 0.0, gradient)?;
        backend.axpby(-rho, b, 1.0, gradient)?;
        backend.masked_broadcast(mask, 1.0, &self.prediction, masked)?;
        backend.gemm(1.0, parts.masked()?.samples.stored()?, no, masked, no, 0.0, fit)?;
        backend.add_pairs(layout, 1.0, fit, gradient)?;
        // What a step along -g does to the objective.
        backend.gemm(1.0, parts.masked()?.samples.stored()?, yes, gradient, no, 0.0, rows)?;
        backend.masked_row_sum(layout, Some(mask), rows, &mut self.change)?;
        backend.gemm(1.0, &self.m, no, gradient, no, 0.0, image)?;
        let slope = backend.dot(gradient, gradient)?;
        let curvature = rho * backend.dot(gradient, image)? + backend.dot(&self.change, &self.change)?;
        let mut step = self.step;
        let change = loop {
            let change = -step * slope + 0.5 * step * step * curvature;
            if step <= GIVE_UP || change <= -ARMIJO * step * slope.sqrt() {
                break change;
            }
            step /= 2.5;
            self.step = (self.step / 1.5).max(LEAST_STEP);
        };
        self.step *= 1.05;
        backend.axpby(-step, gradient, 1.0, own)?;
        block.write(backend, u, p)?;
        backend.axpby(-step, &self.change, 1.0, &mut self.prediction)?;
        Ok(-change)
    }
}

impl<B: Backend> LinearSolver<B> for LineSearchRbcd<B> {
    fn name(&self) -> &'static str {
        NAME
    }

    fn prepare(&mut self, system: &mut dyn MaskedSystem<B>) -> Result<(), LinalgError> {
        self.parts = None;
        self.parts = Some(Parts::new(system, self.seed)?);
        Ok(())
    }

    fn update_penalty(&mut self, system: &mut dyn MaskedSystem<B>, rho: f64) -> Result<(), LinalgError> {
        // M contains no rho.
        system.set_penalty(rho);
        Ok(())
    }

    /// Ends by their threshold, whatever `accuracy` says; so it claims no convergence.
    fn solve(
        &mut self,
        system: &mut dyn MaskedSystem<B>,
        rhs: &SystemRhs<'_, B>,
        _accuracy: Accuracy,
        solution: &mut SystemSolution<B>,
    ) -> Result<LinearInfo, LinalgError> {
        if self.parts.is_none() {
            self.prepare(system)?;
        }
        let mut info = LinearInfo { status: LinearStatus::IterationLimit, iterations: 0, relative_residual: None };
        if let Some(parts) = &mut self.parts {
            parts.solves = parts.solves.wrapping_add(1);
            parts.rng = Pcg64::seed_from_u64(self.seed.wrapping_add(parts.solves));
            system.assemble(&mut parts.b, rhs)?;
            // F u from the last u.
            system.complete(solution)?;
            let blocks = system.blocks();
            let backend = blocks.backend.clone();
            backend.copy(&solution.residual, &mut parts.prediction)?;
            backend.axpby(1.0, blocks.y, 1.0, &mut parts.prediction)?;
            parts.decreases.fill(f64::INFINITY);
            let mean = |decreases: &[f64]| decreases.iter().sum::<f64>() / decreases.len() as f64;
            while info.iterations < STEP_LIMIT && mean(&parts.decreases) > parts.threshold {
                backend.stop().check()?;
                let decrease = parts.descend(system, &mut solution.u)?;
                if !decrease.is_finite() {
                    info.status = LinearStatus::NonFinite;
                    break;
                }
                let at = info.iterations % parts.decreases.len();
                parts.decreases[at] = decrease;
                info.iterations += 1;
            }
            parts.threshold *= THRESHOLD_DECAY;
            parts.last_steps = info.iterations;
        }
        system.complete(solution)?;
        Ok(info)
    }

    fn flops(&self) -> SolverFlops {
        self.parts.as_ref().map_or_else(SolverFlops::default, |parts| {
            let [d, n, columns] = [parts.m.rows(), parts.prediction.rows(), parts.b.cols()].map(|size| size as f64);
            let step = (3.0 * n + 4.0 * d) * d * columns / parts.blocks.len() as f64;
            SolverFlops { update: 0.0, solve: 6.0 * n * d * columns + step * parts.last_steps as f64 }
        })
    }

    fn state(&self, _: &B) -> Result<SolverState, LinalgError> {
        Ok(self.parts.as_ref().map_or_else(SolverState::default, |parts| {
            let (threshold, step) = (parts.threshold.to_bits(), parts.step.to_bits());
            SolverState::of_words(&[parts.solves, parts.last_steps as u64, threshold, step])
        }))
    }

    fn restore(&mut self, _: &B, state: &SolverState) -> Result<(), LinalgError> {
        let Some(parts) = &mut self.parts else { return Ok(()) };
        if state.words.is_empty() {
            return Ok(());
        }
        let [solves, last_steps, threshold, step] = state.words()?;
        (parts.solves, parts.last_steps) = (solves, last_steps as usize);
        (parts.threshold, parts.step) = (f64::from_bits(threshold), f64::from_bits(step));
        Ok(())
    }
}
