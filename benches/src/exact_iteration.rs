//! Set-up and one exact iteration (docs/math.md, section 3), stage by stage: seconds, rate, and the share of a plain
//! GEMM's rate in the same run. Timings are the quietest of several.

use crate::host::Host;
use crate::row::append;
use anyhow::Result;
use comfy_table::{Table, presets};
use cvx_bench::operations::filled;
use cvx_linalg::{
    Accuracy, Backend, BitMask, BlockLayout, ConeRhs, Cpu, Half, HostMatrix, LinalgError, LinearSolver, MaskedSystem,
    SystemRhs, SystemSolution, ThreadPool, Transpose,
};
use cvx_model::{ConvexProgram, PatternSet, RowScale, SystemOperator};
use cvx_solvers::Cholesky;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

/// Sizes and repetitions.
#[derive(clap::Args)]
pub struct Args {
    /// Number of samples n.
    #[arg(long, default_value_t = 10_000)]
    samples: usize,
    /// Number of features d.
    #[arg(long, default_value_t = 3_073)]
    features: usize,
    /// Number of patterns P.
    #[arg(long, default_value_t = 50)]
    patterns: usize,
    /// Threads; 0 takes one per core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Repetitions of each stage; the quietest counts.
    #[arg(long, default_value_t = 5)]
    repeats: usize,
    /// Append the measurement to this file as one JSON line.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Serialize)]
struct Stage {
    part: &'static str,
    name: &'static str,
    seconds: f64,
    gigaflops: f64,
    /// Rate over that of a plain GEMM of the same precision in this run; `None` where memory is the bound.
    share_of_gemm: Option<f64>,
}

#[derive(Serialize)]
struct Row {
    bench: &'static str,
    host: Host,
    seed: u64,
    n_samples: usize,
    n_features: usize,
    n_patterns: usize,
    gemm_gigaflops_f32: f64,
    gemm_gigaflops_f64: f64,
    stages: Vec<Stage>,
    setup_seconds: f64,
    iteration_seconds: f64,
    /// Share of an iteration inside GEMM and triangular solves.
    iteration_share_in_blas3: f64,
}

/// Measures, prints, records.
pub fn run(args: &Args) -> Result<()> {
    let pool = ThreadPool::new(args.threads)?;
    let threads = pool.threads();
    let (row, table) = pool.run(|| measure(args, threads))?;
    println!("{table}");
    args.json.iter().try_for_each(|path| append(path, &row))
}

/// Quietest seconds of several runs.
fn quietest(repeats: usize, mut f: impl FnMut() -> Result<(), LinalgError>) -> Result<f64, LinalgError> {
    let mut best = f64::INFINITY;
    for _ in 0..repeats.max(1) {
        let begin = Instant::now();
        f()?;
        best = best.min(begin.elapsed().as_secs_f64());
    }
    Ok(best)
}

/// GFLOP/s of a plain 2048 x 2048 x 2048 product.
fn plain_gemm<B: Backend>(backend: &B, repeats: usize) -> Result<f64, LinalgError> {
    const SIDE: usize = 2048;
    let (a, b) = (backend.upload(&filled(SIDE, SIDE, 1))?, backend.upload(&filled(SIDE, SIDE, 2))?);
    let mut c = backend.zeros(SIDE, SIDE)?;
    let seconds = quietest(repeats, || backend.gemm(1.0, &a, Transpose::No, &b, Transpose::No, 0.0, &mut c))?;
    Ok(2.0 * (SIDE as f64).powi(3) / seconds / 1e9)
}

fn measure(args: &Args, threads: usize) -> Result<(Row, String)> {
    const SEED: u64 = 0;
    let (n, d, p, repeats) = (args.samples, args.features, args.patterns, args.repeats);
    let (nf, df, pf) = (n as f64, d as f64, p as f64);
    let cpu = Cpu::<f32>::new();
    let wide = cpu.wide();
    let rates = [plain_gemm(&cpu, repeats)?, plain_gemm(&wide, repeats)?];

    let host_x = filled(d, n, 3);
    let (xt, x_wide) = (cpu.upload(&host_x)?, wide.upload(&host_x)?);
    let mask: BitMask = cpu.upload_mask(&BitMask::from_fn(n, p, |a, i| (a * 31 + i * 17) % 7 < 3))?;
    let g = cpu.upload(&HostMatrix::from_fn(n, 1, |_, _| (0.75 / df).sqrt()))?;
    let weights = wide.upload(&HostMatrix::from_fn(n, 1, |_, _| 0.75 / df))?;
    let mut stages: Vec<Stage> = Vec::new();
    let mut stage = |part, name, flops: f64, rate: Option<f64>, seconds: f64| {
        let gigaflops = flops / seconds / 1e9;
        stages.push(Stage { part, name, seconds, gigaflops, share_of_gemm: rate.map(|rate| gigaflops / rate) });
    };
    let [f32_rate, f64_rate] = rates.map(Some);

    // Set-up.
    let mut m = wide.zeros(d, d)?;
    let t = quietest(repeats, || wide.weighted_gram(&x_wide, &weights, 1.0, &mut m))?;
    stage("set-up", "M = I + X'g^2X, f64, half", nf * df * df, f64_rate, t);
    let m_host = wide.download(&m)?;
    let t = quietest(repeats, || wide.cholesky(&mut m)).or_else(|_| {
        // The second repetition factors a factor: start each from M again.
        m = wide.upload(&m_host)?;
        quietest(1, || wide.cholesky(&mut m))
    })?;
    stage("set-up", "Cholesky of M, f64", df.powi(3) / 3.0, f64_rate, t);
    m = wide.upload(&m_host)?;
    wide.cholesky(&mut m)?;
    let mut v_wide = wide.zeros(d, n)?;
    wide.copy(&x_wide, &mut v_wide)?;
    let t = quietest(1, || wide.solve(&m, Half::Lower, &mut v_wide))?;
    stage("set-up", "V = L^-1 X', f64", nf * df * df, f64_rate, t);
    let mut v = cpu.zeros(d, n)?;
    cpu.narrow(&v_wide, &mut v)?;
    let t = quietest(1, || wide.solve(&m, Half::Upper, &mut v_wide))?;
    stage("set-up", "W = L^-T V, f64", nf * df * df, f64_rate, t);
    let mut w = cpu.zeros(d, n)?;
    cpu.narrow(&v_wide, &mut w)?;
    let (mut kernel, mut diagonal) = (cpu.zeros(n, n)?, cpu.zeros(n, 1)?);
    let t = quietest(repeats.min(3), || cpu.gram(&v, false, &mut kernel, &mut diagonal))?;
    stage("set-up", "K = V'V, f32, half", nf * nf * df, f32_rate, t);
    let t = quietest(repeats.min(3), || cpu.shifted_lower(0.02, Some(&mask), &diagonal, &mut kernel))?;
    stage("set-up", "I + (2/rho) K o S (bytes)", 4.0 * nf * nf, None, t);
    let mut t = f64::INFINITY;
    for _ in 0..repeats.min(3) {
        cpu.shifted_lower(0.02, Some(&mask), &diagonal, &mut kernel)?;
        t = t.min(quietest(1, || cpu.cholesky(&mut kernel))?);
    }
    stage("set-up", "Cholesky of I + (2/rho) K o S, f32", nf.powi(3) / 3.0, f32_rate, t);
    let m_inverse = cpu.upload(&filled(d, d, 4))?;

    // One iteration.
    let blocks = cpu.upload(&filled(d, 2 * p, 5))?;
    let rows = cpu.upload(&filled(n, 2 * p, 6))?;
    let (mut u, mut correction) = (cpu.zeros(d, 2 * p)?, cpu.zeros(d, p)?);
    let (mut xu, mut flipped) = (cpu.zeros(n, 2 * p)?, cpu.zeros(n, 2 * p)?);
    let (mut masked, mut x_correction, mut r) = (cpu.zeros(n, p)?, cpu.zeros(n, p)?, cpu.zeros(n, 1)?);
    let (no, yes) = (Transpose::No, Transpose::Yes);
    let block_flops = 4.0 * nf * df * pf;
    let layout = BlockLayout::both(p, 1);
    let t = quietest(repeats, || cpu.sign_flip(&mask, &g, &rows, None, &mut flipped))?;
    stage("iteration", "g e (s - nu)", 2.0 * nf * pf, None, t);
    let t = quietest(repeats, || cpu.gemm(1.0, &m_inverse, no, &blocks, no, 0.0, &mut u))?;
    stage("iteration", "GEMM M^-1 (v - lambda)", 4.0 * df * df * pf, f32_rate, t);
    let t = quietest(repeats, || cpu.gemm(1.0, &w, no, &flipped, no, 1.0, &mut u))?;
    stage("iteration", "GEMM W, 2P columns", block_flops, f32_rate, t);
    let t = quietest(repeats, || cpu.gemm(1.0, &xt, yes, &u, no, 0.0, &mut xu))?;
    stage("iteration", "GEMM X, 2P columns", block_flops, f32_rate, t);
    let t = quietest(repeats, || cpu.masked_row_sum(layout, Some(&mask), &xu, &mut r))?;
    stage("iteration", "masked row sum", 2.0 * nf * pf, None, t);
    let t = quietest(repeats, || cpu.solve(&kernel, Half::Both, &mut r))?;
    stage("iteration", "triangular solves, n x n", 2.0 * nf * nf, None, t);
    let t = quietest(repeats, || cpu.masked_broadcast(&mask, 0.02, &r, &mut masked))?;
    stage("iteration", "masked broadcast", nf * pf, None, t);
    let t = quietest(repeats, || cpu.gemm(1.0, &w, no, &masked, no, 0.0, &mut correction))?;
    stage("iteration", "GEMM W, P columns", block_flops / 2.0, f32_rate, t);
    let t = quietest(repeats, || cpu.gemm(1.0, &xt, yes, &correction, no, 0.0, &mut x_correction))?;
    stage("iteration", "GEMM X, P columns", block_flops / 2.0, f32_rate, t);
    let t = quietest(repeats, || {
        cpu.add_pairs(layout, -1.0, &correction, &mut u)?;
        cpu.add_pairs(layout, -1.0, &x_correction, &mut xu)
    })?;
    stage("iteration", "corrections of u and X u", 2.0 * (nf + df) * 2.0 * pf, None, t);
    let (mut s, mut nu) = (cpu.zeros(n, 2 * p)?, cpu.zeros(n, 2 * p)?);
    let t = quietest(repeats, || cpu.slack_step(&mask, &g, &xu, 1.6, 1.0, &mut s, &mut nu).map(|_| ()))?;
    stage("iteration", "slack and dual step", 20.0 * nf * pf, None, t);
    let mut shrunk = cpu.zeros(d, 2 * p)?;
    let t = quietest(repeats, || cpu.group_soft_threshold(&u, 0.1, &mut shrunk).map(|_| ()))?;
    stage("iteration", "group soft-threshold", 6.0 * df * pf, None, t);

    // The whole, through the solver itself.
    drop((kernel, w, v, v_wide, x_wide));
    let gates = PatternSet::sample_gates(d, p, SEED);
    let y = HostMatrix::from_fn(n, 1, |a, _| if host_x[(0, a)] > 0.0 { 1.0 } else { -1.0 });
    let program = ConvexProgram::new(cpu.clone(), &host_x, y, &gates, 1.0)?;
    drop(host_x);
    let mut system = SystemOperator::new(&program, RowScale::Normalised { sigma: 0.25 }, 100.0)?;
    let mut solver = Cholesky::new();
    let setup_seconds = quietest(1, || solver.prepare(&mut system))?;
    let (d, columns) = (program.n_features(), program.n_blocks());
    let (blocks, rows) = (cpu.upload(&filled(d, columns, 5))?, cpu.upload(&filled(n, columns, 6))?);
    let mut solution = SystemSolution::zeros(&system.blocks())?;
    let iteration_seconds = quietest(repeats, || {
        let rhs = SystemRhs { blocks: &blocks, rows: Some(ConeRhs { s: &rows, nu: None }) };
        solver.solve(&mut system, &rhs, Accuracy::Relative(0.0), &mut solution).map(|_| ())
    })?;
    debug_assert!(system.penalty() > 0.0);

    let seconds_of = |blas3: bool| -> f64 {
        let counted = |stage: &&Stage| {
            stage.part == "iteration"
                && (!blas3 || stage.name.starts_with("GEMM") || stage.name.starts_with("triangular"))
        };
        stages.iter().filter(counted).map(|stage| stage.seconds).sum()
    };
    let share = seconds_of(true) / seconds_of(false);
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["part", "stage", "seconds", "GFLOP/s", "of plain GEMM"]);
    for stage in &stages {
        table.add_row([
            stage.part.to_string(),
            stage.name.to_string(),
            format!("{:.4}", stage.seconds),
            format!("{:.1}", stage.gigaflops),
            stage.share_of_gemm.map_or(String::new(), |share| format!("{:.0} %", 100.0 * share)),
        ]);
    }
    let text = format!(
        "{table}\nplain GEMM 2048^3: {:.1} GFLOP/s in f32, {:.1} in f64, {threads} threads\n\
         set-up through the solver: {setup_seconds:.2} s; one u-update: {iteration_seconds:.4} s; {:.1} % of an \
         iteration's stages in GEMM and triangular solves",
        rates[0],
        rates[1],
        100.0 * share
    );
    let row = Row {
        bench: "exact-iteration",
        host: Host::new(threads),
        seed: SEED,
        n_samples: n,
        n_features: d,
        n_patterns: program.n_patterns(),
        gemm_gigaflops_f32: rates[0],
        gemm_gigaflops_f64: rates[1],
        stages,
        setup_seconds,
        iteration_seconds,
        iteration_share_in_blas3: share,
    };
    Ok((row, text))
}
