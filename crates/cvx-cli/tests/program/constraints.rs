//! Constraints on predictions: options, reports, files and refusals.

use crate::lab::Lab;
use crate::page::pictures;

/// A rent that rises with the area, with noise; the town is a category, the last column the label.
fn flats(rows: usize) -> String {
    let mut text = "id,area,age,town,rent\n".to_string();
    for k in 0..rows {
        let (area, age) = (30 + k * 37 % 90, k * 53 % 70);
        let noise = (k * 7919 % 101) as f64 - 50.0;
        let town = ["hill", "port", "park"][k % 3];
        let rent = 200.0 + 9.0 * area as f64 - 2.0 * age as f64 + 12.0 * noise;
        text.push_str(&format!("{k},{area},{age},{town},{rent}\n"));
    }
    text
}

/// The table of one flat of every area.
fn areas() -> String {
    (20..150).fold("id,area,age,town\n".to_string(), |text, area| text + &format!("{area},{area},30,port\n"))
}

fn predictions(lab: &Lab, model: &str) -> Vec<f64> {
    lab.write("areas.csv", areas());
    let csv = lab.done(&format!("predict {model} --data areas.csv --quiet")).stdout;
    csv.lines().skip(1).map(|line| line.split(',').next().unwrap().parse().unwrap()).collect()
}

const FIT: &str = "train --data t.csv --task regression --beta-fraction 1e-4 --patterns 40";

#[test]
fn a_monotone_network_says_so_everywhere() {
    let lab = Lab::new();
    lab.write("t.csv", flats(120));
    let run = lab.done(&format!("{FIT} --monotone area:+,age:- --concave area --model m.cvx --json r.json"));
    let words = "increasing in area; decreasing in age; concave in area";
    assert!(run.stdout.contains(words), "{}", run.stdout);
    assert!(predictions(&lab, "m.cvx").windows(2).all(|pair| pair[0] <= pair[1]));
    let constraints = &lab.json("r.json")["constraints"];
    assert_eq!((&constraints["increasing"][0], &constraints["decreasing"][0]), (&"area".into(), &"age".into()));
    let info = lab.done("info m.cvx --json m.json").stdout;
    assert!(info.contains(words), "{info}");
    assert_eq!(lab.json("m.json")["constraints"]["concave"][0], "area");
    let verified = lab.done("verify m.cvx --data t.csv").stdout;
    assert!(verified.contains("every weight has its sign") && verified.ends_with("The claims hold.\n"), "{verified}");
    let free = lab.done(&format!("{FIT} --model free.cvx --json free.json"));
    assert!(!free.stdout.contains("constraints") && lab.json("free.json")["constraints"].is_null());
    assert!(predictions(&lab, "free.cvx").windows(2).any(|pair| pair[0] > pair[1]), "the control");
}

#[test]
fn the_page_shows_what_a_network_obeys_along_each_column() {
    let lab = Lab::new();
    lab.write("t.csv", flats(90));
    lab.done(&format!("{FIT} --monotone area:+,age:- --interact [[area,town],[age]] --report r --quiet"));
    let names = pictures(&lab, "r");
    let about: Vec<&str> = names.iter().map(String::as_str).filter(|name| name.starts_with("constraint")).collect();
    assert_eq!(about, ["constraint-1", "constraint-2"]);
    let page = lab.read("r/index.html");
    for words in ["increasing in area; decreasing in age", "area with town, age alone", "obeys this on all inputs"] {
        assert!(page.contains(words), "{words}");
    }
    lab.done(&format!("{FIT} --convex area --output-range=-1000,5000 --report r --quiet"));
    assert!(lab.read("r/index.html").contains("before it is clipped to the output range"));
    lab.done(&format!("{FIT} --report r --quiet"));
    assert!(pictures(&lab, "r").iter().all(|name| !name.starts_with("constraint")));
}

#[test]
fn a_choice_of_beta_keeps_sets_apart_and_clips() {
    let lab = Lab::new();
    lab.write("t.csv", flats(90));
    let options = "--task regression --patterns 30 --folds 3 --ensemble 1 --output-range -1000,3000";
    let train = format!("train --data t.csv {options} --interact [[area,town],[age]] --model m.cvx");
    let run = lab.done(&train);
    for words in ["area with town, age alone", "output range", "-1000 to 3000", "gated neurons"] {
        assert!(run.stdout.contains(words), "{words} is not in\n{}", run.stdout);
    }
    let monotone = lab.done(&format!("train --data t.csv {options} --monotone area:+ --model m.cvx"));
    assert!(
        monotone.stdout.contains("relu neurons") || !monotone.stdout.contains("gated neurons"),
        "{}",
        monotone.stdout
    );
    assert!(predictions(&lab, "m.cvx").windows(2).all(|pair| pair[0] <= pair[1]));
    assert!(lab.done("verify m.cvx --data t.csv").stdout.ends_with("The claims hold.\n"));
    lab.done("path --data t.csv --task regression --patterns 20 --betas 3 --monotone 2:+ --output-range=-1000,5000");
}

#[test]
fn constraints_that_cannot_be_had_are_refused_by_their_column() {
    let lab = Lab::new();
    lab.write("t.csv", flats(60));
    for (options, words) in [
        ("--monotone town:+", &["'town' cannot be increasing", "categories"][..]),
        ("--monotone id:-", &["'id' cannot be decreasing", "an identifier"]),
        ("--monotone height:+", &["no column 'height'"]),
        ("--monotone area:+,2:-", &["'area' is to be increasing and decreasing", "--monotone"]),
        ("--nonnegative --activation gated", &["non-negative predictions", "ReLU"]),
        ("--nonnegative --output-bias", &["--output-bias is true"]),
        ("--output-range 0,10", &["a target is"]),
    ] {
        lab.refused(&format!("{FIT} --quiet {options}"), words);
    }
    for (options, words) in [
        ("--monotone area", "COLUMN:+"),
        ("--monotone area:up", "COLUMN:+"),
        ("--interact area,age", "sets of columns in brackets"),
        ("--interact [[area],age]", "sets of columns in brackets"),
        ("--output-range 5", "LO,HI"),
        ("--output-range 5,1", "not an interval"),
    ] {
        let run = lab.cvx(&format!("{FIT} {options}"));
        assert!(run.code == Some(2) && run.stderr.contains(words), "{options}: {}", run.stderr);
    }
}
