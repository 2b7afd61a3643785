//! `--certify global`.

use crate::lab::Lab;
use cvx_linalg::HostMatrix;
use serde_json::json;

#[test]
fn the_closing_line_is_about_all_networks_and_the_proof_is_in_the_file() {
    let lab = Lab::new();
    let train =
        "train --data planted:60x2 --beta-fraction 0.1 --certify global --model m.cvx --json r.json --report page";
    let printed = lab.done(train).stdout;
    let line = "No two-layer ReLU network of any width has an objective more than 0.";
    assert!(printed.contains(line) && printed.contains("(global certificate)"), "{printed}");
    assert!(lab.read("page/index.html").contains(line));
    let report = lab.json("r.json");
    assert_eq!((&report["certify"], &report["status"]), (&json!("global"), &json!("Optimal")));
    assert!(report["objective"]["relative_gap"].as_f64().unwrap() <= 1e-3);
    assert!(report["searched_cones"].as_u64().unwrap() > 10);
    let checked = lab.done("verify m.cvx --data planted:60x2").stdout;
    assert!(checked.contains("(global certificate)") && checked.ends_with("The claims hold.\n"), "{checked}");
    // A proof whose maximum is too small.
    let path = lab.path("m.cvx");
    let mut model = cvx_admm::Model::load(&path).unwrap();
    let witness = model.parts[0].global.as_mut().unwrap();
    let (rows, cols) = (witness.xi.rows(), witness.xi.cols());
    witness.xi = HostMatrix::from_fn(rows, cols, |a, c| 1.01 * witness.xi[(a, c)]);
    model.save(&path).unwrap();
    let failed = lab.cvx("verify m.cvx --data planted:60x2");
    assert_eq!(failed.code, Some(1));
    assert!(failed.stderr.contains("its dual bound is more than its proof gives"), "{}", failed.stderr);
}

#[test]
fn what_cannot_be_searched_is_refused_with_a_remedy() {
    let lab = Lab::new();
    lab.refused("train --data planted:60x9 --certify global", &["--certify is global", "more than four features"]);
    lab.refused("train --data planted:60x2 --certify global --refine 2", &["--refine is 2", "rounds of its own"]);
    lab.refused("train --data planted:60x2 --certify global --activation gated", &["--activation is gated", "relu"]);
    lab.refused("train --data planted:60x2 --certify global --beta 0", &["--beta is 0", "positive"]);
    lab.refused("train --data planted:60x2 --certify global --folds 3", &["--folds", "--certify global"]);
    lab.refused("path --data planted:60x2 --certify global", &["--certify is global", "on a path"]);
}
