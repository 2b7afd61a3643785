//! A run on its own thread, while the calling thread handles signals and calls back into Python.

use crate::record::record;
use cvx_admm::{Iteration, Observer, Scores, StopToken};
use pyo3::exceptions::{PyBaseException, PyKeyboardInterrupt};
use pyo3::prelude::*;
use serde::Serialize;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// The longest time between a signal and the stop request to the run.
const PATIENCE: Duration = Duration::from_millis(50);

/// What a callback is called with, as a dictionary.
#[derive(Clone, Copy, Serialize)]
#[serde(untagged)]
pub enum Event {
    /// An iteration is done.
    Iteration(Iteration),
    /// A beta of a path is done.
    Point {
        /// beta over the gated beta_max.
        fraction: f64,
        /// Its certified gap.
        relative_gap: f64,
        /// On the held-out samples.
        validation: Scores,
    },
}

impl Event {
    fn call(&self, py: Python<'_>, callback: &Py<PyAny>) -> PyResult<bool> {
        callback.call1(py, (record(py, self)?,))?.is_truthy(py)
    }
}

/// Which events a callback wants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Iterations.
    Iterations,
    /// Points of a path.
    Points,
}

/// The observer of a run: it sends events to the calling thread and waits for the answers.
pub struct Watcher {
    wanted: Option<Wanted>,
    events: Sender<Event>,
    answers: Receiver<ControlFlow<()>>,
    stop: StopToken,
}

impl Watcher {
    fn ask(&self, event: Event) -> ControlFlow<()> {
        match self.events.send(event) {
            Ok(()) => self.answers.recv().unwrap_or(ControlFlow::Break(())),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

impl Observer for Watcher {
    fn iteration(&mut self, iteration: &Iteration) -> ControlFlow<()> {
        if self.wanted == Some(Wanted::Iterations) {
            self.ask(Event::Iteration(*iteration))
        } else {
            ControlFlow::Continue(())
        }
    }

    fn point(&mut self, fraction: f64, relative_gap: f64, validation: &Scores) {
        if self.wanted == Some(Wanted::Points) {
            let event = Event::Point { fraction, relative_gap, validation: *validation };
            if self.ask(event).is_break() {
                self.stop.raise();
            }
        }
    }
}

/// The calling thread's side.
struct Caller<'a> {
    stop: &'a StopToken,
    callback: Option<&'a Py<PyAny>>,
    interrupted: bool,
    raised: Option<PyErr>,
}

impl Caller<'_> {
    fn answer(&mut self, event: Event) -> ControlFlow<()> {
        Python::attach(|py| {
            let called = self.callback.map_or(Ok(false), |callback| event.call(py, callback));
            // A callback that is written in C does not check for signals.
            let ends = called.and_then(|ends| py.check_signals().map(|()| ends));
            match ends {
                Ok(false) => ControlFlow::Continue(()),
                Ok(true) => ControlFlow::Break(()),
                Err(error) => {
                    self.end_run(py, error);
                    ControlFlow::Break(())
                }
            }
        })
    }

    fn look_for_signals(&mut self) {
        Python::attach(|py| {
            if let Err(error) = py.check_signals() {
                self.end_run(py, error);
            }
        });
    }

    /// Ends the run. After Ctrl-C it returns its best network; any other exception is raised again when it has ended.
    fn end_run(&mut self, py: Python<'_>, error: PyErr) {
        self.stop.raise();
        if error.is_instance_of::<PyKeyboardInterrupt>(py) {
            self.interrupted = true;
        } else {
            self.raised.get_or_insert(error);
        }
    }
}

/// What happened on the calling thread during a run.
pub struct Meanwhile {
    /// Whether Ctrl-C ended it.
    pub interrupted: bool,
    /// The exception to raise when it has ended.
    pub raised: Option<Py<PyBaseException>>,
}

/// Runs `work` without the interpreter's lock, with an observer that passes the wanted events on to `callback`.
pub fn watched<T: Send>(
    py: Python<'_>,
    stop: &StopToken,
    callback: Option<(Wanted, Py<PyAny>)>,
    work: impl FnOnce(&mut Watcher) -> T + Send,
) -> (T, Meanwhile) {
    let (wanted, callback) = callback.unzip();
    let mut caller = Caller { stop, callback: callback.as_ref(), interrupted: false, raised: None };
    let result = py.detach(|| {
        thread::scope(|scope| {
            let (events, inbox) = channel();
            let (outbox, answers) = channel();
            let mut watcher = Watcher { wanted, events, answers, stop: stop.clone() };
            let worker = scope.spawn(move || work(&mut watcher));
            loop {
                match inbox.recv_timeout(PATIENCE) {
                    // A worker that has ended does not wait for the answer.
                    Ok(event) => drop(outbox.send(caller.answer(event))),
                    Err(RecvTimeoutError::Timeout) => caller.look_for_signals(),
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            worker.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    });
    let raised = caller.raised.map(|error| error.into_value(py));
    (result, Meanwhile { interrupted: caller.interrupted, raised })
}
