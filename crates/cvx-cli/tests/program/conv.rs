//! `--gates conv`: gated neurons on patches of images.

use crate::lab::{Lab, cats_and_dogs, grey_png, idx, npy, numbers};
use crate::page::pictures;
use crate::report::assert_keys;
use cvx_admm::Model;

const COUNT: usize = 48;
const SIDE: usize = 16;

/// A quick run.
const TRAIN: &str = "train --data images --gates conv --patterns 4 --beta-fraction 0.05";

/// Grey images of 16 x 16 pixels with stripes that are horizontal, vertical, or both, somewhere in noise.
fn images(classes: usize) -> Vec<(usize, Vec<u8>)> {
    let mut next = numbers(4);
    let image = |at: usize| {
        let class = at % classes;
        let [top, left] = [next(), next()].map(|place| (4.0 + 4.0 * place) as usize);
        let pixel = |k: usize| {
            let (row, column) = (k / SIDE, k % SIDE);
            let within = (top..top + 8).contains(&row) && (left..left + 8).contains(&column);
            let stripes = [row.is_multiple_of(2), column.is_multiple_of(2), (row + column).is_multiple_of(2)];
            (90.0 + 30.0 * next()) as u8 + if within && stripes[class] { 90 } else { 0 }
        };
        (class, (0..SIDE * SIDE).map(pixel).collect())
    };
    (0..COUNT).map(image).collect()
}

fn write_images(lab: &Lab, classes: usize) {
    let images = images(classes);
    let [count, side] = [COUNT, SIDE].map(|size| size as u32);
    let labels: Vec<u8> = images.iter().map(|(class, _)| *class as u8).collect();
    let pixels: Vec<u8> = images.into_iter().flat_map(|(_, pixels)| pixels).collect();
    lab.write("images/train-images-idx3-ubyte", idx(&[count, side, side], &pixels));
    lab.write("images/train-labels-idx1-ubyte", idx(&[count], &labels));
    // The first ones are the test images.
    lab.write("images/t10k-images-idx3-ubyte", idx(&[12, side, side], &pixels[..12 * SIDE * SIDE]));
    lab.write("images/t10k-labels-idx1-ubyte", idx(&[12], &labels[..12]));
}

fn objective(lab: &Lab) -> f64 {
    lab.json("r.json")["objective"]["network"].as_f64().unwrap()
}

#[test]
fn a_network_on_patches_goes_all_the_way() {
    let lab = Lab::new();
    write_images(&lab, 2);
    let run = lab.done(&format!("{TRAIN} --model m.cvx --json r.json --report r"));
    // Grey images may be characters.
    let begin = "binary: 48 images of 1 x 16 x 16, 4 gates of patches (3 x 3 at every pixel, 3 x 3 regions, left and \
                 right told apart); beta";
    assert!(run.stderr.starts_with(begin) && run.stderr.contains("; features stored, "), "{}", run.stderr);
    assert!(run.stdout.contains(" gated neurons on ") && run.stdout.contains("of patches"), "{}", run.stdout);
    let report = lab.json("r.json");
    assert_keys(&report);
    let patches = &report["patches"];
    assert_eq!(patches["image"], serde_json::json!([1, 16, 16]));
    assert_eq!((patches["side"].as_u64(), patches["regions"].as_u64()), (Some(3), Some(3)));
    assert_eq!((&patches["mirrored"], &patches["gates"]), (&false.into(), &"clusters".into()));
    // 9 regions of 9 directions and a 1 for each of 60 images and 4 gates, in single precision.
    assert_eq!((patches["features_stored"].as_bool(), patches["feature_bytes"].as_u64()), (Some(true), Some(86_400)));

    let found = pictures(&lab, "r");
    assert!(["gates", "evidence"].iter().all(|name| found.contains(&name.to_string())), "{found:?}");
    assert!(!found.contains(&"neurons".to_string()));
    let page = lab.read("r/index.html");
    for text in [
        "48 training images of 1 x 16 x 16, 12 test images;",
        "0, recognised",
        "12 test images, one patch of an image",
        "3 x 3 at every pixel, 3 x 3 regions",
        "conv: clusters of patches",
        "9 principal directions and a 1",
        "features stored, ",
    ] {
        assert!(page.contains(text), "{text}");
    }

    let info = lab.done("info m.cvx").stdout;
    for text in [
        "single precision",
        "1 x 16 x 16, global normalisation",
        "3 x 3 at every pixel",
        "9 principal directions",
        "g'p &gt;= 0",
    ] {
        assert!(info.contains(&text.replace("&gt;", ">")), "{text} is not in\n{info}");
    }
    assert!(lab.done("verify m.cvx --data images").stdout.ends_with("The claims hold.\n"));
    // The same images as files of a folder for each class.
    for (k, (class, pixels)) in images(2).into_iter().enumerate() {
        lab.write(&format!("folder/{class}/{k:02}.png"), grey_png(SIDE, &pixels));
    }
    lab.done("predict m.cvx --data folder --out p.csv --json p.json");
    assert_eq!(lab.read("p.csv").lines().count(), COUNT + 1);
    let (found, expected) = (&lab.json("p.json")["scores"], &report["train"]);
    assert_eq!(found["accuracy"], expected["accuracy"]);
    let loss = |scores: &serde_json::Value| scores["loss"].as_f64().unwrap();
    assert!((loss(found) - loss(expected)).abs() < 1e-6 * loss(expected), "{found}, {expected}");
}

#[test]
fn images_have_patches_by_default_and_the_options_are_taken() {
    let lab = Lab::new();
    write_images(&lab, 2);
    let options = "--patch 4 --stride 2 --regions 2 --flips no --patch-gates random --active 0.4 --whitening 0 \
                   --directions 5";
    let run = lab.done(&format!("train --data images {options} --patterns 3 --beta-fraction 0.1 --json r.json"));
    let words = "3 gates of patches (4 x 4 every 2 pixels, 2 x 2 regions, left and right told apart)";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    let patches = &lab.json("r.json")["patches"];
    assert_eq!(
        (patches["directions"].as_u64(), patches["active"].as_f64(), &patches["gates"]),
        (Some(5), Some(0.4), &"random".into())
    );
    assert!(patches["whitening"].is_null());
    let verbose = lab.done(&format!("{TRAIN} --verbose --max-iterations 1")).stderr;
    for text in ["images n    48 of 1 x 16 x 16", "features d  90 of a gate", "gates P     4", "; features stored"] {
        assert!(verbose.contains(text), "{text} is not in\n{verbose}");
    }
    let log = lab.done(&format!("{TRAIN} --log json --max-iterations 1")).stderr;
    let begin: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!((&begin["patches"]["side"], &begin["features_stored"]), (&3.into(), &true.into()));
    // Without a beta and gates, patches are the default.
    let path = lab.done("train --data images --patterns 3 --folds 2 --ensemble 1 --json r.json --quiet --model m.cvx");
    assert_eq!(path.stderr, "");
    assert!(lab.json("r.json")["patches"]["side"] == 3 && lab.json("r.json")["choice"]["folds"] == 2);
    lab.done("verify m.cvx --data images");
}

#[test]
fn a_path_of_patches_has_its_page() {
    let lab = Lab::new();
    write_images(&lab, 2);
    let run = lab.done("path --data images --gates conv --patterns 4 --folds 2 --betas 3 --report r --model m.cvx");
    assert!(run.stdout.contains("gated neurons on 4 gates of patches"), "{}", run.stdout);
    let found = pictures(&lab, "r");
    assert!(["gates", "evidence", "path"].iter().all(|name| found.contains(&name.to_string())), "{found:?}");
    lab.done("verify m.cvx --data images");
    // A network without neurons has nothing to show.
    lab.done("train --data images --gates conv --patterns 2 --beta-fraction 2 --report zero --quiet");
    let found = pictures(&lab, "zero");
    assert!(!found.contains(&"gates".to_string()) && !found.contains(&"evidence".to_string()), "{found:?}");
}

#[test]
fn f3_a_run_on_patches_is_resumed() {
    let lab = Lab::new();
    write_images(&lab, 2);
    let train = format!("{TRAIN} --gap 1e-7 --quiet");
    lab.done(&format!("{train} --max-iterations 25 --model whole.cvx"));
    lab.done(&format!("{train} --max-iterations 10 --checkpoint run.ckpt"));
    lab.done(&format!("{train} --max-iterations 25 --resume run.ckpt --model resumed.cvx"));
    let [resumed, whole] = ["resumed.cvx", "whole.cvx"].map(|name| Model::load(&lab.path(name)).unwrap());
    assert!(resumed == whole, "the network is another one");
    for (other, words) in [
        ("--regions 2", "no --regions, and this one has --regions 2"),
        ("--flips no", "no --flips, and this one has --flips no"),
        ("--active 0.3", "--active 0.2, and this one has --active 0.3"),
    ] {
        lab.refused(&format!("{train} --max-iterations 25 {other} --resume run.ckpt"), &["run.ckpt", words]);
    }
    let others = train.replace("--gates conv", "--gates local --activation gated");
    lab.refused(&format!("{others} --resume run.ckpt"), &["--gates conv, and this one has --gates local"]);
}

#[test]
fn solvers_and_memory_lead_to_the_same_optimum() {
    let lab = Lab::new();
    write_images(&lab, 2);
    let train =
        "train --data images --gates conv --patterns 12 --regions 4 --beta-fraction 0.3 --gap 0.01 --json r.json";
    let mut found = Vec::new();
    for (arguments, solver, words) in [
        ("", "cholesky", "; features stored, "),
        ("--solver cg", "cg", "; features stored, "),
        ("--features half", "cholesky", "; features stored in half precision, "),
        // Less than the features take.
        ("--memory-budget 0.00125", "gram-pcg", "; features computed anew for every product: stored they would take "),
    ] {
        let run = lab.done(&format!("{train} {arguments}"));
        assert!(run.stderr.contains(words) && run.stderr.contains(&format!("\n{solver} on ")), "{}", run.stderr);
        assert_eq!(lab.json("r.json")["status"], "Optimal");
        found.push(objective(&lab));
    }
    assert!(found.iter().all(|objective| (objective - found[0]).abs() < 0.011 * found[0]), "{found:?}");
    let patches = &lab.json("r.json")["patches"];
    assert_eq!((&patches["features_stored"], &patches["feature_precision"]), (&false.into(), &"single".into()));
    lab.refused(&format!("{train} --memory-budget 0.0001"), &["gram-pcg needs", "use fewer samples or patterns"]);
}

#[test]
fn other_losses_have_patches_too() {
    let lab = Lab::new();
    for (classes, loss) in [(2, "logistic"), (3, "multinomial")] {
        write_images(&lab, classes);
        let report = lab.report(&format!("{TRAIN} --loss {loss} --model m.cvx"));
        assert_eq!((&report["status"], &report["loss"]), (&"Optimal".into(), &loss.into()));
        assert!(report["train"]["accuracy"].as_f64().unwrap() > 0.9, "{loss}: {}", report["train"]);
        lab.done("verify m.cvx --data images");
    }
}

#[test]
fn r2_patches_that_do_not_fit() {
    let lab = Lab::new();
    write_images(&lab, 2);
    lab.write("t.csv", cats_and_dogs(30, 1));
    lab.write("g.npy", npy(4, 2, &[1.0; 8]));
    for command in ["train", "train --beta-fraction 0.1", "path"] {
        let on = |arguments: &str, words: &[&str]| lab.refused(&format!("{command} {arguments}"), words);
        on("--data t.csv --gates conv", &["'conv'", "images", "table", "--gates"]);
        on("--data t.csv --patch 3", &["'conv'", "images", "table"]);
        on("--data images --gates conv --patch 17", &["--patch is 17", "the shorter side of the images"]);
        on("--data images --gates conv --regions 15", &["--regions is 15", "the number of patches along a side"]);
        // Before any file is read.
        for (option, value, range) in [
            ("--patch", "0", "at least 1"),
            ("--stride", "0", "at least 1"),
            ("--regions", "0", "at least 1"),
            ("--directions", "0", "at least 1"),
            ("--active", "1", "between 0 and 1"),
            ("--whitening", "-1", "a positive number"),
        ] {
            on(&format!("--data none --gates conv {option} {value}"), &[&format!("{option} is {value}"), range]);
        }
        on("--data none --gates conv --activation relu", &["--activation is relu", "gated for gates of patches"]);
        on("--data none --gates gaussian --flips no", &["--flips is for --gates conv", "leave out --gates gaussian"]);
        on("--data t.csv --gates g.npy --stride 2", &["--stride is for --gates conv", "--gates g.npy"]);
    }
    lab.refused("train --data none --gates conv --refine 2", &["--refine is 2", "0 for gates of patches"]);
}
