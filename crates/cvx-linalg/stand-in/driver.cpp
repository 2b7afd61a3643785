// libcuda: the part of the CUDA driver's interface that the cudarc crate calls,
// carried out by the host.
//
// Built with KERNEL_SOURCE defined as the path, in quotes, of the kernels'
// source. Everything happens before the call returns, so streams order nothing
// and a missing synchronisation goes unnoticed; what is checked is what a host
// can check: arguments, handles, address ranges, launch shapes and barriers.

#include "device.h"

#include "handles.h"
#include "memory.h"
#include "ptx.h"
#include "result.h"
#include "settings.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <unordered_map>

#include <signal.h>

namespace {

using namespace stand_in;

using Address = unsigned long long;  // CUdeviceptr

struct Context {
    int device;
    std::atomic<int> holders{0};
};

struct Stream {};  // only its identity counts

struct Event {
    bool timed;
    bool recorded = false;
    std::chrono::steady_clock::time_point at{};
};

struct Function {
    const Kernel* kernel;
    std::size_t most_threads;  // of a block
};

struct Module {
    Ptx ptx;
};

// Never destroyed: the caller's own statics may release what they hold after
// this library's would have been.
struct State {
    std::atomic<bool> initialized{false};
    std::atomic<bool> failed{false};
    std::mutex launching;
    Memory memory;
    std::deque<Context> contexts;
    Handles<Stream> streams;
    Handles<Event> events;
    Handles<Module> modules;
    Handles<Function> functions;
    std::mutex functions_of;
    std::unordered_map<Opaque, std::vector<Opaque>> by_module;
};

State& state() {
    static State* const only = new State;
    return *only;
}

thread_local Context* current = nullptr;

// What stands in the way of a call that needs a context. A failed launch
// spoils the context, so that all such calls fail from then on.
Result obstacle() {
    if (!state().initialized) return kNotInitialized;
    if (state().failed) return kLaunchFailed;
    if (!current || current->holders <= 0) return kInvalidContext;
    return kSuccess;
}

bool valid_stream(Opaque stream) {
    // Null is the default stream; 1 and 2 name its two variants.
    return reinterpret_cast<std::uintptr_t>(stream) <= 2 || state().streams.find(stream);
}

bool valid_device(int device) { return device >= 0 && device < settings().devices; }

void* pointer(Address address) { return reinterpret_cast<void*>(address); }

bool device_range(Address address, std::size_t bytes) {
    return state().memory.holds(pointer(address), bytes);
}

// A fault in a kernel is usually a guard page: say where, then let the fault
// take its course.
struct sigaction previous_action;
thread_local bool launching_here = false;

void report_fault(int, siginfo_t* info, void*) {
    if (launching_here && grid.running()) {
        char line[256];
        const int length = std::snprintf(
            line, sizeof line,
            "stand-in: kernel %s touched %p, outside of device memory, "
            "in block (%u,%u,%u) thread (%u,%u,%u)\n",
            grid.running()->name, info->si_addr, blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x,
            threadIdx.y, threadIdx.z);
        [[maybe_unused]] const auto written =
            write(STDERR_FILENO, line, std::min<std::size_t>(length, sizeof line - 1));
    }
    sigaction(SIGSEGV, &previous_action, nullptr);
}

void watch_faults() {
    struct sigaction action = {};
    action.sa_sigaction = report_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, &previous_action);
}

constexpr unsigned kMostThreads = 1024, kMostThreadsZ = 64, kMostBlocksYZ = 65535;
constexpr unsigned kMostBlocksX = 0x7FFFFFFF, kSharedBytes = 48 * 1024;

struct Attribute {
    int key, value;
};
// By the numbers of CUdevice_attribute.
constexpr Attribute kDeviceAttributes[] = {
    {1, kMostThreads},    // MAX_THREADS_PER_BLOCK
    {2, kMostThreads},    // MAX_BLOCK_DIM_X
    {3, kMostThreads},    // MAX_BLOCK_DIM_Y
    {4, kMostThreadsZ},   // MAX_BLOCK_DIM_Z
    {5, kMostBlocksX},    // MAX_GRID_DIM_X
    {6, kMostBlocksYZ},   // MAX_GRID_DIM_Y
    {7, kMostBlocksYZ},   // MAX_GRID_DIM_Z
    {8, kSharedBytes},    // MAX_SHARED_MEMORY_PER_BLOCK
    {9, 64 * 1024},       // TOTAL_CONSTANT_MEMORY
    {10, 32},             // WARP_SIZE
    {11, 0x7FFFFFFF},     // MAX_PITCH
    {12, 64 * 1024},      // MAX_REGISTERS_PER_BLOCK
    {13, 1000000},        // CLOCK_RATE, kHz
    {16, 4},              // MULTIPROCESSOR_COUNT
    {18, 0},              // INTEGRATED
    {20, 0},              // COMPUTE_MODE
    {31, 0},              // CONCURRENT_KERNELS
    {36, 1000000},        // MEMORY_CLOCK_RATE, kHz
    {37, 64},             // GLOBAL_MEMORY_BUS_WIDTH, bits
    {38, 1 << 20},        // L2_CACHE_SIZE
    {39, 2048},           // MAX_THREADS_PER_MULTIPROCESSOR
    {41, 1},              // UNIFIED_ADDRESSING
    {75, 8},              // COMPUTE_CAPABILITY_MAJOR
    {76, 0},              // COMPUTE_CAPABILITY_MINOR
    {81, kSharedBytes},   // MAX_SHARED_MEMORY_PER_MULTIPROCESSOR
    {82, 64 * 1024},      // MAX_REGISTERS_PER_MULTIPROCESSOR
    {83, 0},              // MANAGED_MEMORY
    {87, 2},              // SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO
    {95, 0},              // COOPERATIVE_LAUNCH
    {97, kSharedBytes},   // MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
    {115, 1},             // MEMORY_POOLS_SUPPORTED
};

Result allocate(Address* address, std::size_t bytes) {
    if (const Result error = obstacle()) return error;
    if (!address || bytes == 0) return kInvalidValue;
    void* data = state().memory.allocate(current->device, settings().memory, bytes, settings().refused);
    if (!data) return kOutOfMemory;
    *address = reinterpret_cast<Address>(data);
    return kSuccess;
}

Result release(Address address) {
    if (const Result error = obstacle()) return error;
    if (address == 0) return kSuccess;
    return state().memory.release(pointer(address)) ? kSuccess : kInvalidValue;
}

Result copy(void* to, const void* from, std::size_t bytes, bool to_device, bool from_device,
            Opaque stream) {
    if (const Result error = obstacle()) return error;
    if (!valid_stream(stream)) return kInvalidHandle;
    if (bytes == 0) return kSuccess;
    if (!to || !from) return kInvalidValue;
    if (to_device && !state().memory.holds(to, bytes)) return kInvalidValue;
    if (from_device && !state().memory.holds(from, bytes)) return kInvalidValue;
    const auto target = reinterpret_cast<std::uintptr_t>(to);
    const auto source = reinterpret_cast<std::uintptr_t>(from);
    if (target < source + bytes && source < target + bytes)
        fatal("a copy of %zu bytes overlaps its source", bytes);
    std::memcpy(to, from, bytes);
    return kSuccess;
}

template <typename T>
Result fill(Address address, T value, std::size_t count, Opaque stream) {
    if (const Result error = obstacle()) return error;
    if (!valid_stream(stream)) return kInvalidHandle;
    if (count == 0) return kSuccess;
    if (address % sizeof(T) != 0 || !device_range(address, count * sizeof(T))) return kInvalidValue;
    std::fill_n(static_cast<T*>(pointer(address)), count, value);
    return kSuccess;
}

Result create_stream(Opaque* stream) {
    if (const Result error = obstacle()) return error;
    if (!stream) return kInvalidValue;
    *stream = state().streams.add(std::make_unique<Stream>());
    return kSuccess;
}

// The kernel's parameters as its source declares them and as the text does
// must be the same, or the text is not of this source.
void check_parameters(const Kernel& kernel, const PtxEntry& entry) {
    if (entry.parameters.empty()) return;
    if (entry.parameters.size() != kernel.parameters)
        fatal("kernel %s has %zu parameters in its source but %zu in the PTX", kernel.name,
              kernel.parameters, entry.parameters.size());
    for (std::size_t i = 0; i < kernel.parameters; ++i)
        if (entry.parameters[i] != kernel.sizes[i])
            fatal("parameter %zu of kernel %s has %zu bytes in its source but %zu in the PTX", i,
                  kernel.name, kernel.sizes[i], entry.parameters[i]);
}

bool valid_shape(dim3 blocks, dim3 threads, std::size_t most_threads) {
    const std::uint64_t count = std::uint64_t{threads.x} * threads.y * threads.z;
    return blocks.x && blocks.y && blocks.z && threads.x && threads.y && threads.z &&
           blocks.x <= kMostBlocksX && blocks.y <= kMostBlocksYZ && blocks.z <= kMostBlocksYZ &&
           threads.x <= kMostThreads && threads.y <= kMostThreads && threads.z <= kMostThreadsZ &&
           count <= most_threads;
}

}  // namespace

STAND_IN_EXPORT bool stand_in_holds(const void* address, std::size_t bytes) {
    return state().memory.holds(address, bytes);
}
STAND_IN_EXPORT bool stand_in_failed() { return state().failed; }

// Devices and contexts. These calls outlive a failed launch.

STAND_IN_EXPORT Result cuInit(unsigned flags) {
    if (flags != 0) return kInvalidValue;
    static std::once_flag once;
    std::call_once(once, [] {
        for (int device = 0; device < settings().devices; ++device)
            state().contexts.emplace_back().device = device;
        watch_faults();
        state().initialized = true;
    });
    return kSuccess;
}
STAND_IN_EXPORT Result cuDriverGetVersion(int* version) {
    *version = 13000;
    return kSuccess;
}
STAND_IN_EXPORT Result cuGetErrorName(int code, const char** name) {
    const ErrorText* error = find_error(code);
    *name = error ? error->name : nullptr;
    return error ? kSuccess : kInvalidValue;
}
STAND_IN_EXPORT Result cuGetErrorString(int code, const char** meaning) {
    const ErrorText* error = find_error(code);
    *meaning = error ? error->meaning : nullptr;
    return error ? kSuccess : kInvalidValue;
}
STAND_IN_EXPORT Result cuDeviceGetCount(int* count) {
    if (!state().initialized) return kNotInitialized;
    *count = settings().devices;
    return kSuccess;
}
STAND_IN_EXPORT Result cuDeviceGet(int* device, int ordinal) {
    if (!state().initialized) return kNotInitialized;
    if (!valid_device(ordinal)) return kInvalidDevice;
    *device = ordinal;
    return kSuccess;
}
STAND_IN_EXPORT Result cuDeviceGetName(char* name, int length, int device) {
    if (!valid_device(device)) return kInvalidDevice;
    if (!name || length <= 0) return kInvalidValue;
    std::snprintf(name, static_cast<std::size_t>(length), "stand-in on the host");
    return kSuccess;
}
STAND_IN_EXPORT Result cuDeviceGetUuid_v2(unsigned char uuid[16], int device) {
    if (!valid_device(device)) return kInvalidDevice;
    std::memset(uuid, 0, 16);
    uuid[15] = static_cast<unsigned char>(device);
    return kSuccess;
}
STAND_IN_EXPORT Result cuDeviceTotalMem_v2(std::size_t* bytes, int device) {
    if (!valid_device(device)) return kInvalidDevice;
    *bytes = settings().memory;
    return kSuccess;
}
STAND_IN_EXPORT Result cuDeviceGetAttribute(int* value, int key, int device) {
    if (!valid_device(device)) return kInvalidDevice;
    for (const Attribute& attribute : kDeviceAttributes)
        if (attribute.key == key) {
            *value = attribute.value;
            return kSuccess;
        }
    return kInvalidValue;
}
STAND_IN_EXPORT Result cuDevicePrimaryCtxRetain(Opaque* context, int device) {
    if (!state().initialized) return kNotInitialized;
    if (!valid_device(device)) return kInvalidDevice;
    Context& primary = state().contexts[static_cast<std::size_t>(device)];
    ++primary.holders;
    *context = &primary;
    return kSuccess;
}
STAND_IN_EXPORT Result cuDevicePrimaryCtxRelease_v2(int device) {
    if (!valid_device(device)) return kInvalidDevice;
    Context& primary = state().contexts[static_cast<std::size_t>(device)];
    if (--primary.holders >= 0) return kSuccess;
    ++primary.holders;
    return kInvalidContext;
}
STAND_IN_EXPORT Result cuCtxSetCurrent(Opaque context) {
    current = static_cast<Context*>(context);
    return kSuccess;
}
STAND_IN_EXPORT Result cuCtxGetCurrent(Opaque* context) {
    *context = current;
    return kSuccess;
}
STAND_IN_EXPORT Result cuCtxGetDevice(int* device) {
    if (const Result error = obstacle()) return error;
    *device = current->device;
    return kSuccess;
}
STAND_IN_EXPORT Result cuCtxSetFlags(unsigned) { return obstacle(); }
STAND_IN_EXPORT Result cuCtxSynchronize() { return obstacle(); }

// Memory.

STAND_IN_EXPORT Result cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
    if (const Result error = obstacle()) return error;
    *total = settings().memory;
    *free = *total - state().memory.used(current->device);
    return kSuccess;
}
STAND_IN_EXPORT Result cuMemAlloc_v2(Address* address, std::size_t bytes) {
    return allocate(address, bytes);
}
STAND_IN_EXPORT Result cuMemAllocAsync(Address* address, std::size_t bytes, Opaque stream) {
    if (!valid_stream(stream)) return kInvalidHandle;
    return allocate(address, bytes);
}
// There is no pool: memory that is freed is gone, so that its use shows.
STAND_IN_EXPORT Result cuDeviceGetDefaultMemPool(Opaque* pool, int) {
    static char pool_of_all;
    *pool = &pool_of_all;
    return obstacle();
}
STAND_IN_EXPORT Result cuMemPoolSetAttribute(Opaque, int, void*) { return obstacle(); }
STAND_IN_EXPORT Result cuMemPoolGetAttribute(Opaque, int, void* value) {
    *static_cast<unsigned long long*>(value) = 0;
    return obstacle();
}
STAND_IN_EXPORT Result cuMemPoolTrimTo(Opaque, std::size_t) { return obstacle(); }
STAND_IN_EXPORT Result cuMemFree_v2(Address address) { return release(address); }
STAND_IN_EXPORT Result cuMemFreeAsync(Address address, Opaque stream) {
    if (!valid_stream(stream)) return kInvalidHandle;
    return release(address);
}
STAND_IN_EXPORT Result cuMemHostAlloc(void** address, std::size_t bytes, unsigned) {
    if (const Result error = obstacle()) return error;
    if (!address || bytes == 0) return kInvalidValue;
    *address = std::malloc(bytes);
    return *address ? kSuccess : kOutOfMemory;
}
STAND_IN_EXPORT Result cuMemFreeHost(void* address) {
    std::free(address);
    return obstacle();
}
STAND_IN_EXPORT Result cuMemcpyHtoD_v2(Address to, const void* from, std::size_t bytes) {
    return copy(pointer(to), from, bytes, true, false, nullptr);
}
STAND_IN_EXPORT Result cuMemcpyDtoH_v2(void* to, Address from, std::size_t bytes) {
    return copy(to, pointer(from), bytes, false, true, nullptr);
}
STAND_IN_EXPORT Result cuMemcpyDtoD_v2(Address to, Address from, std::size_t bytes) {
    return copy(pointer(to), pointer(from), bytes, true, true, nullptr);
}
STAND_IN_EXPORT Result cuMemcpyHtoDAsync_v2(Address to, const void* from, std::size_t bytes,
                                            Opaque stream) {
    return copy(pointer(to), from, bytes, true, false, stream);
}
STAND_IN_EXPORT Result cuMemcpyDtoHAsync_v2(void* to, Address from, std::size_t bytes,
                                            Opaque stream) {
    return copy(to, pointer(from), bytes, false, true, stream);
}
STAND_IN_EXPORT Result cuMemcpyDtoDAsync_v2(Address to, Address from, std::size_t bytes,
                                            Opaque stream) {
    return copy(pointer(to), pointer(from), bytes, true, true, stream);
}
STAND_IN_EXPORT Result cuMemcpyPeerAsync(Address to, Opaque, Address from, Opaque,
                                         std::size_t bytes, Opaque stream) {
    return copy(pointer(to), pointer(from), bytes, true, true, stream);
}
STAND_IN_EXPORT Result cuMemsetD8_v2(Address to, unsigned char value, std::size_t count) {
    return fill(to, value, count, nullptr);
}
STAND_IN_EXPORT Result cuMemsetD32_v2(Address to, unsigned value, std::size_t count) {
    return fill(to, value, count, nullptr);
}
STAND_IN_EXPORT Result cuMemsetD8Async(Address to, unsigned char value, std::size_t count,
                                       Opaque stream) {
    return fill(to, value, count, stream);
}
STAND_IN_EXPORT Result cuMemsetD32Async(Address to, unsigned value, std::size_t count,
                                        Opaque stream) {
    return fill(to, value, count, stream);
}

// Streams and events.

STAND_IN_EXPORT Result cuStreamCreate(Opaque* stream, unsigned) { return create_stream(stream); }
STAND_IN_EXPORT Result cuStreamCreateWithPriority(Opaque* stream, unsigned, int) {
    return create_stream(stream);
}
STAND_IN_EXPORT Result cuStreamDestroy_v2(Opaque stream) {
    if (const Result error = obstacle()) return error;
    return state().streams.remove(stream) ? kSuccess : kInvalidHandle;
}
STAND_IN_EXPORT Result cuStreamSynchronize(Opaque stream) {
    if (const Result error = obstacle()) return error;
    return valid_stream(stream) ? kSuccess : kInvalidHandle;
}
STAND_IN_EXPORT Result cuStreamWaitEvent(Opaque stream, Opaque event, unsigned) {
    if (const Result error = obstacle()) return error;
    return valid_stream(stream) && state().events.find(event) ? kSuccess : kInvalidHandle;
}
STAND_IN_EXPORT Result cuEventCreate(Opaque* event, unsigned flags) {
    constexpr unsigned kDisableTiming = 2;
    if (const Result error = obstacle()) return error;
    if (!event) return kInvalidValue;
    auto made = std::make_unique<Event>();
    made->timed = !(flags & kDisableTiming);
    *event = state().events.add(std::move(made));
    return kSuccess;
}
STAND_IN_EXPORT Result cuEventDestroy_v2(Opaque event) {
    if (const Result error = obstacle()) return error;
    return state().events.remove(event) ? kSuccess : kInvalidHandle;
}
STAND_IN_EXPORT Result cuEventRecord(Opaque event, Opaque stream) {
    if (const Result error = obstacle()) return error;
    Event* found = state().events.find(event);
    if (!found || !valid_stream(stream)) return kInvalidHandle;
    found->recorded = true;
    found->at = std::chrono::steady_clock::now();
    return kSuccess;
}
STAND_IN_EXPORT Result cuEventQuery(Opaque event) {
    if (const Result error = obstacle()) return error;
    return state().events.find(event) ? kSuccess : kInvalidHandle;
}
STAND_IN_EXPORT Result cuEventSynchronize(Opaque event) { return cuEventQuery(event); }
STAND_IN_EXPORT Result cuEventElapsedTime_v2(float* milliseconds, Opaque start, Opaque end) {
    if (const Result error = obstacle()) return error;
    const Event* from = state().events.find(start);
    const Event* to = state().events.find(end);
    if (!from || !to || !from->timed || !to->timed || !from->recorded || !to->recorded)
        return kInvalidHandle;
    *milliseconds = std::chrono::duration<float, std::milli>(to->at - from->at).count();
    return kSuccess;
}

// Modules and launches.

STAND_IN_EXPORT Result cuModuleLoadData(Opaque* module, const void* image) {
    if (const Result error = obstacle()) return error;
    if (!module || !image) return kInvalidValue;
    auto made = std::make_unique<Module>(Module{Ptx(static_cast<const char*>(image))});
    if (!made->ptx.valid()) return kInvalidPtx;
    *module = state().modules.add(std::move(made));
    return kSuccess;
}
STAND_IN_EXPORT Result cuModuleUnload(Opaque module) {
    if (const Result error = obstacle()) return error;
    if (!state().modules.remove(module)) return kInvalidHandle;
    std::lock_guard<std::mutex> lock(state().functions_of);
    for (const Opaque function : state().by_module[module]) state().functions.remove(function);
    state().by_module.erase(module);
    return kSuccess;
}
STAND_IN_EXPORT Result cuModuleGetFunction(Opaque* function, Opaque module, const char* name) {
    if (const Result error = obstacle()) return error;
    const Module* found = state().modules.find(module);
    if (!found) return kInvalidHandle;
    if (!function || !name) return kInvalidValue;
    const Kernel* kernel = find_kernel(name);
    const auto entry = found->ptx.entry(name);
    if (!kernel || !entry) return kNotFound;
    check_parameters(*kernel, *entry);
    auto made = std::make_unique<Function>();
    made->kernel = kernel;
    made->most_threads = entry->most_threads ? entry->most_threads : kMostThreads;
    *function = state().functions.add(std::move(made));
    std::lock_guard<std::mutex> lock(state().functions_of);
    state().by_module[module].push_back(*function);
    return kSuccess;
}
STAND_IN_EXPORT Result cuFuncGetAttribute(int* value, int key, Opaque function) {
    if (const Result error = obstacle()) return error;
    const Function* found = state().functions.find(function);
    if (!found) return kInvalidHandle;
    switch (key) {
        case 0:  // MAX_THREADS_PER_BLOCK
            *value = static_cast<int>(found->most_threads);
            return kSuccess;
        case 4:  // NUM_REGS
            *value = 32;
            return kSuccess;
        case 5:  // PTX_VERSION
        case 6:  // BINARY_VERSION
            *value = 80;
            return kSuccess;
        default:  // sizes of memory that the host compiler accounts for
            *value = 0;
            return key >= 0 ? kSuccess : kInvalidValue;
    }
}
STAND_IN_EXPORT Result cuFuncSetAttribute(Opaque function, int, int) {
    if (const Result error = obstacle()) return error;
    return state().functions.find(function) ? kSuccess : kInvalidHandle;
}
STAND_IN_EXPORT Result cuLaunchKernel(Opaque function, unsigned blocks_x, unsigned blocks_y,
                                      unsigned blocks_z, unsigned threads_x, unsigned threads_y,
                                      unsigned threads_z, unsigned shared_bytes, Opaque stream,
                                      void** arguments, void** extra) {
    if (const Result error = obstacle()) return error;
    const Function* found = state().functions.find(function);
    if (!found || !valid_stream(stream)) return kInvalidHandle;
    const Kernel& kernel = *found->kernel;
    const dim3 blocks = {blocks_x, blocks_y, blocks_z}, threads = {threads_x, threads_y, threads_z};
    if (!valid_shape(blocks, threads, found->most_threads)) return kInvalidValue;
    if (shared_bytes > kSharedBytes || extra) return kInvalidValue;
    if (kernel.parameters != 0 && !arguments) return kInvalidValue;
    for (std::size_t i = 0; i < kernel.parameters; ++i)
        if (!arguments[i]) return kInvalidValue;
    if (settings().failing == kernel.name) {
        state().failed = true;
        return kLaunchFailed;
    }
    std::lock_guard<std::mutex> lock(state().launching);
    launching_here = true;
    grid.run(kernel, blocks, threads, arguments, settings().reverse);
    launching_here = false;
    return kSuccess;
}

#include KERNEL_SOURCE
