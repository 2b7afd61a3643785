//! `--activation` and `--gates`.

use crate::lab::{Lab, cats_and_dogs, idx, npy, numbers};

/// Images of 6 x 6 pixels whose upper or lower half is brighter.
fn write_images(lab: &Lab, count: usize) {
    let mut next = numbers(3);
    let labels: Vec<u8> = (0..count).map(|_| u8::from(next() > 0.0)).collect();
    let pixels: Vec<u8> = (labels.iter())
        .flat_map(|&label| (0..36u8).map(|k| (k / 18 == label, next())).collect::<Vec<_>>())
        .map(|(bright, noise)| (110.0 + if bright { 60.0 } else { 0.0 } + 60.0 * noise) as u8)
        .collect();
    lab.write("images/train-images-idx3-ubyte", idx(&[count as u32, 6, 6], &pixels));
    lab.write("images/train-labels-idx1-ubyte", idx(&[count as u32], &labels));
}

#[test]
fn a_gated_model_goes_all_the_way() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(80, 1));
    let run = lab.train_once("--data t.csv --activation gated --patterns 12 --model m.cvx --json r.json");
    assert!(run.stdout.contains(" gated neurons") && !run.stdout.contains("cones"), "{}", run.stdout);
    // The network is a point of the programme, so it is not better than the best point.
    assert!(run.stdout.contains(" of the best point") && !run.stdout.contains("better than"), "{}", run.stdout);
    assert_eq!(
        (lab.json("r.json")["activation"].as_str(), lab.json("r.json")["status"].as_str()),
        (Some("gated"), Some("Optimal"))
    );
    let info = lab.done("info m.cvx").stdout;
    assert!(
        info.lines().any(|line| line.contains("activation") && line.contains("gated: a neuron is on where x'h >= 0"))
    );
    assert!(lab.done("verify m.cvx --data t.csv").stdout.ends_with("The claims hold.\n"));
    let predicted = lab.done("predict m.cvx --data t.csv --out p.csv --json p.json");
    assert!(predicted.stderr.starts_with("80 samples: accuracy "));
    assert_eq!(lab.json("p.json")["scores"]["accuracy"], lab.json("r.json")["train"]["accuracy"]);

    lab.train_once("--data t.csv --patterns 12 --quiet --model n.cvx");
    assert!(lab.done("info n.cvx").stdout.contains("relu: a neuron is on where x'w >= 0"));
}

#[test]
fn every_kind_of_gates_trains_on_what_it_is_for() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(60, 1));
    write_images(&lab, 60);
    let objective = |arguments: &str| {
        let report = lab.report(&format!("train {arguments} --patterns 10 --beta-fraction 0.05 --model m.cvx"));
        assert_eq!(report["status"], "Optimal", "{arguments}");
        report["objective"]["network"].as_f64().unwrap()
    };
    for activation in ["relu", "gated"] {
        let mut found = Vec::new();
        for kind in ["gaussian", "whitened", "pairs"] {
            found.push(objective(&format!("--data t.csv --activation {activation} --gates {kind}")));
            lab.done("verify m.cvx --data t.csv");
        }
        found.dedup();
        assert_eq!(found.len(), 3, "the kinds differ: {found:?}");
        assert_eq!(objective(&format!("--data t.csv --activation {activation}")), found[0], "gaussian on a table");
        // On images, gated neurons have local gates by default.
        let local = objective(&format!("--data images --activation {activation} --gates local"));
        lab.done("verify m.cvx --data images");
        let default = objective(&format!("--data images --activation {activation}"));
        assert_eq!(local == default, activation == "gated");
    }
}

#[test]
fn r3_gates_that_do_not_fit() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(30, 1));
    for command in ["train", "path"] {
        for activation in ["relu", "gated"] {
            let train = format!("{command} --data t.csv --activation {activation}");
            lab.refused(&format!("{train} --gates local"), &["'local'", "images", "table", "--gates"]);
            lab.refused(
                &format!("{train} --gates nosuchfile"),
                &["--gates", "nosuchfile", "gaussian, whitened, local, pairs"],
            );
            lab.refused(&format!("{train} --gates nosuch.npy"), &["--gates", "nosuch.npy", "check the name"]);
        }
    }
    lab.write("g.npy", npy(4, 2, &[1.0, 2.0, -1.0, 0.5, 0.25, 2.0, -3.0, 1.0]));
    for (command, patterns) in [("train", 2), ("path", 50)] {
        let line = format!("{command} --data t.csv --gates g.npy --patterns {patterns}");
        lab.refused(&line, &["--patterns", "--gates", "drawn"]);
    }
    // A file of gates is accepted for gated neurons too.
    lab.train_once("--data t.csv --gates g.npy --activation gated");
    lab.done("path --data t.csv --gates g.npy --betas 2");
}

#[test]
fn solvers_that_need_cones_are_refused() {
    let lab = Lab::new();
    for solver in ["gram-nystrom-pcg", "rbcd", "nystrom-pcg", "jacobi-pcg"] {
        for command in ["train", "path"] {
            let line = format!("{command} --data missing.csv --activation gated --solver {solver}");
            lab.refused(&line, &[&format!("solver is {solver}"), "cholesky, gram-pcg or cg for gated neurons"]);
        }
    }
    for solver in ["cholesky", "gram-pcg", "cg"] {
        let report = lab.report(&format!("train --activation gated --solver {solver} --beta-fraction 0.1"));
        assert_eq!((report["solver"].as_str(), report["status"].as_str()), (Some(solver), Some("Optimal")));
    }
}

#[test]
fn gated_neurons_reach_the_default_gap() {
    let report = Lab::new().report_once("--activation gated");
    assert!(report["objective"]["relative_gap"].as_f64() <= Some(1e-3));
}
