//! One GPU: its context, its stream, the libraries' handles, the kernels.

use super::kernels::{KERNELS, Kernel, PTX};
use super::scalar::CudaScalar;
use crate::backend::MemoryInfo;
use crate::error::LinalgError;
use cudarc::cublas::{self, sys::cublasHandle_t};
use cudarc::cusolver::{self, sys::cusolverDnHandle_t};
use cudarc::driver::sys::{
    CUmemPool_attribute, CUmemoryPool, CUresult, cuDeviceGetDefaultMemPool, cuMemPoolGetAttribute,
    cuMemPoolSetAttribute, cuMemPoolTrimTo,
};
use cudarc::driver::{
    self, CudaContext, CudaFunction, CudaSlice, CudaStream, DeviceRepr, DriverError, ValidAsZeroBits,
};
use cudarc::nvrtc::Ptx;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The oldest compute capability whose machines the PTX runs on.
const CAPABILITY: (i32, i32) = (8, 0);

/// The oldest driver that reads the PTX, and the oldest cuBLAS with 64-bit sizes.
const DRIVER: i32 = 13_000;
const CUBLAS: i32 = 120_000;

/// The open GPUs. All work on one of them goes to its one stream, so operations run in the order of the calls.
static OPEN: Mutex<Vec<(usize, Weak<Device>)>> = Mutex::new(Vec::new());

/// One GPU. All work goes to one stream and is done in the order of the calls.
pub(super) struct Device {
    // Dropped in this order: the libraries' handles before the stream that they use.
    blas: Blas,
    solver: Solver,
    functions: Vec<CudaFunction>,
    pub(super) stream: Arc<CudaStream>,
    description: String,
}

impl Device {
    /// The GPU with this ordinal, opened unless it is open already.
    pub(super) fn shared(ordinal: usize) -> Result<Arc<Self>, LinalgError> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(_, device)| device.strong_count() > 0);
        if let Some(device) = open.iter().find(|(other, _)| *other == ordinal).and_then(|(_, device)| device.upgrade())
        {
            return Ok(device);
        }
        let device = Arc::new(Self::open(ordinal)?);
        open.push((ordinal, Arc::downgrade(&device)));
        Ok(device)
    }

    fn open(ordinal: usize) -> Result<Self, LinalgError> {
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
        if version < DRIVER {
            let detail =
                format!("the driver is for CUDA {}, and 13.0 is needed (driver 580 or newer)", dotted(version));
            return Err(not_started(ordinal, detail));
        }
        // SAFETY: everything runs on one stream, in order, so nothing is waited for by events.
        unsafe { context.disable_event_tracking() };
        keep_freed_memory(&context).map_err(failed)?;
        let stream = context.new_stream().map_err(failed)?;
        let module = context.load_module(Ptx::from_src(PTX)).map_err(failed)?;
        let function = |name: &String| module.load_function(name).map_err(failed);
        let blas = Blas::new(&stream).map_err(|error| not_started(ordinal, error.to_string()))?;
        let mut found = 0;
        // SAFETY: the handle is valid, and the version is written before the call returns.
        let asked = unsafe { cublas::sys::cublasGetVersion_v2(blas.0, &mut found) }.result();
        asked.map_err(|error| not_started(ordinal, error.to_string()))?;
        if found < CUBLAS {
            return Err(LinalgError::NoLibrary { library: "cuBLAS 12 or newer" });
        }
        Ok(Device {
            blas,
            solver: Solver::new(&stream).map_err(|error| not_started(ordinal, error.to_string()))?,
            functions: KERNELS
                .iter()
                .flat_map(Kernel::entries)
                .map(|name| function(&name))
                .collect::<Result<_, _>>()?,
            stream,
            description: format!("cuda:{ordinal} ({name}, driver for CUDA {})", dotted(version)),
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

    /// Uninitialised memory. The caller has to write all of it before it is read.
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
        if values.is_empty() {
            return Ok(out);
        }
        self.stream.memcpy_htod(values, &mut out).map_err(|error| failure("upload", error))?;
        Ok(out)
    }

    fn allocation(&self, count: usize, bytes: usize, error: DriverError) -> LinalgError {
        if error.0 == CUresult::CUDA_ERROR_OUT_OF_MEMORY {
            return LinalgError::DeviceMemory { needed: (count as u64) * bytes as u64, free: self.memory().free };
        }
        failure("allocation", error)
    }

    /// Total and free memory. Memory that was freed and is kept for the next allocation counts as free. Zeros if the
    /// device no longer responds.
    pub(super) fn memory(&self) -> MemoryInfo {
        let context = self.stream.context();
        let (free, total) = context.mem_get_info().unwrap_or((0, 0));
        let kept = if context.has_async_alloc() { kept_memory(context).unwrap_or(0) } else { 0 };
        MemoryInfo { total: total as u64, free: free as u64 + kept }
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

/// The error of a call of the driver or of a library.
pub(super) fn failure(step: &'static str, error: impl std::fmt::Display) -> LinalgError {
    LinalgError::DeviceFailure { step, detail: error.to_string() }
}

/// A version number of the driver as text: 13000 is 13.0.
fn dotted(version: i32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

/// Keeps freed memory in the process: the next allocation of the same size then costs nothing.
fn keep_freed_memory(context: &CudaContext) -> Result<(), DriverError> {
    if !context.has_async_alloc() {
        return Ok(());
    }
    let (pool, mut threshold) = (pool(context)?, u64::MAX);
    let attribute = CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: the pool is the device's, and the attribute is a u64 that is copied before the call returns.
    unsafe { cuMemPoolSetAttribute(pool, attribute, (&raw mut threshold).cast()) }.result()
}

/// Bytes that are kept but not in use.
fn kept_memory(context: &CudaContext) -> Result<u64, DriverError> {
    let pool = pool(context)?;
    let attribute = |attribute: CUmemPool_attribute| {
        let mut bytes = 0_u64;
        // SAFETY: the pool is the device's, and both attributes are a u64 that is written before the call returns.
        unsafe { cuMemPoolGetAttribute(pool, attribute, (&raw mut bytes).cast()) }.result().map(|()| bytes)
    };
    let reserved = attribute(CUmemPool_attribute::CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT)?;
    Ok(reserved.saturating_sub(attribute(CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT)?))
}

fn pool(context: &CudaContext) -> Result<CUmemoryPool, DriverError> {
    let mut pool = std::ptr::null_mut();
    // SAFETY: the device is open, and the pool is written before the call returns.
    unsafe { cuDeviceGetDefaultMemPool(&mut pool, context.cu_device()) }.result()?;
    Ok(pool)
}

impl Drop for Device {
    fn drop(&mut self) {
        let context = self.stream.context();
        // The last owner may be on a thread that never used the device. The first call may return an earlier error.
        if context.bind_to_thread().or_else(|_| context.bind_to_thread()).is_ok()
            && context.has_async_alloc()
            && let Ok(pool) = pool(context)
        {
            // SAFETY: the pool is the device's; what is in use stays.
            let _ = unsafe { cuMemPoolTrimTo(pool, 0) };
        }
    }
}

/// cudarc's own handles panic in their destructors where the device has failed; these ignore the error.
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
// SAFETY: as above; the operations of one device are called by one thread at a time, and both libraries document their
// handles as safe to share.
unsafe impl Sync for Device {}
