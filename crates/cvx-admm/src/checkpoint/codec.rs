//! Encoding of a checkpoint: matrices on the device, matrices on the host, and records.

use crate::api::error::TrainError;
use cvx_artifact::FileError;
use cvx_artifact::container::{Kind, Parsed, Sections};
use cvx_linalg::{Backend, HostMatrix, LinalgError, Shape};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use thiserror::Error;

/// The file kind of a checkpoint.
pub(crate) static KIND: Kind = Kind { noun: "checkpoint", magic: *b"\x89CVXCP\r\n", version: 2 };

/// Maximum size in bytes of a section that holds no matrix: the record of millions of iterations.
const LARGEST_RECORD: usize = 1 << 30;

/// Errors in writing or using a checkpoint.
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
    /// Appends to the given sections.
    pub fn new(backend: &'a B, sections: Sections) -> Self {
        Recorder { backend, sections }
    }

    /// The sections that were written.
    pub fn into_sections(self) -> Sections {
        self.sections
    }

    /// Writes a matrix on the device.
    pub fn matrix(&mut self, name: &str, matrix: &B::Matrix) -> Result<(), CheckpointError> {
        self.host(name, &self.backend.collect(matrix)?)
    }

    /// Writes a matrix on the host with a row for each training sample.
    pub fn host_rows(&mut self, name: &str, matrix: &HostMatrix) -> Result<(), CheckpointError> {
        match self.backend.samples().ranks() {
            None => self.host(name, matrix),
            Some(_) => self.host(name, &self.backend.samples().collect(matrix.clone()).map_err(LinalgError::from)?),
        }
    }

    /// Writes a matrix on the host. Of several ranks, the first writes.
    pub fn host(&mut self, name: &str, matrix: &HostMatrix) -> Result<(), CheckpointError> {
        if self.backend.samples().is_first() {
            self.sections.matrix(name, matrix);
        }
        Ok(())
    }

    /// Writes a serialisable record.
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

    /// Skips a section that was read before.
    pub fn skip(&mut self, name: &str) -> Result<(), CheckpointError> {
        self.file.bytes(name)?;
        Ok(())
    }

    /// Reads a matrix of any shape.
    pub fn any_matrix(&mut self, name: &str) -> Result<HostMatrix, CheckpointError> {
        Ok(self.file.finite_matrix(name)?)
    }

    /// Checks that every section was read.
    pub fn finish(self) -> Result<(), CheckpointError> {
        Ok(self.file.finish()?)
    }

    /// Reads a matrix on the device; `out` gives its shape.
    pub fn matrix(&mut self, name: &str, out: &mut B::Matrix) -> Result<(), CheckpointError> {
        let host = self.shaped(name, self.backend.total_rows(out), out.cols())?;
        let here = if host.rows() == out.rows() { host } else { self.backend.samples().own_rows(&host, out.rows()) };
        *out = self.backend.upload_like(&here, out).map_err(|error| self.damaged(&format!("{name}: {error}")))?;
        Ok(())
    }

    /// Reads a matrix on the host; `out` gives its shape.
    pub fn host(&mut self, name: &str, out: &mut HostMatrix) -> Result<(), CheckpointError> {
        *out = self.shaped(name, out.rows(), out.cols())?;
        Ok(())
    }

    /// Reads a matrix on the host with a row for each training sample; `out` gives its shape.
    pub fn host_rows(&mut self, name: &str, out: &mut HostMatrix) -> Result<(), CheckpointError> {
        // Of a matrix without rows there are none anywhere.
        let total = if out.values().is_empty() { out.rows() } else { self.backend.samples().total(out.rows()) };
        let host = self.shaped(name, total, out.cols())?;
        *out = if total == out.rows() { host } else { self.backend.samples().own_rows(&host, out.rows()) };
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

    /// Reads a serialisable record.
    pub fn record<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, CheckpointError> {
        Ok(self.file.bincode::<T, LARGEST_RECORD>(name)?)
    }

    /// The error for a file with inconsistent content.
    pub fn damaged(&self, detail: &str) -> CheckpointError {
        self.file.damaged(detail).into()
    }
}
