//! The checkpoint file: everything that the next iteration depends on.
//!
//! The file holds the iterates, the state of acceleration, penalty and solver, the best network and bound, the record,
//! and the gates of the current programme. Patterns, factors and sketches follow from these and the data, so they are
//! recomputed.

use crate::api::error::{NamedSetting, TrainError};
use crate::api::listing::{FEATURE_PRECISION, difference};
use crate::api::settings::{Beta, CheckpointPlan, Gates, Settings, SolverChoice, ValidSettings};
use crate::checkpoint::codec::{CheckpointError, KIND, Recorder, Replay};
use crate::checkpoint::identity::identity;
use crate::problem::input::Problem;
use cvx_artifact::FileError;
use cvx_artifact::container::{Parsed, Sections};
use cvx_linalg::{Backend, HostMatrix, LinalgError, LinearSolver, SolverState, SystemSolution};
use cvx_model::PatchSettings;
use cvx_solvers::SolverKind;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Maximum size in bytes of the header, which is read first.
const LARGEST_HEADER: usize = 1 << 20;

/// A checkpoint that was read and has valid checksums.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    bytes: Vec<u8>,
    header: Header,
}

/// The identity of the run and its progress.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    /// The settings that the iterates depend on.
    pub settings: Vec<NamedSetting>,
    /// Checksum of the samples and targets.
    pub fingerprint: u32,
    pub solver: String,
    pub beta: f64,
    pub sigma: f64,
    /// Round of refinement, from 0, and whether another round follows.
    pub round: usize,
    pub intermediate: bool,
    /// Number of gates of the first programme that were merged into others.
    pub merged: usize,
    /// Of gates with a block of one sign each, how many have the sign +.
    pub positive: Option<usize>,
    /// Total iterations and seconds.
    pub iterations: usize,
    pub seconds: f64,
}

impl Checkpoint {
    /// Reads and validates a checkpoint.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn load(path: &Path) -> Result<Self, FileError> {
        Self::from_bytes(KIND.read(path)?, path)
    }

    /// Validates the bytes of a checkpoint; `path` is named in errors.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn from_bytes(bytes: Vec<u8>, path: &Path) -> Result<Self, FileError> {
        let mut parsed = Parsed::open(&bytes, &KIND, path)?;
        let header: Header = parsed.bincode::<_, LARGEST_HEADER>("run")?;
        Ok(Checkpoint { path: path.into(), bytes, header })
    }

    /// Number of completed ADMM iterations, in all rounds.
    pub fn iterations(&self) -> usize {
        self.header.iterations
    }

    /// Seconds that these iterations took.
    pub fn seconds(&self) -> f64 {
        self.header.seconds
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// The settings of the resumed solver: those of the user, with the gates, solver and beta of the checkpoint.
    ///
    /// # Errors
    /// [`TrainError::OtherRun`] with the first setting that differs, or [`TrainError::OtherSamples`].
    pub(crate) fn opening(&self, problem: &Problem, settings: &ValidSettings) -> Result<ValidSettings, TrainError> {
        let Header { fingerprint, beta, sigma, solver, round, seconds, settings: saved, .. } = &self.header;
        // What the memory decided then holds now.
        let precision = saved.iter().find(|setting| setting.name == FEATURE_PRECISION);
        let precision = precision.and_then(|setting| setting.value.parse().ok()).unwrap_or_default();
        let given = identity(problem, settings, Some(precision));
        let other = difference(&given, saved);
        let other_samples = *fingerprint != problem.fingerprint;
        // Other samples may lead to another task.
        if let Some((given, saved)) = other.filter(|(given, _)| !(other_samples && given.name == "task")) {
            let path = self.path.clone();
            return Err(TrainError::OtherRun { path, saved, given });
        }
        if other_samples {
            let (path, saved, given) = (self.path.clone(), *fingerprint, problem.fingerprint);
            return Err(TrainError::OtherSamples { path, saved, given });
        }
        let mut parsed = Parsed::open(&self.bytes, &KIND, &self.path)?;
        let unknown = |_| parsed.damaged(format!("there is no solver {}", solver.escape_debug()));
        let kind: SolverKind = solver.parse().map_err(unknown)?;
        if !(*seconds >= 0.0 && seconds.is_finite() && *round <= settings.refine) {
            return Err(parsed.damaged(format!("it cannot be of round {round}, {seconds} seconds")).into());
        }
        let gates = parsed.finite_matrix("gates")?;
        let gates = match settings.gates {
            // They are drawn again, with the patches that they belong to.
            Gates::Patches(patches) => Gates::Patches(PatchSettings { precision: Some(precision), ..patches }),
            _ if gates.rows() != problem.xt.n_features() => {
                return Err(parsed.damaged("the gates have another number of rows than samples have features").into());
            }
            _ => Gates::Given(gates),
        };
        Settings {
            gates,
            solver: SolverChoice::Kind(kind),
            beta: Beta::Value(*beta),
            sigma: Some(*sigma),
            ..(**settings).clone()
        }
        .validate()
    }

    /// The sections after those that identify the run.
    pub(crate) fn replay<'a, B: Backend>(&'a self, backend: &'a B) -> Result<Replay<'a, B>, CheckpointError> {
        let mut saved = Replay::open(backend, &self.bytes, &self.path)?;
        saved.skip("run")?;
        saved.skip("gates")?;
        Ok(saved)
    }
}

/// Writes the checkpoints of one run.
pub(crate) struct Checkpointer<B: Backend> {
    plan: CheckpointPlan,
    header: Header,
    last: Instant,
    /// The start of an iterative solver in the current u-update. A u-update that was stopped starts there again.
    kept: Option<(SystemSolution<B>, SolverState)>,
}

impl<B: Backend> Checkpointer<B> {
    /// A writer for the run that `header` describes. `solution` is the buffer for a solver that starts from its last
    /// solution.
    pub fn new(
        plan: &CheckpointPlan,
        header: Header,
        backend: &B,
        warm_started: Option<&SystemSolution<B>>,
    ) -> Result<Self, LinalgError> {
        let kept = match warm_started {
            None => None,
            Some(solution) => Some((SystemSolution::zeros_like(backend, solution)?, SolverState::default())),
        };
        Ok(Checkpointer { plan: plan.clone(), header, last: Instant::now(), kept })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.plan.path
    }

    /// Whether the next checkpoint is due.
    pub fn is_due(&self) -> bool {
        self.last.elapsed().as_secs_f64() >= self.plan.every
    }

    /// Saves the start of the next u-update.
    pub fn keep(
        &mut self,
        backend: &B,
        linear: &dyn LinearSolver<B>,
        solution: &SystemSolution<B>,
    ) -> Result<(), LinalgError> {
        let Some((kept, state)) = &mut self.kept else { return Ok(()) };
        *state = linear.state(backend)?;
        kept.copy_from(backend, solution)
    }

    /// Restores that start.
    pub fn put_back(
        &mut self,
        backend: &B,
        linear: &mut dyn LinearSolver<B>,
        solution: &mut SystemSolution<B>,
    ) -> Result<(), LinalgError> {
        let Some((kept, state)) = &self.kept else { return Ok(()) };
        linear.restore(backend, state)?;
        solution.copy_from(backend, kept)
    }

    /// Writes a checkpoint after the given iterations and seconds, with these `gates` (d x P) and the sections that
    /// `save` writes. The new checkpoint replaces the previous one when it is complete on the disk.
    pub fn write(
        &mut self,
        backend: &B,
        (iterations, seconds): (usize, f64),
        gates: &HostMatrix,
        save: impl FnOnce(&mut Recorder<'_, B>) -> Result<(), CheckpointError>,
    ) -> Result<(), FileError> {
        (self.header.iterations, self.header.seconds) = (iterations, seconds);
        let path = &self.plan.path;
        let unwritten = |error: CheckpointError| FileError::io(path, "written", io::Error::other(error.to_string()));
        let mut sections = Sections::new(&KIND);
        let written = (sections.bincode::<LARGEST_HEADER>("run", &self.header).map(|_| ()))
            .map_err(CheckpointError::from)
            .and_then(|()| {
                let mut out = Recorder::new(backend, sections);
                out.host("gates", gates)?;
                save(&mut out)?;
                Ok(out.into_sections())
            });
        let is_first = backend.samples().is_first();
        let written =
            written.map_err(unwritten).and_then(|sections| if is_first { sections.save(path) } else { Ok(()) });
        // The interval starts after the write, so slow writes do not dominate the run.
        self.last = Instant::now();
        written
    }
}
