// The device side of CUDA for the host compiler: the keywords and built-in
// functions that a kernel's source uses, a registry of the kernels, and the
// grid that runs one.
//
// The kernels' source is included after this file. It declares each kernel as
// `KERNEL(name, parameters...) { ... }`, which here also enters it in the
// registry.
//
// One block runs at a time, so a `__shared__` variable is a static one. The
// threads of a block run one after another on a fiber (a stack of its own)
// until one of them waits at a barrier; that one keeps the fiber and the rest
// go on with another. Threads without barriers thus cost no more than a call.
#pragma once

// A fiber leaves its stack with longjmp, which the checked variant forbids.
#undef _FORTIFY_SOURCE

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <type_traits>
#include <utility>
#include <vector>

#include <math.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "report.h"

// CUDA's own names for the coordinates of a thread.
struct uint3 {
    unsigned int x, y, z;
};
struct dim3 {
    unsigned int x, y, z;
};

namespace stand_in {

// A kernel as the registry keeps it; `call` runs it for the current thread.
struct Kernel {
    const char* name;
    void (*call)(void** arguments);
    const std::size_t* sizes;  // of the parameters
    std::size_t parameters;
};

inline std::vector<Kernel>& registry() {
    static std::vector<Kernel> kernels;
    return kernels;
}

inline const Kernel* find_kernel(const char* name) {
    for (const Kernel& kernel : registry())
        if (std::strcmp(kernel.name, name) == 0) return &kernel;
    return nullptr;
}

// Reads the untyped arguments of a launch by the types of the function's own
// parameters.
template <auto Function>
struct Unpacker;

template <typename... Parameters, void (*Function)(Parameters...)>
struct Unpacker<Function> {
    // One more than needed, as an array cannot be empty.
    static constexpr std::size_t sizes[] = {sizeof(Parameters)..., 0};

    static void call(void** arguments) {
        call(arguments, std::index_sequence_for<Parameters...>());
    }
    static bool enter(const char* name) {
        registry().push_back({name, call, sizes, sizeof...(Parameters)});
        return true;
    }

private:
    template <std::size_t... I>
    static void call([[maybe_unused]] void** arguments, std::index_sequence<I...>) {
        Function(*static_cast<const std::remove_cv_t<Parameters>*>(arguments[I])...);
    }
};

// Where the running thread is; what `threadIdx` and its kin refer to.
struct Position {
    uint3 thread, block;
    dim3 threads, blocks;
};
static Position position;

struct Fiber {
    bool started = false;
    jmp_buf state;
    ucontext_t start;
    uint3 thread;  // that waits at a barrier
    const char* file;
    int line;
};

// The launch that is running. There is one at a time: the caller holds a lock.
class Grid {
public:
    void run(const Kernel& kernel, dim3 blocks, dim3 threads, void** arguments, bool reverse) {
        kernel_ = &kernel;
        arguments_ = arguments;
        reverse_ = reverse;
        position.blocks = blocks;
        position.threads = threads;
        threads_ = std::uint64_t{threads.x} * threads.y * threads.z;
        const std::uint64_t count = std::uint64_t{blocks.x} * blocks.y * blocks.z;
        for (std::uint64_t block = 0; block < count; ++block) {
            position.block = coordinates(reverse ? count - 1 - block : block, blocks);
            run_block();
        }
        kernel_ = nullptr;
    }

    // __syncthreads of the running thread.
    void wait(const char* file, int line) {
        active_->thread = position.thread;
        active_->file = file;
        active_->line = line;
        waiting_.push_back(active_);
        leave();
    }

    // Null between launches.
    const Kernel* running() const { return kernel_; }

private:
    static constexpr std::size_t kStack = 128 * 1024;

    static uint3 coordinates(std::uint64_t index, dim3 extent) {
        return {static_cast<unsigned>(index % extent.x),
                static_cast<unsigned>(index / extent.x % extent.y),
                static_cast<unsigned>(index / extent.x / extent.y)};
    }

    void run_block() {
        next_ = 0;
        while (next_ < threads_) {
            if (idle_.empty()) add_fiber();
            Fiber* fiber = idle_.back();
            idle_.pop_back();
            enter(fiber);
        }
        // Everyone has arrived or left: a thread that returned no longer
        // counts, as on the hardware.
        while (!waiting_.empty()) {
            check_barrier();
            arrived_.swap(waiting_);
            for (Fiber* fiber : arrived_) {
                position.thread = fiber->thread;
                enter(fiber);
            }
            arrived_.clear();
        }
    }

    void check_barrier() const {
        const Fiber& first = *waiting_.front();
        for (const Fiber* other : waiting_)
            if (other->line != first.line || std::strcmp(other->file, first.file) != 0)
                fatal("divergent barrier in kernel %s: thread (%u,%u,%u) waits at %s:%d, "
                      "thread (%u,%u,%u) at %s:%d",
                      kernel_->name, first.thread.x, first.thread.y, first.thread.z, first.file,
                      first.line, other->thread.x, other->thread.y, other->thread.z, other->file,
                      other->line);
    }

    void add_fiber() {
        const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
        void* stack = mmap(nullptr, kStack + page, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (stack == MAP_FAILED || mprotect(stack, page, PROT_NONE) != 0)
            fatal("no memory for the stack of a device thread");
        Fiber& fiber = fibers_.emplace_back();
        getcontext(&fiber.start);
        fiber.start.uc_stack.ss_sp = static_cast<char*>(stack) + page;
        fiber.start.uc_stack.ss_size = kStack;
        fiber.start.uc_link = nullptr;
        makecontext(&fiber.start, &Grid::work, 0);
        idle_.push_back(&fiber);
    }

    // Runs a fiber until it waits at a barrier or no thread is left to start.
    // Only its first start goes through the context functions, as those make
    // a system call at each switch.
    __attribute__((noinline)) void enter(Fiber* fiber) {
        active_ = fiber;
        if (_setjmp(scheduler_) != 0) return;
        if (fiber->started) _longjmp(fiber->state, 1);
        fiber->started = true;
        setcontext(&fiber->start);
    }

    __attribute__((noinline)) void leave() {
        if (_setjmp(active_->state) == 0) _longjmp(scheduler_, 1);
    }

    // What a fiber does for as long as the process lives.
    static void work();

    const Kernel* kernel_ = nullptr;
    void** arguments_ = nullptr;
    bool reverse_ = false;
    std::uint64_t threads_ = 0;  // of a block
    std::uint64_t next_ = 0;     // thread to start
    Fiber* active_ = nullptr;
    jmp_buf scheduler_;
    std::deque<Fiber> fibers_;
    std::vector<Fiber*> idle_, waiting_, arrived_;
};
static Grid grid;

inline void Grid::work() {
    for (;;) {
        while (grid.next_ < grid.threads_) {
            const std::uint64_t thread = grid.next_++;
            position.thread = coordinates(
                grid.reverse_ ? grid.threads_ - 1 - thread : thread, position.threads);
            grid.kernel_->call(grid.arguments_);
        }
        grid.idle_.push_back(grid.active_);
        grid.leave();
    }
}

}  // namespace stand_in

// Keywords.
#define __global__
#define __device__ __attribute__((unused))
#define __host__
#define __shared__ static
#define __constant__ static const
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define KERNEL(name, ...)                                                                      \
    extern "C" void name(__VA_ARGS__);                                                         \
    [[maybe_unused]] static const bool entered_##name = stand_in::Unpacker<&name>::enter(#name); \
    extern "C" void name(__VA_ARGS__)

// Built-in variables.
[[maybe_unused]] static const uint3& threadIdx = stand_in::position.thread;
[[maybe_unused]] static const uint3& blockIdx = stand_in::position.block;
[[maybe_unused]] static const dim3& blockDim = stand_in::position.threads;
[[maybe_unused]] static const dim3& gridDim = stand_in::position.blocks;
[[maybe_unused]] static const int warpSize = 32;

// Built-in functions. The default arguments name the caller's line, by which
// two barriers are told apart.
inline void __syncthreads(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    stand_in::grid.wait(file, line);
}

inline unsigned int __float_as_uint(float number) {
    unsigned int bits;
    std::memcpy(&bits, &number, sizeof bits);
    return bits;
}
inline float __uint_as_float(unsigned int bits) {
    float number;
    std::memcpy(&number, &bits, sizeof number);
    return number;
}
inline int __popc(unsigned int bits) { return __builtin_popcount(bits); }
inline int __popcll(unsigned long long bits) { return __builtin_popcountll(bits); }
inline int __clz(int bits) { return bits ? __builtin_clz(static_cast<unsigned>(bits)) : 32; }
inline int __clzll(long long bits) {
    return bits ? __builtin_clzll(static_cast<unsigned long long>(bits)) : 64;
}
inline int __ffs(int bits) { return __builtin_ffs(bits); }
inline int __ffsll(long long bits) { return __builtin_ffsll(bits); }

template <typename T>
inline T __ldg(const T* address) {
    return *address;
}

// Of two numbers one of which is a NaN, CUDA's min and max give the other.
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }
inline double min(float a, double b) { return fmin(a, b); }
inline double max(float a, double b) { return fmax(a, b); }
inline double min(double a, float b) { return fmin(a, b); }
inline double max(double a, float b) { return fmax(a, b); }
template <typename T, typename = std::enable_if_t<std::is_integral_v<T>>>
inline T min(T a, T b) {
    return b < a ? b : a;
}
template <typename T, typename = std::enable_if_t<std::is_integral_v<T>>>
inline T max(T a, T b) {
    return a < b ? b : a;
}

inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
inline float __fmul_rn(float a, float b) { return a * b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline double __dadd_rn(double a, double b) { return a + b; }
