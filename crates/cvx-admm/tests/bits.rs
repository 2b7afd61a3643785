//! E1, E2: one seed gives the same bits, in repeated runs and for any number of threads.

mod common;

use common::{PRECISIONS, assert_same, planted};
use cvx_admm::{Beta, Certify, Precision, Settings, SolverChoice, SolverKind, train};
use cvx_model::{Activation, Loss};

fn short(precision: Precision, kind: SolverKind) -> Settings {
    Settings {
        patterns: 12,
        precision,
        max_iterations: 25,
        gap: 1e-9,
        solver: SolverChoice::Kind(kind),
        ..Settings::default()
    }
}

#[test]
fn e1_two_runs_with_one_seed_give_the_same_bits() {
    let (data, test) = (planted(150, 8, 2), planted(60, 8, 3));
    for precision in PRECISIONS {
        for kind in SolverKind::ALL {
            for certify in [Certify::Network, Certify::Sampled] {
                let settings = Settings { certify, ..short(precision, kind) };
                let run = |settings: &Settings| train(&data, Some(&test), settings).unwrap();
                let first = run(&settings);
                assert_same(&first, &run(&settings), &format!("{precision:?} {kind} {certify:?}"));
                let other = run(&Settings { seed: 1, ..settings });
                assert!(other.model.network != first.model.network, "another seed draws other gates");
            }
        }
    }
}

/// The data are large enough that products, factors and sums are distributed over threads.
#[test]
fn e2_any_number_of_threads_gives_the_same_bits() {
    let data = planted(700, 40, 2);
    for activation in [Activation::Relu, Activation::Gated] {
        for kind in SolverKind::ALL.into_iter().filter(|kind| activation == Activation::Relu || !kind.needs_cones()) {
            for precision in PRECISIONS {
                let settings = Settings { activation, max_iterations: 12, ..short(precision, kind) };
                let run = |threads| train(&data, None, &Settings { threads, ..settings.clone() }).unwrap();
                let one = run(1);
                assert_eq!((one.summary.threads, one.summary.solver), (1, kind));
                for threads in [2, 7] {
                    let many = run(threads);
                    assert_eq!(many.summary.threads, threads);
                    assert_same(&one, &many, &format!("{activation:?} {precision:?} {kind}, {threads} threads"));
                }
            }
        }
    }
}

#[test]
fn e2_every_loss_has_the_same_bits() {
    let data = planted(700, 40, 2);
    for loss in [Loss::Logistic, Loss::SquaredHinge, Loss::Huber { delta: 0.3 }] {
        let settings = Settings { loss, ..short(Precision::F32, SolverKind::Cholesky) };
        let run = |threads| train(&data, None, &Settings { threads, ..settings.clone() }).unwrap();
        let one = run(1);
        [2, 7].into_iter().for_each(|threads| assert_same(&one, &run(threads), &format!("{loss:?}, {threads}")));
    }
}

#[test]
fn e2_a_refined_run_has_the_same_bits() {
    let data = planted(500, 20, 6);
    for activation in [Activation::Relu, Activation::Gated] {
        let beta = Beta::Fraction(1e-2);
        let settings = Settings { activation, patterns: 7, refine: 2, beta, ..Settings::default() };
        let run = |threads| train(&data, None, &Settings { threads, ..settings.clone() }).unwrap();
        let one = run(1);
        assert!(one.info.rounds.len() > 1, "{:?}", one.info.rounds);
        [2, 7].into_iter().for_each(|threads| assert_same(&one, &run(threads), &format!("{activation:?}, {threads}")));
    }
}
