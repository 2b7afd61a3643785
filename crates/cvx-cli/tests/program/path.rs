//! `cvx path`.

use crate::lab::{Lab, PROGRAM, cats_and_dogs, table};
use crate::report::assert_keys;
use serde_json::Value;
use std::process::{Command, Stdio};

/// The rows of the printed table of betas: the mark and the cells.
fn rows(printed: &str) -> Vec<Vec<&str>> {
    let rows = printed.lines().map(|line| line.split(['│', '┆']).map(str::trim).collect::<Vec<_>>());
    rows.filter(|row| row.len() == 11 && row[2].parse::<f64>().is_ok()).map(|row| row[1..10].to_vec()).collect()
}

fn points(report: &Value) -> &Vec<Value> {
    report["choice"]["points"].as_array().unwrap()
}

#[test]
fn a_path_goes_all_the_way() {
    let lab = Lab::new();
    for activation in ["relu", "gated"] {
        let run = lab.done(&format!(
            "path --betas 9 --activation {activation} --patterns 20 --model m.cvx --json r.json --plot fig.ure"
        ));
        let report = lab.json("r.json");
        assert_keys(&report);
        assert_eq!((&report["activation"], report["choice"]["folds"].as_u64()), (&activation.into(), Some(5)));

        let rows = rows(&run.stdout);
        assert_eq!((rows.len(), points(&report).len()), (9, 9), "{}", run.stdout);
        let marked: Vec<usize> = (0..9).filter(|&k| rows[k][0] == "*").collect();
        let chosen = report["choice"]["chosen"].as_u64().unwrap() as usize;
        assert_eq!(marked, [chosen]);
        for (row, point) in rows.iter().zip(points(&report)) {
            assert_eq!(row[1], format!("{:.4}", point["beta"].as_f64().unwrap()));
            assert_eq!(row[4], format!("{:.0}", point["neurons"].as_f64().unwrap()));
            // The default gap of a path.
            assert!(point["status"] == "Optimal" && point["relative_gap"].as_f64() <= Some(1e-2));
            assert_eq!(point["validation"]["accuracy"].as_f64(), point["error"].as_f64().map(|error| 1.0 - error));
        }
        assert!(
            points(&report).iter().any(|point| point["relative_gap"].as_f64() > Some(1e-3)),
            "train's gap was kept"
        );
        let losses = points(&report).iter().map(|point| point["mean_loss"].as_f64().unwrap());
        assert_eq!(points(&report)[chosen]["mean_loss"].as_f64(), losses.reduce(f64::min));
        for text in ["Chosen: beta at ", "network objective", "test samples", "The model is in m.cvx"] {
            assert!(run.stdout.contains(text), "{text} is not in\n{}", run.stdout);
        }
        // All 1000 samples, of which 800 were trained on along the path.
        assert!(run.stderr.contains("800 samples") && run.stderr.contains("1000 samples"), "{}", run.stderr);
        assert_eq!((report["n_samples"].as_u64(), report["parts"].as_array().unwrap().len()), (Some(1000), 1));
        lab.done("verify m.cvx --data planted");
        lab.done("predict m.cvx --data planted --quiet --out p.csv");

        let png = std::fs::read(lab.path("fig.ure.png")).unwrap();
        assert!(png.starts_with(b"\x89PNG") && png.len() > 1000);
        let svg = lab.read("fig.ure.svg");
        for text in ["<svg", "held out", "chosen", "neurons", "beta over its largest value"] {
            assert!(svg.contains(text), "{text} is not in the figure");
        }
    }
}

#[test]
fn a_regression_has_a_path_with_folds() {
    let lab = Lab::new();
    lab.write("t.csv", table(90, 2, |[a, b, c]| (3.0 * a.max(0.0) - b + 0.5 * c + 10.0).to_string()));
    let options = "path --data t.csv --patterns 10 --betas 6 --folds 3 --choose sparsest --plot f --model m.cvx";
    let run = lab.done(&format!("{options} --json r.json"));
    let report = lab.json("r.json");
    for point in points(&report) {
        assert!(point["validation"]["accuracy"].is_null());
        let [error, loss] = [&point["error"], &point["validation"]["loss"]].map(|value| value.as_f64().unwrap());
        assert!((90.0 * error - loss).abs() <= 1e-9 * loss, "the mean over all samples");
    }
    assert_eq!(rows(&run.stdout).len(), 6);
    assert!(lab.read("f.svg").contains("mean loss"));
    lab.done("verify m.cvx --data t.csv");
    // The same again, quietly.
    let run = lab.done(&format!("{options} --json q.json --quiet"));
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    assert_eq!(lab.json("q.json")["choice"]["chosen"], report["choice"]["chosen"]);
    assert!(options.contains("sparsest") && report["choice"]["quality"]["mean"]["rmse"].is_f64());
}

#[test]
fn a_path_that_is_cut_short_says_so() {
    let lab = Lab::new();
    let run = lab.done("path --time-limit 0 --model m.cvx --json r.json --plot f");
    for words in ["before its first beta", "Nothing was learned yet", "\nTimeLimit: raise --time-limit"] {
        assert!(run.stdout.contains(words), "{}", run.stdout);
    }
    let report = lab.json("r.json");
    assert!(points(&report).is_empty());
    assert_eq!((&report["status"], &report["choice"]["cut_short"]), (&"TimeLimit".into(), &"TimeLimit".into()));
    lab.done("verify m.cvx --data planted");
}

#[cfg(unix)]
#[test]
fn e7_an_interrupt_keeps_the_betas_so_far() {
    use std::io::{BufRead, BufReader};
    let lab = Lab::new();
    let mut command = Command::new(PROGRAM);
    command.current_dir(lab.path("")).args(["path", "--betas", "2000", "--json", "r.json", "--model", "m.cvx"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.by_ref().filter(|line| line.as_ref().unwrap().starts_with("beta at ")).nth(4).is_some());
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    lines.for_each(drop);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let printed = String::from_utf8(output.stdout).unwrap();
    let report = lab.json("r.json");
    let count = points(&report).len();
    assert!((5..2000).contains(&count) && rows(&printed).len() == count, "{count} points");
    assert!(printed.contains("The path was cut short (Interrupted)"), "{printed}");
    assert_eq!(report["choice"]["cut_short"], "Interrupted");
    assert!(points(&report).iter().all(|point| point["status"] == "Optimal"));
    lab.done("verify m.cvx --data planted");
}

#[test]
fn r2_settings_of_a_path_out_of_range() {
    let lab = Lab::new();
    for (name, range, values) in [
        ("betas", "from 1 to 10,000", &["0", "10001"][..]),
        ("beta-ratio", "between 0 and 1", &["0", "1", "-1", "nan", "inf"]),
        ("validation", "between 0 and 1", &["0", "1", "-1", "nan"]),
        ("folds", "2 or more", &["0", "1"]),
        ("gap", "a positive number", &["0", "-1"]),
    ] {
        for value in values {
            // Settings are checked before any file is read.
            lab.refused(&format!("path --data missing.csv --{name}={value}"), &[&format!("{name} is "), range]);
        }
    }
    lab.write("t.csv", cats_and_dogs(30, 1));
    lab.refused("path --data t.csv --folds 31", &["folds is 31", "not more than there are samples"]);
    lab.write("t.csv", format!("{}1,2,3,bird\n", cats_and_dogs(30, 1)));
    lab.done("path --data t.csv --folds 3 --betas 2 --patterns 4");
    lab.done("path --data t.csv --folds 3 --classes cat,dog --betas 2 --patterns 4");
}

#[test]
fn r2_arguments_that_exclude_each_other() {
    let lab = Lab::new();
    for (arguments, words) in [
        ("path --folds 3 --validation 0.2", ["--folds", "cannot be used with"]),
        ("path --beta 3", ["--beta", "unexpected argument"]),
        ("path --choose worst", ["best, sparsest", "--choose"]),
    ] {
        let run = lab.cvx(arguments);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{arguments}");
        assert!(words.iter().all(|word| run.stderr.contains(word)), "{arguments}: {}", run.stderr);
    }
}

#[test]
fn a_path_of_one_beta_says_that_it_is_the_only_one() {
    let lab = Lab::new();
    let printed = lab.done("path --data planted:60x3 --betas 1 --patterns 5").stdout;
    assert!(printed.starts_with("Chosen: beta at 0.0010 of its largest value.\nReason: the only value, "), "{printed}");
    assert!(!printed.contains("smallest beta that was tried"), "{printed}");
}

#[test]
fn a_path_returns_the_mean_of_its_folds_on_demand() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(60, 1));
    let path = "path --data t.csv --betas 4 --patterns 5 --folds 3 --final mean --model m.cvx";
    let printed = lab.done(&format!("{path} --json r.json")).stdout;
    assert!(printed.contains("ReLU neurons on 5 gates, the mean of 3 networks"), "{printed}");
    let report = lab.json("r.json");
    let parts = report["parts"].as_array().unwrap();
    let held_out: Vec<_> = parts.iter().map(|part| part["held_out_samples"].as_u64().unwrap()).collect();
    assert_eq!((held_out, report["n_samples"].as_u64()), (vec![20, 20, 20], Some(60)));
    assert!(lab.done("verify m.cvx --data t.csv").stdout.ends_with("The claims hold.\n"));
    let run = lab.cvx("path --final both");
    assert!(run.code == Some(2) && run.stderr.contains("retrained, mean"), "{}", run.stderr);
}

#[test]
fn f2_figures_that_cannot_be_written_are_refused_before_the_work() {
    let lab = Lab::new();
    lab.refused("path --data missing.csv --plot none/there/f", &["--plot", "none/there", "make it first"]);
    for ending in ["svg", "png"] {
        lab.write(&format!("{ending}/f.{ending}/x"), "");
        lab.refused(&format!("path --data missing.csv --plot {ending}/f"), &["--plot", ending, "name a file in it"]);
    }
}
