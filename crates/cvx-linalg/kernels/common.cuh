// What every kernel shares: names of types, the shape of a block, sums and norms over a block.
//
// The sources compile as CUDA (PTX by `cargo xtask build-cuda`) and, with a header that defines KERNEL and the words of
// CUDA, for the host. So there are no atomics and no warp intrinsics: sums run through shared memory in a fixed
// order, and the same input gives the same bits.

#pragma once

typedef unsigned int u32;
typedef unsigned long long u64;

#ifndef KERNEL
#define KERNEL(name, ...) extern "C" __global__ void name(__VA_ARGS__)
#endif

// Declares a kernel for both storage precisions: DEFINE(suffix, T).
#define FOR_BOTH(DEFINE) DEFINE(f32, float) DEFINE(f64, double)

// Threads of a block of every kernel whose blocks are one-dimensional.
#define THREADS 256

// Threads that begin a sum over a block, each with THREADS / LANES values.
#define LANES 16

// Side of the square tiles of the others: blocks of TILE x TILE_STEP threads, each with TILE / TILE_STEP entries.
#define TILE 32
#define TILE_STEP 8

// This thread's number along the first dimension of the grid, and the number of threads there.
__device__ __forceinline__ u64 first_index() { return (u64)blockIdx.x * THREADS + threadIdx.x; }
__device__ __forceinline__ u64 index_step() { return (u64)gridDim.x * THREADS; }

// One bit of packed rows or columns, 64 to a word, the lowest bit first.
__device__ __forceinline__ bool bit_at(const u64 *words, u64 index) { return words[index / 64] >> (index % 64) & 1; }

// The position of this thread in a matrix of block columns: its row, the pattern, the block (target and sign), each
// with its step. A grid of three dimensions, because a 64-bit division for each entry would cost more than its bytes.
#define FOR_EACH_ENTRY(rows, patterns, blocks)                                                                         \
    for (u64 block = blockIdx.z; block < (blocks); block += gridDim.z)                                                 \
        for (u64 pattern = blockIdx.y; pattern < (patterns); pattern += gridDim.y)                                     \
            for (u64 row = first_index(); row < (rows); row += index_step())

// Sums of each of `values` over the threads of a block, to all of them: LANES threads each sum every LANES-th value,
// then everybody sums what those found. Three barriers instead of a tree's ten, and no thread waits for less.
template <u32 N> __device__ __forceinline__ void block_sums(double (&values)[N]) {
    __shared__ double sums[N][THREADS];
    __syncthreads();
    for (u32 q = 0; q < N; q++) sums[q][threadIdx.x] = values[q];
    __syncthreads();
    if (threadIdx.x < LANES)
        for (u32 q = 0; q < N; q++)
            for (u32 k = LANES; k < THREADS; k += LANES) sums[q][threadIdx.x] += sums[q][k + threadIdx.x];
    __syncthreads();
    for (u32 q = 0; q < N; q++) {
        values[q] = 0.0;
        for (u32 k = 0; k < LANES; k++) values[q] += sums[q][k];
    }
}

__device__ __forceinline__ double block_sum(double value) {
    double values[1] = {value};
    block_sums(values);
    return values[0];
}

// The largest `value` of a block, to all of its threads.
__device__ __forceinline__ double block_max(double value) {
    __shared__ double values[THREADS];
    __syncthreads();
    values[threadIdx.x] = value;
    __syncthreads();
    if (threadIdx.x < LANES)
        for (u32 k = LANES; k < THREADS; k += LANES)
            values[threadIdx.x] = fmax(values[threadIdx.x], values[k + threadIdx.x]);
    __syncthreads();
    value = values[0];
    for (u32 k = 1; k < LANES; k++) value = fmax(value, values[k]);
    return value;
}

// Euclidean norm of a column, by a block; without overflow or underflow of the squares, and NaN where an entry is.
template <typename T> __device__ double block_norm(const T *x, u64 rows) {
    double sum = 0.0;
    for (u64 i = threadIdx.x; i < rows; i += THREADS) sum += (double)x[i] * (double)x[i];
    double square = block_sum(sum);
    const double infinity = 1.0 / 0.0;
    // NaN is to be seen, and the maximum below would pass it over.
    if (square != square || (square < infinity && square > 1e-280)) return sqrt(square);
    double largest = 0.0;
    for (u64 i = threadIdx.x; i < rows; i += THREADS) largest = fmax(largest, fabs((double)x[i]));
    largest = block_max(largest);
    if (largest == 0.0 || largest == infinity) return largest;
    sum = 0.0;
    for (u64 i = threadIdx.x; i < rows; i += THREADS) sum += ((double)x[i] / largest) * ((double)x[i] / largest);
    return largest * sqrt(block_sum(sum));
}
