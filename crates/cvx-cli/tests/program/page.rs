//! What `--report` writes.

use crate::lab::{Lab, cats_and_dogs, idx, numbers, table};
use roxmltree::{Document, Node, ParsingOptions};
use std::collections::BTreeSet;
use std::fs;

/// The names of the pictures of the page in `folder`. The page is also XML and self-contained. Every picture has
/// content and a file in each format beside the page, and there are no other files.
pub fn pictures(lab: &Lab, folder: &str) -> Vec<String> {
    let text = lab.read(&format!("{folder}/index.html"));
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let page = Document::parse_with_options(&text, options).unwrap_or_else(|error| panic!("{folder}: {error}"));
    for node in page.descendants() {
        assert!(!["script", "link", "iframe", "object"].contains(&node.tag_name().name()), "{node:?}");
        for attribute in node.attributes() {
            let fits = match attribute.name() {
                "src" => attribute.value().starts_with("data:image/png;base64,"),
                "href" => lab.path(&format!("{folder}/{}", attribute.value())).is_file(),
                name => !name.starts_with("on") && !attribute.value().contains("url("),
            };
            assert!(fits, "{attribute:?}");
        }
    }
    check_policy(&page);
    let figures: Vec<Node> =
        page.descendants().filter(|node| node.tag_name().name() == "figure" && node.has_attribute("id")).collect();
    let shows = |node: Node| ["svg", "img"].contains(&node.tag_name().name()) || node.attribute("class") == Some("bar");
    let mut expected = BTreeSet::from(["index.html".to_string()]);
    let mut names = Vec::new();
    for figure in figures {
        let name = figure.attribute("id").unwrap().to_string();
        assert!(figure.descendants().any(shows), "{name}");
        assert!(fs::read(lab.path(&format!("{folder}/{name}.png"))).unwrap().starts_with(b"\x89PNG"));
        Document::parse(&lab.read(&format!("{folder}/{name}.svg"))).unwrap();
        expected.extend([format!("{name}.svg"), format!("{name}.png")]);
        names.push(name);
    }
    let files = fs::read_dir(lab.path(folder)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(files.collect::<BTreeSet<_>>(), expected);
    names
}

/// The page forbids all that it does not need, before it has any content, and its style sheet loads nothing.
fn check_policy(page: &Document) {
    let metas: Vec<Node> = page.descendants().filter(|node| node.tag_name().name() == "meta").collect();
    assert_eq!(metas[1].attribute("http-equiv"), Some("Content-Security-Policy"));
    let policy: BTreeSet<&str> = metas[1].attribute("content").unwrap().split("; ").collect();
    let expected =
        ["default-src 'none'", "img-src data:", "style-src 'unsafe-inline'", "base-uri 'none'", "form-action 'none'"];
    assert_eq!(policy, BTreeSet::from(expected));
    for style in page.descendants().filter(|node| node.tag_name().name() == "style") {
        let text = style.text().unwrap_or_default();
        assert!(!text.contains("url(") && !text.contains("@import"), "{text}");
    }
}

const RUN: [&str; 4] = ["objective", "gap", "scores", "phases"];

/// The pictures of probabilities of two classes.
const TWO_CLASSES: [&str; 2] = ["calibration", "roc"];

/// The pictures of what a network has learned from this number of columns.
fn learned(columns: usize) -> Vec<String> {
    let dependence = (1..=columns.min(6)).map(|column| format!("dependence-{column}"));
    ["importance".to_string()].into_iter().chain(dependence).collect()
}

fn together(parts: &[&[&str]]) -> Vec<String> {
    parts.concat().into_iter().map(String::from).collect()
}

/// A run of two classes that chooses its beta on this number of columns.
fn chosen(columns: usize) -> Vec<String> {
    [together(&[&TWO_CLASSES]), learned(columns), together(&[&["path"], &RUN])].concat()
}

/// Points of the plane whose label `label` tells.
fn plane(n_samples: usize, label: impl Fn(f64, f64) -> String) -> String {
    let mut next = numbers(3);
    let rows = (0..n_samples).map(|_| {
        let (a, b) = (next(), next());
        format!("{a},{b},{}\n", label(a, b))
    });
    format!("left,up,label\n{}", rows.collect::<String>())
}

#[test]
fn a_run_on_a_table_has_its_curves_and_the_words_of_the_closing_table() {
    let lab = Lab::new();
    lab.write("pets.csv", cats_and_dogs(120, 1));
    let run = lab.done("train --data pets.csv --report new/folder --model m.cvx");
    assert!(run.stdout.contains("new/folder/index.html"), "{}", run.stdout);
    assert_eq!(pictures(&lab, "new/folder"), chosen(3));
    let page = lab.read("new/folder/index.html");
    let meaning = run.stdout.lines().find(|line| line.starts_with("Together, the 15 networks are within ")).unwrap();
    for text in [
        meaning,
        "Optimal after",
        "network objective",
        "held-out samples, predicted as",
        "precision",
        "held-out accuracy",
        "calibration error",
        "calibrated on the held-out samples",
        "each predicted by the networks that did not see it",
        "rise of the log loss when the column is permuted",
        "The network is the mean of these ",
        "curves are those of the first of ",
        "<th scope=\"col\">becomes</th>",
        "cvx train --data pets.csv --report new/folder --model m.cvx",
        "prefers-color-scheme: dark",
        "cat: ",
    ] {
        assert!(page.contains(text), "{text}");
    }
}

/// Each sample is held out of several splits: what is scored is the mean of those predictions, everywhere.
#[test]
fn a_page_has_one_accuracy_of_held_out_samples() {
    let lab = Lab::new();
    lab.write("noisy.csv", table(90, 3, |[a, b, c]| if a + 2.0 * b * c > 0.2 { "on" } else { "off" }.to_string()));
    let run = lab.done("train --data noisy.csv --report page --json r.json");
    let row = run.stdout.lines().find(|line| line.starts_with("│ held-out samples")).unwrap();
    let accuracy = row.split("accuracy ").nth(1).unwrap().split(',').next().unwrap();
    let page = lab.read("page/index.html");
    assert!(page.contains(&format!("<b>{accuracy}</b><span>held-out accuracy</span>")), "{accuracy}");
    // The reason of the choice has the mean of the splits, which is another number here.
    let reason = run.stdout.lines().find(|line| line.starts_with("Reason: ")).unwrap();
    let mean = reason.rsplit_once("accuracy ").unwrap().1.trim_end_matches('.');
    assert!(mean.ends_with('%') && mean != accuracy, "{mean} and {accuracy}");
}

#[test]
fn classes_of_the_plane_have_regions_and_no_name_becomes_markup() {
    let lab = Lab::new();
    let hostile = "</title><script>alert('1')</script>&\"";
    lab.write(
        "plane.csv",
        plane(80, |a, b| if a > b { "\"</title><script>alert('1')</script>&\"\"\"" } else { "plain" }.to_string()),
    );
    lab.done("train --data plane.csv --report r --quiet");
    let around = [together(&[&TWO_CLASSES, &["regions"]]), learned(2), together(&[&["path"], &RUN])];
    assert_eq!(pictures(&lab, "r"), around.concat());
    let page = lab.read("r/index.html");
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"));
    let document = Document::parse_with_options(&page, ParsingOptions { allow_dtd: true, ..ParsingOptions::default() });
    let document = document.unwrap();
    assert!(document.descendants().any(|node| node.text() == Some(hostile)));
}

#[test]
fn numbers_of_the_plane_have_regions_and_predictions_and_a_refined_run_its_rounds() {
    let lab = Lab::new();
    lab.write("plane.csv", plane(80, |a, b| (a * b + 0.123).to_string()));
    lab.done("train --data plane.csv --report r --quiet --refine 2 --patterns 5");
    let around =
        [together(&[&["predictions", "regions"]]), learned(2), together(&[&RUN[..3], &["refinement", "phases"]])];
    assert_eq!(pictures(&lab, "r"), around.concat());
    let page = lab.read("r/index.html");
    for text in ["training RMSE", "RMSE of the training mean", "that the network was trained on", "rise of the RMSE"] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("90 % interval"));
    lab.done("train --data plane.csv --report r --quiet");
    let page = lab.read("r/index.html");
    assert!(page.contains("90 % interval: the prediction +- ") && page.contains("A dot is a held-out sample"));
}

#[test]
fn images_have_neurons_and_gated_ones_their_gates() {
    let lab = Lab::new();
    let mut next = numbers(5);
    let labels: Vec<u8> = (0..60).map(|row| row % 2).collect();
    let pixels: Vec<u8> =
        (0..60 * 16).map(|at| (100.0 + 80.0 * next() + f64::from(labels[at / 16]) * 40.0) as u8).collect();
    lab.write("digits/train-images-idx3-ubyte", idx(&[60, 4, 4], &pixels));
    lab.write("digits/train-labels-idx1-ubyte", idx(&[60], &labels));
    for (activation, words) in [("relu", "class=\"neurons\""), ("gated", "right the gate")] {
        lab.done(&format!("train --data digits --activation {activation} --patterns 8 --report r --quiet"));
        assert_eq!(pictures(&lab, "r"), together(&[&TWO_CLASSES, &["neurons", "path"], &RUN]));
        let page = lab.read("r/index.html");
        assert!(page.contains("left out: single pixels say little."));
        assert!(page.contains(words) && page.contains("for 1<br />"), "{activation}");
    }
}

#[test]
fn a_path_has_its_picture_even_where_it_was_cut_short() {
    let lab = Lab::new();
    lab.done("path --data planted:60x4 --betas 3 --beta-ratio 0.008 --patterns 5 --report r --json p.json --quiet");
    assert_eq!(pictures(&lab, "r"), chosen(4));
    assert!(lab.read("r/index.html").contains("Chosen: beta at"));
    let chosen = lab.json("p.json")["choice"]["chosen"].as_u64().unwrap();
    let fraction = ["0.2000", "0.0400", "0.0080"][chosen as usize];
    assert!(lab.read("r/index.html").contains(&format!(": {fraction} of the value from which on")), "{chosen}");
    let cut = lab.cvx("path --data planted:60x4 --betas 3 --patterns 5 --report short --quiet --time-limit 0");
    assert_eq!(cut.code, Some(0));
    let page = lab.read("short/index.html");
    assert!(page.contains("The path ended before its first beta.") && page.contains("the network has no neurons"));
    pictures(&lab, "short");
}

#[test]
fn a_report_replaces_an_earlier_one_and_nothing_else() {
    let lab = Lab::new();
    let run = "train --data planted:60x4 --patterns 5 --quiet --report";
    lab.write("plane.csv", plane(60, |a, b| if a > b { "one" } else { "two" }.to_string()));
    lab.done("train --data plane.csv --patterns 5 --quiet --report r");
    assert!(lab.path("r/regions.svg").is_file());
    // Files of the user stay; pictures that the new report lacks are removed.
    lab.write("r/notes.txt", "mine");
    lab.done(&format!("{run} r"));
    assert_eq!(lab.read("r/notes.txt"), "mine");
    assert!(!lab.path("r/regions.svg").exists() && lab.path("r/gap.png").is_file());
    // The earlier report had no neurons, so this file is not its own.
    lab.write("r/neurons.png", "mine");
    lab.refused(&format!("{run} r"), &["--report r", "neurons.png", "move it away"]);

    lab.write("full/thesis.tex", "mine");
    lab.refused(&format!("{run} full"), &["--report full", "name a new or an empty folder"]);
    lab.write("site/index.html", "<html>mine</html>");
    lab.refused(&format!("{run} site"), &["no report of cvx"]);
    lab.refused(&format!("{run} full/thesis.tex"), &["this is a file: name a folder"]);
    lab.refused(&format!("{run} full/thesis.tex/deeper"), &["--report full/thesis.tex/deeper"]);
    fs::create_dir(lab.path("empty")).unwrap();
    lab.done(&format!("{run} empty"));
    assert_eq!(pictures(&lab, "empty"), chosen(4));
}

/// Rooms with a category, a number and a date that are partly missing; the rent depends on the first two.
fn rooms(n_samples: usize) -> String {
    let mut next = numbers(9);
    let rows = (0..n_samples).map(|row| {
        let (area, noise) = (30.0 + 10.0 * next(), next());
        let town = ["Ulm", "Bern", "Graz"][row % 3];
        let price = 20.0 * area + [0.0, 500.0, 200.0][row % 3] + if row % 7 == 0 { 300.0 } else { 0.0 } + noise;
        let area = if row % 7 == 0 { String::new() } else { area.to_string() };
        let town = if row % 11 == 0 { "" } else { town };
        format!("{area},{town},20{:02}-03-01,{price}\n", row % 20)
    });
    format!("area,town,built,rent\n{}", rows.collect::<String>())
}

#[test]
fn what_is_learned_is_in_the_json_of_a_run_with_a_page_and_has_the_names_of_the_table() {
    let lab = Lab::new();
    lab.write("rooms.csv", rooms(120));
    lab.write("more.csv", rooms(60));
    lab.done("train --data rooms.csv --dates built --test more.csv --json plain.json --quiet");
    assert!(lab.json("plain.json")["understanding"].is_null());
    let run = "train --data rooms.csv --dates built --quiet --report r --json r.json";
    lab.done(&format!("{run} --test more.csv"));
    let found = &lab.json("r.json")["understanding"];
    assert_eq!((found["samples"].as_str(), found["n_samples"].as_u64()), (Some("test"), Some(60)));
    assert_eq!((found["error_name"].as_str(), &found["outputs"][0]), (Some("RMSE"), &"rent".into()));
    let error = lab.json("r.json")["test"]["quality"]["mean"]["rmse"].as_f64().unwrap();
    assert!((found["error"].as_f64().unwrap() - error).abs() < 1e-9 * error);
    let importance = found["importance"].as_array().unwrap();
    let columns: Vec<&str> = importance.iter().map(|column| column["column"].as_str().unwrap()).collect();
    assert_eq!((columns.len(), columns[2]), (3, "built"));
    assert!(importance.windows(2).all(|pair| pair[0]["mean"].as_f64() >= pair[1]["mean"].as_f64()));
    let town = found["dependence"].as_array().unwrap().iter().find(|found| found["column"] == "town").unwrap();
    let levels: BTreeSet<&str> =
        town["values"].as_array().unwrap().iter().map(|level| level.as_str().unwrap()).collect();
    assert_eq!(levels, BTreeSet::from(["Bern", "Graz", "Ulm", "missing"]));
    let lengths = ["mean", "curves"].map(|key| town[key].as_array().unwrap().len());
    assert_eq!(lengths, [4, 10]);
    let page = lab.read("r/index.html");
    for text in ["60 test samples", "prediction of rent", ">Graz</text>", ">year</text>", "where the value is missing"]
    {
        assert!(page.contains(text), "{text}");
    }
    pictures(&lab, "r");

    // Without other samples: those of the folds, or those of the run.
    lab.done(run);
    assert_eq!(lab.json("r.json")["understanding"]["samples"], "held_out");
    lab.done(&format!("{run} --beta-fraction 0.1 --patterns 10"));
    assert_eq!(lab.json("r.json")["understanding"]["samples"], "training");
    pictures(&lab, "r");
}

#[test]
fn classes_without_probabilities_have_scores_and_many_classes_their_curves() {
    let lab = Lab::new();
    lab.write("plane.csv", plane(150, |a, b| format!("class {}", ((a + b) * 4.0).round())));
    lab.done("train --data plane.csv --report r --json r.json --quiet");
    let report = lab.json("r.json");
    let found = &report["understanding"];
    let classes = found["outputs"].as_array().unwrap().len();
    assert!(classes > 6 && found["output_kind"] == "probability");
    assert_eq!(found["dependence"][0]["mean"][0].as_array().unwrap().len(), classes);
    let page = lab.read("r/index.html");
    assert!(page.contains("those of the 6 most frequent classes") && page.contains("share of right predictions"));
    assert!(!pictures(&lab, "r").contains(&"roc".to_string()));
    lab.done("train --data plane.csv --beta-fraction 0.05 --patterns 10 --report r --json r.json --quiet");
    let report = lab.json("r.json");
    assert_eq!(
        (&report["understanding"]["error_name"], &report["understanding"]["output_kind"]),
        (&"share of errors".into(), &"score".into())
    );
    assert!(!pictures(&lab, "r").contains(&"calibration".to_string()));
}
