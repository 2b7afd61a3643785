//! A run on a thread of its own, while the thread that called answers signals and calls back into Python.

use cvx_admm::{Iteration, Observer, Scores, StopToken};
use pyo3::exceptions::{PyBaseException, PyKeyboardInterrupt};
use pyo3::prelude::*;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// How long a signal may wait for the run to be told.
const PATIENCE: Duration = Duration::from_millis(50);

/// What a callback is called with.
#[derive(Clone, Copy)]
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

/// One iteration: a dictionary with the keys of the program's JSON.
#[derive(IntoPyObject)]
pub struct Record {
    iteration: usize,
    seconds: f64,
    network: Option<f64>,
    dual_bound: Option<f64>,
    relative_gap: Option<f64>,
    train_loss: Option<f64>,
    train_accuracy: Option<f64>,
    test_loss: Option<f64>,
    test_accuracy: Option<f64>,
    primal_residual: f64,
    dual_residual: f64,
    rho: f64,
    inner_iterations: usize,
}

impl From<&Iteration> for Record {
    fn from(iteration: &Iteration) -> Self {
        Record {
            iteration: iteration.iteration,
            seconds: iteration.seconds,
            network: iteration.network,
            dual_bound: iteration.dual_bound,
            relative_gap: iteration.relative_gap,
            train_loss: iteration.train.map(|scores| scores.loss),
            train_accuracy: iteration.train.and_then(|scores| scores.accuracy),
            test_loss: iteration.test.map(|scores| scores.loss),
            test_accuracy: iteration.test.and_then(|scores| scores.accuracy),
            primal_residual: iteration.primal_residual,
            dual_residual: iteration.dual_residual,
            rho: iteration.rho,
            inner_iterations: iteration.inner_iterations,
        }
    }
}

/// One beta of a path.
#[derive(IntoPyObject)]
struct PointRecord {
    fraction: f64,
    relative_gap: f64,
    validation_loss: f64,
    validation_accuracy: Option<f64>,
}

impl Event {
    fn call(self, py: Python<'_>, callback: &Py<PyAny>) -> PyResult<bool> {
        let answer = match self {
            Event::Iteration(iteration) => callback.call1(py, (Record::from(&iteration),)),
            Event::Point { fraction, relative_gap, validation: Scores { loss, accuracy } } => {
                let record =
                    PointRecord { fraction, relative_gap, validation_loss: loss, validation_accuracy: accuracy };
                callback.call1(py, (record,))
            }
        };
        answer?.is_truthy(py)
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

/// Tells the thread that called, and waits for its answer.
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

/// The side of the thread that called.
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
            // A callback in C never looks for signals.
            let ends = called.and_then(|ends| py.check_signals().map(|()| ends));
            match ends {
                Ok(false) => ControlFlow::Continue(()),
                Ok(true) => ControlFlow::Break(()),
                Err(error) => {
                    self.note(py, error);
                    ControlFlow::Break(())
                }
            }
        })
    }

    fn look_for_signals(&mut self) {
        Python::attach(|py| {
            if let Err(error) = py.check_signals() {
                self.note(py, error);
            }
        });
    }

    /// Ctrl-C ends the run with its best network, and nothing more; whatever else was raised is raised again when the run has ended.
    fn note(&mut self, py: Python<'_>, error: PyErr) {
        self.stop.raise();
        if error.is_instance_of::<PyKeyboardInterrupt>(py) {
            self.interrupted = true;
        } else {
            self.raised.get_or_insert(error);
        }
    }
}

/// What happened beside a run.
pub struct Meanwhile {
    /// Whether Ctrl-C ended it.
    pub interrupted: bool,
    /// What is to be raised now that it has ended.
    pub raised: Option<Py<PyBaseException>>,
}

/// Does `work` with an observer that passes what is wanted on to `callback`, without the interpreter's lock.
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
                    // A worker that is gone does not wait for the answer.
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
