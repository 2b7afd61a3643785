//! The operations of an iteration and of its set-up, each with its operations and its bytes: what the micro benchmarks,
//! the table of roofs and the regression guard measure.

use crate::place::Place;
use anyhow::Result;
use cvx_admm::{Beta, Device, Settings, SolverChoice, SolverKind, train};
use cvx_data::Planted;
#[cfg(feature = "cuda")]
use cvx_linalg::Cuda;
use cvx_linalg::{
    Accuracy, Backend, BitMask, BlockLayout, ConeRhs, Cpu, Half, HostMatrix, LinearOperator, LossSlope, MaskedSystem,
    SoftCones, SystemRhs, SystemSolution, Transpose,
};
use cvx_model::{ConvexProgram, PatternSet, RowScale, SystemOperator};
use cvx_solvers::SolverSettings;

/// The sizes of their data.
#[derive(Clone, Copy)]
pub struct Sizes {
    /// n.
    pub samples: usize,
    /// d.
    pub features: usize,
    /// P.
    pub patterns: usize,
    /// Order of the matrices that are factored, and number of samples where the work grows with its square.
    pub order: usize,
}

impl Sizes {
    /// Those of Feng et al., but for the cubic operations.
    pub const FENG: Sizes = Sizes { samples: 10_000, features: 3_072, patterns: 50, order: 4_096 };
    /// Small enough that a guard has time for many rounds.
    pub const SMALL: Sizes = Sizes { samples: 4_000, features: 300, patterns: 50, order: 1_024 };

    fn floats(&self) -> [f64; 4] {
        [self.samples, self.features, self.patterns, self.order].map(|size| size as f64)
    }
}

/// One measurement.
pub struct Operation {
    /// The name in tables.
    pub name: &'static str,
    /// Bytes of one stored number.
    pub scalar_bytes: usize,
    processor: fn(&Sizes) -> Result<Work>,
    #[cfg(feature = "cuda")]
    gpu: fn(&Cuda<f32>, &Sizes) -> Result<Work>,
}

impl Operation {
    /// The operation on data of these sizes, at that place.
    ///
    /// # Errors
    /// When memory is short.
    pub fn build(&self, place: &Place, sizes: &Sizes) -> Result<Work> {
        #[cfg(feature = "cuda")]
        if let Some(cuda) = place.cuda() {
            let mut work = (self.gpu)(cuda, sizes)?;
            let cuda = cuda.clone();
            // The call only queues the work.
            return Work::new(work.flops, work.bytes, move || {
                work.run()?;
                Ok(cuda.synchronize()?)
            });
        }
        let _ = place;
        (self.processor)(sizes)
    }
}

/// An operation with its data.
pub struct Work {
    /// Operations of one run; 0 where they are not counted.
    pub flops: f64,
    /// Bytes that one run has to read and to write, if each number is moved once.
    pub bytes: f64,
    run: Box<dyn FnMut() -> Result<()>>,
}

impl Work {
    fn new(flops: f64, bytes: f64, run: impl FnMut() -> Result<()> + 'static) -> Result<Self> {
        Ok(Work { flops, bytes, run: Box::new(run) })
    }

    /// Does it once.
    ///
    /// # Errors
    /// Those of the operation.
    pub fn run(&mut self) -> Result<()> {
        (self.run)()
    }
}

/// An operation by the generic function that builds it.
macro_rules! operation {
    (f32 $name:literal, $build:ident $(, $argument:expr)*) => {
        operation!(@ $name, 4, Cpu::<f32>::new(), Cuda::clone, $build $(, $argument)*)
    };
    (f64 $name:literal, $build:ident $(, $argument:expr)*) => {
        operation!(@ $name, 8, Cpu::<f64>::new(), Backend::wide, $build $(, $argument)*)
    };
    (@ $name:literal, $bytes:literal, $cpu:expr, $cuda:expr, $build:ident $(, $argument:expr)*) => {
        Operation {
            name: $name,
            scalar_bytes: $bytes,
            processor: |sizes| $build($cpu, sizes $(, $argument)*),
            #[cfg(feature = "cuda")]
            gpu: |cuda, sizes| $build($cuda(cuda), sizes $(, $argument)*),
        }
    };
}

/// All of them.
pub const OPERATIONS: &[Operation] = &[
    operation!(f32 "X u", product, false),
    operation!(f64 "X u, f64", product, false),
    operation!(f32 "X u and masked sum", product, true),
    operation!(f32 "application of A", system),
    operation!(f64 "application of A, f64", system),
    operation!(f32 "masked row sum", masked_row_sum),
    operation!(f32 "masked broadcast", masked_broadcast),
    operation!(f32 "sign flip", sign_flip),
    operation!(f32 "add pairs", add_pairs),
    operation!(f32 "slack step", slack_step),
    operation!(f64 "slack step, f64", slack_step),
    operation!(f32 "soft slack step", soft_slack_step),
    operation!(f32 "group soft-threshold", group_soft_threshold),
    operation!(f32 "keep signs", keep_signs),
    operation!(f32 "column norms", column_norms),
    operation!(f32 "positive part", positive_part),
    operation!(f32 "Hadamard", hadamard),
    operation!(f64 "Hadamard, f64", hadamard),
    operation!(f32 "axpby", axpby),
    operation!(f32 "copy", copy),
    operation!(f32 "fill", fill),
    operation!(f32 "dot", dot),
    operation!(f64 "dot, f64", dot),
    operation!(f64 "weighted Gram, f64", weighted_gram),
    operation!(f32 "masked Gram", masked_gram),
    operation!(f32 "shifted lower", shifted_lower),
    operation!(f32 "Cholesky", cholesky),
    operation!(f64 "Cholesky, f64", cholesky),
    operation!(f32 "solve, one column", solve, 1),
    operation!(f64 "solve, 512 columns, f64", solve, 512),
    operation!(f32 "set-up, cholesky", set_up),
    operation!(f32 "u-update, cholesky", u_update, SolverKind::Cholesky),
    operation!(f32 "u-update, gram-pcg, 5 steps", u_update, SolverKind::GramPcg),
    operation!(f32 "training run, 30 iterations", training_run),
];

/// Reproducible entries in [-1, 1).
pub fn filled(rows: usize, cols: usize, seed: u64) -> HostMatrix {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    HostMatrix::from_fn(rows, cols, |_, _| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    })
}

fn bits(rows: usize, patterns: usize) -> BitMask {
    BitMask::from_fn(rows, patterns, |a, i| (a * 31 + i * 17) % 7 < 3)
}

/// A symmetric matrix that is nearly the identity: its factor is too, so that one may be factored, solved with and
/// factored again without a fresh copy in between.
fn near_identity(order: usize) -> HostMatrix {
    let noise = filled(order, order, 7);
    HostMatrix::from_fn(order, order, |i, j| if i == j { 1.0 } else { 1e-5 * noise[(i, j)] })
}

/// Numbers of an n x 2P matrix, and the bytes of one.
fn pass<B: Backend>(backend: &B, sizes: &Sizes) -> (f64, f64) {
    ((2 * sizes.samples * sizes.patterns) as f64, backend.scalar_bytes() as f64)
}

fn product<B: Backend>(backend: B, sizes: &Sizes, summed: bool) -> Result<Work> {
    let (n, d, p) = (sizes.samples, sizes.features, sizes.patterns);
    let [nf, df, pf, _] = sizes.floats();
    let (xt, u) = (backend.upload(&filled(d, n, 3))?, backend.upload(&filled(d, 2 * p, 4))?);
    let (mut xu, mut sum) = (backend.zeros(n, 2 * p)?, backend.zeros(n, 1)?);
    let mask = backend.upload_mask(&bits(n, p))?;
    let (entries, bytes) = pass(&backend, sizes);
    let flops = 4.0 * nf * df * pf + if summed { entries } else { 0.0 };
    Work::new(flops, (nf * df + 2.0 * df * pf + entries) * bytes, move || {
        backend.gemm(1.0, &xt, Transpose::Yes, &u, Transpose::No, 0.0, &mut xu)?;
        if summed {
            backend.masked_row_sum(BlockLayout::both(p, 1), Some(&mask), &xu, &mut sum)?;
        }
        Ok(())
    })
}

/// The programme on samples of noise.
fn program<B: Backend>(backend: B, sizes: &Sizes) -> Result<ConvexProgram<B>> {
    let (n, d) = (sizes.samples, sizes.features);
    let x = filled(d, n, 3);
    let y = HostMatrix::from_fn(n, 1, |a, _| if x[(0, a)] > 0.0 { 1.0 } else { -1.0 });
    Ok(ConvexProgram::new(backend, &x, y, &PatternSet::sample_gates(d, sizes.patterns, 0), 1.0)?)
}

const ROW_SCALE: RowScale = RowScale::Normalised { sigma: 0.25 };

fn system<B: Backend>(backend: B, sizes: &Sizes) -> Result<Work> {
    let program = program(backend, sizes)?;
    let (d, columns) = (program.n_features(), program.n_blocks());
    let u = program.backend().upload(&filled(d, columns, 5))?;
    let mut out = program.backend().zeros(d, columns)?;
    let [nf, df, pf, _] = sizes.floats();
    let scalar = program.backend().scalar_bytes() as f64;
    let (flops, bytes) = (8.0 * nf * df * pf, 2.0 * (nf * df + 2.0 * df * pf) * scalar);
    // The operator borrows the programme; made anew for each run it allocates its scratch, which costs less than the
    // clock's noise beside two products.
    Work::new(flops, bytes, move || Ok(SystemOperator::new(&program, ROW_SCALE, 100.0)?.apply(&mut out, &u)?))
}

fn masked_row_sum<B: Backend>(backend: B, sizes: &Sizes) -> Result<Work> {
    let (n, p) = (sizes.samples, sizes.patterns);
    let (t, mask) = (backend.upload(&filled(n, 2 * p, 6))?, backend.upload_mask(&bits(n, p))?);
    let mut out = backend.zeros(n, 1)?;
    let layout = BlockLayout::both(p, 1);
    let (entries, bytes) = pass(&backend, sizes);
    Work::new(entries, entries * bytes, move || Ok(backend.masked_row_sum(layout, Some(&mask), &t, &mut out)?))
}

fn masked_broadcast<B: Backend>(backend: B, sizes: &Sizes) -> Result<Work> {
    let (n, p) = (sizes.samples, sizes.patterns);
    let (r, mask) = (backend.upload(&filled(n, 1, 6))?, backend.upload_mask(&bits(n, p))?);
    let mut out = backend.zeros(n, p)?;
    let (entries, bytes) = pass(&backend, sizes);
    Work::new(entries / 2.0, entries / 2.0 * bytes, move || Ok(backend.masked_broadcast(&mask, 0.02, &r, &mut out)?))
}

fn sign_flip<B: Backend>(backend: B, sizes: &Sizes) -> Result<Work> {
    let (n, p) = (sizes.samples, sizes.patterns);
    let (x, mask) = (backend.upload(&filled(n, 2 * p, 6))?, backend.upload_mask(&bits(n, p))?);
    let (scale, mut out) = (backend.upload(&filled(n, 1, 8))?, backend.zeros(n, 2 * p)?);
    let (entries, bytes) = pass(&backend, sizes);
    Work::new(2.0 * entries, 2.0 * entries * bytes, move || Ok(backend.sign_flip(&mask, &scale, &x, None, &mut out)?))
}

fn add_pairs<B: Backend>(backend: B, sizes: &Sizes) -> Result<Work> {
    let (n, p) = (sizes.samples, sizes.patterns);
    let (c, mut x) = (backend.upload(&filled(n, p, 6))?, backend.upload(&filled(n, 2 * p, 9))?);
    let layout = BlockLayout::both(p, 1);
    let (entries, bytes) = pass(&backend, sizes);
    Work::new(2.0 * entries, 2.5 * entries * bytes, move || Ok(backend.add_pairs(layout, -1e-3, &c, &mut x)?))
}

fn slack_step<B: Backend>(backend: B, sizes: &Sizes) -> Result<Work> {
    let (n, p) = (sizes.samples, sizes.patterns);
    let (xu, mask) = (backend.upload(&filled(n, 2 * p, 6))?, backend.upload_mask(&bits(n, p))?);
    let scale = backend.upload(&filled(n, 1, 8))?;
    let (mut s, mut nu) = (backend.upload(&filled(n, 2 * p, 9))?, backend.upload(&filled(n, 2 * p, 10))?);
    let (entries, bytes) = pass(&backend, sizes);
    Work::new(20.0 * entries / 2.0, 5.0 * entries * bytes, move || {
        backend.slack_step(&mask, &scale, &xu, 1.6, 1.0, &mut s, &mut nu)?;
        Ok(())
    })
}

/// Bytes of three reads of the rows (violations, and twice in the step) and two writes.
fn soft_slack_step<B: Backend>(backend: B, sizes: &Sizes) -> Result<Work> {
    let (n, p, wide) = (sizes.samples, sizes.patterns, backend.wide());
    let (xu, mask) = (backend.upload(&filled(n, 2 * p, 6))?, backend.upload_mask(&bits(n, p))?);
    let scale = backend.upload(&HostMatrix::from_fn(n, 1, |_, _| 0.5))?;
    let (mut s, mut nu) = (backend.upload(&filled(n, 2 * p, 9))?, backend.upload(&filled(n, 2 * p, 10))?);
    let (y, weights) = (wide.upload(&filled(n, 1, 7))?, wide.upload(&HostMatrix::from_fn(n, 1, |_, _| 1.0))?);
    let mut q = wide.zeros(n, 1)?;
    let (entries, bytes) = pass(&backend, sizes);
    Work::new(40.0 * entries / 2.0, 8.0 * entries * bytes, move || {
        let layout = BlockLayout::both(p, 1);
        let (scale, mask, y, weights) = (&scale, &mask, &y, &weights);
        let (slope, kappa, rho) = (LossSlope::Squared, 1.0, 1.0);
        let cones = SoftCones { layout, mask, scale, slope, y, weights, kappa, rho };
        backend.soft_slack_step(&cones, &xu, 1.6, 1.0, &mut q, &mut s, &mut nu)?;
        Ok(())
    })
}

/// The shape of the blocks: d x 2P.
fn blocks(sizes: &Sizes) -> (usize, usize, f64) {
    (sizes.features, 2 * sizes.patterns, (2 * sizes.features * sizes.patterns) as f64)
}

fn group_soft_threshold<B: Backend>(backend: B, sizes: &Sizes) -> Result<Work> {
    let (rows, cols, entries) = blocks(sizes);
    let (x, mut out) = (backend.upload(&filled(rows, cols, 5))?, backend.zeros(rows, cols)?);
    let bytes = 2.0 * entries * backend.scalar_bytes() as f64;
    Work::new(3.0 * entries, bytes, move || Ok(backend.group_soft_threshold(&x, 0.1, &mut out)?))
}

fn keep_signs<B: Backend>(backend: B, sizes: &Sizes) -> Result<Work> {
    let (rows, cols, entries) = blocks(sizes);
    let mut x = backend.upload(&filled(rows, cols, 5))?;
    let bit = |residue: usize| BitMask::from_fn(rows, sizes.patterns, move |a, i| (a * 31 + i * 17) % 7 > residue);
    let (above, below) = (backend.upload_mask(&bit(2))?, backend.upload_mask(&bit(4))?);
    let bytes = 2.0 * entries * backend.scalar_bytes() as f64;
    Work::new(entries, bytes, move || Ok(backend.keep_signs(&above, &below, &mut x)?))
}

fn column_norms<B: Backend>(backend: B, sizes: &Sizes) -> Result<Work> {
    let (rows, cols, entries) = blocks(sizes);
    let x = backend.upload(&filled(rows, cols, 5))?;
    let bytes = entries * backend.scalar_bytes() as f64;
    Work::new(2.0 * entries, bytes, move || {
        std::hint::black_box(backend.column_norms(&x)?);
        Ok(())
    })
}

fn positive_part<B: Backend>(backend: B, sizes: &Sizes) -> Result<Work> {
    let mut x = backend.upload(&filled(sizes.samples, 2 * sizes.patterns, 6))?;
    let (entries, bytes) = pass(&backend, sizes);
    Work::new(entries, 2.0 * entries * bytes, move || Ok(backend.positive_part(1.0, &mut x)?))
}

fn hadamard<B: Backend>(backend: B, sizes: &Sizes) -> Result<Work> {
    let (n, columns) = (sizes.samples, 2 * sizes.patterns);
    let (x, y) = (backend.upload(&filled(n, columns, 6))?, backend.upload(&filled(n, columns, 9))?);
    let mut out = backend.zeros(n, columns)?;
    let (entries, bytes) = pass(&backend, sizes);
    Work::new(entries, 3.0 * entries * bytes, move || Ok(backend.hadamard(&x, &y, &mut out)?))
}

fn axpby<B: Backend>(backend: B, sizes: &Sizes) -> Result<Work> {
    let (n, columns) = (sizes.samples, 2 * sizes.patterns);
    let (x, mut y) = (backend.upload(&filled(n, columns, 6))?, backend.upload(&filled(n, columns, 9))?);
    let (entries, bytes) = pass(&backend, sizes);
    Work::new(3.0 * entries, 3.0 * entries * bytes, move || Ok(backend.axpby(0.6, &x, -0.4, &mut y)?))
}

fn copy<B: Backend>(backend: B, sizes: &Sizes) -> Result<Work> {
    let x = backend.upload(&filled(sizes.samples, 2 * sizes.patterns, 6))?;
    let mut out = backend.zeros(sizes.samples, 2 * sizes.patterns)?;
    let (entries, bytes) = pass(&backend, sizes);
    Work::new(0.0, 2.0 * entries * bytes, move || Ok(backend.copy(&x, &mut out)?))
}

fn fill<B: Backend>(backend: B, sizes: &Sizes) -> Result<Work> {
    let mut x = backend.upload(&filled(sizes.samples, 2 * sizes.patterns, 6))?;
    let (entries, bytes) = pass(&backend, sizes);
    Work::new(0.0, entries * bytes, move || Ok(backend.fill(0.0, &mut x)?))
}

fn dot<B: Backend>(backend: B, sizes: &Sizes) -> Result<Work> {
    let (n, columns) = (sizes.samples, 2 * sizes.patterns);
    let (x, y) = (backend.upload(&filled(n, columns, 6))?, backend.upload(&filled(n, columns, 9))?);
    let (entries, bytes) = pass(&backend, sizes);
    Work::new(2.0 * entries, 2.0 * entries * bytes, move || {
        std::hint::black_box(backend.dot(&x, &y)?);
        Ok(())
    })
}

fn weighted_gram<B: Backend>(backend: B, sizes: &Sizes) -> Result<Work> {
    let (d, n) = (sizes.features.min(sizes.order / 2), sizes.order);
    let (a, weights) = (backend.upload(&filled(d, n, 3))?, backend.upload(&filled(n, 1, 8))?);
    let mut out = backend.zeros(d, d)?;
    let (df, nf) = (d as f64, n as f64);
    let bytes = (2.0 * df * nf + df * df / 2.0) * backend.scalar_bytes() as f64;
    Work::new(nf * df * df, bytes, move || Ok(backend.weighted_gram(&a, &weights, 1.0, &mut out)?))
}

fn masked_gram<B: Backend>(backend: B, sizes: &Sizes) -> Result<Work> {
    let (d, n) = (sizes.features, sizes.order);
    let (a, mask) = (backend.upload(&filled(d, n, 3))?, backend.upload_mask(&bits(n, sizes.patterns))?);
    let (mut out, mut diagonal) = (backend.zeros(n, n)?, backend.zeros(n, 1)?);
    let (df, nf) = (d as f64, n as f64);
    let bytes = (df * nf + nf * nf / 2.0) * backend.scalar_bytes() as f64;
    Work::new(nf * nf * df, bytes, move || Ok(backend.masked_gram(&a, &mask, &mut out, &mut diagonal)?))
}

fn shifted_lower<B: Backend>(backend: B, sizes: &Sizes) -> Result<Work> {
    let n = sizes.order;
    let (mut matrix, diagonal) = (backend.upload(&near_identity(n))?, backend.upload(&filled(n, 1, 8))?);
    let nf = n as f64;
    let bytes = nf * nf * backend.scalar_bytes() as f64;
    Work::new(nf * nf / 2.0, bytes, move || Ok(backend.shifted_lower(0.02, None, &diagonal, &mut matrix)?))
}

fn cholesky<B: Backend>(backend: B, sizes: &Sizes) -> Result<Work> {
    let mut a = backend.upload(&near_identity(sizes.order))?;
    let n = sizes.order as f64;
    let bytes = n * n * backend.scalar_bytes() as f64;
    Work::new(n.powi(3) / 3.0, bytes, move || Ok(backend.cholesky(&mut a)?))
}

fn solve<B: Backend>(backend: B, sizes: &Sizes, columns: usize) -> Result<Work> {
    let (mut l, mut b) =
        (backend.upload(&near_identity(sizes.order))?, backend.upload(&filled(sizes.order, columns, 5))?);
    backend.cholesky(&mut l)?;
    let (n, c) = (sizes.order as f64, columns as f64);
    // Both halves read the triangle.
    let bytes = (n * n + 4.0 * n * c) * backend.scalar_bytes() as f64;
    Work::new(2.0 * n * n * c, bytes, move || Ok(backend.solve(&l, Half::Both, &mut b)?))
}

/// The sizes at which the n x n factor has the order of the other cubic operations.
fn squared(sizes: &Sizes) -> Sizes {
    Sizes { samples: sizes.order, ..*sizes }
}

fn set_up<B: Backend>(backend: B, sizes: &Sizes) -> Result<Work> {
    let sizes = squared(sizes);
    let program = program(backend, &sizes)?;
    // In both precisions: exact-iteration has its stages, each against its own roof.
    Work::new(0.0, 0.0, move || {
        let mut system = SystemOperator::new(&program, ROW_SCALE, 100.0)?;
        Ok(SolverKind::Cholesky.build(&SolverSettings::default()).prepare(&mut system)?)
    })
}

fn u_update<B: Backend>(backend: B, sizes: &Sizes, kind: SolverKind) -> Result<Work> {
    const STEPS: usize = 5;
    let sizes = squared(sizes);
    let program = program(backend, &sizes)?;
    let backend = program.backend().clone();
    let (n, d, columns) = (program.n_samples(), program.n_features(), program.n_blocks());
    let (blocks, rows) = (backend.upload(&filled(d, columns, 5))?, backend.upload(&filled(n, columns, 6))?);
    let mut solver = kind.build::<B>(&SolverSettings { steps: STEPS, ..SolverSettings::default() });
    solver.prepare(&mut SystemOperator::new(&program, ROW_SCALE, 100.0)?)?;
    let flops = match kind {
        SolverKind::Cholesky => 12.0,
        _ => 16.0 + 4.0 * STEPS as f64,
    };
    let [nf, df, pf, _] = sizes.floats();
    Work::new(flops * nf * df * pf, 0.0, move || {
        let mut system = SystemOperator::new(&program, ROW_SCALE, 100.0)?;
        let mut solution = SystemSolution::zeros(&system.blocks())?;
        let rhs = SystemRhs { blocks: &blocks, rows: Some(ConeRhs { s: &rows, nu: None }) };
        solver.solve(&mut system, &rhs, Accuracy::Relative(0.0), &mut solution)?;
        Ok(())
    })
}

/// Everything that a user's run does, certificate included, up to an iteration limit.
fn training_run<B: Backend>(backend: B, sizes: &Sizes) -> Result<Work> {
    let planted = Planted { n_train: sizes.order, n_test: 0, n_features: sizes.features, ..Planted::default() };
    let data = planted.generate()?.train;
    let settings = Settings {
        patterns: sizes.patterns,
        beta: Beta::Fraction(1e-3),
        solver: SolverChoice::Kind(SolverKind::Cholesky),
        device: if backend.device() == "cpu" { Device::Cpu } else { Device::Cuda(0) },
        max_iterations: 30,
        gap: 1e-9,
        ..Settings::default()
    };
    Work::new(0.0, 0.0, move || {
        std::hint::black_box(train(&data, None, &settings)?);
        Ok(())
    })
}
