//! Tests of the state that a solver keeps from run to run, and of the end of a run.

use super::*;
use cvx_artifact::Certify;
use cvx_linalg::{Accuracy, Cpu, LinalgError, LinearInfo, LinearStatus, MaskedSystem, SolverFlops, SystemRhs};
use cvx_linalg::{SystemSolution, Transpose};
use cvx_model::{Constraints, Dataset, FeatureKind, Labels, Loss};

fn data() -> Dataset {
    let wave = |k: usize| (1.7 * k as f64 + 0.3).sin();
    let x: Vec<f64> = (0..240).map(wave).collect();
    let y = x.chunks(4).map(|row| row[0].max(0.0) - row[1] * row[2]).collect();
    Dataset::new(4, x, Some(Labels::numbers(y)), FeatureKind::Table).unwrap()
}

/// One solver with its factors serves from the first beta to the last. Its only repeated work is the factorisation of I
/// + (2/rho) K o S after a change of rho.
#[test]
fn m11_a_path_sets_its_solver_up_once() {
    for activation in [Activation::Relu, Activation::Gated] {
        for loss in [Loss::Squared, Loss::Huber { delta: 0.3 }] {
            let settings = Settings { activation, loss, patterns: 8, gap: 1e-3, ..Settings::default() };
            let mut solver = Solver::new(Cpu::<f64>::new(), &data(), None, &settings).unwrap();
            solver.evaluate_sparingly();
            let largest = solver.gated_beta_max();
            let (mut solvers, mut penalties) = (Vec::new(), Vec::new());
            for k in 1..=30 {
                solver.set_beta(largest * 0.8f64.powi(k)).unwrap();
                assert_eq!(solver.run(&mut ()).unwrap(), Status::Optimal);
                let admm = solver.admm.as_ref().unwrap();
                assert_eq!(admm.preparation, Preparation::Nothing);
                solvers.push(std::ptr::from_ref(&*admm.linear).cast::<()>());
                penalties.push(admm.penalty.rho());
            }
            solvers.dedup();
            penalties.dedup();
            assert_eq!(solvers.len(), 1);
            // beta falls by a factor of 800, its root by 28: at most four changes of 2.5, and a few changes by the
            // residuals.
            assert!((2..=12).contains(&penalties.len()), "{penalties:?}");
        }
    }
}

/// Multipliers scaled by the ratio of the betas prove at least that share of their bound, which is concave in the
/// scale. So the bound of a beta is no lower even after few iterations.
#[test]
fn m11_a_relu_path_keeps_what_the_last_beta_proved() {
    let settings = Settings { patterns: 8, gap: 1e-9, max_iterations: 2, ..Settings::default() };
    let mut solver = Solver::new(Cpu::<f64>::new(), &data(), None, &settings).unwrap();
    let (mut beta, mut bound) = (solver.gated_beta_max(), 0.0);
    for _ in 0..30 {
        beta *= 0.9;
        solver.set_beta(beta).unwrap();
        solver.run(&mut ()).unwrap();
        let found = solver.objective().unwrap().dual_bound;
        assert!(found >= 0.9 * bound * (1.0 - 1e-12), "{found} at {beta}, {bound} before");
        bound = found;
    }
}

/// A run whose iterates are lost cannot be the start of the next.
#[test]
fn e9_iterates_that_are_not_finite_are_forgotten() {
    let data = data();
    let values = data.values().iter().map(|x| 1e25 * x).collect();
    let extreme = Dataset::new(4, values, data.labels().cloned(), data.kind()).unwrap();
    let settings = Settings { patterns: 8, normalisation: Some(cvx_model::Normalisation::None), ..Settings::default() };
    let mut solver = Solver::new(Cpu::<f32>::new(), &extreme, None, &settings).unwrap();
    let largest = solver.gated_beta_max();
    for k in 1..=2 {
        solver.set_beta(largest * 0.5f64.powi(k)).unwrap();
        assert_eq!(solver.run(&mut ()).unwrap(), Status::NumericalError);
        let begun = solver.step().unwrap();
        assert!(begun.is_break() || solver.iterates().unwrap().unwrap().v.values().iter().all(|v| v.is_finite()));
    }
}

// ---- E9: non-finite numbers ------------------------------------------------------------------------------------

/// The fault of a u-update.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// One entry of u.
    U(f64),
    /// One entry of X u.
    Xu(f64),
    /// The solver reports the fault itself.
    Status,
    /// A factor has a pivot that is not positive, for every rho.
    Pivot,
    /// The solver gives matrices of wrong shapes to the back end.
    Shape,
}

/// A solver that works until its solve number `at`, which has the fault.
struct Faulty<B: Backend> {
    inner: Box<dyn LinearSolver<B>>,
    backend: B,
    fault: Fault,
    at: usize,
    solves: usize,
}

impl<B: Backend> Faulty<B> {
    fn poisoned(&self, matrix: &mut B::Matrix, value: f64) -> Result<(), LinalgError> {
        // A non-finite number cannot be uploaded, so it is computed.
        let huge = self.backend.upload(&HostMatrix::from_vec(1, 1, vec![1e30]))?;
        let mut square = self.backend.zeros(1, 1)?;
        let mut entry = self.backend.zeros(1, 1)?;
        self.backend.copy(&huge, &mut entry)?;
        for _ in 0..20 {
            self.backend.copy(&entry, &mut square)?;
            self.backend.gemm(1.0, &square, Transpose::No, &huge, Transpose::No, 0.0, &mut entry)?;
        }
        if value.is_nan() {
            self.backend.copy(&entry, &mut square)?;
            self.backend.axpby(-1.0, &square, 1.0, &mut entry)?;
        }
        self.backend.write_part(&entry, matrix, 1)
    }
}

impl<B: Backend> LinearSolver<B> for Faulty<B> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn prepare(&mut self, system: &mut dyn MaskedSystem<B>) -> Result<(), LinalgError> {
        self.inner.prepare(system)
    }

    fn update_penalty(&mut self, system: &mut dyn MaskedSystem<B>, rho: f64) -> Result<(), LinalgError> {
        match self.fault {
            Fault::Pivot if self.solves >= self.at => Err(LinalgError::NotPositiveDefinite { pivot: 1 }),
            _ => self.inner.update_penalty(system, rho),
        }
    }

    fn solve(
        &mut self,
        system: &mut dyn MaskedSystem<B>,
        rhs: &SystemRhs<'_, B>,
        accuracy: Accuracy,
        solution: &mut SystemSolution<B>,
    ) -> Result<LinearInfo, LinalgError> {
        self.solves += 1;
        let mut info = self.inner.solve(system, rhs, accuracy, solution)?;
        if self.solves == self.at {
            match self.fault {
                Fault::U(value) => self.poisoned(&mut solution.u, value)?,
                Fault::Xu(value) => self.poisoned(solution.expect_xu("a faulty solver")?[1], value)?,
                Fault::Status => info.status = LinearStatus::NonFinite,
                Fault::Pivot => {}
                Fault::Shape => self.backend.copy(&solution.u, &mut self.backend.zeros(1, 1)?)?,
            }
        }
        Ok(info)
    }

    fn flops(&self) -> SolverFlops {
        self.inner.flops()
    }
}

/// A run whose solver has its fault at solve number `at`; `usize::MAX` means no fault.
fn with_fault<B: Backend>(backend: B, settings: &Settings, fault: Fault, at: usize) -> Result<Solution, TrainError> {
    let solver = Solver::new(backend.clone(), &data(), None, settings).unwrap();
    let inner = solver.summary().solver.build(&solver.settings.solver_settings());
    solver.with_linear_solver(Box::new(Faulty { inner, backend, fault, at, solves: 0 })).solve(&mut ())
}

fn faults_are_found<B: Backend>(backend: &B) {
    for activation in [Activation::Relu, Activation::Gated] {
        for loss in [Loss::Squared, Loss::Huber { delta: 0.3 }] {
            for certify in [Certify::Network, Certify::Sampled] {
                let settings = Settings {
                    activation,
                    loss,
                    certify,
                    patterns: 8,
                    gap: 1e-12,
                    evaluate_every: 1,
                    ..Settings::default()
                };
                let cut_short = |max_iterations| Settings { max_iterations, ..settings.clone() };
                for fault in [
                    Fault::U(f64::NAN),
                    Fault::U(f64::INFINITY),
                    Fault::Xu(f64::NAN),
                    Fault::Xu(f64::INFINITY),
                    Fault::Status,
                ] {
                    // Gated neurons have no cones, and their X u is not used.
                    if activation == Activation::Gated && matches!(fault, Fault::Xu(_)) {
                        continue;
                    }
                    for at in [1, 2, 7] {
                        let place = format!("{activation:?}, {loss:?}, {certify:?}, {fault:?} at {at}");
                        let found = with_fault(backend.clone(), &cut_short(100), fault, at).unwrap();
                        assert_eq!(
                            (found.status, found.info.history.len()),
                            (Status::NumericalError, at - 1),
                            "{place}"
                        );
                        let numbers =
                            [&found.model.network.w1, &found.model.network.w2].map(HostMatrix::values).concat();
                        assert!(numbers.iter().all(|number| number.is_finite()), "{place}");
                        let objective = found.objective;
                        assert!(objective.network.is_finite() && objective.dual_bound >= 0.0, "{place}: {objective:?}");
                        assert!(objective.sampled_primal.is_none_or(f64::is_finite), "{place}: {objective:?}");
                        // The result of a run that ends before the fault.
                        if at > 1 {
                            let before = with_fault(backend.clone(), &cut_short(at - 1), fault, usize::MAX).unwrap();
                            assert_eq!(before.status, Status::IterationLimit, "{place}");
                            // The closing evaluation, which needs a finite iterate, may still improve on it.
                            assert!(before.objective.network <= objective.network, "{place}");
                            assert!(objective.network <= before.info.history[at - 2].network.unwrap(), "{place}");
                            assert!(objective.dual_bound >= before.info.history[at - 2].dual_bound.unwrap(), "{place}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn e9_an_iterate_that_is_not_finite_is_found_at_once_and_the_last_finite_network_returned() {
    faults_are_found(&Cpu::<f64>::new());
    faults_are_found(&Cpu::<f32>::new());
}

/// A factor that fails at the first change of rho gives a status and the best network before it.
#[test]
fn e9_an_indefinite_factor_is_a_status() {
    let settings = Settings { patterns: 8, gap: 1e-12, rho: Some(1e4), ..Settings::default() };
    let found = with_fault(Cpu::<f64>::new(), &settings, Fault::Pivot, 1).unwrap();
    assert_eq!(found.status, Status::NumericalError, "{:?}", found.objective);
    assert!(!found.info.history.is_empty() && found.info.penalty_changes == 0);
    let best = found.info.history.iter().filter_map(|record| record.network).fold(f64::INFINITY, f64::min);
    assert!(found.objective.network <= best && found.objective.relative_gap.is_finite());
}

/// A bug is an error with its text, not a numerical status.
#[test]
fn e9_operands_that_do_not_fit_are_an_error_that_keeps_its_text() {
    let settings = Settings { patterns: 8, ..Settings::default() };
    match with_fault(Cpu::<f64>::new(), &settings, Fault::Shape, 3) {
        Err(TrainError::Linalg(error @ LinalgError::Shape { .. })) => assert!(error.to_string().contains("copy")),
        other => panic!("{:?}", other.map(|solution| solution.status)),
    }
}

/// The numerical error is returned with the network.
#[test]
fn e9_a_numerical_error_keeps_its_cause() {
    let settings = Settings { patterns: 8, gap: 1e-12, rho: Some(1e4), ..Settings::default() };
    let found = with_fault(Cpu::<f64>::new(), &settings, Fault::Pivot, 1).unwrap();
    assert_eq!(found.status, Status::NumericalError);
    assert_eq!(found.info.failure, Some(LinalgError::NotPositiveDefinite { pivot: 1 }));
}

/// A later programme compares the residuals again from its first iterations on, even if the next comparison of the
/// previous programme was due much later.
#[test]
fn a_refined_programme_adapts_rho_again() {
    let certify = Certify::Sampled;
    let settings = Settings { patterns: 8, gap: 1e-300, certify, max_iterations: 300, ..Settings::default() };
    let mut solver = Solver::new(Cpu::<f64>::new(), &data(), None, &settings).unwrap();
    let solution = solver.solve(&mut ()).unwrap();
    let gates = solver.sample_gates(4, 7).unwrap();
    let neurons = &solution.model.network.w1;
    let all = [neurons.values(), gates.values()].concat();
    let gates = HostMatrix::from_vec(neurons.rows(), neurons.cols() + 4, all);
    assert!(solver.admm.as_ref().unwrap().penalty.next_check() > 100);
    solver.set_gates(&gates, &solution.model.network).unwrap();
    assert_eq!(solver.admm.as_ref().unwrap().penalty.next_check(), 20);
    solver.run(&mut ()).unwrap();
    // Solving the same programme once more is also another run.
    solver.keep_record();
    assert!(solver.step().unwrap().is_continue());
    assert_eq!(solver.admm.as_ref().unwrap().penalty.next_check(), 20);
}

/// Without acceleration, no iterates are copied for it.
#[test]
fn iterates_are_kept_for_the_acceleration_alone() {
    for (anderson_depth, dual_step, kept) in [(10, 1.0, true), (0, 1.0, false), (10, 1.1, false)] {
        let settings = Settings { patterns: 8, anderson_depth, dual_step, ..Settings::default() };
        let mut solver = Solver::new(Cpu::<f64>::new(), &data(), None, &settings).unwrap();
        assert!(solver.step().unwrap().is_continue());
        assert_eq!(solver.admm.as_ref().unwrap().state.keeps_start(), kept, "{anderson_depth}, {dual_step}");
    }
}

/// A gate that serves several groups of columns has a pattern for each; a neuron moves to that of its own group.
#[test]
fn a_network_moves_into_the_cones_of_its_groups() {
    let sets = vec![vec!["1".to_string(), "2".to_string()], vec!["3".to_string(), "4".to_string()]];
    for activation in [Activation::Relu, Activation::Gated] {
        let constraints = Constraints { interactions: Some(sets.clone()), ..Constraints::default() };
        let settings = Settings { activation, constraints, patterns: 12, ..Settings::default() };
        let mut solver = Solver::new(Cpu::<f64>::new(), &data(), None, &settings).unwrap();
        let solution = solver.solve(&mut ()).unwrap();
        let network = solution.model.network;
        let gates = network.gates.clone().unwrap_or_else(|| network.w1.clone());
        solver.set_gates(&gates, &network).unwrap();
        let (program, admm) = (&solver.program, solver.admm.as_ref().unwrap());
        let v = program.backend().download(&admm.state.v).unwrap();
        let mut inside = program.backend().upload(&v).unwrap();
        program.confine(&mut inside).unwrap();
        assert_eq!(program.backend().download(&inside).unwrap(), v, "{activation}");
        let moved = admm.incumbent.network().objective;
        assert!(moved <= solution.objective.network * (1.0 + 1e-12), "{activation}: {moved}");
    }
}
