//! How conditioning decides what an inner solve costs: condition numbers of the u-update under every preconditioner,
//! and the steps and the time that conjugate gradients then take.

use crate::host::Host;
use crate::source::Source;
use anyhow::{Context, Result, ensure};
use comfy_table::{Table, presets};
use cvx_bench::feng;
use cvx_figures::{Panel, Point, Scale, Series, write};
use cvx_linalg::{
    Accuracy, Backend, ConeRhs, Cpu, LinalgError, LinearSolver, LinearStatus, MaskedSystem, SystemRhs, SystemSolution,
    ThreadPool,
};
use cvx_model::{
    ConvexProgram, Dataset, FeatureKind, Normalisation, PatternSet, RowScale, SystemOperator, Targets, TaskChoice,
    Transform,
};
use cvx_solvers::{Condition, SolverKind, SolverSettings, SpectrumMethod, condition, condition_of};
use serde::Serialize;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

/// The system and the preconditioners to look at.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Of images, keep every K-th pixel of every K-th line.
    #[arg(long, value_name = "K", default_value_t = 1)]
    stride: usize,
    /// Number of patterns.
    #[arg(long, default_value_t = 10)]
    patterns: usize,
    /// Penalty.
    #[arg(long, default_value_t = 0.01)]
    rho: f64,
    /// Weight of the cone constraint, with rows scaled to one norm [default: rows as they are, as Feng et al. have
    /// them].
    #[arg(long)]
    sigma: Option<f64>,
    /// Ranks of the sketches.
    #[arg(long, value_delimiter = ',', default_value = "1,2,5,10,20,50,100,200")]
    ranks: Vec<usize>,
    /// Compute all eigenvalues of matrices up to this order, beside the estimates.
    #[arg(long, value_name = "ORDER", default_value_t = 1200)]
    exact_to: usize,
    /// Relative residual of the u-update.
    #[arg(long, default_value_t = 1e-6)]
    tolerance: f64,
    /// Seed of patterns and sketches.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for rows (JSON lines, CSV) and pictures (SVG, PNG).
    #[arg(long, value_name = "DIR", default_value = "condition-sweep")]
    out: PathBuf,
}

/// A preconditioner as the pictures name it.
struct Contender {
    label: &'static str,
    kind: SolverKind,
    /// The sketch of Feng et al., of all of A.
    whole: bool,
    sketched: bool,
}

impl Contender {
    /// The solver, not yet prepared.
    fn build(&self, settings: &SolverSettings) -> Box<dyn LinearSolver<Cpu<f64>>> {
        if self.whole { Box::new(feng::whole_nystrom_pcg(*settings)) } else { self.kind.build(settings) }
    }

    /// The ends of the spectrum that it leaves.
    fn condition(
        &self,
        settings: &SolverSettings,
        system: &mut dyn MaskedSystem<Cpu<f64>>,
        method: SpectrumMethod,
    ) -> Result<Condition, LinalgError> {
        match self.whole {
            true => condition_of(&mut feng::whole_nystrom_pcg(*settings), settings.seed, system, method),
            false => condition(self.kind, settings, system, method),
        }
    }
}

const CONTENDERS: [Contender; 6] = [
    Contender { label: "none", kind: SolverKind::Cg, whole: false, sketched: false },
    Contender { label: "Jacobi", kind: SolverKind::JacobiPcg, whole: false, sketched: false },
    Contender { label: "Nystrom of A", kind: SolverKind::NystromPcg, whole: true, sketched: true },
    Contender { label: "Nystrom of the blocks", kind: SolverKind::NystromPcg, whole: false, sketched: true },
    Contender { label: "Gram", kind: SolverKind::GramPcg, whole: false, sketched: false },
    Contender { label: "Gram + Nystrom", kind: SolverKind::GramNystromPcg, whole: false, sketched: true },
];

/// Relative accuracy and most steps of a Lanczos estimate.
const LANCZOS: SpectrumMethod = SpectrumMethod::Lanczos { accuracy: 1e-2, steps: 20_000 };

#[derive(Serialize)]
struct Row {
    bench: &'static str,
    host: Host,
    seed: u64,
    data: String,
    n_samples: usize,
    n_features: usize,
    n_patterns: usize,
    rho: f64,
    sigma: Option<f64>,
    preconditioner: &'static str,
    solver: &'static str,
    rank: Option<usize>,
    condition_number: f64,
    condition_low: f64,
    condition_high: f64,
    lanczos_steps: usize,
    exact_condition_number: Option<f64>,
    predicted_steps: f64,
    observed_steps: usize,
    status: String,
    relative_residual: Option<f64>,
    setup_seconds: f64,
    u_update_seconds: f64,
}

/// Sweeps, prints, records, draws.
pub fn run(args: &Args) -> Result<()> {
    ensure!(args.rho > 0.0 && args.rho.is_finite(), "--rho is {}, but it must be a positive number", args.rho);
    ensure!(args.patterns > 0, "--patterns must be 1 or more");
    fs::create_dir_all(&args.out).with_context(|| format!("{}: cannot be made", args.out.display()))?;
    let data = args.source.open()?.train;
    let data = strided(&data, args.stride)?;
    let pool = ThreadPool::new(0)?;
    let threads = pool.threads();
    let rows = pool.run(|| sweep(args, &data, threads))?;
    record(args, &rows)?;
    draw(args, &rows)
}

/// Every K-th pixel of every K-th line, from the first on.
fn strided(data: &Dataset, stride: usize) -> Result<Dataset> {
    if stride == 1 {
        return Ok(data.clone());
    }
    let FeatureKind::Image { channels, height, width } = data.kind() else {
        anyhow::bail!("--stride is for images, and {} features are none", data.n_features());
    };
    ensure!(stride > 0, "--stride must be 1 or more");
    let kept: Vec<usize> = (0..channels * height * width)
        .filter(|at| (at % width).is_multiple_of(stride) && (at / width % height).is_multiple_of(stride))
        .collect();
    let values = (0..data.n_samples()).flat_map(|a| kept.iter().map(move |&at| data.get(a, at))).collect();
    let kind = FeatureKind::Image { channels, height: height.div_ceil(stride), width: width.div_ceil(stride) };
    Ok(Dataset::new(kept.len(), values, data.labels().cloned(), kind)?)
}

fn sweep(args: &Args, data: &Dataset, threads: usize) -> Result<Vec<Row>> {
    let labels = data.labels().context("the data have no labels")?;
    let targets = Targets::new(labels, TaskChoice::Auto)?;
    let transform = Transform::fit(data, Normalisation::default_for(data.kind()), true)?;
    let xt = transform.apply(data)?;
    let gates = PatternSet::sample_gates(xt.rows(), args.patterns, args.seed);
    let program = ConvexProgram::new(Cpu::<f64>::new(), &xt, targets.y, &gates, 0.0)?;
    let row_scale = args.sigma.map_or(RowScale::Unscaled, |sigma| RowScale::Normalised { sigma });
    let order = program.n_features() * program.n_blocks() / program.n_targets();
    println!(
        "{}: n = {}, d = {}, P = {}, A of order {order}, rho = {}",
        args.source.data,
        program.n_samples(),
        program.n_features(),
        program.n_patterns(),
        args.rho
    );
    let mut rows = Vec::new();
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header([
        "preconditioner",
        "rank",
        "condition number",
        "exact",
        "CG steps",
        "predicted",
        "set-up s",
        "u-update s",
    ]);
    for contender in &CONTENDERS {
        let in_kernel = matches!(contender.kind, SolverKind::GramPcg | SolverKind::GramNystromPcg);
        // What is iterated on, and what is sketched.
        let order = if in_kernel { program.n_samples() } else { order };
        let sketched = if contender.whole || in_kernel { order } else { program.n_features() };
        let ranks = args.ranks.iter().filter(|&&rank| rank <= sketched).map(|&rank| Some(rank));
        let ranks: Vec<Option<usize>> = if contender.sketched { ranks.collect() } else { vec![None] };
        for rank in ranks {
            let mut system = SystemOperator::new(&program, row_scale, args.rho)?;
            let settings = SolverSettings { rank, seed: args.seed, steps: 20_000 };
            let estimate = contender.condition(&settings, &mut system, LANCZOS)?;
            let exact = (order <= args.exact_to)
                .then(|| contender.condition(&settings, &mut system, SpectrumMethod::Exact))
                .transpose()?;
            let row = measure(args, threads, contender, &settings, &program, &mut system, estimate, exact)?;
            table.add_row([
                row.preconditioner.to_string(),
                rank.map_or(String::new(), |rank| rank.to_string()),
                format!("{:.3e} ({:.1e} to {:.1e})", row.condition_number, row.condition_low, row.condition_high),
                row.exact_condition_number.map_or(String::new(), |number| format!("{number:.3e}")),
                if row.status == "Converged" {
                    row.observed_steps.to_string()
                } else {
                    format!("{} ({})", row.observed_steps, row.status)
                },
                format!("{:.0}", row.predicted_steps),
                format!("{:.4}", row.setup_seconds),
                format!("{:.4}", row.u_update_seconds),
            ]);
            rows.push(row);
        }
    }
    println!("{table}");
    Ok(rows)
}

/// The first u-update of a run: b = F'y/rho, from zero.
#[allow(clippy::too_many_arguments)]
fn measure(
    args: &Args,
    threads: usize,
    contender: &Contender,
    settings: &SolverSettings,
    program: &ConvexProgram<Cpu<f64>>,
    system: &mut SystemOperator<'_, Cpu<f64>>,
    estimate: Condition,
    exact: Option<Condition>,
) -> Result<Row> {
    let backend = program.backend();
    let (d, n, columns) = (program.n_features(), program.n_samples(), program.n_blocks());
    let mut solver = contender.build(settings);
    let start = Instant::now();
    solver.prepare(system)?;
    let setup_seconds = start.elapsed().as_secs_f64();
    let (blocks, rows) = (backend.zeros(d, columns)?, backend.zeros(n, columns)?);
    let mut solution = SystemSolution::zeros(&system.blocks())?;
    let start = Instant::now();
    let rhs = SystemRhs { blocks: &blocks, rows: Some(ConeRhs { s: &rows, nu: None }) };
    let info = solver.solve(system, &rhs, Accuracy::Relative(args.tolerance), &mut solution)?;
    let u_update_seconds = start.elapsed().as_secs_f64();
    let (condition_low, condition_high) = estimate.interval();
    Ok(Row {
        bench: "condition-sweep",
        host: Host::new(threads),
        seed: args.seed,
        data: args.source.name(),
        n_samples: n,
        n_features: d,
        n_patterns: program.n_patterns(),
        rho: system.penalty(),
        sigma: args.sigma,
        preconditioner: contender.label,
        solver: contender.kind.name(),
        rank: settings.rank,
        condition_number: estimate.number(),
        condition_low,
        condition_high,
        lanczos_steps: estimate.steps,
        exact_condition_number: exact.map(|exact| exact.number()),
        predicted_steps: estimate.predicted_steps(args.tolerance),
        observed_steps: info.iterations,
        status: match info.status {
            LinearStatus::Converged => "Converged".to_string(),
            other => format!("{other:?}"),
        },
        relative_residual: info.relative_residual,
        setup_seconds,
        u_update_seconds,
    })
}

/// The rows as JSON lines and as a table.
fn record(args: &Args, rows: &[Row]) -> Result<()> {
    let mut lines = String::new();
    for row in rows {
        writeln!(lines, "{}", serde_json::to_string(row)?)?;
    }
    fs::write(args.out.join("condition-sweep.jsonl"), lines)?;
    let mut table = csv::Writer::from_path(args.out.join("condition-sweep.csv"))?;
    table.write_record([
        "preconditioner",
        "rank",
        "condition_number",
        "condition_low",
        "condition_high",
        "exact_condition_number",
        "predicted_steps",
        "observed_steps",
        "status",
        "setup_seconds",
        "u_update_seconds",
    ])?;
    let optional = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    for row in rows {
        table.write_record([
            row.preconditioner.to_string(),
            row.rank.map_or(String::new(), |rank| rank.to_string()),
            row.condition_number.to_string(),
            row.condition_low.to_string(),
            row.condition_high.to_string(),
            optional(row.exact_condition_number),
            row.predicted_steps.to_string(),
            row.observed_steps.to_string(),
            row.status.clone(),
            row.setup_seconds.to_string(),
            row.u_update_seconds.to_string(),
        ])?;
    }
    table.flush()?;
    Ok(())
}

/// Condition number, steps and time against the rank, side by side.
fn draw(args: &Args, rows: &[Row]) -> Result<()> {
    let series = |value: &dyn Fn(&Row) -> Point| {
        let labels = CONTENDERS.iter().map(|contender| (contender.label, contender.sketched));
        labels
            .filter_map(|(label, sketched)| {
                let points: Vec<Point> = rows.iter().filter(|row| row.preconditioner == label).map(value).collect();
                let first = points.first()?.y;
                let label = label.to_string();
                Some(if sketched { Series::Curve { label, points } } else { Series::Level { label, y: first } })
            })
            .collect::<Vec<_>>()
    };
    let rank = |row: &Row| row.rank.unwrap_or(0) as f64;
    let panel = |title: &str, y_label: &str, series: Vec<Series>| Panel {
        title: title.to_string(),
        x_label: "rank of the sketch".to_string(),
        y_label: y_label.to_string(),
        x_scale: Scale::Log,
        y_scale: Scale::Log,
        bars: Vec::new(),
        series,
    };
    let (n, d, p) = rows.first().map_or((0, 0, 0), |row| (row.n_samples, row.n_features, row.n_patterns));
    let title = format!("Conditioning of the u-update: n = {n}, d = {d}, P = {p}, rho = {}", args.rho);
    let stem = args.out.join("condition-sweep");
    let panels = [
        panel(
            "Condition number",
            "largest over smallest eigenvalue",
            series(&|row| Point {
                x: rank(row),
                y: row.condition_number,
                error: Some((row.condition_low, row.condition_high)),
            }),
        ),
        panel(
            "Steps",
            &format!("CG steps to {:e}", args.tolerance),
            series(&|row| Point { x: rank(row), y: row.observed_steps as f64, error: None }),
        ),
        panel(
            "Time",
            "seconds of a u-update",
            series(&|row| Point { x: rank(row), y: row.u_update_seconds, error: None }),
        ),
    ];
    write(&title, &panels, panels.len(), &stem)?;
    println!("{}: rows (.jsonl, .csv) and picture (.svg, .png)", stem.display());
    Ok(())
}
