//! `cvx prove`: samples, boxes and properties; proof files, and what `cvx verify` says of them.

use crate::lab::{Lab, numbers, table};

/// A folder with a classifier `m.cvx` and a regression `r.cvx` and their tables.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.write("t.csv", table(80, 3, |[a, b, _]| if a + 0.3 * b > 0.0 { "yes" } else { "no" }.to_string()));
    lab.write("r.csv", table(80, 4, |[a, b, c]| (2.0 * a - b.abs() + 0.1 * c).to_string()));
    let settings = "--activation relu --patterns 8 --beta-fraction 0.01 --gap 1e-2 --quiet";
    lab.done(&format!("train --data t.csv --model m.cvx {settings}"));
    lab.done(&format!("train --data r.csv --model r.cvx --task regression {settings}"));
    lab
}

#[test]
fn robust_samples_are_counted_and_their_proofs_are_checked() {
    let lab = lab();
    let run = lab.done("prove m.cvx --robust linf:1/50 --data t.csv --proof p.proof --json p.json");
    assert!(run.stdout.contains("right and proved"), "{}", run.stdout);
    let report = lab.json("p.json");
    let samples = report["samples"].as_array().unwrap();
    let count = |name: &str| samples.iter().filter(|sample| sample["outcome"] == name).count();
    let (proved, refuted) = (count("proved"), count("refuted"));
    assert!(proved > 40 && refuted > 0 && proved + refuted == 80, "{proved} {refuted}");
    // A refuted sample comes with an input of the other class.
    let sample = samples.iter().find(|sample| sample["outcome"] == "refuted").unwrap();
    let point: Vec<String> = sample["point"].as_array().unwrap().iter().map(ToString::to_string).collect();
    lab.write("point.csv", format!("width,height,depth\n{}\n", point.join(",")));
    let predicted = lab.done("predict m.cvx --data point.csv --unlabelled --quiet").stdout;
    assert!(!predicted.lines().nth(1).unwrap().starts_with(sample["class"].as_str().unwrap()), "{predicted}");

    let checked = lab.done("verify p.proof --model m.cvx").stdout;
    assert!(checked.contains(&format!("All {proved} theorems hold")), "{checked}");
    let other = lab.cvx("verify p.proof --model r.cvx");
    assert_eq!(other.code, Some(1), "{}{}", other.stdout, other.stderr);
    lab.refused("verify t.csv --model m.cvx", &["not a cvx proof"]);

    let radii = lab.done("prove m.cvx --radius linf --data t.csv --limit 20 --json - --quiet").stdout;
    let radii: serde_json::Value = serde_json::from_str(&radii).unwrap();
    for (sample, radius) in samples.iter().zip(radii["samples"].as_array().unwrap()) {
        let is_larger = radius["radius"].as_f64().unwrap() >= 0.02;
        assert!(is_larger == (sample["outcome"] == "proved"), "{sample} {radius}");
    }
}

#[test]
fn ranges_trends_and_other_models_are_answered_on_boxes() {
    let lab = lab();
    let settings = "--activation relu --patterns 8 --beta-fraction 0.01 --gap 1e-2 --quiet --task regression";
    lab.done(&format!("train --data r.csv --model c.cvx --monotone width:+ {settings}"));
    lab.done("prove r.cvx --range width=0:1,depth=0:0.5 --data r.csv --json range.json --proof range.proof");
    lab.done("verify range.proof --model r.cvx --quiet");
    let bounds = &lab.json("range.json")["outputs"][0];
    let end = |name: &str| bounds[name]["bound"].as_f64().unwrap();
    let mut next = numbers(8);
    let mut points = "width,height,depth\n".to_string();
    for _ in 0..200 {
        points += &format!("{},{},{}\n", next().abs(), next() * 0.95, 0.5 * next().abs());
    }
    lab.write("points.csv", points);
    let predicted = lab.done("predict r.cvx --data points.csv --unlabelled --quiet").stdout;
    for line in predicted.lines().skip(1) {
        let value: f64 = line.split(',').next().unwrap().parse().unwrap();
        assert!(end("low") <= value && value <= end("high"), "{value} {bounds}");
    }
    lab.done("prove c.cvx --monotone width:+ --data r.csv --proof c.proof --quiet");
    assert!(lab.done("verify c.proof --model c.cvx").stdout.contains("never falls along width"));
    let falls = lab.cvx("prove r.cvx --monotone height:+ --data r.csv");
    assert!(falls.code == Some(1) && falls.stdout.contains("refuted"), "{}{}", falls.stdout, falls.stderr);
    lab.done("prove r.cvx --same-as r.cvx --within 1e-9 --data r.csv --quiet");
    let differs = lab.cvx("prove r.cvx --same-as c.cvx --within 1e-9 --data r.csv");
    assert!(differs.code == Some(1) && differs.stdout.contains("lowest found"), "{}{}", differs.stdout, differs.stderr);
}

#[test]
fn theorems_about_two_models_and_about_clipped_outputs_say_what_they_are_about() {
    let lab = lab();
    let settings = "--activation relu --patterns 8 --beta-fraction 0.01 --gap 1e-2 --quiet --task regression";
    lab.write("k.csv", table(80, 4, |[a, ..]| (0.35 + 0.35 * a).to_string()));
    lab.done(&format!("train --data k.csv --model k.cvx --output-range 0,0.7 {settings}"));
    for deployed in ["f64", "f32"] {
        lab.done(&format!(
            "prove r.cvx --same-as r.cvx --within 1e-3 --data r.csv --deployed {deployed} --proof d.proof"
        ));
        let checked = lab.done("verify d.proof --model r.cvx --same-as r.cvx").stdout;
        let words = format!("less the other's] > -0.001 ({deployed})");
        assert!(checked.contains(&words) && checked.contains("All 2 theorems hold"), "{checked}");
    }
    // Proofs about two models say nothing about one, or about models that are clipped apart.
    assert_eq!(lab.cvx("verify d.proof --model r.cvx").code, Some(1));
    for command in ["prove r.cvx --within 1e-3 --data r.csv", "verify d.proof --model r.cvx"] {
        lab.refused(&format!("{command} --same-as k.cvx"), &["clip their predictions to different intervals"]);
    }
    lab.done("prove k.cvx --range width=-3:3 --data k.csv --json k.json --proof k.proof --quiet");
    let bounds = &lab.json("k.json")["outputs"][0];
    assert_eq!((bounds["low"]["bound"].as_f64(), bounds["high"]["bound"].as_f64()), (Some(0.0), Some(0.7)));
    assert!(lab.done("verify k.proof --model k.cvx").stdout.contains("before clipping > -"), "{bounds}");
    lab.done("prove k.cvx --range width=-3:3 --data k.csv --json k.json --deployed f32 --quiet");
    let high = lab.json("k.json")["outputs"][0]["high"]["bound"].as_f64().unwrap();
    assert_eq!(high, 0.7, "0.7 in f32 is below");
}

#[test]
fn values_hold_the_samples_and_radii_name_their_norm() {
    let lab = lab();
    let report = lab.done("prove m.cvx --robust linf:0.5 --values -1,1 --data t.csv --limit 9 --json - --quiet").stdout;
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["norm"], "linf");
    for sample in report["samples"].as_array().unwrap().iter().filter(|sample| sample["outcome"] == "refuted") {
        let inside = |x: &serde_json::Value| x.as_f64().unwrap().abs() <= 1.0;
        assert!(sample["point"].as_array().unwrap().iter().all(inside), "{sample}");
    }
    lab.refused(
        "prove m.cvx --robust linf:0.01 --values 0,1 --data t.csv",
        &["the sample at row ", "widen the values"],
    );
    for seconds in ["1e19", "-1", "nan"] {
        let run = lab.cvx(&format!("prove m.cvx --robust linf:0.01 --data t.csv --time-limit={seconds}"));
        assert!(run.code == Some(2) && run.stderr.contains("--time-limit"), "{}", run.stderr);
    }
}

#[test]
fn properties_of_models_and_of_onnx_files_have_the_same_answers() {
    let lab = lab();
    lab.done("export r.cvx --out r.onnx --quiet");
    let property = |least: f64| {
        let bounds = (0..3).map(|k| format!("(assert (and (>= X_{k} -1) (<= X_{k} 1)))\n")).collect::<String>();
        let names = (0..3).map(|k| format!("(declare-const X_{k} Real)\n")).collect::<String>();
        format!("{names}(declare-const Y_0 Real)\n{bounds}(assert (>= Y_0 {least}))\n")
    };
    lab.write("sat.vnnlib", property(1.0));
    lab.write("unsat.vnnlib", property(9.0));
    for network in ["r.cvx", "--network r.onnx", "--network f=r.onnx"] {
        assert!(lab.done(&format!("prove {network} --spec sat.vnnlib")).stdout.starts_with("sat\n((X_0 "));
        assert_eq!(lab.done(&format!("prove {network} --spec unsat.vnnlib --proof u.proof")).stdout, "unsat\n");
        let model = if network == "r.cvx" { "r.cvx" } else { "r.onnx" };
        lab.done(&format!("verify u.proof --model {model} --quiet"));
    }
    lab.write("strict.vnnlib", property(1.0).replace("(>= Y_0", "(> Y_0"));
    lab.refused("prove r.cvx --spec strict.vnnlib", &["strict.vnnlib", "line 8", "(<= A B)"]);
    lab.refused("prove --network t.csv --spec sat.vnnlib", &["t.csv", "not an ONNX file"]);
    assert_eq!(lab.cvx("prove m.cvx --network r.onnx --spec sat.vnnlib").code, Some(2));
}

#[test]
fn what_cannot_be_asked_is_refused_with_the_reason() {
    let lab = lab();
    for (arguments, words) in [
        ("prove r.cvx --robust linf:0.1 --data r.csv", &["numbers, which have no classes"][..]),
        ("prove m.cvx --robust linf:0.1", &["--data is needed"]),
        ("prove m.cvx --monotone weight:+ --data t.csv", &["no feature 'weight'", "width, height, depth"]),
        ("prove m.cvx --robust linf:0.1 --data t.csv --nodes 0", &["--nodes"]),
        ("prove m.cvx --robust linf:0.1 --data t.csv --time-limit 0", &["--time-limit"]),
        ("prove r.cvx --same-as m.cvx --within 0 --data r.csv", &["within is 0"]),
        ("verify m.cvx", &["--data is needed"]),
    ] {
        lab.refused(arguments, words);
    }
}
