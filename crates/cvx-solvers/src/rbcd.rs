//! The u-update by randomised block coordinate descent (docs/math.md, section 4).

use crate::conjugate::{ESTIMATE_SAFETY, attainable};
use crate::coordinates::GramCoordinates;
use crate::deflation::{BATCH, Deflation};
use crate::groups::{Group, groups};
use crate::kind::{SolverKind, SolverSettings};
use cvx_linalg::{
    Accuracy, Backend, BlockLayout, HostMatrix, LinalgError, LinearInfo, LinearSolver, LinearStatus, MaskedBlocks,
    MaskedSystem, NystromSketch, Shape, SolverFlops, SolverState, SystemRhs, SystemSolution, Transpose,
};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;

/// Most patterns of one step, and the entries of X for each: a product with a large X has to be shared by several
/// columns to be bound by arithmetic, one with a small X stays in cache.
const GROUP: usize = 17;
const ENTRIES: usize = 1 << 18;

/// Most passes over all blocks in one solve.
const PASS_LIMIT: usize = 2000;

/// Passes between two looks at the true residual.
const RECOMPUTE: usize = 50;

/// A stretch of that many passes has to lower the true residual to this share of it.
const PROGRESS: f64 = 0.99;

/// Two passes' directions are taken as parallel if the squared sine of their angle is below this: rounding would then
/// decide on the plane.
const PLANE: f64 = 1e-3;

/// A product with t has an error of about its rounding times its square. Squared directions have to be this much
/// larger.
const ABOVE_ROUNDING: f64 = 100.0;

/// Block coordinate descent on the differences z^+ - z^- = -2t/rho of the blocks; their sums are exact at once.
///
/// In the coordinates of (4.1) to (4.4), the u-update minimises over t_i (d x C, one to each pattern)
///
/// ```text
/// 1/2 ||r||^2 + (1/rho) sum_i ||t_i||^2,    r = qhat - y - (2/rho) sum_i d_i o V't_i                    (4.5)
/// ```
///
/// with the gradient (2/rho)(t_i - V(d_i o r)). A step takes the next few patterns of a shuffled pass along their
/// gradient, exactly to the minimum on that line (Feng et al. search a step size): the slope is -p'(t - V(d
/// o r)) and the curvature ||p||^2 + (2/rho) ||sum_i d_i o V'p_i||^2, and the sum is what r is kept up to date with.
///
/// Where the blocks are sketched, the gradient of each is preconditioned with its Hessian, I + (2/rho) V D_i V'.
pub struct Rbcd<B: Backend> {
    sketch: Option<SolverSettings>,
    seed: u64,
    factors: Option<Factors<B>>,
    /// Solves so far: each shuffles by a seed of its own.
    solves: u64,
    last_passes: usize,
}

struct Factors<B: Backend> {
    coordinates: GramCoordinates<B>,
    /// qhat - y (n x C).
    b: B::Matrix,
    /// What a step changes r by (n x C).
    change: B::Matrix,
    /// r at the beginning of a pass, and what the last pass and its search changed it by (n x C).
    r_start: B::Matrix,
    r_moved: B::Matrix,
    blocks: Vec<Block<B>>,
    /// The order of the next pass.
    order: Vec<usize>,
    rng: Pcg64,
}

/// A few patterns that move together.
struct Block<B: Backend> {
    group: Group<B>,
    /// t, its gradient and the direction (d x kC).
    t: B::Matrix,
    gradient: B::Matrix,
    direction: B::Matrix,
    /// t at the beginning of a pass, and what the last pass and its search changed it by (d x kC).
    start: B::Matrix,
    moved: B::Matrix,
    /// n x kC.
    rows: B::Matrix,
    /// One to each pattern, where sketched, with a column to work on.
    deflations: Vec<Deflation<B>>,
    column: [B::Matrix; 2],
}

impl<B: Backend> Rbcd<B> {
    /// Along the gradient in the metric of M; unprepared.
    pub fn new(seed: u64) -> Self {
        Rbcd { sketch: None, seed, factors: None, solves: 0, last_passes: 1 }
    }

    /// With a sketch of each block's Hessian; unprepared.
    pub fn sketched(settings: SolverSettings) -> Self {
        Rbcd { sketch: Some(settings), ..Rbcd::new(settings.seed) }
    }
}

impl<B: Backend> Block<B> {
    fn new(blocks: &MaskedBlocks<'_, B>, group: Group<B>) -> Result<Self, LinalgError> {
        let (backend, d, n) = (blocks.backend, blocks.n_rows, blocks.n_samples());
        let columns = group.count * blocks.y.cols();
        Ok(Block {
            t: backend.zeros(d, columns)?,
            gradient: backend.zeros(d, columns)?,
            direction: backend.zeros(d, columns)?,
            start: backend.zeros(d, columns)?,
            moved: backend.zeros(d, columns)?,
            rows: backend.zeros(n, columns)?,
            deflations: Vec::new(),
            column: [backend.zeros(d, 1)?, backend.zeros(d, 1)?],
            group,
        })
    }

    /// Sketches V D_i V' for each pattern of the group.
    fn sketch(
        &mut self,
        blocks: &MaskedBlocks<'_, B>,
        v: &B::Matrix,
        settings: SolverSettings,
        shift: f64,
    ) -> Result<(), LinalgError> {
        let (backend, no, yes) = (blocks.backend, Transpose::No, Transpose::Yes);
        let (d, n) = (v.rows(), v.cols());
        for i in self.group.first..self.group.first + self.group.count {
            let mask = backend.upload_mask(&blocks.masked()?.bits.columns(i, 1))?;
            let sketch = NystromSketch::new(
                backend,
                d,
                settings.sketch_rank(SolverKind::NystromRbcd, 10.0 * shift),
                BATCH,
                settings.seed,
                &mut |out, test| {
                    let (mut rows, mut masked) = (backend.zeros(n, test.cols())?, backend.zeros(n, test.cols())?);
                    backend.gemm(1.0, v, yes, test, no, 0.0, &mut rows)?;
                    // A mask of one pattern, for as many targets as there are test vectors.
                    backend.masked_broadcast(&mask, 1.0, &rows, &mut masked)?;
                    backend.gemm(1.0, v, no, &masked, no, 0.0, out)
                },
            )?;
            self.deflations.push(Deflation::new(backend, sketch, shift, 1)?);
        }
        Ok(())
    }

    /// gradient = t - V(d_i o r); returns its squared norm.
    fn descend(&mut self, backend: &B, v: &B::Matrix, r: &B::Matrix) -> Result<f64, LinalgError> {
        backend.masked_broadcast(&self.group.mask, 1.0, r, &mut self.rows)?;
        backend.copy(&self.t, &mut self.gradient)?;
        backend.gemm(-1.0, v, Transpose::No, &self.rows, Transpose::No, 1.0, &mut self.gradient)?;
        backend.dot(&self.gradient, &self.gradient)
    }

    /// direction = the gradient, preconditioned.
    fn precondition(&mut self, backend: &B) -> Result<(), LinalgError> {
        if self.deflations.is_empty() {
            return backend.copy(&self.gradient, &mut self.direction);
        }
        let (d, count) = (self.gradient.rows(), self.group.count);
        let [from, to] = &mut self.column;
        for j in 0..self.gradient.cols() {
            backend.read_part(&self.gradient, j * d, from)?;
            self.deflations[j % count].apply(backend, from, to)?;
            backend.write_part(to, &mut self.direction, j * d)?;
        }
        Ok(())
    }

    /// One step of the descent, with r kept up to date; returns the squared norm of the gradient that it met
    /// and the decrease of (4.5).
    fn step(
        &mut self,
        backend: &B,
        coordinates: &mut GramCoordinates<B>,
        rho: f64,
        r: &mut B::Matrix,
        change: &mut B::Matrix,
    ) -> Result<[f64; 2], LinalgError> {
        let square = self.descend(backend, &coordinates.v, r)?;
        self.precondition(backend)?;
        backend.gemm(1.0, &coordinates.v, Transpose::Yes, &self.direction, Transpose::No, 0.0, &mut self.rows)?;
        let layout = BlockLayout::one(self.group.count, change.cols());
        backend.masked_row_sum(layout, Some(&self.group.mask), &self.rows, change)?;
        coordinates.centring.apply(backend, change)?;
        let (slope, weight) = (backend.dot(&self.gradient, &self.direction)?, coordinates.weight(rho));
        let curvature = backend.dot(&self.direction, &self.direction)? + weight * backend.dot(change, change)?;
        let mut decrease = 0.0;
        if curvature > 0.0 {
            let step = slope / curvature;
            decrease = step * slope / (2.0 * coordinates.shift(rho));
            backend.axpby(-step, &self.direction, 1.0, &mut self.t)?;
            backend.axpby(weight * step, change, 1.0, r)?;
        }
        Ok([square, decrease])
    }
}

impl<B: Backend> Factors<B> {
    /// Restarts the shuffling, independent of earlier solves.
    fn shuffle_from(&mut self, seed: u64) {
        self.rng = Pcg64::seed_from_u64(seed);
        self.order.sort_unstable();
    }

    /// r = b - (2/rho) sum_i d_i o V't_i afresh, with t in `coordinates.image` and V't in `coordinates.x_image`.
    fn refresh(&mut self, blocks: &MaskedBlocks<'_, B>, rho: f64, r: &mut B::Matrix) -> Result<(), LinalgError> {
        let backend = blocks.backend;
        for block in &mut self.blocks {
            block.group.write(backend, &block.t, &mut self.coordinates.image, blocks.layout.patterns)?;
        }
        self.coordinates.project(backend)?;
        self.coordinates.gather(blocks, r)?;
        backend.axpby(1.0, &self.b, -self.coordinates.weight(rho), r)
    }

    /// ||(t_i - V(d_i o r))_i||.
    fn gradient_norm(&mut self, backend: &B, r: &B::Matrix) -> Result<f64, LinalgError> {
        let mut square = 0.0;
        for block in &mut self.blocks {
            square += block.descend(backend, &self.coordinates.v, r)?;
        }
        Ok(square.sqrt())
    }

    /// One pass over all blocks in a new order, then the best point of the plane that it spans with the previous pass.
    /// Returns the norm of the gradients in the pass, and by how much both lowered the squared error ||(du, Gt du)||^2
    /// + ||F du||^2/rho.
    fn pass(&mut self, backend: &B, rho: f64, r: &mut B::Matrix) -> Result<[f64; 2], LinalgError> {
        self.order.shuffle(&mut self.rng);
        backend.copy(r, &mut self.r_start)?;
        for block in &mut self.blocks {
            backend.copy(&block.t, &mut block.start)?;
        }
        let (mut square, mut decrease) = (0.0, 0.0);
        for &block in &self.order {
            backend.stop().check()?;
            let [met, gain] = self.blocks[block].step(backend, &mut self.coordinates, rho, r, &mut self.change)?;
            square += met;
            decrease += gain;
        }
        Ok([square.sqrt(), self.search_plane(backend, rho, r, decrease)?])
    }

    /// Minimises (4.5) over start + a D + b E, where D is the step of this pass and E that of the last one, as
    /// conjugate gradients do with a preconditioned gradient in the place of D. It costs no product. Returns 2/rho
    /// times the decrease since the start, which is that of the squared error.
    ///
    /// The slope along D follows from the `decrease` of the pass's steps. The slope along E was zero where the last
    /// search ended, but for rounding, which would accumulate. It is therefore recomputed from t and r, as long as it
    /// is above their rounding.
    fn search_plane(&mut self, backend: &B, rho: f64, r: &mut B::Matrix, decrease: f64) -> Result<f64, LinalgError> {
        backend.axpby(-1.0, &self.r_start, 1.0, r)?;
        let (weight, moved) = (self.coordinates.weight(rho), &mut self.r_moved);
        // Squares and products of D and E in the metric of (4.5), and the slope and the scale at the start.
        let (mut dd, mut de, mut ee) = (backend.dot(r, r)?, backend.dot(r, moved)?, backend.dot(moved, moved)?);
        let mut slope = backend.dot(&self.r_start, moved)?;
        let mut scale = backend.dot(&self.r_start, &self.r_start)?;
        for Block { t, start, moved, .. } in &mut self.blocks {
            backend.axpby(-1.0, start, 1.0, t)?;
            dd += weight * backend.dot(t, t)?;
            de += weight * backend.dot(t, moved)?;
            ee += weight * backend.dot(moved, moved)?;
            slope += weight * backend.dot(start, moved)?;
            scale += weight * backend.dot(start, start)?;
        }
        // Minus the slope along D: the steps took off `decrease` = fall - dd/2.
        let (fall, determinant) = (decrease + 0.5 * dd, dd * ee - de * de);
        let [a, b] = if determinant > PLANE * dd * ee && ee > ABOVE_ROUNDING * backend.epsilon() * scale {
            [(ee * fall + de * slope) / determinant, -(de * fall + dd * slope) / determinant]
        } else {
            [1.0, 0.0]
        };
        backend.axpby(a, r, b, moved)?;
        backend.copy(&self.r_start, r)?;
        backend.axpby(1.0, moved, 1.0, r)?;
        for block in &mut self.blocks {
            backend.axpby(a, &block.t, b, &mut block.moved)?;
            backend.copy(&block.start, &mut block.t)?;
            backend.axpby(1.0, &block.moved, 1.0, &mut block.t)?;
        }
        let curvature = a * a * dd + 2.0 * a * b * de + b * b * ee;
        Ok(weight * (a * fall - b * slope - 0.5 * curvature))
    }

    /// Descends until the gradient is small enough; r is then that of t.
    fn run(
        &mut self,
        blocks: &MaskedBlocks<'_, B>,
        rho: f64,
        accuracy: Accuracy,
        r: &mut B::Matrix,
    ) -> Result<LinearInfo, LinalgError> {
        let backend = blocks.backend;
        // The gradient at t = 0 is what the others are compared with.
        self.coordinates.spread(blocks, 1.0, &self.b)?;
        let size = backend.norm(&self.coordinates.image)?;
        self.refresh(blocks, rho, r)?;
        let mut norm = self.gradient_norm(backend, r)?;
        // The Hessian of (4.5) is at least 2/rho, and ||(du, Gt du)||^2 = 2 ||dt||^2/rho^2; or 1/rho and 1.
        let wanted = accuracy.residual(size, self.coordinates.signs.sqrt() / rho);
        let target = wanted.max(attainable(backend) * size);
        // The last pass of an earlier solve is not used with the first one of this solve.
        backend.fill(0.0, &mut self.r_moved)?;
        self.blocks.iter_mut().try_for_each(|block| backend.fill(0.0, &mut block.moved))?;
        let (mut passes, mut best) = (0, norm);
        let (mut last_decrease, energy_target) = (f64::INFINITY, energy_target(accuracy));
        let status = loop {
            if !norm.is_finite() {
                break LinearStatus::NonFinite;
            }
            if norm <= target {
                break LinearStatus::Converged;
            }
            if passes == PASS_LIMIT {
                break LinearStatus::IterationLimit;
            }
            let [met, decrease] = self.pass(backend, rho, r)?;
            passes += 1;
            // The remaining decrease, if every pass has the same ratio.
            let share = (decrease / last_decrease).min(0.99);
            last_decrease = decrease;
            let near = passes > 1 && decrease * share / (1.0 - share) < energy_target;
            if met <= target || near || passes % RECOMPUTE == 0 || !met.is_finite() || passes == PASS_LIMIT {
                self.refresh(blocks, rho, r)?;
                norm = self.gradient_norm(backend, r)?;
                if near {
                    break LinearStatus::Converged;
                }
                if passes % RECOMPUTE == 0 {
                    if norm > target && norm > PROGRESS * best {
                        break LinearStatus::Breakdown;
                    }
                    best = best.min(norm);
                }
            }
        };
        let relative_residual = Some(if size > 0.0 { norm / size } else { norm });
        Ok(LinearInfo { status, iterations: passes, relative_residual })
    }
}

/// The estimated squared error of (u, Gt u) that suffices; 0 if a residual was requested.
fn energy_target(accuracy: Accuracy) -> f64 {
    match accuracy {
        Accuracy::Relative(_) => 0.0,
        Accuracy::Error(tolerance) => (tolerance / ESTIMATE_SAFETY).powi(2),
    }
}

impl<B: Backend> LinearSolver<B> for Rbcd<B> {
    fn name(&self) -> &'static str {
        if self.sketch.is_some() { SolverKind::NystromRbcd.name() } else { SolverKind::Rbcd.name() }
    }

    fn prepare(&mut self, system: &mut dyn MaskedSystem<B>) -> Result<(), LinalgError> {
        self.factors = None;
        let coordinates = GramCoordinates::new(system)?;
        let (rho, blocks) = (system.penalty(), system.blocks());
        let (backend, n, targets) = (blocks.backend, blocks.n_samples(), blocks.y.cols());
        let mut parts = Vec::new();
        let size = (n * blocks.n_rows / ENTRIES).clamp(1, GROUP);
        for group in groups(backend, blocks.masked()?.bits, size, blocks.n_rows)? {
            let mut block = Block::new(&blocks, group)?;
            if let Some(settings) = self.sketch {
                block.sketch(&blocks, &coordinates.v, settings, coordinates.shift(rho))?;
            }
            parts.push(block);
        }
        self.factors = Some(Factors {
            b: backend.zeros(n, targets)?,
            change: backend.zeros(n, targets)?,
            r_start: backend.zeros(n, targets)?,
            r_moved: backend.zeros(n, targets)?,
            order: (0..parts.len()).collect(),
            blocks: parts,
            rng: Pcg64::seed_from_u64(self.seed),
            coordinates,
        });
        Ok(())
    }

    fn update_penalty(&mut self, system: &mut dyn MaskedSystem<B>, rho: f64) -> Result<(), LinalgError> {
        system.set_penalty(rho);
        let backend = system.blocks().backend;
        if let Some(factors) = &mut self.factors {
            let shift = factors.coordinates.shift(rho);
            let deflations = factors.blocks.iter_mut().flat_map(|block| &mut block.deflations);
            deflations.into_iter().try_for_each(|deflation| deflation.set_shift(backend, shift))?;
        }
        Ok(())
    }

    fn solve(
        &mut self,
        system: &mut dyn MaskedSystem<B>,
        rhs: &SystemRhs<'_, B>,
        accuracy: Accuracy,
        solution: &mut SystemSolution<B>,
    ) -> Result<LinearInfo, LinalgError> {
        if self.factors.is_none() {
            self.prepare(system)?;
        }
        let (rho, blocks) = (system.penalty(), system.blocks());
        let mut info = LinearInfo { status: LinearStatus::Converged, iterations: 0, relative_residual: None };
        if let Some(factors) = &mut self.factors {
            self.solves = self.solves.wrapping_add(1);
            factors.shuffle_from(self.seed.wrapping_add(self.solves));
            let [_, xu, residual] = solution.expect_xu("rbcd")?;
            factors.coordinates.enter(&blocks, rhs, xu, &mut factors.b)?;
            info = factors.run(&blocks, rho, accuracy, residual)?;
            factors.coordinates.leave(&blocks, 1.0 / rho, solution)?;
        }
        self.last_passes = info.iterations;
        Ok(info)
    }

    fn flops(&self) -> SolverFlops {
        self.factors.as_ref().map_or_else(SolverFlops::default, |factors| {
            let (way, product) = factors.coordinates.flops();
            // A pass is two products; the first r, its gradient, its scale and the last look are five.
            SolverFlops { update: 0.0, solve: way + product * (5.0 + 2.0 * self.last_passes as f64) }
        })
    }

    fn state(&self, backend: &B) -> Result<SolverState, LinalgError> {
        let mut state = SolverState::of_words(&[self.solves, self.last_passes as u64]);
        if let Some(factors) = &self.factors {
            let (mut rows, mut t) = (0, Vec::new());
            for block in &factors.blocks {
                rows = block.t.rows();
                t.extend_from_slice(backend.download(&block.t)?.values());
            }
            state.unknowns = Some(HostMatrix::from_vec(rows, t.len() / rows.max(1), t));
        }
        Ok(state)
    }

    fn restore(&mut self, backend: &B, state: &SolverState) -> Result<(), LinalgError> {
        let [solves, last_passes] = state.words()?;
        (self.solves, self.last_passes) = (solves, last_passes as usize);
        let (Some(factors), Some(unknowns)) = (&mut self.factors, &state.unknowns) else { return Ok(()) };
        let mut rest = unknowns.values();
        for block in &mut factors.blocks {
            let (rows, cols) = (block.t.rows(), block.t.cols());
            let (own, others) = rest.split_at_checked(rows * cols).ok_or_else(|| LinalgError::Shape {
                operation: "restore",
                detail: format!("{} unknowns are left for {rows} x {cols}", rest.len()),
            })?;
            block.t = backend.upload(&HostMatrix::from_vec(rows, cols, own.to_vec()))?;
            rest = others;
        }
        Ok(())
    }
}
