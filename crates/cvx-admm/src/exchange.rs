//! Training over all activation patterns (docs/math.md, section 15): the directions that the programme lacks become
//! gates, it is solved again, and at the end a search over all directions proves the bound.

use crate::api::error::{TrainError, out_of_range};
use crate::api::observer::Observer;
use crate::api::settings::ValidSettings;
use crate::problem::input::Problem;
use crate::refine::{cut_short, solve_round};
use crate::solver::Solver;
use crate::solver::solution::Solution;
use cvx_artifact::{Certify, GlobalWitness, Objective, Status};
use cvx_linalg::{Backend, HostMatrix, StopReason};
use cvx_model::{Activation, AllPatterns, GlobalBound, MOST_ROWS, Network, Peak, TargetSum, relative_gap};

/// Share of the gap that the solution of a programme may take, and the maxima of the proof.
const SOLUTION_SHARE: f64 = 0.25;
const MAXIMUM_SHARE: f64 = 0.1;

/// Share of the gap at which the peaks that were found promise a proof.
const PROMISE: f64 = 0.9;

/// Most rounds, and most new gates of a target in each.
const MOST_ROUNDS: usize = 60;
const MOST_NEW: usize = 25;

/// A direction is new to the programme if its value exceeds beta by this share.
const EXCESS: f64 = 1e-6;

/// Where no direction is new, or the promised gap is still more than this share of the last one, the next programme is
/// solved to a smaller gap, by this factor and down to this share of the gap.
const PROGRESS: f64 = 0.95;
const SHARPER: f64 = 0.25;
const SHARPEST: f64 = 1e-3;

/// Checks that all directions can be searched.
pub(crate) fn check(problem: &Problem) -> Result<(), TrainError> {
    if problem.xt.n_features() > MOST_ROWS {
        let range = "network or sampled for samples of more than four features and a bias: \
                     the search over all directions is for few dimensions";
        return Err(out_of_range("certify", Certify::Global, range));
    }
    Ok(())
}

/// The settings of the programmes in between, whose own certificate is that of the network.
pub(crate) fn settings_of_rounds(settings: &ValidSettings) -> ValidSettings {
    let mut rounds = settings.clone();
    rounds.set_certify(Certify::Network);
    rounds.set_gap(SOLUTION_SHARE * settings.gap);
    rounds
}

/// Solves the programme in rounds until its network has the relative `gap` to a bound over all patterns, or a limit is
/// reached. The bound is then the best one proved.
pub(crate) fn solve_over_all_patterns<B: Backend>(
    solver: &mut Solver<B>,
    gap: f64,
    observer: &mut dyn Observer,
) -> Result<Solution, TrainError> {
    // Few features are few numbers.
    let xt = &solver.problem().xt.to_matrix();
    let mut solution = solve_round(solver, true, observer)?;
    let mut best = None;
    let ended = exchange(solver, xt, gap, observer, &mut solution, &mut best);
    closing(solution, best, gap, &solver.program().scale(), solver.stopped(), ended)
}

/// The solution of the last programme with the best bound, if one was proved. A device error that `ended` the rounds
/// loses neither.
fn closing(
    solution: Solution,
    best: Option<GlobalBound>,
    gap: f64,
    scale: &TargetSum,
    stopped: Option<StopReason>,
    ended: Result<(), TrainError>,
) -> Result<Solution, TrainError> {
    let solution = match best {
        Some(bound) => certified(solution, bound, gap, scale, stopped),
        None => solution,
    };
    match ended {
        Ok(()) => Ok(solution),
        Err(error) => cut_short(solution, error),
    }
}

/// The rounds. The `solution` of the last programme and the `best` bound are there after an error, too.
fn exchange<B: Backend>(
    solver: &mut Solver<B>,
    xt: &HostMatrix,
    gap: f64,
    observer: &mut dyn Observer,
    solution: &mut Solution,
    best: &mut Option<GlobalBound>,
) -> Result<(), TrainError> {
    let mut promised_before = f64::INFINITY;
    loop {
        let round = Round::of(solver, xt)?;
        let scale = solver.program().scale().total;
        let last = !solution.status.can_continue() || solver.round() >= MOST_ROUNDS;
        let network = solution.objective.network;
        let mut peaks = round.new_peaks();
        let promised = relative_gap(network, round.promise, scale);
        if last || promised <= PROMISE * gap {
            let bound = round.prove(solver, gap);
            peaks.extend(peaks_at(&bound.directions));
            solution.info.cones += bound.cones;
            if best.as_ref().is_none_or(|best| bound.value > best.value) {
                *best = Some(bound);
            }
            let value = best.as_ref().map_or(0.0, |best| best.value);
            if last || relative_gap(network, value, scale) <= gap || solver.stopped().is_some() {
                return Ok(());
            }
        }
        let cones = solution.info.cones;
        if (peaks.is_empty() || promised > PROGRESS * promised_before) && solver.settings().gap > SHARPEST * gap {
            solver.set_gap(SHARPER * solver.settings().gap);
        } else if peaks.is_empty() {
            break;
        }
        promised_before = promised;
        if !continue_with(solver, &solution.model.network, &peaks)? {
            break;
        }
        *solution = solve_round(solver, true, observer)?;
        solution.info.cones = cones;
    }
    if best.is_none() {
        *best = Some(Round::of(solver, xt)?.prove(solver, gap));
    }
    Ok(())
}

/// Sets the gates of the next programme, those of the neurons and new ones; without new ones it is the same again.
/// Returns whether it fits the memory.
fn continue_with<B: Backend>(solver: &mut Solver<B>, network: &Network, peaks: &[Peak]) -> Result<bool, TrainError> {
    if peaks.is_empty() {
        solver.keep_record();
        return Ok(true);
    }
    let own = &network.w1;
    let values = peaks.iter().flat_map(|peak| peak.direction.iter().copied());
    let values: Vec<f64> = own.values().iter().copied().chain(values).collect();
    let gates = HostMatrix::from_vec(own.rows(), own.cols() + peaks.len(), values);
    let (budget, needed) = solver.memory(gates.cols(), Activation::Relu.blocks_per_pattern());
    if needed > budget {
        return Ok(false);
    }
    solver.set_gates(&gates, network)?;
    Ok(true)
}

/// The dual point of a round, and what the programme lacks there.
struct Round<'a> {
    problem: AllPatterns<'a>,
    xi: HostMatrix,
    /// Of each target.
    peaks: Vec<Vec<Peak>>,
    /// The bound if the largest peaks were the maxima.
    promise: f64,
}

impl<'a> Round<'a> {
    fn of<B: Backend>(solver: &'a Solver<B>, xt: &'a HostMatrix) -> Result<Self, TrainError> {
        let (cones, program) = (solver.problem().cones.as_deref(), solver.program());
        let problem = AllPatterns::new(xt, program.y_host(), program.loss(), cones, program.beta())?;
        let xi = problem.dual_point(&solver.dual_point()?.xi);
        let peaks = problem.peaks(&xi, solver.settings().seed.wrapping_add(solver.round() as u64));
        let highest = |peaks: &Vec<Peak>| peaks.first().map_or(0.0, |peak| peak.value).max(problem.beta());
        let maxima: Vec<f64> = peaks.iter().map(highest).collect();
        Ok(Round { promise: problem.value(&xi, &maxima).total, problem, xi, peaks })
    }

    /// Those with more than beta.
    fn new_peaks(&self) -> Vec<Peak> {
        let is_new = |peak: &&Peak| peak.value > self.problem.beta() * (1.0 + EXCESS);
        self.peaks.iter().flat_map(|peaks| peaks.iter().filter(is_new).take(MOST_NEW).cloned()).collect()
    }

    fn prove<B: Backend>(&self, solver: &Solver<B>, gap: f64) -> GlobalBound {
        let stop = solver.program().backend().stop();
        stop.heed(|| self.problem.bound(&self.xi, &self.peaks, MAXIMUM_SHARE * gap, stop))
    }
}

/// The directions of a proof (d x any), which are new wherever it failed.
fn peaks_at(directions: &HostMatrix) -> impl Iterator<Item = Peak> {
    (0..directions.cols()).map(|j| Peak { value: f64::INFINITY, direction: directions.col(j).to_vec() })
}

/// The solution with the bound over all patterns in the place of its own.
fn certified(
    mut solution: Solution,
    bound: GlobalBound,
    gap: f64,
    scale: &TargetSum,
    stopped: Option<StopReason>,
) -> Solution {
    let with_bound = |objective: Objective, dual_bound: f64, scale: f64| {
        let relative_gap = relative_gap(objective.network, dual_bound, scale);
        Objective { dual_bound, relative_gap, ..objective }
    };
    let objective = with_bound(solution.objective, bound.value, scale.total);
    let relative_gap = objective.relative_gap;
    let parts = bound.targets.iter().zip(&scale.targets);
    for (target, (&bound, &scale)) in solution.info.targets.iter_mut().zip(parts) {
        target.objective = target.objective.map(|objective| with_bound(objective, bound, scale));
    }
    solution.status = match (solution.status, stopped) {
        _ if relative_gap <= gap => Status::Optimal,
        (Status::Optimal, Some(StopReason::TimeLimit)) => Status::TimeLimit,
        (Status::Optimal, Some(StopReason::Interrupted)) => Status::Interrupted,
        (Status::Optimal, None) => Status::InsufficientProgress,
        (status, _) => status,
    };
    solution.objective = objective;
    let claim = &mut solution.model.claim;
    (claim.objective, claim.certify, claim.status) = (objective, Certify::Global, solution.status);
    for part in &mut solution.model.parts {
        (part.objective, part.witness) = (objective, None);
        part.global = Some(GlobalWitness { xi: bound.xi.clone(), maxima: bound.maxima.clone() });
    }
    solution
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::settings::{Beta, Settings};
    use crate::train::train;
    use cvx_linalg::LinalgError;
    use cvx_model::{Dataset, FeatureKind, Labels};

    #[test]
    fn a_device_error_keeps_the_network_and_what_was_proved() {
        let x: Vec<f64> = (0..12).map(|k| f64::from(k) / 6.0 - 1.0).collect();
        let y = Labels::numbers(x.iter().map(|x| x * x).collect());
        let data = Dataset::new(1, x, Some(y), FeatureKind::Table).unwrap();
        let settings = Settings { patterns: 5, beta: Beta::Value(0.1), ..Settings::default() };
        let solution = train(&data, None, &settings).unwrap();
        let bound = GlobalBound {
            value: 0.5 * solution.objective.network,
            targets: vec![0.5 * solution.objective.network],
            xi: HostMatrix::zeros(12, 1),
            maxima: vec![0.1],
            directions: HostMatrix::zeros(2, 0),
            cones: 4,
        };
        let scale = TargetSum { total: 1.0, targets: vec![1.0] };
        let failed = || Err(LinalgError::DeviceFailure { step: "gemm", detail: String::new() }.into());
        let closed = |best: Option<GlobalBound>, gap: f64| closing(solution.clone(), best, gap, &scale, None, failed());
        for gap in [1e-3, 0.9] {
            let kept = closed(Some(bound.clone()), gap).unwrap();
            assert_eq!((kept.status, kept.objective.dual_bound), (Status::DeviceError, bound.value));
            assert_eq!((kept.model.claim.status, kept.model.claim.certify), (Status::DeviceError, Certify::Global));
            assert_eq!(kept.model.parts[0].global.as_ref().map(|global| &global.maxima), Some(&bound.maxima));
            assert!(kept.info.failure.is_some() && kept.model.network == solution.model.network);
        }
        // Before the first proof, the certificate is that over the patterns.
        let kept = closed(None, 1e-3).unwrap();
        assert_eq!((kept.status, kept.objective), (Status::DeviceError, solution.objective));
        assert_eq!(kept.model.claim.certify, Certify::Network);
        let other = Err(TrainError::WarmStart { detail: String::new() });
        assert!(closing(solution.clone(), Some(bound), 1e-3, &scale, None, other).is_err());
    }
}
