//! Pattern refinement (docs/math.md, section 10): the neurons become gates, new gates are added, and the programme is
//! solved again. With soft cones (section 17) the neurons move by themselves, and new gates only fill the place of lost
//! ones.
//!
//! The neurons of a network lie in the cones of their own patterns, so the network is a point of the new programme: the
//! objective of the best network cannot rise.

use crate::api::error::TrainError;
use crate::api::observer::Observer;
use crate::solver::Solver;
use crate::solver::solution::Solution;
use cvx_artifact::Status;
use cvx_linalg::{Backend, HostMatrix};
use cvx_model::{ConeForm, Network};

/// Number of new gates in a round, as a share of the gates of the first programme.
const FRESH_SHARE: f64 = 0.2;

/// Maximum ratio of the blocks of a round to those of the first. With several targets, each pattern of the last round
/// may give a neuron for every target.
const MOST_GROWTH: usize = 8;

/// A round that lowers the objective by less than this share is the last.
const LEAST_PROGRESS: f64 = 1e-3;

/// Solves the programme. Then it refines the patterns and solves again, up to the number of rounds in the settings and
/// as long as the objective falls. The intermediate programmes end when progress is slow; the last is solved to the
/// gap. `sampled` is the number of gates that were drawn first.
pub(crate) fn solve_and_refine<B: Backend>(
    solver: &mut Solver<B>,
    sampled: usize,
    observer: &mut dyn Observer,
) -> Result<Solution, TrainError> {
    let (gap, rounds) = (solver.settings().gap, solver.settings().refine);
    let mut solution = solve_round(solver, rounds > 0, observer)?;
    while solver.stops_when_slow() && solution.status.can_continue() {
        // After this point, a device error does not lose the existing network.
        match refine(solver, &solution, sampled) {
            Ok(true) => solver.stop_when_slow(solver.round() < rounds),
            Ok(false) if solution.objective.relative_gap <= gap => break,
            Ok(false) => {
                solver.stop_when_slow(false);
                solver.keep_record();
            }
            Err(error) => return cut_short(solution, error),
        }
        solution = match solve_round(solver, rounds > 0, observer) {
            Ok(next) => next,
            Err(error) => return cut_short(solution, error),
        };
    }
    Ok(solution)
}

/// Solves a programme; one of several `rounds` is told to the observer.
pub(crate) fn solve_round<B: Backend>(
    solver: &mut Solver<B>,
    rounds: bool,
    observer: &mut dyn Observer,
) -> Result<Solution, TrainError> {
    let solution = solver.solve(observer)?;
    if rounds && let Some(round) = solution.info.rounds.last() {
        observer.round(round);
    }
    Ok(solution)
}

/// Sets the neurons of the network as gates, together with new ones, and starts from that network. Returns whether it
/// did: only if the last refinement helped, the programme fits the memory, and it is not too large relative to the
/// first.
fn refine<B: Backend>(solver: &mut Solver<B>, solution: &Solution, sampled: usize) -> Result<bool, TrainError> {
    let fell = match solution.info.rounds.as_slice() {
        [.., before, last] => last.network < before.network * (1.0 - LEAST_PROGRESS),
        _ => true,
    };
    let network = &solution.model.network;
    if !fell || network.n_neurons() == 0 {
        return Ok(false);
    }
    let first_blocks = sampled * solver.settings().activation.blocks_per_pattern();
    let fits = |gates: usize, signs: usize| {
        let (budget, needed) = solver.memory(gates, signs);
        let too_large = solver.program().backend().samples().any(needed > budget);
        !too_large && gates * signs <= MOST_GROWTH * first_blocks
    };
    let seed = solver.settings().seed.wrapping_add(solver.round() as u64 + 1);
    if solver.program().cone_form() == ConeForm::Soft {
        // Neurons leave their cones by themselves. New ones take the place of those that are not used any more, so that
        // the programme of one target has as many blocks as the first, which had two of each gate.
        let count = sampled.saturating_sub(network.n_neurons().div_ceil(2));
        if !fits(network.n_neurons() + 2 * count, 1) {
            return Ok(false);
        }
        let fresh = if count > 0 { solver.sample_gates(count, seed)? } else { HostMatrix::zeros(network.w1.rows(), 0) };
        return solver.set_neurons(network, &fresh).map(|()| true);
    }
    let count = (sampled as f64 * FRESH_SHARE).ceil() as usize;
    let gates = next_gates(network, &solver.sample_gates(count, seed)?);
    if !fits(gates.cols(), solver.settings().activation.blocks_per_pattern()) {
        return Ok(false);
    }
    solver.set_gates(&gates, network)?;
    Ok(true)
}

/// The gates of the next programme: those of the neurons of `network`, then `fresh` ones. A ReLU neuron is its own
/// gate; a gated neuron keeps its gate.
fn next_gates(network: &Network, fresh: &HostMatrix) -> HostMatrix {
    let own = network.gates.as_ref().unwrap_or(&network.w1);
    HostMatrix::from_vec(own.rows(), own.cols() + fresh.cols(), [own.values(), fresh.values()].concat())
}

/// The solution of a run after a device error in a later programme; other errors remain errors.
pub(crate) fn cut_short(mut solution: Solution, error: TrainError) -> Result<Solution, TrainError> {
    let TrainError::Linalg(failure) = error else { return Err(error) };
    solution.status = Status::DeviceError;
    solution.model.claim.status = solution.status;
    solution.info.failure = Some(failure);
    Ok(solution)
}
