//! The data sets beside the repository, if present.

use std::fs;
use std::path::{Path, PathBuf};

use cvx_data::{Request, open, read_matrix};

use crate::lab::{class_names, text};

/// A path under `CVX_SHARED`, or under the folder `shared` beside the workspace.
fn shared(name: &str) -> Option<PathBuf> {
    let root = match std::env::var_os("CVX_SHARED") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    };
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    cvx_linalg::conformance::skip(&format_args!("{} is not there", path.display()));
    None
}

#[test]
fn cifar10_with_two_classes() {
    let Some(folder) = shared("data/cifar10-airplane-automobile") else {
        return;
    };
    let split = open(&text(&folder), &Request::default()).unwrap();
    let test = split.test.unwrap();
    assert_eq!((split.train.n_samples(), test.n_samples()), (10_000, 2_000));
    assert_eq!((split.train.n_features(), test.n_features()), (3072, 3072));
    for dataset in [&split.train, &test] {
        let names = class_names(dataset);
        let airplanes = names.iter().filter(|name| *name == "airplane").count();
        let automobiles = names.iter().filter(|name| *name == "automobile").count();
        assert_eq!((airplanes, automobiles), (names.len() / 2, names.len() / 2));
        assert!(dataset.values().iter().all(|value| (0.0..=1.0).contains(value)));
    }
}

#[test]
fn cifar10_with_ten_classes() {
    let Some(folder) = shared("data/cifar10-ten-classes-small") else {
        return;
    };
    let split = open(&text(&folder), &Request::default()).unwrap();
    for (dataset, per_class) in [(&split.train, 200), (&split.test.unwrap(), 50)] {
        let names = class_names(dataset);
        let mut distinct = names.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), 10);
        assert!(distinct.iter().all(|class| names.iter().filter(|name| *name == class).count() == per_class));
    }
}

#[test]
fn oracles_and_their_gates() {
    let Some(folder) = shared("oracles") else { return };
    let mut archives = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "npz") {
            let split = open(&text(&path), &Request::default()).unwrap();
            let (rows, columns, gates) = read_matrix(&path, None).unwrap();
            assert_eq!(rows, split.train.n_features(), "{}", path.display());
            assert_eq!(gates.len(), rows * columns);
            archives += 1;
        }
    }
    assert!(archives > 0);
}

/// Every table, as it is published: texts, missing values, with and without a header.
#[test]
fn tables_as_people_have_them() {
    let Some(folder) = shared("data/tables") else { return };
    let mut tables = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let lines = fs::read_to_string(&path).unwrap().lines().filter(|line| !line.trim().is_empty()).count();
        let train = open(&text(&path), &Request::default()).unwrap().train;
        let recipe = train.recipe().unwrap();
        assert_eq!(train.n_samples() + train.notes().unlabelled, lines, "{}: no table has a header", path.display());
        assert_eq!(recipe.validate(train.n_features()), Ok(()));
        // Read again by its own recipe, it is the same.
        let request = Request { recipe: Some(cvx_model::Recipe::clone(recipe)), ..Request::default() };
        assert!(open(&text(&path), &request).unwrap().train == train, "{}", path.display());
        tables += 1;
    }
    assert!(tables > 0);
}
