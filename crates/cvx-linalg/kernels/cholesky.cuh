// Around the blocked factorisation: triangles moved, mirrored, begun.

#pragma once
#include "common.cuh"

// The lower triangle, diagonal included, of a block of `order`; what lies above the diagonal of `out` stays.
template <typename T>
__device__ void copy_lower(u64 order, const T *source, u64 source_stride, T *out, u64 out_stride) {
    for (u64 k = first_index(); k < order * order; k += index_step()) {
        u64 i = k % order, j = k / order;
        if (i >= j) out[j * out_stride + i] = source[j * source_stride + i];
    }
}

// Puts the number of the first diagonal entry that no factor has (counted from 1; NaN or not positive) into info,
// unless something stands there: a factorisation may pass over NaN. One block.
template <typename T> __device__ void check_pivots(u64 order, const T *factor, int *info) {
    double from_end = 0.0;
    for (u64 i = threadIdx.x; i < order; i += THREADS) {
        double pivot = factor[i * order + i];
        if (!(pivot > 0.0)) from_end = fmax(from_end, (double)(order - i));
    }
    from_end = block_max(from_end);
    if (threadIdx.x == 0 && from_end > 0.0 && *info == 0) *info = (int)(order - (u64)from_end) + 1;
}

template <typename T> __device__ void identity(u64 order, T *out) {
    for (u64 k = first_index(); k < order * order; k += index_step()) out[k] = (T)(k % order == k / order ? 1 : 0);
}

// On and below the diagonal, matrix = I + factor N, with N above the diagonal and in `diagonal`: a tile to a block,
// turned over in shared memory so that both its reads and its writes run down columns. With the bits of `samples`, of
// `words` words each, an entry is multiplied by the number of bits that its two samples share.
template <typename T>
__device__ void shifted_lower(u64 order, double factor, u64 words, const u64 *samples, const T *diagonal, T *matrix) {
    __shared__ T tile[TILE][TILE + 1];
    const u64 row = (u64)blockIdx.x * TILE, column = (u64)blockIdx.y * TILE;
    if (row < column) return;
    for (u32 k = threadIdx.y; k < TILE; k += TILE_STEP) {
        u64 i = column + threadIdx.x, j = row + k;
        if (i < order && j < order) tile[k][threadIdx.x] = matrix[j * order + i];
    }
    __syncthreads();
    for (u32 k = threadIdx.y; k < TILE; k += TILE_STEP) {
        u64 i = row + threadIdx.x, j = column + k;
        if (i >= order || j > i) continue;
        T value = i == j ? diagonal[i] : tile[threadIdx.x][k];
        if (samples) {
            u32 count = 0;
            for (u64 word = 0; word < words; word++)
                count += __popcll(samples[i * words + word] & samples[j * words + word]);
            value = (T)((double)value * count);
        }
        matrix[j * order + i] = (T)((i == j ? 1.0 : 0.0) + factor * value);
    }
}

#define DEFINE(suffix, T)                                                                                              \
    KERNEL(copy_lower_##suffix, u64 order, const T *source, u64 source_stride, T *out, u64 out_stride) {               \
        copy_lower(order, source, source_stride, out, out_stride);                                                     \
    }                                                                                                                  \
    KERNEL(check_pivots_##suffix, u64 order, const T *factor, int *info) { check_pivots(order, factor, info); }        \
    KERNEL(identity_##suffix, u64 order, T *out) { identity(order, out); }                                             \
    KERNEL(shifted_lower_##suffix, u64 order, double factor, u64 words, const u64 *samples, const T *diagonal,         \
           T *matrix) {                                                                                                \
        shifted_lower(order, factor, words, samples, diagonal, matrix);                                                \
    }
FOR_BOTH(DEFINE)
#undef DEFINE
