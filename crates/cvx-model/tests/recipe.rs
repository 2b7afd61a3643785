//! From tables to features: by hand on small tables, and by property on tables of every kind of column.

use cvx_model::{
    Choice, Column, ColumnChoices, ColumnKind, Dataset, Labels, MISSING, ModelError, Normalisation, Reason, Recipe,
    Table, Transform,
};
use proptest::prelude::*;
use std::sync::Arc;

fn texts(values: &[&str]) -> Column {
    let mut levels: Vec<String> = Vec::new();
    let index = values.iter().map(|value| match *value {
        "" => MISSING,
        text => match levels.iter().position(|level| level == text) {
            Some(at) => at as u32,
            None => {
                levels.push(text.to_string());
                levels.len() as u32 - 1
            }
        },
    });
    Column::Texts { index: index.collect(), levels }
}

fn numbers(values: &[f64]) -> Column {
    Column::Numbers(values.to_vec())
}

fn table(columns: Vec<(&str, Column)>) -> Table {
    let names = columns.iter().map(|(name, _)| name.to_string()).collect();
    Table::new(columns.into_iter().map(|(_, column)| column).collect(), Some(names)).unwrap()
}

fn fit(table: &Table) -> Recipe {
    Recipe::fit(table, &ColumnChoices::default()).unwrap()
}

/// Names and columns of the features.
fn encode(recipe: &Recipe, table: &Table) -> Vec<(String, Vec<f64>)> {
    let encoded = recipe.apply(table.clone()).unwrap();
    let names = recipe.feature_names().unwrap();
    assert_eq!(encoded.n_features, names.len());
    let column = |at: usize| encoded.values.iter().skip(at).step_by(names.len()).copied().collect();
    names.iter().cloned().enumerate().map(|(at, name)| (name, column(at))).collect()
}

fn named(features: &[(&str, &[f64])]) -> Vec<(String, Vec<f64>)> {
    features.iter().map(|(name, values)| (name.to_string(), values.to_vec())).collect()
}

#[test]
fn every_kind_of_column_becomes_its_features() {
    let train = table(vec![
        ("age", numbers(&[20.0, f64::NAN, 40.0, 90.0])),
        ("sex", texts(&["male", "female", "male", "male"])),
        ("colour", texts(&["red", "blue", "", "green"])),
        ("same", numbers(&[7.0; 4])),
        ("again", numbers(&[20.0, 40.0, 40.0, 90.0])),
        ("empty", numbers(&[f64::NAN; 4])),
        ("ID", numbers(&[4.0, 9.0, 1.0, 2.0])),
    ]);
    let recipe = fit(&train);
    assert_eq!(
        encode(&recipe, &train),
        named(&[
            ("age", &[20.0, 40.0, 40.0, 90.0]),
            ("age is missing", &[0.0, 1.0, 0.0, 0.0]),
            ("sex=male", &[1.0, 0.0, 1.0, 1.0]),
            // Levels that are as frequent as each other are taken in the order of their names.
            ("colour=blue", &[0.0, 1.0, 1.0, 0.0]),
            ("colour=green", &[0.0, 0.0, 0.0, 1.0]),
            ("colour=red", &[1.0, 0.0, 0.0, 0.0]),
            ("colour is missing", &[0.0, 0.0, 1.0, 0.0]),
        ])
    );
    assert_eq!(recipe.sources(), [0, 0, 1, 2, 2, 2, 2]);
    let dropped: Vec<String> =
        recipe.dropped().iter().map(|dropped| format!("{}: {}", dropped.name, dropped.reason)).collect();
    assert_eq!(dropped, ["same: constant", "again: a copy of age", "empty: no value", "ID: an identifier"]);
    let reports = recipe.describe();
    assert_eq!((reports[2].missing, reports[2].features.len(), reports[2].kind.name()), (1, 4, "categories"));
    assert_eq!(recipe.validate(7), Ok(()));
    assert!(recipe.validate(6).is_err());
}

#[test]
fn what_training_did_not_see_pulls_nowhere() {
    let train = table(vec![
        ("size", numbers(&[1.0, 2.0, 6.0, 8.0])),
        ("kind", texts(&["a", "b", "a", "c"])),
        ("flag", texts(&["no", "yes", "yes", "no"])),
    ]);
    let recipe = fit(&train);
    let later = table(vec![
        ("flag", texts(&["maybe", ""])),
        ("new", texts(&["x", "y"])),
        ("kind", texts(&["z", ""])),
        ("size", numbers(&[f64::NAN, 3.0])),
    ]);
    assert_eq!(
        encode(&recipe, &later),
        named(&[
            ("size", &[4.0, 3.0]),
            ("kind=a", &[0.5, 1.0]),
            ("kind=b", &[0.25, 0.0]),
            ("kind=c", &[0.25, 0.0]),
            ("flag=yes", &[0.5, 0.0]),
        ])
    );
    let encoded = recipe.apply(later.clone()).unwrap();
    assert_eq!(encoded.ignored, ["new"]);
    let unknown: Vec<_> = encoded.unknown.iter().map(|one| (&*one.column, &*one.level, one.rows)).collect();
    assert_eq!(unknown, [("kind", "z", 1), ("flag", "maybe", 1)]);
}

#[test]
fn rare_levels_share_a_feature() {
    let levels: Vec<String> = (0..40).map(|level| format!("l{level:02}")).collect();
    // Level k occurs k + 1 times.
    let values: Vec<&str> = (0..40).flat_map(|k| std::iter::repeat_n(levels[k].as_str(), k + 1)).collect();
    let train = table(vec![("c", texts(&values))]);
    let recipe = fit(&train);
    let names = recipe.feature_names().unwrap();
    assert_eq!((names.len(), names[0].as_str(), names[29].as_str()), (30, "c=l11", "c=other"));
    let ColumnKind::Categories { levels: kept, pooled, fill } = &recipe.columns()[0].kind else { panic!() };
    assert_eq!((kept.len(), *pooled, *fill), (29, 11, 28));
    let features = encode(&recipe, &table(vec![("c", texts(&["l00", "new", "l39", ""]))]));
    assert_eq!(features[29].1, [1.0, 1.0, 0.0, 0.0]);
    assert_eq!(features[28].1, [0.0, 0.0, 1.0, 1.0]);
}

#[test]
fn plain_numbers_pass_through_bit_by_bit() {
    let values = [[1.5, -0.0], [1e-310, 3.0], [-7.25, 1e300]];
    let column = |at: usize| numbers(&values.map(|row| row[at]));
    let unnamed = Table::new(vec![column(0), column(1)], None).unwrap();
    let recipe = fit(&unnamed);
    assert!(recipe.is_identity() && recipe.feature_names().is_none() && recipe.dropped().is_empty());
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let found = recipe.apply(unnamed.clone()).unwrap().values;
    assert_eq!(bits(&found), bits(values.as_flattened()));
    let named = table(vec![("b", column(0)), ("", column(1))]);
    assert_eq!(fit(&named).feature_names().unwrap(), ["b", ""]);
    assert_eq!(bits(&Recipe::plain(2, None).apply(named.clone()).unwrap().values), bits(values.as_flattened()));
    let error = Recipe::plain(1, None).apply(table(vec![("a", numbers(&[1.0, f64::NAN]))])).unwrap_err();
    assert_eq!(error, ModelError::MissingValue { row: 1, column: "column 1".into() });
}

#[test]
fn columns_without_names_have_numbers() {
    let train = Table::new(vec![texts(&["x", "y", "y"]), numbers(&[1.0, 1.0, 1.0])], None).unwrap();
    let train = train.with_numbers(vec![1, 3]).unwrap();
    let recipe = fit(&train);
    assert_eq!(recipe.feature_names().unwrap(), ["column 1=y"]);
    assert_eq!(recipe.dropped()[0].name, "column 3");
    // The names of one table alone identify nothing.
    let later = table(vec![("q", texts(&["y"])), ("r", numbers(&[2.0]))]);
    assert_eq!(recipe.apply(later.clone()).unwrap().values, [1.0]);
    let error = recipe.apply(table(vec![("q", texts(&["y"]))])).unwrap_err();
    assert!(matches!(error, ModelError::Shape { .. }), "{error}");
}

#[test]
fn columns_that_are_lacking_are_listed_together() {
    let train = table(vec![
        ("a", numbers(&[1.0, 2.0])),
        ("b", numbers(&[2.0, 1.0])),
        ("constant", numbers(&[3.0, 3.0])),
        ("c", numbers(&[5.0, 1.0])),
    ]);
    let error = fit(&train).apply(table(vec![("b", numbers(&[1.0]))])).unwrap_err();
    assert_eq!(error, ModelError::MissingColumns { columns: vec!["a".into(), "c".into()] });
}

#[test]
fn categories_and_numbers_of_two_tables_are_reconciled() {
    let choices = ColumnChoices { categorical: vec!["grade".into()], ..ColumnChoices::default() };
    let train = table(vec![("grade", numbers(&[1.0, 2.0, 10.0])), ("x", numbers(&[1.0, 5.0, 2.0]))]);
    let recipe = Recipe::fit(&train, &choices).unwrap();
    assert_eq!(recipe.feature_names().unwrap(), ["grade=1", "grade=10", "grade=2", "x"]);
    // Texts, because one of them is none: `2.0` is the level 2.
    let later = table(vec![("grade", texts(&["2.0", "high"])), ("x", texts(&["7", "-1e1"]))]);
    assert_eq!(
        recipe.apply(later.clone()).unwrap().values,
        [0.0, 0.0, 1.0, 7.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0, -10.0]
    );
    // Texts in training, numbers later.
    let train = table(vec![("code", texts(&["01", "x", "2"]))]);
    let later = table(vec![("code", numbers(&[1.0, 2.0]))]);
    assert_eq!(fit(&train).apply(later.clone()).unwrap().values, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);

    let error = recipe.apply(table(vec![("grade", numbers(&[1.0])), ("x", texts(&["much"]))])).unwrap_err();
    assert!(matches!(&error, ModelError::BadValue { row: 0, column, text, .. } if column == "x" && text == "much"));
    assert!(error.to_string().contains("which is not a number"), "{error}");
}

#[test]
fn the_user_decides_about_columns() {
    let days = texts(&["2024-01-01", "2024-01-03", ""]);
    let train = table(vec![
        ("id", texts(&["a", "b", "c"])),
        ("day", days),
        ("size", texts(&["1", "2", "4"])),
        ("note", texts(&["p", "q", "q"])),
        ("serial", numbers(&[3.0, 1.0, 2.0])),
    ]);
    let list = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    let choices = ColumnChoices {
        categorical: list(&["id"]),
        numeric: list(&["3"]),
        dates: list(&["day"]),
        drop: list(&["note"]),
        ids: list(&["serial"]),
    };
    let recipe = Recipe::fit(&train, &choices).unwrap();
    let names = ["id=a", "id=b", "id=c", "day", "size"];
    // Where the day is missing, the identifier is c: one feature says both.
    assert_eq!(recipe.feature_names().unwrap(), names);
    let reasons: Vec<(&str, &Reason)> =
        recipe.dropped().iter().map(|dropped| (dropped.name.as_str(), &dropped.reason)).collect();
    let copy = Reason::CopyOf("id=c".into());
    let expected = [("day is missing", &copy), ("note", &Reason::Requested), ("serial", &Reason::Identifier)];
    assert_eq!(reasons, expected);
    assert_eq!(recipe.apply(train.clone()).unwrap().values[..5], [1.0, 0.0, 0.0, 19_723.0, 1.0]);
    assert_eq!(recipe.apply(train.clone()).unwrap().values[13], 19_724.0, "the median");

    let fails = |choices: ColumnChoices| Recipe::fit(&train, &choices).unwrap_err();
    let error = fails(ColumnChoices { numeric: list(&["note"]), ..ColumnChoices::default() });
    assert!(matches!(&error, ModelError::BadValue { row: 0, column, .. } if column == "note"), "{error}");
    let error = fails(ColumnChoices { dates: list(&["note"]), ..ColumnChoices::default() });
    assert!(error.to_string().contains("is not a date"), "{error}");
    let error = fails(ColumnChoices { drop: list(&["colour"]), ..ColumnChoices::default() });
    assert!(error.to_string().contains("'colour': the columns are id, day, size, note, serial"), "{error}");
    let error = fails(ColumnChoices { numeric: list(&["id"]), drop: list(&["1"]), ..ColumnChoices::default() });
    assert_eq!(error, ModelError::ColumnChoice { column: "1".into(), choices: [Choice::Numeric, Choice::Drop] });
    let error = fails(ColumnChoices { drop: list(&["1", "2", "3", "4", "5"]), ..ColumnChoices::default() });
    assert!(matches!(&error, ModelError::NothingLeft { dropped } if dropped[1] == "day (as asked)"), "{error}");
}

#[test]
fn texts_that_only_tell_samples_apart_are_identifiers() {
    let tickets: Vec<String> = (0..31).map(|k| format!("t{k}")).collect();
    let tickets: Vec<&str> = tickets.iter().map(String::as_str).collect();
    let x: Vec<f64> = (0..31).map(|k| f64::from(k % 7)).collect();
    let counts: Vec<f64> = (0..31).map(f64::from).collect();
    let train = table(vec![("", numbers(&counts)), ("t", texts(&tickets)), ("x", numbers(&x))]);
    assert_eq!(fit(&train).feature_names().unwrap(), ["x"]);
    // Thirty rows are too few to say so, and numbers need the name of an identifier.
    let few = table(vec![("t", texts(&tickets[..30])), ("x", numbers(&counts[..30]))]);
    assert_eq!(fit(&few).feature_names().unwrap().len(), 31);
}

#[test]
fn a_data_set_keeps_its_recipe_and_the_transform_too() {
    let train = table(vec![("a", texts(&["x", "y", "y", "x"])), ("b", numbers(&[1.0, 2.0, 3.0, f64::NAN]))]);
    let recipe = Arc::new(fit(&train));
    let labels = Labels::numbers(vec![0.0, 1.0, 0.0, 1.0]);
    let data = Dataset::encode(train.clone(), Arc::clone(&recipe), Some(labels)).unwrap();
    let data = data.with_label_name(Some("y".into())).with_unlabelled(3);
    for part in [data.select(&[2, 0]), data.without(&[1]), data.clone().limit(2), data.with_classes(&["1".into()])] {
        let part = part.unwrap();
        assert_eq!((part.recipe(), part.label_name(), part.notes().unlabelled), (Some(&recipe), Some("y"), 3));
    }
    let transform = Transform::fit(&data, Normalisation::Column, true).unwrap();
    assert_eq!((transform.recipe.as_ref(), transform.label_name.as_deref()), (Some(&*recipe), Some("y")));
    let later = table(vec![("b", numbers(&[1.0, f64::NAN])), ("a", texts(&["y", "x"]))]);
    let later = Dataset::encode(later.clone(), recipe, None).unwrap();
    assert_eq!(later.values(), [1.0, 1.0, 0.0, 0.0, 2.0, 1.0]);
    transform.apply(&later).unwrap();
}

#[test]
fn tables_that_are_none_are_refused() {
    let refused = |columns, names: Option<Vec<String>>| Table::new(columns, names).unwrap_err();
    assert_eq!(refused(vec![], None), ModelError::Empty { what: "features" });
    assert_eq!(refused(vec![numbers(&[])], None), ModelError::Empty { what: "samples" });
    assert!(matches!(refused(vec![numbers(&[1.0]), numbers(&[])], None), ModelError::Shape { .. }));
    assert!(matches!(refused(vec![numbers(&[1.0])], Some(vec![])), ModelError::Shape { .. }));
    assert!(matches!(refused(vec![numbers(&[f64::INFINITY])], None), ModelError::NonFinite { row: 0, .. }));
    let beyond = Column::Texts { index: vec![1], levels: vec!["a".into()] };
    assert!(matches!(refused(vec![beyond], None), ModelError::Shape { .. }));
    let one = table(vec![("a", numbers(&[1.0]))]);
    assert!(one.select(&[]).is_err() && one.select(&[1]).is_err());
    // A single row is neither constant nor a copy.
    assert_eq!(fit(&table(vec![("a", numbers(&[1.0])), ("b", numbers(&[1.0]))])).sources(), [0, 1]);
}

/// A table becomes features part by part, from its end.
#[test]
fn every_row_of_a_long_table_is_what_it_is_alone() {
    let n = 5000;
    let each = |value: &dyn Fn(usize) -> f64| Column::Numbers((0..n).map(|row| value(row * 7919 % n)).collect());
    let text = |levels: &[&str], gap: usize| Column::Texts {
        index: (0..n)
            .map(|row| if row % gap == 0 { MISSING } else { (row * 7919 % n % levels.len()) as u32 })
            .collect(),
        levels: levels.iter().map(|level| level.to_string()).collect(),
    };
    let train = table(vec![
        ("x", each(&|k| if k % 11 == 0 { f64::NAN } else { (k as f64).sqrt() })),
        ("c", text(&["red", "green", "blue"], 13)),
        ("g", each(&|k| (k % 5) as f64)),
        ("d", text(&["2024-03-31", "1999-01-01", "2030-12-31", "2000-02-29"], 17)),
    ]);
    let choices = ColumnChoices { categorical: vec!["g".into()], dates: vec!["d".into()], ..ColumnChoices::default() };
    let recipe = Recipe::fit(&train, &choices).unwrap();
    let whole = recipe.apply(train.clone()).unwrap();
    assert_eq!(whole.n_features, 2 + 4 + 5 + 2);
    for rows in (0..n).collect::<Vec<_>>().chunks(37) {
        let part = recipe.apply(train.select(rows).unwrap()).unwrap();
        assert_eq!(part.values, whole.values[rows[0] * whole.n_features..][..part.values.len()], "{rows:?}");
    }

    // Errors and remarks are about the whole table.
    let later = |dates: &[&str]| {
        let (ones, grey) = (numbers(&vec![1.0; n]), texts(&vec!["grey"; n]));
        table(vec![("x", ones.clone()), ("c", grey), ("g", ones), ("d", texts(dates))])
    };
    let mut dates = vec!["2024-03-31"; n];
    let unknown = recipe.apply(later(&dates)).unwrap().unknown;
    assert_eq!((unknown.len(), unknown[0].rows), (1, n));
    (dates[4321], dates[4999]) = ("31.3.24", "soon");
    let error = recipe.apply(later(&dates)).unwrap_err();
    assert!(matches!(error, ModelError::BadValue { row: 4321, .. }), "{error}");
}

/// A column of any kind: numbers or texts with missing values.
fn column(rows: usize) -> impl Strategy<Value = Column> {
    let number = prop_oneof![4 => (-3i32..4).prop_map(f64::from), 1 => Just(f64::NAN)];
    let numbers = prop::collection::vec(number, rows).prop_map(Column::Numbers);
    let index = prop_oneof![4 => 0u32..6, 1 => Just(MISSING)];
    let levels = || ["a", "b", "c", "1", "2.0", "x y"].map(String::from).to_vec();
    let texts = prop::collection::vec(index, rows).prop_map(move |index| Column::Texts { index, levels: levels() });
    prop_oneof![numbers, texts]
}

proptest! {
    #[test]
    fn values_do_not_depend_on_the_order_of_the_columns_nor_on_other_rows(
        (columns, order, rows) in (2usize..7, 2usize..40).prop_flat_map(|(d, n)| (
            prop::collection::vec(column(n), d),
            Just((0..d).collect::<Vec<_>>()).prop_shuffle(),
            prop::collection::vec(0..n, 1..6),
        ))
    ) {
        let names: Vec<String> = (0..columns.len()).map(|at| format!("c{at}")).collect();
        let train = Table::new(columns.clone(), Some(names.clone())).unwrap();
        let Ok(recipe) = Recipe::fit(&train, &ColumnChoices::default()) else { return Ok(()) };
        prop_assert_eq!(recipe.validate(recipe.features().len()), Ok(()));
        let encoded = recipe.apply(train.clone()).unwrap();
        let d = encoded.n_features;
        prop_assert!(encoded.values.iter().all(|value| value.is_finite()));
        prop_assert!(encoded.ignored.is_empty() && encoded.unknown.is_empty());
        // No feature is constant, none is a copy of another, and each has its mean.
        let feature = |at: usize| encoded.values.iter().skip(at).step_by(d).copied().collect::<Vec<f64>>();
        for at in 0..d {
            let values = feature(at);
            prop_assert!(values.iter().any(|value| *value != values[0]));
            prop_assert!((0..at).all(|other| feature(other) != values));
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            prop_assert!((mean - recipe.features()[at].mean).abs() < 1e-12);
        }
        let permuted = Table::new(
            order.iter().map(|&at| columns[at].clone()).collect(),
            Some(order.iter().map(|&at| names[at].clone()).collect()),
        ).unwrap();
        prop_assert_eq!(&recipe.apply(permuted.clone()).unwrap().values, &encoded.values);
        let expected: Vec<f64> = rows.iter().flat_map(|&row| &encoded.values[row * d..][..d]).copied().collect();
        prop_assert_eq!(recipe.apply(train.select(&rows).unwrap()).unwrap().values, expected);
    }
}
