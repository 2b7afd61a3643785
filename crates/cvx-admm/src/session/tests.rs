//! What outlives a run.

use super::*;
use crate::settings::Settings;
use cvx_linalg::Cpu;
use cvx_model::{Dataset, FeatureKind, Labels, Loss};

fn data() -> Dataset {
    let wave = |k: usize| (1.7 * k as f64 + 0.3).sin();
    let x: Vec<f64> = (0..240).map(wave).collect();
    let y = x.chunks(4).map(|row| row[0].max(0.0) - row[1] * row[2]).collect();
    Dataset::new(4, x, Some(Labels::numbers(y)), FeatureKind::Table).unwrap()
}

/// The solver with its factors is one and the same from the first beta to the last, and all that it is asked to do again is to factor
/// I + (2/rho) K o S where rho has moved.
#[test]
fn a_path_sets_its_solver_up_once() {
    for activation in [Activation::Relu, Activation::Gated] {
        for loss in [Loss::Squared, Loss::Huber { delta: 0.3 }] {
            let settings = Settings { activation, loss, patterns: 8, gap: 1e-3, ..Settings::default() };
            let settings = settings.validate().unwrap();
            let problem = Problem::new(&data(), None, &settings).unwrap();
            let host = Host { threads: 1, passed_over: None };
            let mut session = Session::open(Cpu::<f64>::new(), host, &problem, &settings, Clock::start()).unwrap();
            session.judge_sparingly();
            let largest = session.gated_beta_max();
            let (mut solvers, mut penalties) = (Vec::new(), Vec::new());
            for k in 1..=30 {
                session.set_beta(largest * 0.8f64.powi(k)).unwrap();
                let point = session.fold_point(&mut ()).unwrap();
                assert_eq!(point.status, Status::Optimal);
                let engine = session.engine.as_ref().unwrap();
                assert_eq!(engine.preparation, Preparation::Nothing);
                solvers.push(std::ptr::from_ref(&*engine.linear).cast::<()>());
                penalties.push(engine.penalty.rho());
            }
            solvers.dedup();
            penalties.dedup();
            assert_eq!(solvers.len(), 1);
            // beta falls by a factor of 800, its root by 28: four times 2.5 or less, and now and then by the residuals.
            assert!((2..=12).contains(&penalties.len()), "{penalties:?}");
        }
    }
}

/// A run that has lost its iterates is no beginning for the next.
#[test]
fn iterates_that_are_not_finite_are_forgotten() {
    let data = data();
    let values = data.values().iter().map(|x| 1e25 * x).collect();
    let extreme = Dataset::new(4, values, data.labels().cloned(), data.kind()).unwrap();
    let settings = Settings { patterns: 8, normalisation: Some(cvx_model::Normalisation::None), ..Settings::default() };
    let settings = settings.validate().unwrap();
    let problem = Problem::new(&extreme, None, &settings).unwrap();
    let host = Host { threads: 1, passed_over: None };
    let mut session = Session::open(Cpu::<f32>::new(), host, &problem, &settings, Clock::start()).unwrap();
    let largest = session.gated_beta_max();
    for k in 1..=2 {
        session.set_beta(largest * 0.5f64.powi(k)).unwrap();
        assert_eq!(session.fold_point(&mut ()).unwrap().status, Status::NumericalError);
        assert!(session.engine.is_none());
    }
}
