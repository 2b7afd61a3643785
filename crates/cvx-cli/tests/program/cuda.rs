//! E5: what the program prints if a GPU is missing, too small, or fails.
//!
//! The libraries that stand in for a GPU (`cargo xtask cuda-stand-in`) make the faults. On a real GPU, or without any,
//! these tests are skipped; with `CVX_REQUIRE_CUDA=1` they fail instead.

use crate::lab::{Lab, cats_and_dogs};

const TRAIN: &str = "train --data d.csv --patterns 5 --beta-fraction 0.001 --solver cholesky --max-iterations 30 \
                     --model m.cvx --json r.json";

/// A folder with data, if the program runs on the stand-in.
fn lab() -> Option<Lab> {
    let lab = Lab::new();
    lab.write("d.csv", cats_and_dogs(30, 1));
    let run = lab.cvx(&format!("{TRAIN} --device cuda"));
    let stands_in = run.code == Some(0) && lab.json("r.json")["device_name"].to_string().contains("stand-in");
    if !stands_in {
        assert!(std::env::var_os("CVX_REQUIRE_CUDA").is_none(), "CVX_REQUIRE_CUDA is set, and: {}", run.stderr);
        cvx_linalg::conformance::skip(&"no stand-in for a GPU");
        return None;
    }
    std::fs::remove_file(lab.path("m.cvx")).unwrap();
    std::fs::remove_file(lab.path("r.json")).unwrap();
    Some(lab)
}

/// `auto` takes the GPU and reports it; without a GPU it takes the processor, and `cuda` is an error.
#[test]
fn e5_auto_says_what_it_chose() {
    let Some(lab) = lab() else { return };
    let run = lab.done(&format!("{TRAIN} --device auto"));
    assert!(run.stderr.contains("cholesky on cuda:0 ("), "{}", run.stderr);
    let without = [("CVX_STAND_IN_DEVICES", "0")];
    let run = lab.cvx_with(&without, &format!("{TRAIN} --device auto"));
    assert!(run.code == Some(0) && run.stderr.contains("cholesky on cpu"), "{}", run.stderr);
    let run = lab.cvx_with(&without, &format!("{TRAIN} --device cuda"));
    assert!(run.code == Some(2) && run.stderr.contains("the driver sees 0"), "{}", run.stderr);
    lab.refused(&format!("{TRAIN} --device cuda:7"), &["cuda:7", "the driver sees 1"]);
}

/// A run that does not fit the GPU's memory is refused before it begins.
#[test]
fn e5_a_run_that_will_not_fit_is_refused() {
    let Some(lab) = lab() else { return };
    let run = lab.cvx_with(&[("CVX_STAND_IN_MEMORY", "60000")], &format!("{TRAIN} --device cuda"));
    assert!(run.code == Some(2) && run.stderr.contains("cholesky needs about"), "{}", run.stderr);
    assert!(run.stderr.contains("bytes"), "{}", run.stderr);
}

/// A kernel that fails is an error with its name, never a run on the processor.
#[test]
fn e5_a_kernel_that_fails_is_named() {
    let Some(lab) = lab() else { return };
    for kernel in ["coactivate", "slack_step"] {
        let failing = format!("{kernel}_f32");
        let run = lab.cvx_with(&[("CVX_STAND_IN_FAIL", &failing)], &format!("{TRAIN} --device cuda"));
        assert!(run.code != Some(0) && run.stderr.contains(&format!("the GPU failed in {kernel}")), "{}", run.stderr);
        assert!(!lab.path("m.cvx").exists());
    }
}

/// When memory runs out before the iterations, the run fails; later it returns the best network. Both name the bytes.
#[test]
fn e5_out_of_memory_mid_run_keeps_the_best_network() {
    let Some(lab) = lab() else { return };
    let (mut refused, mut kept) = (0, 0);
    for allocation in (1..2000).step_by(97) {
        let number = allocation.to_string();
        let run = lab.cvx_with(&[("CVX_STAND_IN_REFUSE", &number)], &format!("{TRAIN} --device cuda"));
        if run.code == Some(0) {
            // The refused allocation was never asked for.
            break;
        }
        let text = format!("{}{}", run.stdout, run.stderr);
        assert!(text.contains("out of memory") && text.contains("bytes were needed"), "{allocation}: {text}");
        if lab.path("m.cvx").exists() {
            kept += 1;
            assert_eq!(lab.json("r.json")["status"], "DeviceError");
            lab.done("verify m.cvx --data d.csv");
            std::fs::remove_file(lab.path("m.cvx")).unwrap();
        } else {
            refused += 1;
        }
    }
    assert!(refused > 0 && kept > 0, "{refused} refused, {kept} kept");
}
