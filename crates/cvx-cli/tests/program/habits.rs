//! Configurations, logs for programs, completions, manual pages, no colours in files.

use crate::lab::{Lab, ONCE, cats_and_dogs};
use serde_json::Value;

#[test]
fn arguments_come_from_a_file_and_those_given_go_before() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(60, 1));
    lab.write(
        "run.toml",
        "data = \"t.csv\"\nclasses = [\"cat\", \"dog\"]\npatterns = 7\nbeta-fraction = 0.05\n\
         no-bias = true\nquiet = false\nseed = 3\n",
    );
    let report = lab.report("train --config run.toml");
    assert_eq!((report["seed"].as_u64(), report["n_samples"].as_u64()), (Some(3), Some(60)), "{report}");
    assert!(report["n_patterns"].as_u64() <= Some(7));
    let same = lab.report("train --data t.csv --classes cat,dog --patterns 7 --beta-fraction 0.05 --no-bias --seed 3");
    assert_eq!(report["objective"], same["objective"]);
    // An option that is given, one that conflicts with the file's, one that overrides it.
    let other = lab.report("train --config run.toml --seed 4 --beta 2 --bias");
    assert_eq!((other["seed"].as_u64(), other["beta"].as_f64()), (Some(4), Some(2.0)));
    let same = lab.report("train --data t.csv --patterns 7 --beta 2 --seed 4");
    assert_eq!(other["objective"], same["objective"]);
    lab.done(
        "path --config path.toml --quiet"
            .replace("path.toml", {
                lab.write("path.toml", "data = \"t.csv\"\nbetas = 3\npatterns = 5\n");
                "path.toml"
            })
            .as_str(),
    );
}

#[test]
fn a_configuration_that_is_none_is_refused_by_name() {
    let lab = Lab::new();
    lab.write("nome.toml", "");
    let words = ["--config none.toml: there is no such file: check the name; did you mean 'nome.toml'?"];
    assert!(lab.refused("train --config none.toml", &words).ends_with('?'), "said twice");
    for (text, words) in [
        ("pattern = 5\n", &["run.toml", "'pattern'", "cvx train --help; did you mean 'patterns'?"][..]),
        ("beta_fraction = 0.1\n", &["run.toml", "'beta_fraction'", "did you mean 'beta-fraction'?"]),
        ("seed = \"three\"\n", &["--config run.toml: seed: invalid value 'three' for '--seed <SEED>'"]),
        ("patterns = \"many\"\n", &["run.toml: patterns: invalid value 'many'", "expected a whole number, or auto"]),
        ("precision = \"f16\"\n", &["run.toml: precision: invalid value 'f16'", "[possible values: f32, f64]"]),
        ("quiet = 3\n", &["run.toml: quiet: unexpected value '3'"]),
        ("gap = true\n", &["run.toml: gap: a value is required"]),
        ("config = \"other.toml\"\n", &["'config'"]),
        ("seed = { a = 1 }\n", &["seed", "must be"]),
        ("betas = 5\n", &["'betas'"]),
    ] {
        lab.write("run.toml", text);
        lab.refused("train --config run.toml", words);
    }
    lab.write("run.toml", "seed = = 3\n");
    let run = lab.cvx("train --config run.toml");
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("run.toml") && run.stderr.contains("line 1"), "{}", run.stderr);
}

#[test]
fn the_log_is_one_object_a_line() {
    let lab = Lab::new();
    let run = lab.done("train --log json --refine 1 --patterns auto --checkpoint run.ckpt --checkpoint-every 0");
    let lines: Vec<Value> = run.stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let of = |name: &str| lines.iter().filter(|line| line["event"] == name).count();
    assert_eq!((of("patterns"), of("begin")), (1, 1));
    assert!(of("iteration") > 1 && of("round") > 1 && of("checkpoint") > 0);
    // The keys are those of the history in --json.
    let has_network = |line: &&Value| line["network"].is_f64() && line["objective"].is_null();
    assert!(lines.iter().filter(has_network).count() > of("round"));
    assert!(lines.iter().any(|line| line["relative_gap"].as_f64() <= Some(1e-3)));
    let run = lab.done("path --log json --betas 3 --patterns 5");
    assert_eq!(run.stderr.lines().filter(|line| line.contains("\"point\"")).count(), 3);
    assert_eq!(lab.train_once("--log json --quiet").stderr, "");
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let lab = Lab::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = lab.done(&format!("completions {shell}")).stdout;
        assert!(["train", "path", "predict", "verify", "checkpoint-every"].iter().all(|word| script.contains(word)));
    }
    let run = lab.done("man made/man");
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", "The manual pages are in made/man\n"));
    for page in ["cvx.1", "cvx-train.1", "cvx-path.1", "cvx-predict.1", "cvx-verify.1", "cvx-export.1"] {
        assert!(lab.read(&format!("made/man/{page}")).contains(".TH"), "{page}");
    }
    lab.write("file", "");
    lab.refused("man file", &["file: the manual pages cannot be written into this folder"]);
}

/// Neither without a terminal nor with `NO_COLOR`.
#[test]
fn what_is_piped_has_no_colours() {
    let lab = Lab::new();
    for arguments in ["--help", "train --help", ONCE, "train --nonsense", "path --betas 2 --patterns 3"] {
        for variables in [&[][..], &[("NO_COLOR", "1")]] {
            let run = lab.cvx_with(variables, arguments);
            assert!(!run.stdout.contains('\u{1b}') && !run.stderr.contains('\u{1b}'), "{arguments}");
        }
    }
}
