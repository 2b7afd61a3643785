//! Predicting starts no threads: a service that predicts often would pay for them each time.

mod common;

use common::planted;
use cvx_admm::{Settings, train};
use cvx_linalg::conformance::skip;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Threads of this process; `None` if the system does not report them.
fn threads() -> Option<usize> {
    Some(fs::read_dir("/proc/self/task").ok()?.count())
}

/// A single test, because threads are counted for the whole process.
#[test]
fn e11_predicting_starts_no_threads_of_its_own() {
    let data = planted(60, 4, 1);
    let settings = Settings { patterns: 4, max_iterations: 10, ..Settings::default() };
    let model = train(&data, None, &settings).unwrap().model;
    // The first prediction starts the global pool; the threads of the training run end a little later.
    model.predict(&data).unwrap();
    thread::sleep(Duration::from_millis(300));
    let Some(before) = threads() else {
        skip(&"this system does not report threads");
        return;
    };
    let done = AtomicBool::new(false);
    let most = thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut most = 0;
            while !done.load(Ordering::Relaxed) {
                most = most.max(threads().unwrap_or_default());
            }
            most
        });
        (0..300).for_each(|_| drop(model.predict(&data).unwrap()));
        done.store(true, Ordering::Relaxed);
        sampler.join().unwrap()
    });
    assert!(most <= before + 1, "{before} threads and the sampler, {most} while predicting");
}
