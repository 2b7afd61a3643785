//! Runs that a time limit or the user ends.

use crate::lab::Lab;

/// A problem that never ends: the gap cannot be reached in f32.
#[cfg(unix)]
const ENDLESS: &str = "--data planted:1500x40 --certify sampled --gap 1e-300 --max-iterations 1000000000";

/// A problem whose factorisation takes long enough to be stopped in it.
const LONG_SET_UP: &str = "--data planted:6000x20 --patterns 100 --solver cholesky --gap 1e-300";

#[test]
fn e6_without_any_time_there_is_still_a_model() {
    let lab = Lab::new();
    for precision in ["f32", "f64"] {
        let report = lab.report_once(&format!("--time-limit 0 --precision {precision} --model m.cvx"));
        assert_eq!(report["status"], "TimeLimit");
        lab.done("verify m.cvx --data planted");
    }
}

#[test]
fn e6_a_time_limit_is_kept_in_the_set_up() {
    let lab = Lab::new();
    let report = lab.report_once(&format!("{LONG_SET_UP} --time-limit 0.2 --model m.cvx"));
    assert_eq!(report["status"], "TimeLimit");
    assert!(report["seconds"]["total"].as_f64() < Some(20.0));
    lab.done("info m.cvx");
}

#[test]
fn e6_a_time_limit_is_kept_while_iterating() {
    let lab = Lab::new();
    for solver in ["cholesky", "cg"] {
        let endless = format!("--solver {solver} --gap 1e-300 --certify sampled --time-limit 0.5");
        let report = lab.report_once(&format!("{endless} --model m.cvx"));
        assert_eq!(report["status"], "TimeLimit", "{solver}");
        assert!(report["iterations"].as_u64() > Some(0));
        let total = report["seconds"]["total"].as_f64().unwrap();
        assert!((0.5..20.0).contains(&total), "{solver}: {total}");
        lab.done("verify m.cvx --data planted");
    }
}

#[cfg(unix)]
mod interrupts {
    use super::*;
    use crate::lab::{ONCE, PATIENCE, PROGRAM};
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, ExitStatus, Stdio};
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    /// Starts a training run and waits until it has said what it will do.
    fn start(lab: &Lab, arguments: &str) -> Child {
        let mut command = Command::new(PROGRAM);
        command.current_dir(lab.path("")).args(arguments.split_whitespace());
        command.args(["--model", "m.cvx", "--json", "r.json"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains(" samples")), "the run did not begin");
        // The rest is read as well, so that the pipe is neither full nor closed.
        std::thread::spawn(move || lines.for_each(drop));
        child
    }

    fn interrupt(child: &Child) {
        let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    fn wait(child: &mut Child) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            if start.elapsed() > PATIENCE {
                child.kill().unwrap();
                panic!("the run does not end");
            }
            sleep(Duration::from_millis(20));
        }
    }

    fn assert_interrupted(lab: &Lab) {
        assert_eq!(lab.json("r.json")["status"], "Interrupted");
        assert!(lab.done("info m.cvx").stdout.contains("Interrupted after"));
        // The claims of an interrupted run hold too.
        lab.done("verify m.cvx --data planted:1500x40");
    }

    #[test]
    fn e7_an_interrupt_ends_the_run_with_its_best_network() {
        let lab = Lab::new();
        let mut child = start(&lab, &format!("{ONCE} {ENDLESS}"));
        sleep(Duration::from_secs(1));
        interrupt(&child);
        assert_eq!(wait(&mut child).code(), Some(0));
        assert!(lab.json("r.json")["iterations"].as_u64() > Some(0));
        assert_interrupted(&lab);
    }

    #[test]
    fn e7_an_interrupt_in_the_set_up_ends_the_run_too() {
        let lab = Lab::new();
        let begin = Instant::now();
        let mut child = start(&lab, &format!("{ONCE} {LONG_SET_UP}"));
        interrupt(&child);
        assert_eq!(wait(&mut child).code(), Some(0));
        assert_eq!(lab.json("r.json")["status"], "Interrupted");
        assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
        lab.done("info m.cvx");
    }

    /// The folds of a choice go on from beta to beta; the network is the mean of theirs as they were.
    #[test]
    fn e7_an_interrupt_of_a_choice_keeps_a_network() {
        let lab = Lab::new();
        let mut child = start(&lab, "train --data planted:1500x40 --patterns 200 --gap 1e-300 --activation relu");
        sleep(Duration::from_secs(2));
        interrupt(&child);
        assert_eq!(wait(&mut child).code(), Some(0));
        let report = lab.json("r.json");
        assert_eq!(report["choice"]["cut_short"], "Interrupted");
        assert_eq!(report["parts"].as_array().unwrap().len(), 5);
        assert_interrupted(&lab);
    }

    #[test]
    fn e7_a_second_interrupt_ends_the_program() {
        let lab = Lab::new();
        let mut child = start(&lab, &format!("{ONCE} {LONG_SET_UP}"));
        interrupt(&child);
        sleep(Duration::from_millis(5));
        // It may be over already.
        let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).stderr(Stdio::null()).status();
        let begin = Instant::now();
        let code = wait(&mut child).code();
        assert!(code == Some(130) || code == Some(0), "{code:?}");
        assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    }
}
