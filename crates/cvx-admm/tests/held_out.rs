//! The predictor of training samples by the parts that held them out.

mod common;

use common::{Random, near, planted, table};
use cvx_admm::{ArtifactError, HeldOutPredictor, PathSettings, PathSolution, Returned, Settings, StopToken};
use cvx_admm::{Validation, path};
use cvx_linalg::{Backend, Cpu};
use cvx_model::{Activation, Dataset};

fn along(data: &Dataset, validation: Validation, ensemble: usize) -> PathSolution {
    let settings = Settings { activation: Activation::Gated, patterns: 6, gap: 1e-6, ..common::exact() };
    let returned = Returned::Mean;
    let path_settings =
        PathSettings { betas: 3, ratio: 0.03, gap: 1e-6, validation, returned, ensemble, ..PathSettings::default() };
    path(data, None, &settings, &path_settings, &StopToken::new(), &mut ()).unwrap()
}

fn three_classes() -> Dataset {
    let x = Random(7).vector(60 * 3);
    let class = |row: &[f64]| f64::from(u8::from(row[0] > 0.2)) + f64::from(u8::from(row[1] > 0.0));
    let y = x.chunks(3).map(class).collect();
    table(3, x, y)
}

#[test]
fn it_predicts_what_the_path_predicted_on_held_out_samples() {
    for (data, validation, ensemble) in [
        (planted(40, 3, 5), Validation::Folds(4), 1),
        (planted(40, 3, 5), Validation::Folds(3), 2),
        (planted(40, 3, 5), Validation::Share(0.3), 1),
        (three_classes(), Validation::Folds(3), 1),
    ] {
        let found = along(&data, validation, ensemble);
        let model = &found.solution.model;
        let rows = model.held_out_rows();
        assert_eq!(rows, found.held_out.rows);
        let predictor = HeldOutPredictor::new(model, &rows).unwrap();
        let samples = data.select(&rows).unwrap();
        let outputs = predictor.predict(&samples).unwrap();
        let expected = &found.held_out.predictions.outputs;
        for (f, expected) in outputs.values().iter().zip(expected.values()) {
            // Networks within a gap of the same optimum.
            assert!(near(*f, *expected, 5e-3), "{f} {expected}");
        }
        let own = model.predict(&samples).unwrap();
        let one = model.parts.len() == 1;
        assert!(
            one || own.values().iter().zip(outputs.values()).any(|(own, f)| (own - f).abs() > 1e-3),
            "{validation:?}"
        );
        let mean = ensemble as f64 * model.network.n_neurons() as f64 / model.parts.len() as f64;
        assert!((predictor.mean_neurons() / mean - 1.0).abs() < 0.3, "{} {mean}", predictor.mean_neurons());
    }
}

/// By hand: the network of each part alone, on rows in any order.
#[test]
fn each_sample_is_predicted_by_its_own_parts() {
    let data = planted(40, 3, 5);
    let model = along(&data, Validation::Folds(4), 1).solution.model;
    let rows = [31, 2, 17, 5, 2];
    let outputs = HeldOutPredictor::new(&model, &rows).unwrap().predict(&data.select(&rows).unwrap()).unwrap();
    let cpu = Cpu::<f64>::new();
    for (a, row) in rows.iter().enumerate() {
        let part = (0..4).find(|&k| model.parts[k].held_out.contains(row)).unwrap();
        let xt = model.transform.apply(&data.select(&[*row]).unwrap()).unwrap();
        let expected = model.part(part).0.predict(&cpu, &cpu.upload(&xt).unwrap()).unwrap();
        assert!((outputs[(a, 0)] - expected[(0, 0)]).abs() < 1e-12);
    }
}

#[test]
fn rows_that_no_part_held_out_and_other_samples_are_errors() {
    let data = planted(40, 3, 5);
    let model = along(&data, Validation::Share(0.3), 1).solution.model;
    let held_out = model.held_out_rows();
    let seen = (0..40).find(|row| !held_out.contains(row)).unwrap();
    assert!(matches!(HeldOutPredictor::new(&model, &[held_out[0], seen]), Err(ArtifactError::Model(_))));
    let predictor = HeldOutPredictor::new(&model, &held_out).unwrap();
    assert!(matches!(predictor.predict(&data), Err(ArtifactError::Model(_))));
}
