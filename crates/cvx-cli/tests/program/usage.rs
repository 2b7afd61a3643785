//! A user's workflow: train, describe, verify, predict.

use crate::lab::{GREY_PNG, Lab, ONCE, PROGRAM, cats_and_dogs, last_column, npy, numbers, table};
use cvx_admm::Model;
use std::process::{Command, Stdio};

/// The rows of the CSV that `cvx predict` gives, split into fields, and its header.
fn fields(csv: &str) -> (Vec<&str>, Vec<Vec<&str>>) {
    let mut rows = csv.lines().map(|line| line.split(',').collect());
    (rows.next().unwrap(), rows.collect())
}

#[test]
fn train_needs_no_arguments_and_prints_a_table() {
    let run = Lab::new().train_once("");
    let row = |name: &str| run.stdout.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("no {name}"));
    assert!(row("status").contains("Optimal after "));
    for name in ["network objective", "dual bound", "relative gap", "training samples", "test samples", "seconds"] {
        assert!(row(name).contains(|c: char| c.is_ascii_digit()));
    }
    // Progress goes to stderr, and without a terminal there are no control characters in it.
    assert!(run.stderr.contains("1000 samples, 20 features and a bias, 50 patterns"));
    assert!(!run.stderr.contains('\x1b') && !run.stdout.contains('\x1b'));
}

#[test]
fn quiet_prints_nothing() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(60, 1));
    for arguments in [
        "train --data planted:50x3 --patterns 5 --quiet",
        "train --data t.csv --beta 1 --quiet --model m.cvx",
        "verify m.cvx --data t.csv --quiet",
    ] {
        let run = lab.done(arguments);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""), "{arguments}");
    }
    let run = lab.done("predict m.cvx --data t.csv --quiet --out p.csv");
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
}

#[test]
fn a_table_with_two_named_classes_goes_all_the_way() {
    let lab = Lab::new();
    let data = cats_and_dogs(120, 1);
    lab.write("t.csv", &data);
    let trained = lab.train_once("--data t.csv --patterns 20 --model m.cvx --json r.json");
    assert!(trained.stdout.contains("m.cvx") && trained.stdout.contains("cvx verify"));
    let accuracy = lab.json("r.json")["train"]["accuracy"].as_f64().unwrap();
    assert!(accuracy > 0.9);

    let info = lab.done("info m.cvx").stdout;
    for text in ["binary: cat, dog", "Optimal after", "120", "f32"] {
        assert!(info.contains(text), "{text} is not in\n{info}");
    }
    let verified = lab.done("verify m.cvx --data t.csv");
    assert!(verified.stdout.ends_with("The claims hold.\n"));

    let predicted = lab.done("predict m.cvx --data t.csv");
    assert!(predicted.stderr.starts_with("120 samples: accuracy "));
    let written = lab.done("predict m.cvx --data t.csv --out p.csv");
    assert!(written.stderr.ends_with("The predictions are in p.csv\n"), "{}", written.stderr);
    assert_eq!(lab.read("p.csv"), predicted.stdout);
    let (header, rows) = fields(&predicted.stdout);
    assert_eq!((header, rows.len()), (vec!["class", "score dog"], 120));
    for row in &rows {
        assert_eq!(row[0], if row[1].parse::<f64>().unwrap() > 0.0 { "dog" } else { "cat" });
    }
    let right = rows.iter().zip(last_column(&data)).filter(|(row, label)| row[0] == *label).count();
    assert!((right as f64 / 120.0 - accuracy).abs() < 1e-12);

    // The same samples without their labels.
    let bare: Vec<&str> = data.lines().map(|line| line.rsplit_once(',').unwrap().0).collect();
    lab.write("bare.csv", bare.join("\n"));
    let unlabelled = lab.done("predict m.cvx --data bare.csv --unlabelled");
    assert_eq!((unlabelled.stdout, unlabelled.stderr.as_str()), (predicted.stdout, ""));
    // Without a column of the name of the labels there are none.
    assert_eq!(lab.done("predict m.cvx --data bare.csv").stdout, lab.done("predict m.cvx --data t.csv").stdout);
    lab.refused("verify m.cvx --data bare.csv", &["--data bare.csv: the samples have no labels"]);
}

/// The printed command verifies the model on its samples.
#[test]
fn the_command_that_is_printed_verifies_the_model() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(60, 1).replace("label", "animal"));
    for (arguments, expected) in [
        ("", " --data planted"),
        ("--data t.csv", " --data t.csv"),
        (
            "--data t.csv --test t.csv --classes cat,dog --limit 50 --label-column animal --seed 3",
            " --data t.csv --classes cat,dog --limit 50 --label-column animal",
        ),
    ] {
        let printed = lab.train_once(&format!("{arguments} --patterns 5 --model m.cvx")).stdout;
        let command = printed.lines().last().unwrap().split_once("check it with: cvx ").unwrap().1;
        assert_eq!(command, format!("verify m.cvx{expected}"));
        lab.done(command);
    }
}

#[test]
fn a_regression_goes_all_the_way() {
    let lab = Lab::new();
    let data = table(100, 2, |[a, b, c]| (3.0 * a.max(0.0) - b + 0.5 * c + 10.0).to_string());
    lab.write("t.csv", &data);
    lab.train_once("--data t.csv --patterns 20 --model m.cvx --json r.json");
    let report = lab.json("r.json");
    assert!(report["train"]["accuracy"].is_null() && report["train"]["loss"].is_f64());
    assert!(lab.done("info m.cvx").stdout.contains("regression"));
    assert!(lab.done("verify m.cvx --data t.csv").stdout.ends_with("The claims hold.\n"));

    let predicted = lab.done("predict m.cvx --data t.csv");
    let (header, rows) = fields(&predicted.stdout);
    assert_eq!((header, rows.len()), (vec!["prediction"], 100));
    let pairs = rows.iter().zip(last_column(&data));
    let errors = pairs.map(|(row, label)| row[0].parse::<f64>().unwrap() - label.parse::<f64>().unwrap());
    let (loss, claimed) =
        (0.5 * errors.map(|error| error * error).sum::<f64>(), report["train"]["loss"].as_f64().unwrap());
    assert!((loss - claimed).abs() <= 1e-6 * claimed, "{loss} and {claimed}");
}

#[test]
fn three_classes_go_all_the_way() {
    let lab = Lab::new();
    let data = table(150, 3, |[a, b, _]| {
        if a > 0.3 {
            "red"
        } else if b > 0.0 {
            "green"
        } else {
            "blue"
        }
        .to_string()
    });
    lab.write("t.csv", &data);
    let report = lab.report_once("--data t.csv --patterns 20 --model m.cvx");
    assert_eq!((report["status"].as_str(), report["n_targets"].as_u64()), (Some("Optimal"), Some(3)));
    assert!(lab.done("info m.cvx").stdout.contains("multiclass: blue, green, red"));
    assert!(lab.done("verify m.cvx --data t.csv").stdout.ends_with("The claims hold.\n"));

    lab.done("predict m.cvx --data t.csv --out p.csv");
    let csv = lab.read("p.csv");
    let (header, rows) = fields(&csv);
    assert_eq!((header, rows.len()), (vec!["class", "score blue", "score green", "score red"], 150));
    for row in &rows {
        let scores: Vec<f64> = row[1..].iter().map(|score| score.parse().unwrap()).collect();
        let best = (0..3).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap();
        assert_eq!(row[0], ["blue", "green", "red"][best]);
    }
    let right = rows.iter().zip(last_column(&data)).filter(|(row, label)| row[0] == *label).count();
    let accuracy = report["train"]["accuracy"].as_f64().unwrap();
    assert!((right as f64 / 150.0 - accuracy).abs() < 1e-12);

    // Two of the three are a binary problem.
    let two = lab.report_once("--data t.csv --classes red,blue --patterns 20");
    let expected = last_column(&data).iter().filter(|label| **label != "green").count();
    assert_eq!((two["n_targets"].as_u64(), two["n_samples"].as_u64()), (Some(1), Some(expected as u64)));
}

/// Files are identified by name, because their order in a folder is arbitrary.
#[test]
fn predictions_on_images_begin_with_the_names_of_the_files() {
    let lab = Lab::new();
    for name in ["dark/1.png", "dark/2.png", "light/1.png", "light/2.png"] {
        lab.write(&format!("images/{name}"), GREY_PNG);
    }
    lab.train_once("--data images --patterns 2 --model m.cvx --quiet");
    let labelled = lab.done("predict m.cvx --data images").stdout;
    let (header, rows) = fields(&labelled);
    assert_eq!((header, rows[2][0]), (vec!["file", "class", "score light"], "light/1.png"));
    lab.write("new/b.png", GREY_PNG);
    lab.write("new/a.png", GREY_PNG);
    let new = lab.done("predict m.cvx --data new").stdout;
    let files: Vec<&str> = fields(&new).1.iter().map(|row| row[0]).collect();
    assert_eq!(files, ["a.png", "b.png"]);
}

/// With `--task multiclass`, two classes have a score each.
#[test]
fn two_classes_one_against_the_rest() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(60, 1));
    lab.train_once("--data t.csv --task multiclass --patterns 10 --quiet --model m.cvx");
    let predicted = lab.done("predict m.cvx --data t.csv").stdout;
    let (header, rows) = fields(&predicted);
    assert_eq!((header, rows.len()), (vec!["class", "score cat", "score dog"], 60));
    for row in &rows {
        let [cat, dog] = [1, 2].map(|column| row[column].parse::<f64>().unwrap());
        assert_eq!(row[0], if dog > cat { "dog" } else { "cat" });
    }
}

/// The last features of a sparse file need not occur in another one.
#[test]
fn a_sparse_file_is_read_as_wide_as_the_model() {
    let lab = Lab::new();
    let rows = |width: usize| {
        let mut next = numbers(4);
        let mut text = String::new();
        for row in 0..40 {
            let entries: Vec<String> = (1..=width).map(|index| format!("{index}:{}", next())).collect();
            text.push_str(&format!("{} {}\n", row % 2, entries.join(" ")));
        }
        text
    };
    lab.write("t.svm", rows(3));
    lab.train_once("--data t.svm --patterns 10 --quiet --model m.cvx");
    lab.done("verify m.cvx --data t.svm");
    lab.write("narrow.svm", rows(2));
    assert!(lab.done("predict m.cvx --data narrow.svm").stderr.starts_with("40 samples: accuracy "));
    lab.refused("verify m.cvx --data narrow.svm", &["the 40 that the model was trained on"]);
    lab.write("wide.svm", rows(4));
    for command in ["predict", "verify"] {
        lab.refused(&format!("{command} m.cvx --data wide.svm"), &["expected 3 features", "found 4"]);
    }
    // Unknown labels do not matter if predictions are not scored.
    lab.write("strange.svm", "7 1:0.5\n8 2:0.5\n");
    let run = lab.done("predict m.cvx --data strange.svm --unlabelled");
    assert_eq!((run.stdout.lines().count(), run.stderr.as_str()), (3, ""));
}

#[test]
fn a_class_name_with_a_comma_is_quoted_in_every_output() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(60, 1).replace("dog", "\"dog, large\""));
    lab.train_once("--data t.csv --patterns 5 --quiet --model m.cvx");
    let printed = lab.done("predict m.cvx --data t.csv --quiet").stdout;
    lab.done("predict m.cvx --data t.csv --quiet --out p.csv");
    assert_eq!(printed, lab.read("p.csv"));
}

#[test]
fn limit_and_label_column_choose_what_is_read() {
    let lab = Lab::new();
    let rows: Vec<String> = (cats_and_dogs(60, 1).lines().skip(1))
        .map(|line| line.split(',').rev().collect::<Vec<_>>().join(","))
        .collect();
    lab.write("t.csv", format!("animal,c,b,a\n{}\n", rows.join("\n")));
    lab.write("usual.csv", cats_and_dogs(60, 1));
    for column in ["animal", "1"] {
        let report = lab.report_once(&format!("--data t.csv --label-column {column} --limit 50 --patterns 10"));
        assert_eq!((report["n_samples"].as_u64(), report["n_features"].as_u64()), (Some(50), Some(4)));
        assert!(report["train"]["accuracy"].as_f64() > Some(0.8));
    }
    let info = lab.done("info usual.csv").stdout;
    assert!(info.contains("60") && info.contains("3 columns of a table"), "{info}");
}

#[test]
fn gates_of_the_users_own_are_used() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(60, 1));
    let mut next = numbers(5);
    let gates: Vec<f64> = (0..4 * 7).map(|_| next()).collect();
    lab.write("g.npy", npy(4, 7, &gates));
    let report = lab.report_once("--data t.csv --gates g.npy --model m.cvx");
    assert_eq!((report["n_patterns"].as_u64(), report["status"].as_str()), (Some(7), Some("Optimal")));
    lab.done("verify m.cvx --data t.csv");
}

#[test]
fn m1_a_large_beta_gives_the_zero_network_at_once() {
    let lab = Lab::new();
    lab.write("t.csv", format!("{}0,0,0,dog\n0,0,0,dog\n0,0,0,dog\n", cats_and_dogs(40, 1)));
    let report = lab.report("train --data t.csv --beta-fraction 1 --model m.cvx");
    assert_eq!((report["status"].as_str(), report["iterations"].as_u64()), (Some("Optimal"), Some(0)));
    assert_eq!(
        (report["objective"]["relative_gap"].as_f64(), report["network"]["neurons"].as_u64()),
        (Some(0.0), Some(0))
    );
    lab.done("verify m.cvx --data t.csv");
    // If the network is zero, the more frequent class is predicted.
    let labels = lab.read("t.csv");
    let dogs = last_column(&labels).iter().filter(|label| **label == "dog").count();
    let majority = if 2 * dogs > 43 { "dog" } else { "cat" };
    let printed = lab.done("predict m.cvx --data t.csv").stdout;
    assert!(fields(&printed).1.iter().all(|row| row[0] == majority));
}

/// A network that attains the optimum is not called better, although rounding puts the bound on either side.
#[test]
fn m1_the_table_says_that_the_zero_network_attains_the_optimum() {
    let lab = Lab::new();
    for seed in 0..8 {
        lab.write("t.csv", table(50 + seed, seed as u64, |[a, b, _]| (3.0 + 10.0 * a * b).to_string()));
        let printed = lab.done("train --data t.csv --beta-fraction 1.5").stdout;
        assert!(printed.contains("This network attains the optimum of the convex programme"), "{printed}");
        let printed = lab.done("train --data t.csv --beta-fraction 1.5 --certify sampled").stdout;
        assert!(printed.contains("between the dual bound and the objective of the zero network"), "{printed}");
        assert!(!printed.contains("sampled primal"), "there is no such row: {printed}");
    }
}

#[test]
fn every_way_to_end_has_its_status_and_its_exit_code() {
    let lab = Lab::new();
    let mut next = numbers(9);
    let rows: String = (0..40).map(|row| format!("{}e25,{}e25,{}\n", next(), next(), row % 2)).collect();
    lab.write("extreme.csv", format!("a,b,label\n{rows}"));
    for (arguments, status, code) in [
        ("--max-iterations 3", "IterationLimit", 0),
        (
            "--data planted:20x2 --patterns 1 --seed 3 --certify sampled --gap 1e-15 --max-iterations 100000",
            "InsufficientProgress",
            0,
        ),
        ("--data extreme.csv --normalize none --precision f32", "NumericalError", 1),
    ] {
        let run = lab.cvx(&format!("{ONCE} {arguments} --model m.cvx --json r.json"));
        assert_eq!(run.code, Some(code), "{arguments}\n{}{}", run.stdout, run.stderr);
        assert_eq!(lab.json("r.json")["status"], status, "{arguments}");
        // The table says what to do about it.
        assert!(run.stdout.contains(&format!("\n{status}: ")), "{}", run.stdout);
        assert_eq!(Model::load(&lab.path("m.cvx")).unwrap().claim.status.to_string(), status);
    }
}

#[test]
fn m5_a_model_that_claims_too_much_is_caught() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(80, 1));
    lab.train_once("--data t.csv --patterns 10 --quiet --model m.cvx");
    let honest = Model::load(&lab.path("m.cvx")).unwrap();
    let caught = |name: &str, change: &dyn Fn(&mut Model)| {
        let mut model = honest.clone();
        change(&mut model);
        model.save(&lab.path("bad.cvx")).unwrap();
        let run = lab.cvx("verify bad.cvx --data t.csv");
        assert_eq!(run.code, Some(1), "{name}\n{}{}", run.stdout, run.stderr);
        assert!(run.stderr.starts_with("error: the model does not keep its claims"), "{name}: {}", run.stderr);
        assert!(!run.stdout.contains("hold"), "{name}");
    };
    caught("a smaller objective", &|model| model.claim.objective.network *= 0.99);
    caught("a larger bound", &|model| model.claim.objective.dual_bound *= 1.01);
    caught("another weight", &|model| model.network.w1[(0, 0)] += 1e-3);
    caught("another output weight", &|model| model.network.w2[(0, 0)] *= 1.001);
    caught("another dual point", &|model| {
        let witness = model.parts[0].witness.as_mut().unwrap();
        witness.xi.values_mut().iter_mut().for_each(|xi| *xi *= -1.0);
    });
}

#[test]
fn verify_refuses_data_that_the_model_was_not_trained_on() {
    let lab = Lab::new();
    let data = cats_and_dogs(80, 1);
    lab.write("t.csv", &data);
    lab.write("other.csv", cats_and_dogs(80, 2));
    lab.write("relabelled.csv", data.replacen(",dog", ",cat", 1));
    lab.write("nudged.csv", data.replacen("0.1", "0.11", 1));
    lab.train_once("--data t.csv --patterns 10 --quiet --model m.cvx");
    for source in ["other.csv", "relabelled.csv", "nudged.csv", "t.csv --limit 79"] {
        lab.refused(&format!("verify m.cvx --data {source}"), &["the 80 that the model was trained on", "--limit"]);
    }
    lab.refused("verify m.cvx --data planted", &["features"]);
}

#[test]
fn f4_a_damaged_model_is_refused() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(30, 1));
    lab.train_once("--data t.csv --patterns 4 --quiet --model m.cvx");
    let whole = std::fs::read(lab.path("m.cvx")).unwrap();
    let step = whole.len() / 12;
    for position in (0..whole.len()).step_by(step).chain([8, 12, whole.len() - 1]) {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x10;
        lab.write("bad.cvx", bytes);
        lab.refused("predict bad.cvx --data t.csv --out p.csv", &["bad.cvx: "]);
        lab.refused("info bad.cvx", &["bad.cvx"]);
        lab.write("bad.cvx", &whole[..position]);
        lab.refused("verify bad.cvx --data t.csv", &["bad.cvx: "]);
    }
    lab.write("bad.cvx", [&whole[..], b"\0"].concat());
    lab.refused("predict bad.cvx --data t.csv", &["bad.cvx: damaged model", "copy or make it again"]);
}

#[test]
fn an_earlier_model_is_replaced_and_nothing_is_left_beside_it() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(30, 1));
    lab.write("m.cvx", "old");
    lab.write("r.json", "old");
    lab.train_once("--data t.csv --patterns 4 --quiet --model m.cvx --json r.json");
    let names: Vec<_> = lab.contents().into_iter().map(|(path, _)| path).collect();
    assert_eq!(names, ["m.cvx", "r.json", "t.csv"].map(|name| lab.path(name)));
    lab.done("verify m.cvx --data t.csv");
}

/// The permissions of any new file, so that a model can be shared.
#[cfg(unix)]
#[test]
fn outputs_have_the_permissions_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(30, 1));
    lab.train_once("--data t.csv --patterns 4 --quiet --model m.cvx --json r.json");
    lab.done("predict m.cvx --data t.csv --quiet --out p.csv");
    let mode = |name| std::fs::metadata(lab.path(name)).unwrap().permissions().mode();
    for name in ["m.cvx", "r.json", "p.csv"] {
        assert_eq!(mode(name), mode("t.csv"), "{name}");
    }
}

/// `cvx .. | head -1`
#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(60, 1));
    lab.train_once("--data t.csv --patterns 5 --quiet --model m.cvx");
    for arguments in [ONCE, "info m.cvx", "info t.csv", "verify m.cvx --data t.csv", "predict m.cvx --data t.csv"] {
        let mut command = Command::new(PROGRAM);
        command.current_dir(lab.path("")).args(arguments.split_whitespace());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), stderr.contains("panicked")), (Some(0), false), "cvx {arguments}: {stderr}");
    }
}

/// `cvx .. 2>&1 | head -1`
#[test]
fn nobody_to_read_stderr_is_no_error() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(60, 1));
    for (arguments, code) in [
        ("train --data t.csv --patterns 5 --beta 1 --model m.cvx", 0),
        ("predict m.cvx --data t.csv --out p.csv", 0),
        ("info missing.csv", 2),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(PROGRAM);
        command.current_dir(lab.path("")).args(arguments.split_whitespace());
        let status = command.stdout(Stdio::null()).stderr(writer).status().unwrap();
        assert_eq!(status.code(), Some(code), "cvx {arguments}");
    }
    lab.done("verify m.cvx --data t.csv");
    assert_eq!(lab.read("p.csv").lines().count(), 61);
}

/// An output that cannot be written does not keep the others from being written.
#[cfg(target_os = "linux")]
#[test]
fn f2_an_output_that_fails_fails_alone() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(60, 1));
    // A link, so that the test cannot replace the device itself.
    std::os::unix::fs::symlink("/dev/full", lab.path("full")).unwrap();
    let train = "train --data t.csv --patterns 5 --beta 1";
    let failed = |arguments: &str| {
        let run = lab.cvx(arguments);
        assert_eq!(run.code, Some(1), "cvx {arguments}\n{}{}", run.stdout, run.stderr);
        let errors = run.stderr.lines().filter(|line| line.starts_with("error: full: cannot be written: ")).count();
        (run, errors)
    };

    let (run, errors) = failed(&format!("{train} --model full --json r.json"));
    assert_eq!((errors, lab.json("r.json")["status"].as_str()), (1, Some("Optimal")));
    assert!(run.stdout.contains("network objective") && !run.stdout.contains("The model is in"), "{}", run.stdout);

    let (run, errors) = failed(&format!("{train} --model m.cvx --json full"));
    assert!(errors == 1 && run.stdout.contains("The model is in m.cvx"), "{}", run.stdout);
    assert_eq!(failed(&format!("{train} --model full --json full")).1, 2);

    let (run, errors) = failed("predict m.cvx --data t.csv --out full");
    assert!(errors == 1 && run.stderr.starts_with("60 samples: accuracy "), "{}", run.stderr);
    assert!(lab.path("full").is_symlink());
}

/// Columns are found by name, because another order would give wrong predictions.
#[test]
fn columns_in_another_order_are_found_by_name() {
    let lab = Lab::new();
    lab.write("t.csv", "height,width,target\n1,2,0.5\n2,1,1.5\n3,5,2.5\n4,3,0.25\n");
    lab.train_once("--data t.csv --task regression --patterns 5 --quiet --model m.cvx");
    lab.write("turned.csv", "width,height,target\n2,1,0.5\n1,2,1.5\n5,3,2.5\n3,4,0.25\n");
    lab.done("verify m.cvx --data turned.csv");
    assert_eq!(lab.done("predict m.cvx --data turned.csv").stdout, lab.done("predict m.cvx --data t.csv").stdout);
    // Without a header there is nothing to compare.
    lab.write("bare.csv", "1,2,0.5\n2,1,1.5\n");
    lab.done("predict m.cvx --data bare.csv");
}
