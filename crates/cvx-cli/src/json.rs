//! What `--json` writes. The names are stable; keys may be added.

use crate::by_class::ConfusionReport;
use anyhow::Result;
use cvx_admm::{Iteration, PathPoint, PathSolution, Precision, Round, Scores, Solution};
use cvx_model::{Confusion, Loss, Task};
use serde::Serialize;

/// One run.
#[derive(Serialize)]
pub struct Report {
    status: String,
    solver: &'static str,
    device: &'static str,
    device_name: String,
    precision: &'static str,
    threads: usize,
    seed: u64,
    task: &'static str,
    activation: &'static str,
    loss: &'static str,
    huber_delta: Option<f64>,
    certify: &'static str,
    n_samples: usize,
    n_features: usize,
    n_patterns: usize,
    n_targets: usize,
    beta: f64,
    rho: f64,
    sigma: f64,
    iterations: usize,
    penalty_changes: usize,
    unconverged_solves: usize,
    linear_residual: Option<f64>,
    objective: ObjectiveReport,
    train: TrainReport,
    test: Option<ScoresReport>,
    network: NetworkReport,
    seconds: SecondsReport,
    seconds_to_train_accuracy_97: Option<f64>,
    peak_memory_bytes: Option<u64>,
    rounds: Vec<RoundReport>,
    history: Vec<IterationReport>,
}

#[derive(Serialize)]
struct ObjectiveReport {
    network: f64,
    sampled_primal: Option<f64>,
    dual_bound: f64,
    relative_gap: f64,
}

#[derive(Serialize)]
struct TrainReport {
    loss: f64,
    accuracy: Option<f64>,
    convex_accuracy: Option<f64>,
    confusion: Option<ConfusionReport>,
}

#[derive(Serialize)]
struct ScoresReport {
    loss: f64,
    accuracy: Option<f64>,
    confusion: Option<ConfusionReport>,
}

impl ScoresReport {
    fn new(scores: Scores, confusion: Option<&Confusion>) -> Self {
        let confusion = confusion.map(ConfusionReport::new);
        ScoresReport { loss: scores.loss, accuracy: scores.accuracy, confusion }
    }
}

#[derive(Serialize)]
struct NetworkReport {
    neurons: usize,
    pruned: usize,
    cone_violation: f64,
}

#[derive(Serialize)]
struct SecondsReport {
    setup: f64,
    u: f64,
    v: f64,
    s: f64,
    dual: f64,
    certificate: f64,
    total: f64,
}

#[derive(Serialize)]
struct RoundReport {
    patterns: usize,
    neurons: usize,
    network: f64,
    dual_bound: f64,
    iterations: usize,
    seconds: f64,
}

impl RoundReport {
    fn new(round: &Round) -> Self {
        let Round { patterns, neurons, network, dual_bound, iterations, seconds } = *round;
        RoundReport { patterns, neurons, network, dual_bound, iterations, seconds }
    }
}

#[derive(Serialize)]
struct IterationReport {
    iteration: usize,
    seconds: f64,
    network: Option<f64>,
    dual_bound: Option<f64>,
    relative_gap: Option<f64>,
    train_loss: Option<f64>,
    train_accuracy: Option<f64>,
    test_loss: Option<f64>,
    test_accuracy: Option<f64>,
    primal_residual: f64,
    dual_residual: f64,
    rho: f64,
    inner_iterations: usize,
}

impl IterationReport {
    fn new(record: &Iteration) -> Self {
        IterationReport {
            iteration: record.iteration,
            seconds: record.seconds,
            network: record.network,
            dual_bound: record.dual_bound,
            relative_gap: record.relative_gap,
            train_loss: record.train.map(|scores| scores.loss),
            train_accuracy: record.train.and_then(|scores| scores.accuracy),
            test_loss: record.test.map(|scores| scores.loss),
            test_accuracy: record.test.and_then(|scores| scores.accuracy),
            primal_residual: record.primal_residual,
            dual_residual: record.dual_residual,
            rho: record.rho,
            inner_iterations: record.inner_iterations,
        }
    }
}

impl Report {
    /// The report of a finished run.
    pub fn new(solution: &Solution, precision: Precision, seed: u64) -> Self {
        let (summary, seconds) = (&solution.summary, &solution.info.seconds);
        Report {
            status: solution.status.to_string(),
            solver: summary.solver.name(),
            device: summary.device,
            device_name: summary.device_name.clone(),
            precision: precision.name(),
            threads: summary.threads,
            seed,
            task: solution.model.task.name(),
            activation: solution.model.network.activation().name(),
            loss: solution.model.claim.loss.name(),
            huber_delta: match solution.model.claim.loss {
                Loss::Huber { delta } => Some(delta),
                _ => None,
            },
            certify: solution.model.claim.certify.name(),
            n_samples: summary.shape.n_samples,
            n_features: summary.shape.n_features,
            n_patterns: summary.shape.n_patterns,
            n_targets: summary.shape.n_targets,
            beta: solution.beta,
            rho: solution.rho,
            sigma: solution.sigma,
            iterations: solution.info.history.len(),
            penalty_changes: solution.info.penalty_changes,
            unconverged_solves: solution.info.unconverged_solves,
            linear_residual: solution.info.linear_residual,
            objective: ObjectiveReport {
                network: solution.objective.network,
                sampled_primal: solution.objective.sampled_primal,
                dual_bound: solution.objective.dual_bound,
                relative_gap: solution.objective.relative_gap,
            },
            train: TrainReport {
                loss: solution.train.loss,
                accuracy: solution.train.accuracy,
                convex_accuracy: solution.convex_accuracy,
                confusion: solution.train_confusion.as_ref().map(ConfusionReport::new),
            },
            test: solution.test.map(|scores| ScoresReport::new(scores, solution.test_confusion.as_ref())),
            network: NetworkReport {
                neurons: solution.model.network.n_neurons(),
                pruned: solution.pruned,
                cone_violation: solution.cone_violation,
            },
            seconds: SecondsReport {
                setup: seconds.setup,
                u: seconds.u,
                v: seconds.v,
                s: seconds.s,
                dual: seconds.dual,
                certificate: seconds.certificate,
                total: seconds.total,
            },
            seconds_to_train_accuracy_97: solution.info.seconds_to_train_accuracy_97,
            peak_memory_bytes: peak_memory_bytes(),
            rounds: solution.info.rounds.iter().map(RoundReport::new).collect(),
            history: solution.info.history.iter().map(IterationReport::new).collect(),
        }
    }
}

/// Indented JSON.
pub fn to_json(report: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(report)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// How good predictions are; nothing is known of that where there are no labels.
#[derive(Serialize)]
pub struct PredictionReport {
    task: &'static str,
    n_samples: usize,
    loss: Option<f64>,
    accuracy: Option<f64>,
    confusion: Option<ConfusionReport>,
}

impl PredictionReport {
    /// The report of predictions on `n_samples` samples.
    pub fn new(task: &Task, n_samples: usize, scores: Option<Scores>, confusion: Option<&Confusion>) -> Self {
        PredictionReport {
            task: task.name(),
            n_samples,
            loss: scores.map(|scores| scores.loss),
            accuracy: scores.and_then(|scores| scores.accuracy),
            confusion: confusion.map(ConfusionReport::new),
        }
    }
}

/// A path.
#[derive(Serialize)]
pub struct PathReport {
    gated_beta_max: f64,
    chosen: Option<usize>,
    cut_short: Option<String>,
    seconds: f64,
    points: Vec<PointReport>,
    solution: Option<Report>,
}

#[derive(Serialize)]
struct PointReport {
    fraction: f64,
    beta: f64,
    status: String,
    network: f64,
    dual_bound: f64,
    relative_gap: f64,
    iterations: usize,
    seconds: f64,
    neurons: f64,
    train: ScoresReport,
    validation: ScoresReport,
    error: f64,
    standard_error: f64,
}

impl PathReport {
    /// The report of a finished path.
    pub fn new(path: &PathSolution, precision: Precision, seed: u64) -> Self {
        PathReport {
            gated_beta_max: path.gated_beta_max,
            // A path that was cut short has not chosen.
            chosen: path.solution.as_ref().map(|_| path.chosen),
            cut_short: path.cut_short.map(|status| status.to_string()),
            seconds: path.seconds,
            points: path.points.iter().map(PointReport::new).collect(),
            solution: path.solution.as_ref().map(|solution| Report::new(solution, precision, seed)),
        }
    }
}

impl PointReport {
    fn new(point: &PathPoint) -> Self {
        PointReport {
            fraction: point.fraction,
            beta: point.beta,
            status: point.status.to_string(),
            network: point.objective.network,
            dual_bound: point.objective.dual_bound,
            relative_gap: point.objective.relative_gap,
            iterations: point.iterations,
            seconds: point.seconds,
            neurons: point.neurons,
            train: ScoresReport::new(point.train, None),
            validation: ScoresReport::new(point.validation, None),
            error: point.error,
            standard_error: point.standard_error,
        }
    }
}

/// Largest resident size of this process so far; `None` where the system does not tell.
pub fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
