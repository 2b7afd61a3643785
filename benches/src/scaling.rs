//! How set-up, iteration and peak memory grow with n, d, P and the number of classes, beside what the operation counts
//! of docs/math.md say.
//!
//! Each point is a process of its own, so that its peak memory is its own.

use crate::host::Host;
use crate::row::append;
use anyhow::{Context, Result, ensure};
use comfy_table::{Table, presets};
use cvx_admm::{Device, Settings, SolverChoice, SolverKind, train};
use cvx_data::Planted;
use cvx_figures::{Panel, Point, Scale, Series, write};
use cvx_model::{Dataset, FeatureKind, Labels, TaskChoice};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::process::Command;

/// Which points, and where to.
#[derive(clap::Args)]
pub struct Args {
    /// Fewer and smaller points, and rougher exponents.
    #[arg(long)]
    quick: bool,
    /// Runs of each point; the quietest counts.
    #[arg(long, default_value_t = 2)]
    repeats: usize,
    /// Append a JSON line for each point.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Draw the picture to this path, to which .svg and .png are added.
    #[arg(long)]
    figure: Option<PathBuf>,
    /// Measure one point in this process and print it: a solver and a shape in JSON.
    #[arg(long, hide = true, num_args = 2)]
    point: Option<Vec<String>>,
}

/// Iterations of a point: fewer than come before rho may change, so that each does the same work.
const ITERATIONS: usize = 10;

const SOLVERS: [SolverKind; 2] = [SolverKind::Cholesky, SolverKind::GramPcg];

/// What is measured of a point.
const QUANTITIES: [&str; 3] = ["set-up, s", "iteration, s", "peak memory, MB"];

/// A problem by its sizes.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Shape {
    n_samples: usize,
    n_features: usize,
    n_patterns: usize,
    n_classes: usize,
}

/// The size that a sweep varies.
#[derive(Clone, Copy)]
enum Axis {
    Samples,
    Features,
    Patterns,
    Classes,
}

impl Axis {
    fn name(self) -> &'static str {
        match self {
            Axis::Samples => "n",
            Axis::Features => "d",
            Axis::Patterns => "P",
            Axis::Classes => "C",
        }
    }

    fn size(self, shape: &mut Shape) -> &mut usize {
        match self {
            Axis::Samples => &mut shape.n_samples,
            Axis::Features => &mut shape.n_features,
            Axis::Patterns => &mut shape.n_patterns,
            Axis::Classes => &mut shape.n_classes,
        }
    }
}

/// The sizes along one axis, with the others fixed.
struct Sweep {
    axis: Axis,
    /// n, d, P, C.
    fixed: [usize; 4],
    sizes: &'static [usize],
}

const FULL: [Sweep; 4] = [
    Sweep { axis: Axis::Samples, fixed: [0, 500, 50, 2], sizes: &[2_000, 4_000, 8_000, 16_000] },
    Sweep { axis: Axis::Features, fixed: [4_000, 0, 50, 2], sizes: &[250, 500, 1_000, 2_000, 4_000] },
    Sweep { axis: Axis::Patterns, fixed: [4_000, 500, 0, 2], sizes: &[25, 50, 100, 200, 400] },
    Sweep { axis: Axis::Classes, fixed: [4_000, 500, 20, 0], sizes: &[3, 6, 12, 24] },
];

const QUICK: [Sweep; 4] = [
    Sweep { axis: Axis::Samples, fixed: [0, 300, 50, 2], sizes: &[1_500, 3_000, 6_000] },
    Sweep { axis: Axis::Features, fixed: [2_000, 0, 50, 2], sizes: &[300, 600, 1_200] },
    Sweep { axis: Axis::Patterns, fixed: [2_000, 300, 0, 2], sizes: &[50, 100, 200] },
    Sweep { axis: Axis::Classes, fixed: [2_000, 300, 20, 0], sizes: &[3, 6, 12] },
];

/// What a point's process found.
#[derive(Clone, Serialize, Deserialize)]
struct Measured {
    setup_seconds: f64,
    /// All but the certificate.
    iteration_seconds: f64,
    /// Conjugate-gradient steps of an iteration.
    inner_steps: f64,
    peak_memory_bytes: u64,
    /// What the program itself expected before it began.
    estimated_memory_bytes: u64,
}

impl Measured {
    fn quantities(&self) -> [f64; 3] {
        [self.setup_seconds, self.iteration_seconds, self.peak_memory_bytes as f64 / 1e6]
    }

    /// The same by the operation counts of docs/math.md, sections 3 and 4, and by the program's own estimate.
    fn counted(&self, kind: SolverKind, shape: &Shape) -> [f64; 3] {
        let [n, d, p] = [shape.n_samples, shape.n_features + 1, shape.n_patterns].map(|size| size as f64);
        // Two classes are one target.
        let targets = if shape.n_classes == 2 { 1.0 } else { shape.n_classes as f64 };
        let columns = p * targets;
        let factor = 2.0 * n * d * d + d.powi(3) / 3.0;
        let [setup, iteration] = match kind {
            SolverKind::Cholesky => [
                factor + n * d * d + n * n * d + n.powi(3) / 3.0,
                12.0 * n * d * columns + 4.0 * d * d * columns + 2.0 * n * n * targets,
            ],
            _ => [factor, (16.0 + 4.0 * self.inner_steps) * n * d * columns + 4.0 * d * d * columns],
        };
        [setup, iteration, self.estimated_memory_bytes as f64 / 1e6]
    }
}

#[derive(Serialize)]
struct Row<'a> {
    bench: &'static str,
    host: &'a Host,
    axis: &'static str,
    solver: &'static str,
    #[serde(flatten)]
    shape: &'a Shape,
    #[serde(flatten)]
    measured: &'a Measured,
}

/// Sweeps, prints, records, draws.
pub fn run(args: &Args) -> Result<()> {
    if let Some([solver, shape]) = args.point.as_deref() {
        println!("{}", serde_json::to_string(&measure(solver, &serde_json::from_str(shape)?)?)?);
        return Ok(());
    }
    let host = Host::new(std::thread::available_parallelism().map_or(1, usize::from));
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["along", "solver", "quantity", "sizes", "measured", "exponent", "of the count"]);
    let mut panels = Vec::new();
    for sweep in if args.quick { &QUICK } else { &FULL } {
        let axis = sweep.axis.name();
        let (mut seconds, mut memory) = (Vec::new(), Vec::new());
        for kind in SOLVERS {
            let points = sweep.points(kind, args, &host)?;
            let sizes: Vec<f64> = sweep.sizes.iter().map(|&size| size as f64).collect();
            for (which, quantity) in QUANTITIES.into_iter().enumerate() {
                let values: Vec<f64> = points.iter().map(|(_, found)| found.quantities()[which]).collect();
                let counts: Vec<f64> = points.iter().map(|(shape, found)| found.counted(kind, shape)[which]).collect();
                let ends = |values: &[f64]| match values {
                    [first, .., last] => format!("{first:.4} to {last:.4}"),
                    _ => String::new(),
                };
                table.add_row([
                    axis.to_string(),
                    kind.name().to_string(),
                    quantity.to_string(),
                    format!("{:?}", sweep.sizes),
                    ends(&values),
                    format!("{:.2}", exponent(&sizes, &values)),
                    format!("{:.2}", exponent(&sizes, &counts)),
                ]);
                let points = sizes.iter().zip(&values).map(|(&x, &y)| Point { x, y, error: None }).collect();
                let label = quantity.split(',').next().unwrap_or_default();
                let curve = Series::Curve { label: format!("{kind}, {label}"), points };
                (if which == 2 { &mut memory } else { &mut seconds }).push(curve);
            }
        }
        let panel = |title: &str, y_label: &str, series| Panel {
            title: format!("{title} over {axis}"),
            x_label: axis.to_string(),
            y_label: y_label.to_string(),
            x_scale: Scale::Log,
            y_scale: Scale::Log,
            bars: Vec::new(),
            series,
        };
        panels.push(panel("Time", "seconds", seconds));
        if matches!(sweep.axis, Axis::Samples) {
            panels.push(panel("Memory", "MB at the peak", memory));
        }
    }
    println!("{table}");
    match &args.figure {
        Some(stem) => write("Growth with n, d, P and the number of classes", &panels, 3, stem),
        None => Ok(()),
    }
}

impl Sweep {
    /// One process for each point and repetition.
    fn points(&self, kind: SolverKind, args: &Args, host: &Host) -> Result<Vec<(Shape, Measured)>> {
        let mut points = Vec::new();
        for &size in self.sizes {
            let [n_samples, n_features, n_patterns, n_classes] = self.fixed;
            let mut shape = Shape { n_samples, n_features, n_patterns, n_classes };
            *self.axis.size(&mut shape) = size;
            eprintln!("{}: {} = {size}", kind.name(), self.axis.name());
            let mut quietest: Option<Measured> = None;
            for _ in 0..args.repeats.max(1) {
                let found = in_process(kind, &shape)?;
                quietest = Some(match quietest {
                    None => found,
                    Some(before) => Measured {
                        setup_seconds: before.setup_seconds.min(found.setup_seconds),
                        iteration_seconds: before.iteration_seconds.min(found.iteration_seconds),
                        ..before
                    },
                });
            }
            let measured = quietest.context("no run of a point")?;
            if let Some(path) = &args.json {
                let (axis, solver) = (self.axis.name(), kind.name());
                let row = Row { bench: "scaling", host, axis, solver, shape: &shape, measured: &measured };
                append(path, &row)?;
            }
            points.push((shape, measured));
        }
        Ok(points)
    }
}

fn in_process(kind: SolverKind, shape: &Shape) -> Result<Measured> {
    let output = Command::new(std::env::current_exe()?)
        .args(["scaling", "--point", kind.name(), &serde_json::to_string(shape)?])
        .output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "a point failed: {}", error.trim());
    serde_json::from_slice(&output.stdout).context("a point printed no row")
}

/// A run of [`ITERATIONS`] on planted data.
fn measure(solver: &str, shape: &Shape) -> Result<Measured> {
    let kind = SOLVERS.into_iter().find(|kind| kind.name() == solver);
    let settings = Settings {
        patterns: shape.n_patterns,
        solver: SolverChoice::Kind(kind.with_context(|| format!("{solver} is not measured here"))?),
        device: Device::Cpu,
        adapt_rho: false,
        max_iterations: ITERATIONS,
        // Out of reach: every iteration is done.
        gap: 1e-12,
        task: if shape.n_classes == 2 { TaskChoice::Binary } else { TaskChoice::Multiclass },
        ..Settings::default()
    };
    let solution = train(&planted(shape)?, None, &settings)?;
    let (info, seconds) = (&solution.info, &solution.info.seconds);
    let iterations = info.history.len().max(1) as f64;
    let inner: usize = info.history.iter().map(|record| record.inner_iterations).sum();
    Ok(Measured {
        setup_seconds: seconds.setup,
        iteration_seconds: (seconds.u + seconds.v + seconds.s + seconds.dual) / iterations,
        inner_steps: inner as f64 / iterations,
        peak_memory_bytes: crate::host::peak_memory_bytes()
            .context("the system does not say how much memory was used")?,
        estimated_memory_bytes: solution.summary.memory_bytes,
    })
}

/// Planted data; of more than two classes, a sample's is the largest of its first features.
fn planted(shape: &Shape) -> Result<Dataset> {
    let planted = Planted { n_train: shape.n_samples, n_test: 0, n_features: shape.n_features, ..Planted::default() };
    let data = planted.generate()?.train;
    if shape.n_classes == 2 {
        return Ok(data);
    }
    let class = |row: &[f64]| {
        let scores = row[..shape.n_classes.min(row.len())].iter().enumerate();
        scores.max_by(|a, b| a.1.total_cmp(b.1)).map_or(0.0, |(class, _)| class as f64)
    };
    let labels = (0..data.n_samples()).map(|row| class(&data.row(row))).collect();
    Ok(Dataset::new(shape.n_features, data.values().to_vec(), Some(Labels::numbers(labels)), FeatureKind::Table)?)
}

/// The slope of the line through the logarithms, by least squares.
fn exponent(sizes: &[f64], values: &[f64]) -> f64 {
    let logs: Vec<(f64, f64)> = sizes.iter().zip(values).map(|(size, value)| (size.ln(), value.ln())).collect();
    let count = logs.len() as f64;
    let (x_mean, y_mean) = logs.iter().fold((0.0, 0.0), |sum, log| (sum.0 + log.0 / count, sum.1 + log.1 / count));
    let (products, squares) = logs.iter().fold((0.0, 0.0), |sum, log| {
        let x = log.0 - x_mean;
        (sum.0 + x * (log.1 - y_mean), sum.1 + x * x)
    });
    products / squares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_has_its_exponent() {
        let sizes = [10.0, 30.0, 200.0];
        let values = sizes.map(|size: f64| 0.3 * size.powf(2.5));
        assert!((exponent(&sizes, &values) - 2.5).abs() < 1e-12);
    }

    #[test]
    fn the_largest_of_the_first_features_is_the_class() -> Result<()> {
        let shape = Shape { n_samples: 40, n_features: 5, n_patterns: 1, n_classes: 3 };
        let data = planted(&shape)?;
        let labels = data.labels().context("labels")?;
        for row in 0..40 {
            let features = data.row(row);
            let class: usize = labels.class_name(row).parse()?;
            assert!(class < 3 && features[..3].iter().all(|feature| *feature <= features[class]));
        }
        Ok(())
    }
}
