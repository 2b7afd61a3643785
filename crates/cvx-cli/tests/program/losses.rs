//! `--loss`, `--huber-delta` and `--class-weight`.

use crate::lab::{Lab, cats_and_dogs};

/// One in eight is a cat.
fn rare_cats() -> String {
    let table = cats_and_dogs(160, 3);
    let rows = table.lines().enumerate().filter(|(row, line)| row % 5 == 0 || !line.ends_with("cat"));
    rows.map(|(_, line)| format!("{line}\n")).collect()
}

#[test]
fn every_loss_trains_verifies_and_predicts() {
    let lab = Lab::new();
    lab.write("pets.csv", rare_cats());
    for (arguments, name) in [
        ("", "squared"),
        ("--loss squared --class-weight cat=2.5", "squared, weighted"),
        ("--loss logistic", "logistic"),
        ("--loss logistic --class-weight balanced", "logistic, weighted"),
        ("--loss squared-hinge --class-weight cat=3,dog=0.5", "squared-hinge, weighted"),
        ("--loss huber --huber-delta 0.5", "huber with delta 0.5"),
        ("--loss huber --task multiclass", "huber with delta 1"),
    ] {
        let options = "--data pets.csv --patterns 12 --beta-fraction 0.01 --model pets.cvx --json r.json";
        let run = lab.done(&format!("train {options} {arguments}"));
        let row = |text: &str| text.lines().any(|line| line.contains("loss ") && line.contains(name));
        assert!(row(&run.stdout), "{arguments}: {}", run.stdout);
        let report = lab.json("r.json");
        assert_eq!(report["loss"].as_str(), name.split([',', ' ']).next(), "{arguments}");
        assert_eq!(report["huber_delta"].is_f64(), name.starts_with("huber"), "{arguments}");
        assert_eq!(report["status"], "Optimal", "{arguments}");
        assert!(row(&lab.done("info pets.cvx").stdout), "{arguments}");
        lab.done("verify pets.cvx --data pets.csv");
        let predicted = lab.done("predict pets.cvx --data pets.csv --out p.csv");
        assert!(predicted.stderr.contains("loss "), "{}", predicted.stderr);
    }
}

/// Balanced weights increase the recall of the rare class.
#[test]
fn balanced_weights_find_more_of_the_rare_class() {
    let lab = Lab::new();
    lab.write("pets.csv", rare_cats());
    let found = |arguments: &str| {
        lab.done(&format!("train --data pets.csv --patterns 12 --beta-fraction 0.1 --model m.cvx --quiet {arguments}"));
        lab.done("predict m.cvx --data pets.csv --out p.csv --quiet");
        lab.read("p.csv").lines().filter(|line| line.contains("cat")).count()
    };
    let (plain, balanced) = (found("--loss logistic"), found("--loss logistic --class-weight balanced"));
    assert!(balanced > plain, "{balanced} and {plain}");
}

#[test]
fn losses_and_weights_that_do_not_fit_are_refused() {
    let lab = Lab::new();
    lab.write("pets.csv", rare_cats());
    let numbers: String = (0..30).map(|a| format!("{a},{}\n", 0.5 + f64::from(a))).collect();
    lab.write("numbers.csv", format!("x,y\n{numbers}"));
    for (arguments, words) in [
        ("--data numbers.csv --loss logistic", ["logistic", "regression"]),
        ("--data numbers.csv --loss squared-hinge", ["squared-hinge", "--task"]),
        ("--data numbers.csv --class-weight balanced", ["class-weight", "regression"]),
        ("--data pets.csv --class-weight bird=2", ["bird", "cat, dog"]),
        ("--data pets.csv --class-weight cat=0", ["class-weight is cat=0", "positive"]),
        ("--data pets.csv --class-weight cat=2,cat=3", ["class-weight is cat=3", "once"]),
        ("--data pets.csv --huber-delta 2", ["--huber-delta", "--loss huber"]),
        ("--data pets.csv --loss huber --huber-delta -1", ["huber-delta is -1", "positive"]),
    ] {
        lab.refused(&format!("train {arguments}"), &words);
    }
    let run = lab.cvx("train --data pets.csv --class-weight cat");
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("CLASS=WEIGHT"), "{}", run.stderr);
}
