//! One GPU: its context, its stream, the libraries' handles, the kernels.

use super::kernels::{KERNELS, Kernel, PTX};
use super::scalar::CudaScalar;
use crate::backend::MemoryInfo;
use crate::error::LinalgError;
use cudarc::cublas::{self, sys::cublasHandle_t};
use cudarc::cusolver::{self, sys::cusolverDnHandle_t};
use cudarc::driver::sys::{CUmemPool_attribute, CUresult, cuDeviceGetDefaultMemPool, cuMemPoolSetAttribute};
use cudarc::driver::{
    self, CudaContext, CudaFunction, CudaSlice, CudaStream, DeviceRepr, DriverError, ValidAsZeroBits,
};
use cudarc::nvrtc::Ptx;
use std::sync::Arc;

/// The oldest compute capability whose machines the PTX runs on.
const CAPABILITY: (i32, i32) = (8, 0);

/// One GPU. All work goes to one stream: what is asked for first is done first.
pub(super) struct Device {
    // Dropped in this order: the libraries' handles before the stream that they use.
    blas: Blas,
    solver: Solver,
    functions: Vec<CudaFunction>,
    pub(super) stream: Arc<CudaStream>,
    description: String,
}

impl Device {
    /// Opens the GPU with this ordinal.
    pub(super) fn open(ordinal: usize) -> Result<Self, LinalgError> {
        let count = count()?;
        if ordinal >= count {
            return Err(LinalgError::NoSuchDevice { ordinal, count });
        }
        // SAFETY: these only try to load a library.
        let (blas, solver) = unsafe { (cublas::sys::is_culib_present(), cusolver::sys::is_culib_present()) };
        for (library, present) in [("cuBLAS", blas), ("cuSOLVER", solver)] {
            if !present {
                return Err(LinalgError::NoLibrary { library });
            }
        }
        let failed = |error: DriverError| not_started(ordinal, error.to_string());
        let context = CudaContext::new(ordinal).map_err(failed)?;
        let capability = context.compute_capability().map_err(failed)?;
        let name = context.name().map_err(failed)?;
        if capability < CAPABILITY {
            let ((major, minor), (least, _)) = (capability, CAPABILITY);
            let detail = format!("{name} has compute capability {major}.{minor}, and {least}.0 is needed");
            return Err(not_started(ordinal, detail));
        }
        let mut version = 0;
        // SAFETY: the version is written before the call returns.
        unsafe { driver::sys::cuDriverGetVersion(&mut version) }.result().map_err(failed)?;
        // SAFETY: everything runs on one stream, in order, so nothing is waited for by events.
        unsafe { context.disable_event_tracking() };
        keep_freed_memory(&context).map_err(failed)?;
        let stream = context.new_stream().map_err(failed)?;
        let module = context.load_module(Ptx::from_src(PTX)).map_err(failed)?;
        let function = |name: &String| module.load_function(name).map_err(failed);
        Ok(Device {
            blas: Blas::new(&stream).map_err(|error| not_started(ordinal, error.to_string()))?,
            solver: Solver::new(&stream).map_err(|error| not_started(ordinal, error.to_string()))?,
            functions: KERNELS
                .iter()
                .flat_map(Kernel::entries)
                .map(|name| function(&name))
                .collect::<Result<_, _>>()?,
            stream,
            description: format!("cuda:{ordinal} ({name}, driver for CUDA {}.{})", version / 1000, version % 1000 / 10),
        })
    }

    /// `cuda:0 (name of the card)`.
    pub(super) fn description(&self) -> &str {
        &self.description
    }

    /// A kernel for one storage precision.
    pub(super) fn function<T: CudaScalar>(&self, kernel: Kernel) -> &CudaFunction {
        &self.functions[2 * kernel as usize + T::ENTRY]
    }

    /// cuBLAS, on a thread that the context is bound to.
    pub(super) fn blas(&self) -> Result<cublasHandle_t, LinalgError> {
        self.bind()?;
        Ok(self.blas.0)
    }

    /// cuSOLVER, on a thread that the context is bound to.
    pub(super) fn solver(&self) -> Result<cusolverDnHandle_t, LinalgError> {
        self.bind()?;
        Ok(self.solver.0)
    }

    fn bind(&self) -> Result<(), LinalgError> {
        self.stream.context().bind_to_thread().map_err(|error| failure("device", error))
    }

    /// Memory with nothing in it yet. Whoever asks writes all of it before it is read.
    pub(super) fn uninitialised<N: DeviceRepr>(&self, count: usize) -> Result<CudaSlice<N>, LinalgError> {
        // SAFETY: the numbers of a kernel have no invalid bit patterns. CUDA refuses to allocate nothing.
        unsafe { self.stream.alloc(count.max(1)) }.map_err(|error| self.allocation(count, size_of::<N>(), error))
    }

    /// Memory filled with zeros.
    pub(super) fn zeroed<N: DeviceRepr + ValidAsZeroBits>(&self, count: usize) -> Result<CudaSlice<N>, LinalgError> {
        self.stream.alloc_zeros(count.max(1)).map_err(|error| self.allocation(count, size_of::<N>(), error))
    }

    /// Memory with a copy of `values`.
    pub(super) fn filled<N: DeviceRepr>(&self, values: &[N]) -> Result<CudaSlice<N>, LinalgError> {
        let mut out = self.uninitialised(values.len())?;
        self.stream.memcpy_htod(values, &mut out).map_err(|error| failure("upload", error))?;
        Ok(out)
    }

    fn allocation(&self, count: usize, bytes: usize, error: DriverError) -> LinalgError {
        if error.0 == CUresult::CUDA_ERROR_OUT_OF_MEMORY {
            return LinalgError::DeviceMemory { needed: (count as u64) * bytes as u64, free: self.memory().free };
        }
        failure("allocation", error)
    }

    /// Total and free memory; nothing where the device no longer answers.
    pub(super) fn memory(&self) -> MemoryInfo {
        let (free, total) = self.stream.context().mem_get_info().unwrap_or((0, 0));
        MemoryInfo { total: total as u64, free: free as u64 }
    }

    /// Waits until the stream is empty; errors of kernels come out here.
    pub(super) fn synchronize(&self) -> Result<(), LinalgError> {
        self.stream.synchronize().map_err(|error| failure("synchronize", error))
    }
}

/// Number of GPUs that the driver sees.
///
/// # Errors
/// [`LinalgError::NoDriver`] where no driver can be loaded.
pub(super) fn count() -> Result<usize, LinalgError> {
    // SAFETY: it only tries to load the library. Without it, every other call of cudarc would panic.
    if !unsafe { driver::sys::is_culib_present() } {
        return Err(LinalgError::NoDriver);
    }
    match CudaContext::device_count() {
        Ok(count) => Ok(count.max(0) as usize),
        Err(DriverError(CUresult::CUDA_ERROR_NO_DEVICE)) => Ok(0),
        Err(error) => Err(LinalgError::Device { device: "cuda".to_string(), detail: error.to_string() }),
    }
}

fn not_started(ordinal: usize, detail: String) -> LinalgError {
    LinalgError::Device { device: format!("cuda:{ordinal}"), detail }
}

/// What a call of the driver or of a library answered in the middle of the work.
pub(super) fn failure(step: &'static str, error: impl std::fmt::Display) -> LinalgError {
    LinalgError::DeviceFailure { step, detail: error.to_string() }
}

/// Memory that was freed stays with the process: the next allocation of the same size then costs nothing.
fn keep_freed_memory(context: &CudaContext) -> Result<(), DriverError> {
    if !context.has_async_alloc() {
        return Ok(());
    }
    let (mut pool, mut threshold) = (std::ptr::null_mut(), u64::MAX);
    // SAFETY: the device is open, and the attribute is a u64 that is copied before the call returns.
    unsafe {
        cuDeviceGetDefaultMemPool(&mut pool, context.cu_device()).result()?;
        let attribute = CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        cuMemPoolSetAttribute(pool, attribute, (&raw mut threshold).cast()).result()
    }
}

/// cudarc's own handles panic in their destructors where the device has failed; these let go in silence.
struct Blas(cublasHandle_t);

impl Blas {
    fn new(stream: &CudaStream) -> Result<Self, cublas::result::CublasError> {
        let blas = Blas(cublas::result::create_handle()?);
        // SAFETY: handle and stream are valid, and the device drops the handle before the stream.
        unsafe { cublas::result::set_stream(blas.0, stream.cu_stream().cast())? };
        Ok(blas)
    }
}

impl Drop for Blas {
    fn drop(&mut self) {
        // SAFETY: the handle was created by `new` and is destroyed once.
        let _ = unsafe { cublas::result::destroy_handle(self.0) };
    }
}

struct Solver(cusolverDnHandle_t);

impl Solver {
    fn new(stream: &CudaStream) -> Result<Self, cusolver::result::CusolverError> {
        let solver = Solver(cusolver::result::dn_create()?);
        // SAFETY: handle and stream are valid, and the device drops the handle before the stream.
        unsafe { cusolver::result::dn_set_stream(solver.0, stream.cu_stream().cast())? };
        Ok(solver)
    }
}

impl Drop for Solver {
    fn drop(&mut self) {
        // SAFETY: the handle was created by `new` and is destroyed once.
        let _ = unsafe { cusolver::result::dn_destroy(self.0) };
    }
}

// SAFETY: the driver's and the libraries' handles may be used from any thread that the context is bound to, which
// `blas`, `solver` and cudarc's own calls see to.
unsafe impl Send for Device {}
// SAFETY: as above; the libraries lock their handles.
unsafe impl Sync for Device {}
