//! Tables as people have them: texts, missing values, dates, identifiers, standard input.

use crate::lab::{Lab, PATIENCE, PROGRAM};

/// A table of every kind of column; the label follows from colour and size.
pub fn people(rows: usize) -> String {
    let mut text = "id,colour,size,joined,flag,note,label\n".to_string();
    for k in 0..rows {
        let colour = ["red", "green", "blue", ""][k % 4];
        let size = if k % 7 == 3 { "NA".to_string() } else { (k % 13).to_string() };
        let label = if k % 4 == 0 || k % 13 > 6 { "yes" } else { "no" };
        let flag = ["t", "f", "f"][k % 3];
        text.push_str(&format!("{k},{colour},{size},2024-01-{:02},{flag},same,{label}\n", 1 + k % 28));
    }
    text
}

#[test]
fn a_table_of_texts_goes_all_the_way() {
    let lab = Lab::new();
    let data = people(60);
    lab.write("t.csv", data.replacen("2024-01-05,f,same,yes", "2024-01-05,f,same,", 1));
    let train = "train --data t.csv --dates joined --drop note --patterns 10 --beta-fraction 0.01";
    let trained = lab.done(&format!("{train} --model m.cvx"));
    assert!(trained.stderr.contains("Dropped: id (an identifier)"), "{}", trained.stderr);
    assert!(trained.stderr.contains("1 row has no label: left out"), "{}", trained.stderr);
    let verified = lab.done("verify m.cvx --data t.csv");
    assert!(verified.stdout.ends_with("The claims hold.\n"), "{}", verified.stdout);

    let info = lab.done("info m.cvx --json m.json").stdout;
    for words in ["label column", "3: blue, green, red", "dropped: an identifier", "dropped: as asked", "dates"] {
        assert!(info.contains(words), "{words} is not in\n{info}");
    }
    assert_eq!(lab.json("m.json")["recipe"]["columns"][1]["name"], "colour");
    assert!(lab.done("info t.csv --dates joined").stdout.contains("rows without a label"));
    let exported = lab.done("export m.cvx --out m.npz").stdout;
    assert!(exported.contains("features that the columns of the table become"), "{exported}");

    // Columns in another order, one more, one that training dropped is not there, and a colour that is new.
    let rows: Vec<String> = (data.lines())
        .map(|line| line.split(',').collect::<Vec<_>>())
        .map(|row| format!("{},{},{},{},x", row[4], row[3], row[2], row[1].replace("green", "mauve")))
        .collect();
    let turned = rows.join("\n").replacen(",x\n", ",extra\n", 1);
    lab.write("new.csv", &turned);
    let predicted = lab.done("predict m.cvx --data new.csv");
    assert_eq!(predicted.stdout.lines().count(), 61);
    for words in ["trained without: extra", "colour: 15 rows with a category that was not in training, such as 'mauve'"]
    {
        assert!(predicted.stderr.contains(words), "{words} is not in {}", predicted.stderr);
    }
    lab.write("same.csv", turned.replace("mauve", "green"));
    let same = lab.done("predict m.cvx --data same.csv --quiet").stdout;
    assert_eq!(same, lab.done("predict m.cvx --data t.csv --quiet").stdout);
    lab.write("few.csv", "flag,colour\nt,red\n");
    lab.refused(
        "predict m.cvx --data few.csv",
        &["few.csv", "lacks 2 columns that the model was trained on: size, joined"],
    );
}

#[test]
fn choices_that_do_not_fit_are_refused() {
    let lab = Lab::new();
    lab.write("t.csv", people(60));
    lab.refused("train --data t.csv --numeric colour", &["t.csv line 2, column 2 ('colour'): 'red' is not a number"]);
    lab.refused("train --data t.csv --dates colour", &["the column 'colour' is 'red'", "not a date", "(--dates)"]);
    lab.refused("train --data t.csv --drop hue", &["there is no column 'hue': the columns are id, colour, size"]);
    lab.refused(
        "train --data t.csv --drop size --id 3",
        &["the column '3' is given to --drop and to --id: choose one"],
    );
    let run = lab.cvx("train --data t.csv --header perhaps");
    assert!(run.code == Some(2) && run.stderr.contains("[possible values: auto, yes, no]"), "{}", run.stderr);
}

#[test]
fn standard_input_is_a_source() {
    let lab = Lab::new();
    let data = people(60);
    lab.write("t.csv", &data);
    let given = |arguments: &str, input: Vec<u8>| {
        let mut command = assert_cmd::Command::new(PROGRAM);
        command.current_dir(lab.path("")).args(arguments.split_whitespace()).write_stdin(input);
        let output = command.timeout(PATIENCE).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let train = "train --patterns 5 --beta-fraction 0.01 --model m.cvx --quiet";
    let (code, _, stderr) = given(&format!("{train} --data -"), data.clone().into());
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let (_, found, _) = given("predict m.cvx --data -", data.clone().into());
    assert_eq!(found, lab.done("predict m.cvx --data t.csv").stdout);
    let (_, info, _) = given("info -", b"1 1:2 3:4\n0 2:1\n".to_vec());
    assert!(info.contains("3 columns of a table"), "{info}");
    let (code, _, stderr) = given("info -", b"a,b\n1\n".to_vec());
    assert_eq!(
        (code, stderr.as_str()),
        (Some(2), "error: standard input line 2: expected 2 fields, found 1: complete or remove the line\n")
    );
}
