//! `cvx train` without a beta, and what its models predict with.

use crate::lab::{Lab, PATIENCE, PROGRAM, cats_and_dogs, last_column, table};
use crate::tables::people;
use cvx_admm::Model;
use serde_json::Value;

/// The columns of a CSV whose names begin with `prefix`, row by row, as numbers.
fn columns(csv: &str, prefix: &str) -> Vec<Vec<f64>> {
    let header: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    let wanted: Vec<usize> = (0..header.len()).filter(|&k| header[k].starts_with(prefix)).collect();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        wanted.iter().map(|&k| cells[k].parse().unwrap()).collect()
    };
    csv.lines().skip(1).map(row).collect()
}

fn count(report: &Value, key: &str) -> u64 {
    report[key].as_u64().unwrap()
}

#[test]
fn a_table_of_texts_needs_no_option() {
    let lab = Lab::new();
    let data = people(120);
    lab.write("t.csv", &data);
    let run = lab.done("train --data t.csv --patterns 20 --model m.cvx --json r.json");
    let report = lab.json("r.json");
    assert_eq!((&report["status"], &report["activation"]), (&"Optimal".into(), &"gated".into()));
    assert_eq!((count(&report["choice"], "folds"), count(&report["choice"], "held_out_samples")), (15, 120));
    assert_eq!(report["parts"].as_array().unwrap().len(), 15);
    assert!(report["choice"]["quality"]["auc"].as_f64() > Some(0.9), "{}", report["choice"]["quality"]);
    // What was chosen and why, the betas, the results.
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(lines[0].starts_with("Chosen: beta at ") && lines[0].ends_with(" of its largest value."), "{}", lines[0]);
    assert!(
        lines[1].starts_with("Reason: the least mean loss of ") && lines[1].contains("of 15 folds: "),
        "{}",
        lines[1]
    );
    assert!(
        lines[2].starts_with("Network: gated neurons on 20 mixed gates, the mean of 15 networks; "),
        "{}",
        lines[2]
    );
    assert!(lines[4].contains("held out") && lines[4].contains("mean loss"), "{}", lines[4]);
    for words in ["held-out samples ", "held-out samples of class yes", "Together, the 15 networks are within "] {
        assert!(run.stdout.contains(words), "{words} is not in\n{}", run.stdout);
    }
    assert!(lines.iter().all(|line| line.chars().count() <= 118), "{}", run.stdout);
    assert!(lab.done("verify m.cvx --data t.csv").stdout.ends_with("The claims hold.\n"));
    let info = lab.done("info m.cvx --json m.json").stdout;
    for words in ["the mean of 15 networks", "calibrated on held-out samples", "3: blue, green, red"] {
        assert!(info.contains(words), "{words} is not in\n{info}");
    }
    for file in ["m.onnx", "m.safetensors", "m.npz"] {
        assert!(lab.done(&format!("export m.cvx --out {file}")).stdout.contains(file));
    }

    // Columns in another order, one more, one that training dropped is not there, a colour that is new.
    let turned: Vec<String> = (data.lines())
        .map(|line| line.split(',').collect::<Vec<_>>())
        .map(|row| format!("{},{},{},{},x", row[4], row[3], row[2], row[1].replace("green", "mauve")))
        .collect();
    lab.write("new.csv", turned.join("\n").replacen(",x\n", ",extra\n", 1));
    let predicted = lab.done("predict m.cvx --data new.csv");
    assert_eq!(predicted.stdout.lines().next(), Some("class,score yes,probability no,probability yes"));
    assert!(predicted.stderr.contains("extra") && predicted.stderr.contains("such as 'mauve'"), "{}", predicted.stderr);
    lab.write("few.csv", "flag,colour\nt,red\n");
    lab.refused("predict m.cvx --data few.csv", &["lacks 2 columns that the model was trained on: size, joined"]);
}

#[test]
fn probabilities_are_those_of_the_model() {
    let lab = Lab::new();
    lab.write("two.csv", cats_and_dogs(100, 1));
    let three = |[a, b, _]: [f64; 3]| ["red", "green", "blue"][usize::from(a > 0.2) + usize::from(b > 0.1)].to_string();
    lab.write("three.csv", table(100, 2, three));
    for (name, classes) in [("two", 2), ("three", 3)] {
        lab.done(&format!("train --data {name}.csv --patterns 10 --folds 2 --quiet --model m.cvx"));
        lab.done(&format!("predict m.cvx --data {name}.csv --out p.csv --json p.json"));
        let csv = lab.read("p.csv");
        let (scores, found) = (columns(&csv, "score "), columns(&csv, "probability "));
        let model = Model::load(&lab.path("m.cvx")).unwrap();
        let outputs = cvx_linalg::HostMatrix::from_fn(scores.len(), scores[0].len(), |a, c| scores[a][c]);
        let expected = model.probabilities(&outputs).unwrap().unwrap();
        let truth = last_column(&lab.read(&format!("{name}.csv"))).len();
        assert_eq!((found.len(), found[0].len()), (truth, classes));
        for (a, row) in found.iter().enumerate() {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12 && row.iter().all(|p| (0.0..=1.0).contains(p)));
            assert!((0..classes).all(|c| (row[c] - expected[(a, c)]).abs() < 1e-12), "row {a}");
        }
        // The mean log loss of the report is that of these columns.
        let names = model.task.classes();
        let data = lab.read(&format!("{name}.csv"));
        let class = |label: &str| names.iter().position(|name| name == label).unwrap();
        let losses = last_column(&data).into_iter().enumerate().map(|(a, label)| -found[a][class(label)].ln());
        let mean = losses.sum::<f64>() / found.len() as f64;
        let reported = lab.json("p.json")["scores"]["quality"]["log_loss"].as_f64().unwrap();
        assert!((mean - reported).abs() < 1e-9, "{mean} and {reported}");
    }
}

#[test]
fn numbers_have_intervals_and_errors_in_their_units() {
    let lab = Lab::new();
    let data = table(120, 2, |[a, b, c]| (300.0 * a.max(0.0) - 100.0 * b + 50.0 * c + 1000.0).to_string());
    lab.write("t.csv", &data);
    let run = lab.done("train --data t.csv --patterns 20 --model m.cvx --json r.json");
    let line = run.stdout.lines().find(|line| line.contains("│ held-out samples ")).unwrap();
    assert!(line.contains("RMSE ") && line.contains(", R2 0.9") && line.contains("of predicting the training mean"));
    let held_out = &lab.json("r.json")["choice"]["quality"]["mean"];
    let (rmse, reference) = (held_out["rmse"].as_f64().unwrap(), held_out["reference_rmse"].as_f64().unwrap());
    assert!(reference > 60.0 && rmse < 0.3 * reference, "{rmse} and {reference}");

    let predict = |options: &str| lab.done(&format!("predict m.cvx --data t.csv {options}"));
    let plain = predict("");
    assert_eq!(plain.stdout.lines().next(), Some("prediction,low,high"));
    assert!(plain.stderr.contains("of predicting their mean"), "{}", plain.stderr);
    let (rows, truth) = (columns(&plain.stdout, ""), last_column(&data));
    let inside = rows.iter().zip(truth).filter(|(row, y)| (row[1]..=row[2]).contains(&y.parse().unwrap())).count();
    assert!(inside >= 108, "{inside} of 120 training samples");
    let half = |csv: &str| columns(csv, "").iter().map(|row| row[2] - row[0]).next().unwrap();
    assert!(half(&predict("--interval 0.5").stdout) < half(&plain.stdout));
    assert!(lab.done("info m.cvx").stdout.contains(", with a probability of 0.9"));
    let none = predict("--interval 0").stdout;
    assert_eq!(none.lines().next(), Some("prediction"));
    assert!(predict("--interval 0.999").stderr.contains("Too few held-out samples for this --interval"));
    for value in ["1.5", "1", "-0.1", "nan"] {
        let words = [&format!("--interval is {}", value.replace("nan", "NaN"))[..], "0, or a number between 0 and 1"];
        lab.refused(&format!("predict m.cvx --data t.csv --interval {value}"), &words);
    }
    lab.train_once("--data t.csv --patterns 5 --quiet --model given.cvx");
    assert_eq!(lab.done("predict given.cvx --data t.csv").stdout.lines().next(), Some("prediction"));
    let words = ["--interval", "no intervals", "without --beta"];
    lab.refused("predict given.cvx --data t.csv --interval 0.8", &words);
}

#[test]
fn the_samples_that_choose_can_be_chosen() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(80, 1));
    for (options, folds, held_out, parts) in [
        ("--folds 3", 9, 80, 9),
        ("--folds 3 --ensemble 1", 3, 80, 3),
        ("--validation 0.25 --ensemble 1", 1, 20, 1),
        ("--folds 2 --ensemble 2", 4, 80, 4),
        ("--validation 0.25 --ensemble 2", 1, 20, 2),
    ] {
        let report = lab.report(&format!("train --data t.csv --patterns 5 --model m.cvx {options}"));
        let choice = &report["choice"];
        assert_eq!((count(choice, "folds"), count(choice, "held_out_samples")), (folds, held_out), "{options}");
        assert_eq!(report["parts"].as_array().unwrap().len(), parts, "{options}");
        assert_eq!(report["status"], "Optimal");
        assert!(lab.done("verify m.cvx --data t.csv").stdout.ends_with("The claims hold.\n"), "{options}");
    }
    // Without time for a second beta, the first is taken.
    let report = lab.report("train --data t.csv --patterns 5 --budget 1e-6 --model m.cvx");
    assert_eq!((report["choice"]["points"].as_array().unwrap().len(), &report["status"]), (1, &"Optimal".into()));
    lab.done("verify m.cvx --data t.csv");
}

#[test]
fn options_of_a_choice_beside_a_given_beta_are_refused() {
    let lab = Lab::new();
    for option in ["--folds 3", "--validation 0.2", "--ensemble 2", "--budget 5"] {
        for given in ["--beta 1", "--beta-fraction 0.1", "--refine 1", "--checkpoint run.ckpt"] {
            let name = option.split(' ').next().unwrap();
            let words = [name, "leave it out, or leave out --beta, --beta-fraction, --refine, --checkpoint"];
            lab.refused(&format!("train --data missing.csv {option} {given}"), &words);
        }
    }
    for (option, words) in [
        ("--folds 1", ["--folds is 1", "2 or more"]),
        ("--validation 1", ["--validation is 1", "between 0 and 1"]),
        ("--ensemble 0", ["--ensemble is 0", "from 1 to 100"]),
        ("--budget -1", ["--budget is -1", "a positive number of seconds"]),
        ("--gap -1", ["--gap is -1", "a positive number"]),
        ("--patterns 0", ["--patterns is 0", "1 or more"]),
    ] {
        // Settings are checked before any file is read.
        lab.refused(&format!("train --data missing.csv {option}"), &words);
    }
    for option in ["--folds -3", "--ensemble -3", "--patterns -3", "--max-iterations -3", "--limit -3"] {
        let run = lab.cvx(&format!("train {option}"));
        assert!(run.code == Some(2) && run.stderr.contains("expected a whole number"), "{option}: {}", run.stderr);
    }
}

#[test]
fn results_and_report_can_go_to_standard_output() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(60, 1));
    let json = |arguments: &str| serde_json::from_str::<Value>(&lab.done(arguments).stdout).unwrap();
    let report = json("train --data t.csv --patterns 5 --folds 2 --model m.cvx --json -");
    assert_eq!((&report["status"], lab.path("-").exists()), (&"Optimal".into(), false));
    assert_eq!(json("info m.cvx --json -")["task"], "binary");
    assert_eq!(json("predict m.cvx --data t.csv --out p.csv --json -")["n_samples"], 60);
    assert_eq!(lab.done("predict m.cvx --data t.csv --out -").stdout, lab.read("p.csv"));
    lab.refused("predict m.cvx --data t.csv --json -", &["--json and --out would both go to standard output"]);
    lab.refused("train --data t.csv --model -", &["--model -", "not text: name a file"]);
    lab.refused("export m.cvx --to npz --out -", &["--out -", "not text: name a file"]);
}

#[test]
fn a_choice_is_quiet_or_an_object_a_line() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(60, 1));
    let train = "train --data t.csv --patterns 5 --folds 2";
    let run = lab.done(&format!("{train} --quiet"));
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    let run = lab.done(&format!("{train} --log json --json r.json"));
    let lines: Vec<Value> = run.stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let points = lines.iter().filter(|line| line["event"] == "point");
    let fractions: Vec<f64> = points.map(|line| line["fraction"].as_f64().unwrap()).collect();
    let report = lab.json("r.json");
    let expected = report["choice"]["points"].as_array().unwrap().iter().map(|point| point["fraction"].as_f64());
    assert_eq!(fractions, expected.collect::<Option<Vec<f64>>>().unwrap());
}

#[test]
fn standard_input_is_trained_on_with_a_choice() {
    let lab = Lab::new();
    let data = cats_and_dogs(60, 1);
    lab.write("t.csv", &data);
    let mut command = assert_cmd::Command::new(PROGRAM);
    command.current_dir(lab.path("")).args(["train", "--data", "-", "--patterns", "5", "--model", "m.cvx"]);
    let output = command.write_stdin(data).timeout(PATIENCE).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && printed.starts_with("Chosen: beta at "), "{printed}");
    lab.done("verify m.cvx --data t.csv");
}
