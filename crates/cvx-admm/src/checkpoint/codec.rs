//! How the parts of a checkpoint are written and read: matrices of the device, of the host, and records.

use crate::api::error::TrainError;
use cvx_artifact::FileError;
use cvx_artifact::container::{Kind, Parsed, Sections};
use cvx_linalg::{Backend, HostMatrix, LinalgError, Shape};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use thiserror::Error;

/// The kind of file that a checkpoint is.
pub(crate) static KIND: Kind = Kind { noun: "checkpoint", magic: *b"\x89CVXCP\r\n", version: 1 };

/// Most bytes of a section that is no matrix: the record of millions of iterations.
const LARGEST_RECORD: usize = 1 << 30;

/// Why a checkpoint could not be written or used.
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

/// A checkpoint that is being written.
pub(crate) struct Recorder<'a, B: Backend> {
    backend: &'a B,
    sections: Sections,
}

impl<'a, B: Backend> Recorder<'a, B> {
    /// Appends to these sections.
    pub fn new(backend: &'a B, sections: Sections) -> Self {
        Recorder { backend, sections }
    }

    /// What was written.
    pub fn into_sections(self) -> Sections {
        self.sections
    }

    /// A matrix on the device.
    pub fn matrix(&mut self, name: &str, matrix: &B::Matrix) -> Result<(), CheckpointError> {
        self.host(name, &self.backend.download(matrix)?)
    }

    /// A matrix on the host.
    pub fn host(&mut self, name: &str, matrix: &HostMatrix) -> Result<(), CheckpointError> {
        self.sections.matrix(name, matrix);
        Ok(())
    }

    /// A record of another kind.
    pub fn record(&mut self, name: &str, value: &impl Serialize) -> Result<(), CheckpointError> {
        self.sections.bincode::<LARGEST_RECORD>(name, value)?;
        Ok(())
    }
}

/// A checkpoint that is being read.
pub(crate) struct Replay<'a, B: Backend> {
    backend: &'a B,
    file: Parsed<'a>,
}

impl<'a, B: Backend> Replay<'a, B> {
    /// Reads the bytes of a checkpoint; `path` is named in errors.
    pub fn open(backend: &'a B, bytes: &'a [u8], path: &Path) -> Result<Self, CheckpointError> {
        Ok(Replay { backend, file: Parsed::open(bytes, &KIND, path)? })
    }

    /// Passes over a section that was read before.
    pub fn skip(&mut self, name: &str) -> Result<(), CheckpointError> {
        self.file.bytes(name)?;
        Ok(())
    }

    /// A matrix of any shape.
    pub fn any_matrix(&mut self, name: &str) -> Result<HostMatrix, CheckpointError> {
        Ok(self.file.finite_matrix(name)?)
    }

    /// Whether every section was read.
    pub fn finish(self) -> Result<(), CheckpointError> {
        Ok(self.file.finish()?)
    }

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

    /// A record of another kind.
    pub fn record<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, CheckpointError> {
        Ok(self.file.bincode::<T, LARGEST_RECORD>(name)?)
    }

    /// The error of a file whose content does not fit together.
    pub fn damaged(&self, detail: &str) -> CheckpointError {
        self.file.damaged(detail).into()
    }
}
