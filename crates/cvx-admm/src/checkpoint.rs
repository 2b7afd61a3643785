//! Checkpoints: all that the next iteration depends on, in a file, so that a run that was ended can go on as if it had not been.
//!
//! A file holds the iterates, the memory of acceleration, penalty and solver, the best network and bound, the record, and the gates of the
//! present programme; what follows from those and the data (patterns, factors, sketches) is made again.

use crate::admm::{Progress, Run};
use crate::error::TrainError;
use crate::identity::{NamedSetting, identity};
use crate::info::Info;
use crate::penalty::Penalty;
use crate::settings::{Beta, Gates, Settings, SolverChoice, ValidSettings};
use crate::train::Problem;
use cvx_artifact::FileError;
use cvx_artifact::container::{Kind, Parsed, Sections};
use cvx_linalg::{Backend, HostMatrix, LinalgError, LinearSolver, Shape, SolverMemory, SystemSolution};
use cvx_solvers::SolverKind;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;
use thiserror::Error;

static KIND: Kind = Kind { noun: "checkpoint", magic: *b"\x89CVXCP\r\n", version: 1 };

/// Most bytes of a section that is no matrix: the record of millions of iterations.
const LARGEST_RECORD: usize = 1 << 30;

/// Most bytes of the section that says what run it is, which is read before anything is known of the file.
const LARGEST_STANDING: usize = 1 << 20;

/// Where a run writes its checkpoints, and how often.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckpointPlan {
    /// The file; each checkpoint takes the place of the one before.
    pub path: PathBuf,
    /// Seconds between two; 0 writes after every iteration.
    pub every: f64,
}

/// A checkpoint that was read and found whole.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    bytes: Vec<u8>,
    standing: Standing,
}

/// What run it is, and where it stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// Settings that the iterates depend on, with what they were.
    pub settings: Vec<NamedSetting>,
    /// Of the samples and targets.
    pub fingerprint: u32,
    pub solver: String,
    pub beta: f64,
    pub sigma: f64,
    /// Round of refinement, from 0, and whether it is to pass its network on.
    pub round: usize,
    pub passes_on: bool,
    /// Gates of the first programme that were merged into others.
    pub merged: usize,
    /// Iterations in all, and seconds.
    pub iterations: usize,
    pub seconds: f64,
}

impl Checkpoint {
    /// Reads a checkpoint and checks that it is whole.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn load(path: &Path) -> Result<Self, FileError> {
        Self::from_bytes(KIND.read(path)?, path)
    }

    /// Checks the bytes of a checkpoint; `path` is named in errors.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn from_bytes(bytes: Vec<u8>, path: &Path) -> Result<Self, FileError> {
        let mut parsed = Parsed::open(&bytes, &KIND, path)?;
        let standing: Standing = parsed.bincode::<_, LARGEST_STANDING>("run")?;
        Ok(Checkpoint { path: path.into(), bytes, standing })
    }

    /// ADMM iterations that were done, in all rounds.
    pub fn iterations(&self) -> usize {
        self.standing.iterations
    }

    /// Seconds that they took.
    pub fn seconds(&self) -> f64 {
        self.standing.seconds
    }

    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The settings to open a session with, where it is the same run: its gates, solver and beta are known.
    ///
    /// # Errors
    /// [`TrainError::OtherRun`] with the first thing that differs.
    pub(crate) fn opening(&self, problem: &Problem, settings: &ValidSettings) -> Result<ValidSettings, TrainError> {
        let Standing { fingerprint, beta, sigma, solver, round, seconds, settings: saved, .. } = &self.standing;
        let given = identity(problem, settings);
        let other = given.iter().zip(saved).find(|(given, saved)| given != saved);
        let others = *fingerprint != problem.fingerprint;
        // Other samples may make another task.
        if let Some((given, saved)) = other.filter(|(given, _)| !(others && given.name == "task")) {
            let (path, saved, given) = (self.path.clone(), saved.clone(), given.clone());
            return Err(TrainError::OtherRun { path, saved, given });
        }
        if others {
            let (path, saved, given) = (self.path.clone(), *fingerprint, problem.fingerprint);
            return Err(TrainError::OtherSamples { path, saved, given });
        }
        let mut parsed = Parsed::open(&self.bytes, &KIND, &self.path)?;
        let kind = SolverKind::ALL.into_iter().find(|kind| kind.name() == solver);
        let kind = kind.ok_or_else(|| parsed.damaged(format!("there is no solver {}", solver.escape_debug())))?;
        if !(*seconds >= 0.0 && seconds.is_finite() && *round <= settings.refine) {
            return Err(parsed.damaged(format!("it cannot be of round {round}, {seconds} seconds")).into());
        }
        let gates = parsed.finite_matrix("gates")?;
        if gates.rows() != problem.xt.rows() {
            return Err(parsed.damaged("the gates have another number of rows than samples have features").into());
        }
        Settings {
            gates: Gates::Given(gates),
            solver: SolverChoice::Kind(kind),
            beta: Beta::Value(*beta),
            sigma: Some(*sigma),
            ..(**settings).clone()
        }
        .validate()
    }

    /// Puts `run`, of the same session, where the checkpoint was written.
    pub(crate) fn restore<B: Backend>(&self, run: &mut Run<'_, B>) -> Result<(), CheckpointError> {
        let backend = run.program.backend();
        let mut saved = Replay { backend, file: Parsed::open(&self.bytes, &KIND, &self.path)? };
        // Looked at before.
        saved.file.bytes("run")?;
        saved.file.bytes("gates")?;
        let (progress, penalty, info): (Progress, Penalty, Info) =
            (saved.record("progress")?, saved.record("penalty")?, saved.record("info")?);
        let done = info.history.len();
        let counted = done == self.standing.iterations && info.unconverged_solves <= done && progress.is_after(done);
        if !counted || !penalty.continues(&run.penalty, done) {
            return Err(saved.damaged("its counts, or those of the penalty, contradict one another"));
        }
        (run.progress, run.penalty, run.info) = (progress, penalty, info);
        let (words, unknowns): (Vec<u64>, bool) = saved.record("solver")?;
        let unknowns = if unknowns { Some(saved.file.finite_matrix("solver.t")?) } else { None };
        run.solver_memory = Some(SolverMemory { words, unknowns });
        run.state.restore(&mut saved)?;
        run.incumbent.restore(&mut saved)?;
        run.anderson.restore(&mut saved)?;
        Ok(saved.file.finish()?)
    }
}

/// Writes the checkpoints of one run.
pub(crate) struct Checkpointer<B: Backend> {
    plan: CheckpointPlan,
    standing: Standing,
    last: Instant,
    /// What an iterative solver had before the present u-update: where that is stopped, the next one begins there.
    kept: Option<(SystemSolution<B>, SolverMemory)>,
}

impl<B: Backend> Checkpointer<B> {
    /// For the run that `standing` describes, with room for a `solution` that the solver begins at, if it begins at one.
    pub fn new(
        plan: &CheckpointPlan,
        standing: Standing,
        backend: &B,
        warm_started: Option<&SystemSolution<B>>,
    ) -> Result<Self, LinalgError> {
        let zeros = |like: &B::Matrix| backend.zeros(like.rows(), like.cols());
        let kept = match warm_started {
            None => None,
            Some(SystemSolution { u, xu, residual }) => {
                let solution = SystemSolution { u: zeros(u)?, xu: zeros(xu)?, residual: zeros(residual)? };
                Some((solution, SolverMemory::default()))
            }
        };
        Ok(Checkpointer { plan: plan.clone(), standing, last: Instant::now(), kept })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.plan.path
    }

    /// Whether the time has come.
    pub fn is_due(&self) -> bool {
        self.last.elapsed().as_secs_f64() >= self.plan.every
    }

    /// Keeps what the next u-update begins at.
    pub fn keep(
        &mut self,
        backend: &B,
        linear: &dyn LinearSolver<B>,
        solution: &SystemSolution<B>,
    ) -> Result<(), LinalgError> {
        let Some((kept, memory)) = &mut self.kept else { return Ok(()) };
        *memory = linear.memory(backend)?;
        copy(backend, solution, kept)
    }

    /// Puts it back.
    pub fn put_back(
        &mut self,
        backend: &B,
        linear: &mut dyn LinearSolver<B>,
        solution: &mut SystemSolution<B>,
    ) -> Result<(), LinalgError> {
        let Some((kept, memory)) = &self.kept else { return Ok(()) };
        linear.recall(backend, memory)?;
        copy(backend, kept, solution)
    }

    /// Writes the checkpoint; the one before is replaced when all of the new one is on the disk.
    pub fn write(&mut self, run: &Run<'_, B>) -> Result<(), FileError> {
        self.standing.iterations = run.info.history.len();
        self.standing.seconds = run.clock.seconds();
        let unwritten =
            |error: CheckpointError| FileError::io(&self.plan.path, "written", io::Error::other(error.to_string()));
        let written = self.record(run).map_err(unwritten).and_then(|sections| sections.save(&self.plan.path));
        // Measured from the end: however long a file takes, most of the time is the run's.
        self.last = Instant::now();
        written
    }

    fn record(&self, run: &Run<'_, B>) -> Result<Sections, CheckpointError> {
        let backend = run.program.backend();
        let mut out = Recorder { backend, sections: Sections::new(&KIND) };
        out.sections.bincode::<LARGEST_STANDING>("run", &self.standing)?;
        out.host("gates", run.program.patterns().gates())?;
        out.record("progress", &run.progress)?;
        out.record("penalty", &run.penalty)?;
        out.record("info", &run.info)?;
        let SolverMemory { words, unknowns } = run.linear.memory(backend)?;
        out.record("solver", &(words, unknowns.is_some()))?;
        if let Some(unknowns) = unknowns {
            out.host("solver.t", &unknowns)?;
        }
        run.state.save(&mut out)?;
        run.incumbent.save(&mut out)?;
        run.anderson.save(&mut out)?;
        Ok(out.sections)
    }
}

fn copy<B: Backend>(backend: &B, from: &SystemSolution<B>, to: &mut SystemSolution<B>) -> Result<(), LinalgError> {
    backend.copy(&from.u, &mut to.u)?;
    backend.copy(&from.xu, &mut to.xu)?;
    backend.copy(&from.residual, &mut to.residual)
}

/// Why a checkpoint could not be made or used.
#[derive(Debug, Error)]
pub(crate) enum CheckpointError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Linalg(#[from] LinalgError),
}

impl From<CheckpointError> for TrainError {
    fn from(error: CheckpointError) -> Self {
        match error {
            CheckpointError::File(error) => error.into(),
            CheckpointError::Linalg(error) => error.into(),
        }
    }
}

/// A checkpoint as it is written.
pub(crate) struct Recorder<'a, B: Backend> {
    backend: &'a B,
    sections: Sections,
}

impl<B: Backend> Recorder<'_, B> {
    /// A matrix on the device.
    pub fn matrix(&mut self, name: &str, matrix: &B::Matrix) -> Result<(), CheckpointError> {
        self.host(name, &self.backend.download(matrix)?)
    }

    /// A matrix on the host.
    pub fn host(&mut self, name: &str, matrix: &HostMatrix) -> Result<(), CheckpointError> {
        self.sections.matrix(name, matrix);
        Ok(())
    }

    /// Anything else.
    pub fn record(&mut self, name: &str, value: &impl Serialize) -> Result<(), CheckpointError> {
        self.sections.bincode::<LARGEST_RECORD>(name, value)?;
        Ok(())
    }
}

/// A checkpoint as it is read.
pub(crate) struct Replay<'a, B: Backend> {
    backend: &'a B,
    file: Parsed<'a>,
}

impl<B: Backend> Replay<'_, B> {
    /// Fills a matrix on the device, of the shape that it has.
    pub fn matrix(&mut self, name: &str, out: &mut B::Matrix) -> Result<(), CheckpointError> {
        let host = self.shaped(name, out.rows(), out.cols())?;
        *out = self.backend.upload(&host).map_err(|error| self.damaged(&format!("{name}: {error}")))?;
        Ok(())
    }

    /// Fills a matrix on the host, of the shape that it has.
    pub fn host(&mut self, name: &str, out: &mut HostMatrix) -> Result<(), CheckpointError> {
        *out = self.shaped(name, out.rows(), out.cols())?;
        Ok(())
    }

    fn shaped(&mut self, name: &str, rows: usize, cols: usize) -> Result<HostMatrix, CheckpointError> {
        let matrix = self.file.finite_matrix(name)?;
        if (matrix.rows(), matrix.cols()) == (rows, cols) {
            return Ok(matrix);
        }
        let (found_rows, found_cols) = (matrix.rows(), matrix.cols());
        Err(self.damaged(&format!("{name} is {found_rows} x {found_cols}, expected {rows} x {cols}")))
    }

    /// Anything else.
    pub fn record<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, CheckpointError> {
        Ok(self.file.bincode::<T, LARGEST_RECORD>(name)?)
    }

    /// What is wrong with the file.
    pub fn damaged(&self, detail: &str) -> CheckpointError {
        self.file.damaged(detail).into()
    }
}
