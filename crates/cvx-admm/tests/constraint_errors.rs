//! Constraints that cannot be had: the columns, tasks, neurons and gates that are refused, with their names.

mod common;

use common::constrained::{FEATURES, bent, increasing, named, sets, settings, waves};
use common::table;
use cvx_admm::{Gates, Settings, TrainError, train};
use cvx_linalg::HostMatrix;
use cvx_model::{
    Activation, Column, ColumnChoices, Constraints, Curvature, Dataset, Labels, ModelError, OutputRange, PatchSettings,
    Recipe, Table, TaskChoice, Trend,
};
use std::sync::Arc;

fn refused(data: &Dataset, settings: &Settings) -> ModelError {
    match train(data, None, settings) {
        Err(TrainError::Model(error)) => error,
        other => panic!("{:?}", other.map(|solution| solution.status)),
    }
}

/// A number, a category, a copy of the number and an identifier.
fn columns() -> Dataset {
    let numbers: Vec<f64> = (0..60).map(|row| f64::from(row * 7 % 60) / 10.0).collect();
    let texts = |levels: usize| Column::Texts {
        index: (0..60).map(|row| (row * 7 % levels) as u32).collect(),
        levels: (0..levels).map(|level| format!("level {level}")).collect(),
    };
    let names = ["age", "town", "months", "code"].map(str::to_string).to_vec();
    let twin = Column::Numbers(numbers.clone());
    let table = Table::new(vec![Column::Numbers(numbers.clone()), texts(3), twin, texts(60)], Some(names)).unwrap();
    let recipe = Recipe::fit(&table, &ColumnChoices::default()).unwrap();
    Dataset::encode(table, Arc::new(recipe), Some(Labels::numbers(numbers))).unwrap()
}

#[test]
fn columns_that_cannot_be_constrained_are_named() {
    let data = columns();
    let along =
        |column: &str| Constraints { trends: vec![(column.to_string(), Trend::Increasing)], ..Constraints::default() };
    for (column, place) in [("town", "categories"), ("months", "a copy of age"), ("code", "an identifier")] {
        let error = refused(&data, &settings(along(column)));
        assert!(
            matches!(&error, ModelError::ConstrainedColumn { column: found, constraint: "increasing", obstacle }
                if found == column && obstacle.contains(place)),
            "{error}"
        );
    }
    assert!(matches!(refused(&data, &settings(along("height"))), ModelError::UnknownColumn { .. }));
    let set = |column: &str| Constraints { interactions: Some(vec![vec![column.into()]]), ..Constraints::default() };
    assert!(matches!(refused(&data, &settings(set("code"))), ModelError::ConstrainedColumn { .. }));
    let both = Constraints {
        trends: vec![("age".into(), Trend::Increasing), ("1".into(), Trend::Decreasing)],
        ..Constraints::default()
    };
    assert!(matches!(refused(&data, &settings(both)), ModelError::ConstraintConflict { .. }));
    // By name and by number, and a category in a group with its levels.
    let model = train(&data, None, &settings(along(" 1 "))).unwrap().model;
    assert_eq!(model.cones.as_ref().unwrap().trends()[0], Some(Trend::Increasing));
    let model = train(&data, None, &settings(set("town"))).unwrap().model;
    assert_eq!(model.cones.as_ref().unwrap().groups(), [vec![1, 2, 3], vec![0]]);
}

#[test]
fn tasks_and_neurons_without_a_meaning_for_a_constraint() {
    let data = waves(60, 10);
    let x = data.values().to_vec();
    let three = table(FEATURES, x.clone(), (0..60).map(|row| f64::from(row % 3)).collect());
    let alone: Vec<Vec<String>> = (1..=3).map(|k| vec![k.to_string()]).collect();
    let alone = Constraints { interactions: Some(alone), ..Constraints::default() };
    let few = Settings { patterns: 5, ..settings(alone) };
    assert_eq!(refused(&data, &few), ModelError::TooFewGates { gates: 5, groups: 3 });
    let unconstrainable = |error: ModelError| matches!(error, ModelError::Unconstrainable { .. });
    assert!(unconstrainable(refused(&three, &settings(increasing([0])))));
    assert!(unconstrainable(refused(&three, &settings(bent(Curvature::Convex, [0])))));
    assert!(train(&three, None, &settings(sets(&[&[0]]))).is_ok(), "which columns interact is defined for every class");
    let nonnegative = Constraints { nonnegative: true, ..Constraints::default() };
    let two = table(FEATURES, x, (0..60).map(|row| f64::from(row % 2)).collect());
    assert!(unconstrainable(refused(&two, &settings(nonnegative.clone()))));
    let regression = Settings { task: TaskChoice::Regression, ..settings(nonnegative) };
    assert!(unconstrainable(refused(&data, &Settings { activation: Activation::Gated, ..regression.clone() })));
    assert!(matches!(
        train(&data, None, &Settings { output_bias: true, ..regression }),
        Err(TrainError::Setting { name: "output_bias", .. })
    ));
    let range = Some(OutputRange::new(-1.0, 2.0).unwrap());
    assert!(unconstrainable(refused(&two, &Settings { output_range: range, ..settings(Constraints::default()) })));
    let patches = Settings {
        activation: Activation::Gated,
        gates: Gates::Patches(PatchSettings::default()),
        ..settings(increasing([0]))
    };
    assert!(unconstrainable(refused(&data, &patches)));
}

#[test]
fn a_gate_of_the_user_that_no_neuron_could_use_is_named() {
    let data = waves(60, 11);
    let constraints =
        || Constraints { trends: named([(0, Trend::Increasing), (2, Trend::Increasing)]), ..Constraints::default() };
    let gates = |second: [f64; 4]| Gates::Given(HostMatrix::from_vec(4, 2, [[1.0, -0.5, 0.0, 0.2], second].concat()));
    let with = |second| Settings { gates: gates(second), ..settings(constraints()) };
    assert_eq!(refused(&data, &with([1.0, 0.3, -1.0, 0.0])), ModelError::GateOutsideCones { gate: 1 });
    assert!(train(&data, None, &with([-1.0, 0.3, -1.0, 0.0])).is_ok(), "it serves what is subtracted");
    let gated = Settings { activation: Activation::Gated, ..with([0.0, 0.3, 0.0, 0.0]) };
    assert_eq!(refused(&data, &gated), ModelError::GateOutsideCones { gate: 0 });
}
