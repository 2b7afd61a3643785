//! F1 to F3 with the program: a run that is killed at any moment can be resumed.

use crate::lab::{Lab, PATIENCE, PROGRAM, numbers};
use cvx_admm::{Checkpoint, Model};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A run that never ends and writes a checkpoint of some megabytes after every iteration.
const WRITING: &str =
    "train --beta-fraction 0.001 --data planted:400x20 --certify sampled --gap 1e-300 --rho 1000 --quiet";

const KILLS: usize = 200;

/// Partly written checkpoints.
fn partial(lab: &Lab) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(lab.path("")).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "partial")).collect()
}

#[test]
fn f1_of_200_kills_each_leaves_a_whole_checkpoint_and_the_run_goes_on() {
    let lab = Lab::new();
    let file = lab.path("run.ckpt");
    let mut random = numbers(1);
    let (mut before, mut in_the_middle) = (None, 0);
    for kill in 0..KILLS {
        let mut command = Command::new(PROGRAM);
        command.current_dir(lab.path("")).args(WRITING.split_whitespace()).args(["--max-iterations", "1000000000"]);
        command.args(["--checkpoint", "run.ckpt", "--checkpoint-every", "0"]);
        if file.exists() {
            command.args(["--resume", "run.ckpt"]);
        }
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // Sometimes during the set-up, else during the first checkpoint or soon after.
        if kill % 8 > 0 {
            let start = Instant::now();
            while partial(&lab).is_empty() && start.elapsed() < PATIENCE {
                sleep(Duration::from_millis(1));
            }
        }
        sleep(Duration::from_secs_f64(0.02 * (1.0 + random())));
        child.kill().unwrap();
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), None, "it ended by itself: {}", String::from_utf8_lossy(&ended.stderr));
        let left: Vec<PathBuf> = partial(&lab);
        in_the_middle += left.len();
        if kill + 1 < KILLS {
            left.iter().for_each(|path| std::fs::remove_file(path).unwrap());
        }
        match before {
            // The first checkpoint is not complete yet.
            None if !file.exists() => continue,
            _ => {}
        }
        let found = Checkpoint::load(&file).unwrap_or_else(|error| panic!("after kill {kill}: {error}")).iterations();
        assert!(Some(found) >= before, "after kill {kill}: {found} iterations, {before:?} before");
        before = Some(found);
    }
    let done = before.unwrap();
    assert!(done > KILLS / 20 && in_the_middle > KILLS / 20, "{done} iterations, {in_the_middle} kills in the middle");
    println!("{KILLS} kills, {in_the_middle} in the middle of a checkpoint, {done} iterations");

    let last = format!("{WRITING} --max-iterations {}", done + 20);
    lab.done(&format!("{last} --model resumed.cvx --resume run.ckpt --checkpoint run.ckpt"));
    assert_eq!(lab.contents().len(), 2, "what the killed runs left half-written is gone");
    lab.done(&format!("{last} --model whole.cvx"));
    let [resumed, whole] = ["resumed.cvx", "whole.cvx"].map(|name| Model::load(&lab.path(name)).unwrap());
    assert!(resumed == whole, "the network is another one");
}

#[test]
fn f3_an_interrupted_run_says_how_to_go_on() {
    let lab = Lab::new();
    let first = lab.done("train --max-iterations 5 --gap 1e-9 --certify sampled --checkpoint run.ckpt");
    let advice = "To continue, give the same command with --resume run.ckpt and a larger --max-iterations";
    assert!(first.stdout.contains(advice), "{}", first.stdout);
    let report = lab.report("train --max-iterations 30 --gap 1e-9 --certify sampled --resume run.ckpt");
    assert_eq!(report["iterations"], 30);
    let history = report["history"].as_array().unwrap();
    assert_eq!((history.len(), history[29]["iteration"].as_u64()), (30, Some(30)));
}

#[test]
fn f3_what_cannot_be_resumed_is_refused() {
    let lab = Lab::new();
    lab.done("train --max-iterations 5 --gap 1e-9 --checkpoint run.ckpt --model m.cvx --quiet");
    lab.refused("train --resume nothing.ckpt", &["--resume", "nothing.ckpt", "does not exist"]);
    lab.refused("train --resume m.cvx", &["--resume", "m.cvx", "not a cvx checkpoint"]);
    lab.refused("train --resume run.ckpt --seed 9", &["run.ckpt", "--seed 0, and this one has --seed 9"]);
    lab.refused(
        "train --resume run.ckpt --data planted:100x3",
        &["run.ckpt", "samples and labels", "check --data, --classes, --limit"],
    );
}

#[test]
fn f2_a_checkpoint_that_could_never_be_written_is_refused() {
    let lab = Lab::new();
    lab.refused("train --checkpoint no/such/folder/run.ckpt", &["--checkpoint", "no/such/folder", "does not exist"]);
    lab.refused("train --checkpoint run.ckpt --checkpoint-every -1", &["checkpoint-every is -1"]);
}

#[cfg(target_os = "linux")]
#[test]
fn f2_a_full_disk_is_a_warning_and_the_model_is_saved() {
    let lab = Lab::new();
    let run = lab.done("train --checkpoint /dev/full --checkpoint-every 0 --model m.cvx");
    assert!(run.stderr.contains("warning: no checkpoint: /dev/full"), "{}", run.stderr);
    lab.done("verify m.cvx --data planted");
}
