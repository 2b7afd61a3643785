//! Column-major storage on a GPU.

use super::device::failure;
use super::gpu::Cuda;
use super::kernels::Kernel;
use super::launch::{launch, over_blocks, over_entries};
use super::part::Part;
use super::scalar::CudaScalar;
use crate::backend::Shape;
use crate::error::LinalgError;
use crate::host::HostMatrix;
use crate::sample_source::SampleSource;
use crate::shape;
use cudarc::driver::{CudaSlice, DeviceRepr, ValidAsZeroBits};
use rayon::prelude::*;

/// A dense column-major matrix of `T` on a GPU.
pub struct CudaMatrix<T> {
    rows: usize,
    cols: usize,
    values: CudaSlice<T>,
    /// The inverses of the diagonal blocks, while the lower triangle is a factor that [`super::cholesky`] made.
    inverses: Option<CudaSlice<T>>,
}

impl<T> Drop for CudaMatrix<T> {
    fn drop(&mut self) {
        // The dropping thread may never have worked on the device. Should binding fail, memory is lost, nothing else.
        let _ = self.values.context().bind_to_thread();
    }
}

impl<T> Shape for CudaMatrix<T> {
    fn rows(&self) -> usize {
        self.rows
    }
    fn cols(&self) -> usize {
        self.cols
    }
}

impl<T> CudaMatrix<T> {
    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.rows * self.cols
    }

    pub(super) fn values(&self) -> &CudaSlice<T> {
        &self.values
    }

    /// For writing: the inverses that belong to the old entries are dropped.
    pub(super) fn values_mut(&mut self) -> &mut CudaSlice<T> {
        self.inverses = None;
        &mut self.values
    }

    pub(super) fn inverses(&self) -> Option<&CudaSlice<T>> {
        self.inverses.as_ref()
    }

    pub(super) fn set_inverses(&mut self, inverses: CudaSlice<T>) {
        self.inverses = Some(inverses);
    }
}

impl<T: DeviceRepr + ValidAsZeroBits> CudaMatrix<T> {
    pub(super) fn zeros<S>(cuda: &Cuda<S>, rows: usize, cols: usize) -> Result<Self, LinalgError> {
        let count = rows.checked_mul(cols).filter(|count| count.checked_mul(size_of::<T>()).is_some());
        let count = count.ok_or_else(|| LinalgError::shape("zeros", format!("{rows} x {cols} entries")))?;
        Ok(CudaMatrix { rows, cols, values: cuda.device.zeroed(count)?, inverses: None })
    }
}

impl<T: CudaScalar> CudaMatrix<T> {
    /// Entries are undefined; the caller has to write all of them.
    pub(super) fn uninitialised(cuda: &Cuda<T>, rows: usize, cols: usize) -> Result<Self, LinalgError> {
        Ok(CudaMatrix { rows, cols, values: cuda.device.uninitialised(rows * cols)?, inverses: None })
    }

    pub(super) fn from_host(cuda: &Cuda<T>, host: &HostMatrix) -> Result<Self, LinalgError> {
        let stored: Vec<T> = host.values().par_iter().map(|&value| T::from_f64(value)).collect();
        if stored.par_iter().any(|value| !value.to_f64().is_finite()) {
            let at = stored.iter().position(|value| !value.to_f64().is_finite()).unwrap_or_default();
            let (row, column) = (at % host.rows(), at / host.rows());
            return Err(LinalgError::NonFinite { row, column, precision: T::NAME });
        }
        let values = cuda.device.filled(&stored)?;
        Ok(CudaMatrix { rows: host.rows(), cols: host.cols(), values, inverses: None })
    }

    pub(super) fn to_host(&self, cuda: &Cuda<T>) -> Result<HostMatrix, LinalgError> {
        let stream = &cuda.device.stream;
        let mut stored = vec![T::from_f64(0.0); self.len()];
        if !stored.is_empty() {
            let all = self.values.slice(..stored.len());
            stream.memcpy_dtoh(&all, &mut stored).map_err(|error| failure("download", error))?;
            cuda.device.synchronize()?;
        }
        Ok(HostMatrix::from_vec(self.rows, self.cols, stored.into_par_iter().map(|value| value.to_f64()).collect()))
    }

    /// All of it.
    pub(super) fn whole(&self) -> Part<T> {
        Part::of(&self.values, self.rows, self.cols)
    }
}

/// [`LinalgError::Shape`] unless `matrix` is `rows x cols`.
pub(super) fn expect_shape<T>(
    operation: &'static str,
    name: &str,
    matrix: &CudaMatrix<T>,
    expected: (usize, usize),
) -> Result<(), LinalgError> {
    shape::expect(operation, name, (matrix.rows, matrix.cols), expected)
}

pub(super) fn copy<T: CudaScalar>(
    cuda: &Cuda<T>,
    source: &CudaMatrix<T>,
    out: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    expect_shape("copy", "out", out, (source.rows, source.cols))?;
    read_part(cuda, source, 0, out)
}

pub(super) fn read_part<T: CudaScalar>(
    cuda: &Cuda<T>,
    source: &CudaMatrix<T>,
    first: usize,
    out: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    let part = shape::part("read_part", first, out.len(), source.len())?;
    let mut out = out.values_mut().slice_mut(..part.len());
    if part.is_empty() {
        return Ok(());
    }
    (cuda.device.stream.memcpy_dtod(&source.values.slice(part), &mut out)).map_err(|error| failure("read_part", error))
}

pub(super) fn write_part<T: CudaScalar>(
    cuda: &Cuda<T>,
    source: &CudaMatrix<T>,
    out: &mut CudaMatrix<T>,
    first: usize,
) -> Result<(), LinalgError> {
    let part = shape::part("write_part", first, source.len(), out.len())?;
    if part.is_empty() {
        return Ok(());
    }
    let source = source.values.slice(..part.len());
    let mut out = out.values_mut().slice_mut(part);
    (cuda.device.stream.memcpy_dtod(&source, &mut out)).map_err(|error| failure("write_part", error))
}

pub(super) fn read_rows<T: CudaScalar>(
    cuda: &Cuda<T>,
    source: &CudaMatrix<T>,
    first: usize,
    out: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    shape::rows("read_rows", first, (out.rows, out.cols), (source.rows, source.cols))?;
    move_rows(cuda, [first, 0], out.rows, source, out)
}

pub(super) fn write_rows<T: CudaScalar>(
    cuda: &Cuda<T>,
    source: &CudaMatrix<T>,
    out: &mut CudaMatrix<T>,
    first: usize,
) -> Result<(), LinalgError> {
    shape::rows("write_rows", first, (source.rows, source.cols), (out.rows, out.cols))?;
    move_rows(cuda, [0, first], source.rows, source, out)
}

/// `count` rows of all columns, from row `first[0]` of `source` to row `first[1]` of `out`.
fn move_rows<T: CudaScalar>(
    cuda: &Cuda<T>,
    first: [usize; 2],
    count: usize,
    source: &CudaMatrix<T>,
    out: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    let grid = over_blocks(count, source.cols, 1);
    let [count, columns, from_height, to_height] = [count, source.cols, source.rows, out.rows].map(|size| size as u64);
    let [from, to] = first.map(|row| row as u64);
    launch!(
        &cuda.device,
        Kernel::MoveRows,
        T,
        grid,
        &count,
        &columns,
        &from_height,
        &from,
        &to_height,
        &to,
        source.values(),
        out.values_mut()
    )
}

pub(super) fn load_samples<T: CudaScalar>(
    cuda: &Cuda<T>,
    source: &dyn SampleSource,
    first: usize,
    out: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    shape::samples(source, first, (out.rows, out.cols))?;
    let mut host = HostMatrix::zeros(out.rows, out.cols);
    let rows = out.rows.max(1);
    (host.values_mut().par_chunks_exact_mut(rows).enumerate()).for_each(|(j, column)| source.write(first + j, column));
    match CudaMatrix::from_host(cuda, &host) {
        Ok(loaded) => read_part(cuda, &loaded, 0, out),
        Err(LinalgError::NonFinite { row, column, precision }) => {
            Err(LinalgError::NonFinite { row, column: first + column, precision })
        }
        Err(other) => Err(other),
    }
}

/// `out = source`, one of them in `T` and the other in `f64`, by the kernel for that direction.
pub(super) fn convert<T: CudaScalar, A, B>(
    cuda: &Cuda<T>,
    kernel: Kernel,
    source: &CudaMatrix<A>,
    out: &mut CudaMatrix<B>,
) -> Result<(), LinalgError> {
    expect_shape(kernel.name(), "out", out, (source.rows, source.cols))?;
    let (count, grid) = (source.len() as u64, over_entries(source.len()));
    launch!(&cuda.device, kernel, T, grid, &count, &source.values, out.values_mut())
}

pub(super) fn gather_columns<T: CudaScalar>(
    cuda: &Cuda<T>,
    source: &CudaMatrix<T>,
    indices: &[usize],
    out: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    let rows = source.rows();
    expect_shape("gather_columns", "out", out, (rows, indices.len()))?;
    shape::columns("gather_columns", indices, source.cols())?;
    let indices: Vec<u64> = indices.iter().map(|&index| index as u64).collect();
    let (grid, count) = (over_blocks(rows, indices.len(), 1), indices.len() as u64);
    let (rows, indices) = (rows as u64, cuda.device.filled(&indices)?);
    launch!(&cuda.device, Kernel::GatherColumns, T, grid, &rows, &count, &indices, source.values(), out.values_mut())
}

pub(super) fn fill<T: CudaScalar>(cuda: &Cuda<T>, value: f64, x: &mut CudaMatrix<T>) -> Result<(), LinalgError> {
    let (count, grid) = (x.len() as u64, over_entries(x.len()));
    launch!(&cuda.device, Kernel::Fill, T, grid, &count, &value, x.values_mut())
}
