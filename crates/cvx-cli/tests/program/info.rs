//! `cvx info` on data: the samples, what keeps them from training, and the default settings.

use crate::lab::{Lab, cats_and_dogs, table};
use cvx_admm::Model;
use cvx_linalg::HostMatrix;
use serde_json::json;

#[test]
fn a_table_is_described_column_by_column() {
    let lab = Lab::new();
    lab.write("t.csv", "age,const,label\n1,5,cat\n2,5,dog\n6,5,cat\n");
    let printed = lab.done("info t.csv --json i.json").stdout;
    for text in [
        "3",
        "1 column of a table, from 1 to 6",
        "label column ",
        "1 to 6, mean 3 ",
        "dropped: constant",
        "cat: 2, dog: 1",
        "task binary, normalisation column, squared loss: see cvx train -h",
        "gated neurons on 200 mixed gates, beta chosen by 3 splits of 3 folds",
    ] {
        assert!(printed.contains(text), "{text} is not in\n{printed}");
    }
    let found = lab.json("i.json");
    assert_eq!(
        found["train"],
        json!({
            "n_samples": 3, "n_features": 1, "image": null, "low": 1.0, "high": 6.0, "constant": [],
            "columns": [{ "name": "age", "low": 1.0, "high": 6.0, "mean": 3.0 }],
            "classes": [{ "name": "cat", "count": 2 }, { "name": "dog", "count": 1 }],
            "targets": null,
        })
    );
    let column = &found["table"][1];
    assert_eq!((&column["name"], &column["dropped"]), (&json!("const"), &json!(["dropped: constant"])));
    let plan = json!({
        "task": "binary", "normalisation": "column", "loss": "squared", "activation": "gated", "patterns": 200,
        "folds": 3, "share": null,
    });
    assert_eq!((&found["by_default"], &found["problem"], &found["test"]), (&plan, &json!(null), &json!(null)));
}

#[test]
fn numbers_to_learn_have_a_range_and_parts_are_told_apart() {
    let lab = Lab::new();
    lab.write("t.csv", table(100, 2, |[a, ..]| (a + 10.0).to_string()));
    let printed = lab.done("info t.csv --json i.json").stdout;
    assert!(printed.contains("task regression") && printed.contains(", mean 9.9"), "{printed}");
    let target = &lab.json("i.json")["train"]["targets"][0];
    assert!(target["low"].as_f64().unwrap() > 8.9 && target["high"].as_f64().unwrap() < 11.1);

    lab.done("info planted --json i.json");
    let found = lab.json("i.json");
    assert_eq!((&found["train"]["n_samples"], &found["test"]["n_samples"]), (&json!(1000), &json!(500)));
    let counts = found["test"]["classes"].as_array().unwrap().iter().map(|class| class["count"].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), 500);
}

#[test]
fn what_stands_in_the_way_of_training_is_said() {
    let lab = Lab::new();
    lab.write("one.csv", "1,2,cat\n3,4,cat\n");
    let printed = lab.done("info one.csv --json i.json").stdout;
    assert!(printed.contains("cat: 2") && printed.contains("but"), "{printed}");
    assert!(lab.json("i.json")["by_default"].is_null() && lab.json("i.json")["problem"].is_string());
}

#[test]
fn all_unusable_lines_of_a_table_are_told() {
    let lab = Lab::new();
    lab.write("t.csv", "a,b,label\n1,inf,cat\n1,2,dog\n1e999,2,dog\n1,2\n");
    let words = ["3 lines cannot be used", "line 2, column 2 ('b')", "line 4, column 1 ('a'): '1e999'", "line 5"];
    lab.refused("info t.csv", &words);
    // The other commands report only the first, that of a whole line before those of a field.
    lab.refused("train --data t.csv", &["t.csv line 5: expected 3 fields"]);
}

#[test]
fn a_model_is_described_as_json_too() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(40, 1));
    lab.train_once("--data t.csv --patterns 5 --model m.cvx --quiet");
    lab.done("info m.cvx --json i.json");
    let found = lab.json("i.json");
    assert_eq!((&found["task"], &found["classes"]), (&json!("binary"), &json!(["cat", "dog"])));
    assert!(found["certificate"]["relative_gap"].is_f64());
}

#[test]
fn slopes_are_those_of_the_table() {
    let lab = Lab::new();
    let rows = (0..60).map(|k| (f64::from(k % 7), f64::from(k * 11 % 60)));
    let text = rows.map(|(a, b)| format!("{a},{},{}\n", 1000.0 * b, ["hill", "port"][a as usize % 2])).map(|row| {
        let a: f64 = row.split(',').next().unwrap().parse().unwrap();
        format!("{},{}\n", row.trim_end(), (a - 3.0).abs())
    });
    lab.write("t.csv", format!("a,b,town,y\n{}", text.collect::<String>()));
    let train = "train --data t.csv --task regression --patterns 30 --beta-fraction 1e-4 --quiet";
    lab.done(&format!("{train} --activation relu --model m.cvx"));
    let printed = lab.done("info m.cvx --json i.json").stdout;
    assert!(printed.contains("(l-infinity)") && printed.contains("lowest slope"), "{printed}");
    let found = &lab.json("i.json")["slopes"][0];
    assert_eq!(found["output"], "y");
    let slopes = |column: usize, name: &str| {
        assert_eq!(found["columns"][column]["column"], name);
        ["low", "high"].map(|end| found["columns"][column][end].as_f64().unwrap())
    };
    // No column of categories. The bounds are those of the same units.
    assert_eq!(found["columns"].as_array().unwrap().len(), 2);
    let (a, b) = (slopes(0, "a"), slopes(1, "b"));
    assert!(a[0] < -0.8 && a[1] > 0.8 && (b[1] - b[0]) < 0.01 * (a[1] - a[0]), "{a:?} {b:?}");
    let l2 = found["lipschitz"]["l2"].as_f64().unwrap();
    assert!(l2 >= a[1].max(-a[0]) * 0.5 && l2 <= found["lipschitz"]["l_infinity"].as_f64().unwrap());
    assert!(found["lipschitz"].get("semidefinite").is_none());
    let printed = lab.done("info m.cvx --lipschitz --json i.json").stdout;
    assert!(printed.contains("(l2, semidefinite)"), "{printed}");
    let tighter = lab.json("i.json")["slopes"][0]["lipschitz"]["semidefinite"].as_f64().unwrap();
    assert!(tighter > 0.0 && tighter <= l2);
    lab.refused("info t.csv --lipschitz", &["--lipschitz is for a trained model"]);
    // With a thousand more neurons.
    let mut model = Model::load(&lab.path("m.cvx")).unwrap();
    let (w1, w2) = (&model.network.w1, &model.network.w2);
    let more = w1.cols() + 1000;
    let first = HostMatrix::from_fn(w1.rows(), more, |k, j| if j < w1.cols() { w1[(k, j)] } else { 0.01 });
    let second = HostMatrix::from_fn(more, w2.cols(), |j, c| if j < w1.cols() { w2[(j, c)] } else { 0.01 });
    model.parts[0].neurons = more;
    (model.network.w1, model.network.w2) = (first, second);
    model.save(&lab.path("wide.cvx")).unwrap();
    lab.refused("info wide.cvx --lipschitz", &["--lipschitz has no bound", "neurons, more than 999"]);
    // A table by the name of a model is described as one, and has no such bound either.
    lab.write("t.cvx", "1,2,3\n4,5,6\n");
    lab.refused("info t.cvx --lipschitz", &["--lipschitz is for a trained model"]);
    // The predictions along a column.
    lab.write("along.csv", (0..80).fold("a,b,town\n".to_string(), |text, k| text + &format!("{k}e-1,21000,port\n")));
    let csv = lab.done("predict m.cvx --data along.csv --quiet").stdout;
    let y: Vec<f64> = csv.lines().skip(1).map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
    assert_eq!(y.len(), 80);
    assert!(y.windows(2).all(|y| (a[0] - 1e-6..=a[1] + 1e-6).contains(&((y[1] - y[0]) / 0.1))));
    lab.done(&format!("{train} --activation gated --model g.cvx"));
    let printed = lab.done("info g.cvx --json i.json").stdout;
    assert!(printed.contains("none: the prediction jumps"), "{printed}");
    lab.refused("info g.cvx --lipschitz", &["--lipschitz has no bound", "jumps where a gate switches"]);
    let found = &lab.json("i.json")["slopes"][0];
    assert!(found["lipschitz"].is_null() && found["columns"].as_array().unwrap().is_empty());
    // Gates do not see a column with a trend.
    lab.done(&format!("{train} --activation gated --monotone a:+ --model g.cvx"));
    lab.done("info g.cvx --json i.json");
    let columns = &lab.json("i.json")["slopes"][0]["columns"];
    assert_eq!((columns.as_array().unwrap().len(), &columns[0]["column"]), (1, &json!("a")));
    assert_eq!(columns[0]["low"], 0.0);
}

#[test]
fn predict_and_verify_need_a_source_and_say_what_to_do_with_a_label_column() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(40, 1));
    lab.train_once("--data t.csv --patterns 5 --model m.cvx --quiet");
    let of_verify = "--data is needed: the source that the model was trained on";
    for (command, says) in [("predict m.cvx", "--data <SRC>"), ("verify m.cvx", of_verify)] {
        let run = lab.cvx(command);
        assert!(run.code == Some(2) && run.stderr.contains(says), "{}", run.stderr);
    }
    // The column of the labels is known by its name, and not used.
    let run = lab.done("predict m.cvx --data t.csv --unlabelled");
    assert_eq!((run.stdout.lines().count(), run.stderr.as_str()), (41, ""));
    let numbered = table(40, 1, |[a, ..]| u8::from(a > 0.0).to_string());
    lab.write("numbered.csv", numbered.split_once('\n').unwrap().1);
    lab.train_once("--data numbered.csv --patterns 5 --model n.cvx --quiet");
    let words = ["numbered.csv: expected 3 columns of features", "--unlabelled takes every column for a feature"];
    lab.refused("predict n.cvx --data numbered.csv --unlabelled", &words);
}
