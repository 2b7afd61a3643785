//! What `--report` writes.

use crate::lab::{Lab, cats_and_dogs, idx, numbers};
use roxmltree::{Document, Node, ParsingOptions};
use std::collections::BTreeSet;
use std::fs;

/// The names of the pictures of the page in `folder`. The page is also XML and self-contained. Every picture has
/// content and a file in each format beside the page, and there are no other files.
fn pictures(lab: &Lab, folder: &str) -> Vec<String> {
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

const RUN: [&str; 4] = ["objective", "gap", "scores", "phases"];

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
    let run = lab.train_once("--data pets.csv --report new/folder --model m.cvx");
    assert!(run.stdout.contains("new/folder/index.html"), "{}", run.stdout);
    assert_eq!(pictures(&lab, "new/folder"), RUN);
    let page = lab.read("new/folder/index.html");
    let meaning = run.stdout.lines().find(|line| line.starts_with("This network")).unwrap();
    for text in [
        meaning,
        "Optimal after",
        "network objective",
        "training samples, predicted as",
        "precision",
        "cvx train --beta-fraction 0.001 --data pets.csv --report new/folder --model m.cvx",
        "prefers-color-scheme: dark",
        "cat: ",
    ] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn classes_of_the_plane_have_regions_and_no_name_becomes_markup() {
    let lab = Lab::new();
    let hostile = "</title><script>alert('1')</script>&\"";
    lab.write(
        "plane.csv",
        plane(80, |a, b| if a > b { "\"</title><script>alert('1')</script>&\"\"\"" } else { "plain" }.to_string()),
    );
    lab.train_once("--data plane.csv --report r --quiet");
    assert_eq!(pictures(&lab, "r"), [&RUN[..], &["regions"]].concat());
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
    assert_eq!(pictures(&lab, "r"), [&RUN[..3], &["refinement", "phases", "regions", "predictions"]].concat());
    assert!(lab.read("r/index.html").contains("mean loss"));
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
        lab.train_once(&format!("--data digits --activation {activation} --patterns 8 --report r --quiet"));
        assert_eq!(pictures(&lab, "r"), [&RUN[..], &["neurons"]].concat());
        let page = lab.read("r/index.html");
        assert!(page.contains(words) && page.contains("for 1<br />"), "{activation}");
    }
}

#[test]
fn a_path_has_its_picture_even_where_it_was_cut_short() {
    let lab = Lab::new();
    lab.done("path --data planted:60x4 --betas 3 --beta-ratio 0.008 --patterns 5 --report r --json p.json --quiet");
    assert_eq!(pictures(&lab, "r"), [&["path"], &RUN[..]].concat());
    assert!(lab.read("r/index.html").contains("Chosen: beta at"));
    let chosen = lab.json("p.json")["choice"]["chosen"].as_u64().unwrap();
    let fraction = ["0.2000", "0.0400", "0.0080"][chosen as usize];
    assert!(lab.read("r/index.html").contains(&format!(": {fraction} of the value from which on")), "{chosen}");
    lab.done("path --data planted:60x4 --betas 3 --patterns 5 --report short --quiet --time-limit 0");
    assert!(lab.read("short/index.html").contains("before its first beta"));
    pictures(&lab, "short");
}

#[test]
fn a_report_replaces_an_earlier_one_and_nothing_else() {
    let lab = Lab::new();
    let run = "train --beta-fraction 0.001 --data planted:60x4 --patterns 5 --quiet --report";
    lab.write("plane.csv", plane(60, |a, b| if a > b { "one" } else { "two" }.to_string()));
    lab.train_once("--data plane.csv --patterns 5 --quiet --report r");
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
    assert_eq!(pictures(&lab, "empty"), RUN);
}
