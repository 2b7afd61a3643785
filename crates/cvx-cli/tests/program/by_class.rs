//! Confusions of classes, and pruning.

use crate::lab::{Lab, cats_and_dogs, idx, last_column, numbers, table};
use serde_json::{Value, json};

/// Images of 3 x 3 pixels in three classes, the brightest row of pixels, with noise that sometimes hides it.
fn write_images(lab: &Lab, part: &str, count: usize, seed: u64) -> Vec<u8> {
    let mut next = numbers(seed);
    let labels: Vec<u8> = (0..count).map(|_| (1.5 * (next() + 1.0)) as u8).collect();
    let pixels: Vec<u8> = (labels.iter())
        .flat_map(|&label| {
            let noise: Vec<f64> = (0..9).map(|_| next()).collect();
            let pixel = move |k: usize| 100.0 + 80.0 * noise[k] + if k / 3 == usize::from(label) { 45.0 } else { 0.0 };
            (0..9).map(move |k| pixel(k) as u8).collect::<Vec<u8>>()
        })
        .collect();
    lab.write(&format!("images/{part}-images-idx3-ubyte"), idx(&[count as u32, 3, 3], &pixels));
    lab.write(&format!("images/{part}-labels-idx1-ubyte"), idx(&[count as u32], &labels));
    labels
}

/// The row of a printed table that begins with `name`, its cells as they are.
fn cells<'a>(text: &'a str, name: &str, columns: usize) -> Vec<&'a str> {
    let rows = text.lines().map(|line| line.split(['│', '┆']).map(str::trim).collect::<Vec<_>>());
    let mut found = rows.filter(|row| row.len() == columns + 2 && row[1] == name).map(|row| row[1..=columns].to_vec());
    found.next().unwrap_or_else(|| panic!("no {name} of {columns} columns in\n{text}"))
}

#[test]
fn three_classes_of_images_are_counted_as_predicted() {
    let lab = Lab::new();
    write_images(&lab, "train", 150, 1);
    let labels = write_images(&lab, "t10k", 90, 2);
    let trained = lab.train_once("--data images --patterns 20 --json r.json --model m.cvx");
    let predicted = lab.done("predict m.cvx --data images --out p.csv --json p.json");

    let mut counts = vec![vec![0u64; 3]; 3];
    let csv = lab.read("p.csv");
    for (row, &label) in csv.lines().skip(1).zip(&labels) {
        let class: usize = row.split(',').next().unwrap().parse().unwrap();
        counts[usize::from(label)][class] += 1;
    }
    let mistakes: u64 =
        (0..3).flat_map(|a| (0..3).map(move |b| (a, b))).filter(|(a, b)| a != b).map(|(a, b)| counts[a][b]).sum();
    assert!(mistakes > 0 && mistakes < 60, "a table worth counting: {counts:?}");

    let (report, predictions) = (lab.json("r.json"), lab.json("p.json"));
    assert_eq!(report["test"]["confusion"]["classes"], json!(["0", "1", "2"]));
    assert_eq!(report["test"]["confusion"]["counts"], json!(counts));
    assert_eq!(predictions["scores"]["confusion"], report["test"]["confusion"]);
    assert_eq!((&predictions["n_samples"], &predictions["task"]), (&json!(90), &json!("multiclass")));
    assert_eq!(predictions["scores"]["accuracy"], report["test"]["accuracy"]);
    let trained_on: u64 =
        report["train"]["confusion"]["support"].as_array().unwrap().iter().filter_map(Value::as_u64).sum();
    assert_eq!(trained_on, 150);

    for class in 0..3 {
        let (right, support) = (counts[class][class] as f64, counts[class].iter().sum::<u64>());
        let predicted_as = counts.iter().map(|row| row[class]).sum::<u64>() as f64;
        let scores = &report["test"]["confusion"];
        assert_eq!(scores["support"][class], json!(support));
        assert_eq!(scores["precision"][class], json!(right / predicted_as));
        assert_eq!(scores["recall"][class], json!(right / support as f64));
        assert_eq!(scores["f1"][class], json!(2.0 * right / (support as f64 + predicted_as)));
        // Printed by both.
        for text in [&trained.stdout, &predicted.stderr] {
            let name = class.to_string();
            let printed: Vec<u64> = cells(text, &name, 4)[1..].iter().map(|count| count.parse().unwrap()).collect();
            assert_eq!(printed, counts[class]);
            let printed = cells(text, &name, 5);
            assert_eq!(printed[1], support.to_string());
            assert_eq!(printed[3], format!("{:.2} %", 100.0 * right / support as f64));
        }
    }
}

#[test]
fn the_certificate_has_a_part_of_each_class() {
    let lab = Lab::new();
    write_images(&lab, "train", 150, 1);
    write_images(&lab, "t10k", 90, 2);
    let run = lab.train_once("--data images --patterns 20 --json r.json --verbose");
    assert!(run.stdout.contains("certificate by class"));
    let report = lab.json("r.json");
    crate::report::assert_keys(&report);
    let targets = report["targets"].as_array().unwrap();
    let sum = |key: &str| targets.iter().map(|target| target[key].as_f64().unwrap()).sum::<f64>();
    assert_eq!(sum("dual_bound"), report["objective"]["dual_bound"].as_f64().unwrap());
    let network = report["objective"]["network"].as_f64().unwrap();
    assert!((sum("network") - network).abs() <= 1e-12 * network);
    assert_eq!(json!(sum("neurons") as u64), report["network"]["neurons"]);
    for (class, target) in targets.iter().enumerate() {
        assert_eq!(target["name"], json!(class.to_string()));
        let printed = cells(&run.stdout, &class.to_string(), 5);
        let number = |key: &str| target[key].as_f64().unwrap();
        assert_eq!(printed[1..3], ["network", "dual_bound"].map(|key| format!("{:.6}", number(key))));
        assert_eq!(printed[4], target["neurons"].to_string());
    }
    for row in report["history"].as_array().unwrap() {
        assert_eq!(row["targets"].is_null(), row["network"].is_null(), "of the evaluated iterations");
        for key in ["network", "dual_bound", "relative_gap"].iter().filter(|_| !row["targets"].is_null()) {
            assert_eq!(row["targets"][key].as_array().unwrap().len(), 3);
        }
    }
    let quiet = lab.train_once("--data images --patterns 20");
    assert!(!quiet.stdout.contains("certificate by class"));
}

#[test]
fn a_mean_of_folds_has_a_part_of_each_class() {
    let lab = Lab::new();
    write_images(&lab, "train", 90, 1);
    write_images(&lab, "t10k", 30, 2);
    lab.done("path --data images --patterns 5 --betas 3 --folds 3 --final mean --json r.json");
    let report = lab.json("r.json");
    let (targets, parts) = (report["targets"].as_array().unwrap(), report["parts"].as_array().unwrap());
    assert_eq!((targets.len(), parts.len()), (3, 3));
    for key in ["network", "dual_bound", "neurons"] {
        let sum = |list: &[Value]| list.iter().map(|entry| entry[key].as_f64().unwrap()).sum::<f64>();
        let (by_class, by_part) = (sum(targets), sum(parts));
        assert!((by_class - by_part).abs() <= 1e-12 * by_part, "{key}: {by_class} and {by_part}");
    }
    assert!(report["history"].as_array().unwrap().iter().all(|row| row["targets"].is_null()));
}

#[test]
fn a_loss_that_couples_the_classes_has_no_certificate_by_class() {
    let lab = Lab::new();
    write_images(&lab, "train", 60, 1);
    write_images(&lab, "t10k", 30, 2);
    let run = lab.train_once("--data images --patterns 5 --loss multinomial --json r.json --verbose");
    let report = lab.json("r.json");
    for target in report["targets"].as_array().unwrap() {
        assert!(target["name"].is_string() && target["neurons"].is_u64());
        for key in ["network", "sampled_primal", "dual_bound", "relative_gap"] {
            assert!(target[key].is_null(), "{key}");
        }
    }
    assert!(report["history"].as_array().unwrap().iter().all(|row| row["targets"].is_null()));
    assert!(!run.stdout.contains("certificate by class"));
}

#[test]
fn two_classes_take_a_line_each_and_a_regression_none() {
    let lab = Lab::new();
    let data = cats_and_dogs(120, 1);
    lab.write("t.csv", &data);
    let trained = lab.train_once("--data t.csv --patterns 20 --model m.cvx --json r.json");
    let predicted = lab.done("predict m.cvx --data t.csv --out p.csv");
    let csv = lab.read("p.csv");
    for (class, name) in ["cat", "dog"].into_iter().enumerate() {
        let pairs = csv.lines().skip(1).map(|row| row.split(',').next().unwrap()).zip(last_column(&data));
        let (right, support) = pairs
            .filter(|(_, truth)| *truth == name)
            .fold((0, 0), |(right, support), (predicted, _)| (right + usize::from(predicted == name), support + 1));
        let expected = format!("{right} of {support} recognised; ");
        assert!(cells(&trained.stdout, &format!("training samples of class {name}"), 2)[1].starts_with(&expected));
        assert!(cells(&predicted.stderr, &format!("samples of class {name}"), 2)[1].starts_with(&expected));
        assert_eq!(lab.json("r.json")["train"]["confusion"]["counts"][class][class], json!(right));
    }
    // Without labels there is nothing to count.
    let bare: Vec<&str> = data.lines().map(|line| line.rsplit_once(',').unwrap().0).collect();
    lab.write("bare.csv", bare.join("\n"));
    let run = lab.done("predict m.cvx --data bare.csv --unlabelled --json p.json");
    assert_eq!(run.stderr, "");
    let report = lab.json("p.json");
    assert!(report["scores"].is_null() && report["n_samples"] == 120);

    lab.write("r.csv", table(60, 2, |[a, b, _]| (a - b).to_string()));
    let report = lab.report_once("--data r.csv --patterns 10 --model r.cvx");
    assert!(report["train"]["confusion"].is_null());
    assert_eq!(lab.done("predict r.cvx --data r.csv").stderr.lines().count(), 1);
}

/// A table that does not fit a terminal is replaced by its worst classes and most frequent mistakes.
#[test]
fn of_many_classes_the_worst_are_printed() {
    let lab = Lab::new();
    lab.write(
        "t.csv",
        table(300, 3, |[a, b, _]| format!("c{:02}", (10.0 * (a + 1.0)) as usize + usize::from(b > 0.5))),
    );
    let run = lab.done("train --data t.csv --patterns 5 --beta-fraction 0.1 --json r.json --model m.cvx");
    let report = &lab.json("r.json")["train"]["confusion"];
    let f1: Vec<f64> = report["f1"].as_array().unwrap().iter().map(|f1| f1.as_f64().unwrap()).collect();
    assert!(f1.len() >= 20);
    let shown: Vec<usize> = (0..f1.len())
        .filter(|class| run.stdout.lines().any(|line| line.starts_with(&format!("│ c{class:02}"))))
        .collect();
    assert_eq!(shown.len(), 12);
    let best_shown = shown.iter().map(|&class| f1[class]).fold(0.0, f64::max);
    assert!((0..f1.len()).filter(|class| !shown.contains(class)).all(|class| f1[class] >= best_shown));
    let width = run.stdout.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(width <= 125, "{width} columns");
    let mistakes: Vec<&str> = run.stdout.lines().filter(|line| line.contains(" predicted as ")).collect();
    assert_eq!(mistakes.len(), 8, "{}", run.stdout);
    let largest = report["counts"].as_array().unwrap().iter().enumerate().flat_map(|(truth, row)| {
        let others = row.as_array().unwrap().iter().enumerate().filter(move |&(predicted, _)| predicted != truth);
        others.map(|(_, count)| count.as_u64().unwrap()).collect::<Vec<_>>()
    });
    assert!(mistakes[0].starts_with(&format!("training samples: {} of ", largest.max().unwrap())));
}

#[test]
fn neurons_to_spare_are_pruned_unless_they_are_wanted() {
    let lab = Lab::new();
    let arguments = "train --beta-fraction 0.001 --data planted:40x4 --patterns 150";
    let run = lab.done(&format!("{arguments} --json r.json --model m.cvx"));
    let network = &lab.json("r.json")["network"];
    let (neurons, pruned) = (network["neurons"].as_u64().unwrap(), network["pruned"].as_u64().unwrap());
    assert!(pruned > 0 && neurons <= 40);
    assert!(run.stdout.contains(&format!("{neurons} neurons, {pruned} pruned, ")), "{}", run.stdout);
    assert!(lab.done("verify m.cvx --data planted:40x4").stdout.ends_with("The claims hold.\n"));
    let whole = lab.done(&format!("{arguments} --no-prune --json r.json"));
    assert_eq!(lab.json("r.json")["network"]["neurons"], json!(neurons + pruned));
    assert!(lab.json("r.json")["network"]["pruned"] == 0 && !whole.stdout.contains("pruned"));
}
