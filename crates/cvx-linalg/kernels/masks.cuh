// Passes over block columns under a bit mask: pattern i of target c is column c P + i of what has one block for each,
// and columns 2 c P + i (sign +) and (2 c + 1) P + i (sign -) of what has two. Of one block for each, the first
// `positive` patterns have the sign +.

#pragma once
#include "common.cuh"

// out_c = sum_i d_i o (t+ - t-), or of one block for each pattern; without a mask every d_i is 1. A block takes TILE
// rows of target blockIdx.y, its TILE_STEP rows of threads take turns at the patterns.
template <typename T>
__device__ void masked_row_sum(u64 rows, u64 patterns, u32 signs, u64 positive, u64 words, const u64 *mask, const T *t,
                               T *out) {
    __shared__ double sums[TILE_STEP][TILE];
    const u64 row = (u64)blockIdx.x * TILE + threadIdx.x;
    const T *plus = t + blockIdx.y * signs * patterns * rows, *minus = plus + patterns * rows;
    double sum = 0.0;
    if (row < rows)
        for (u64 i = threadIdx.y; i < patterns; i += TILE_STEP)
            if (!mask || bit_at(mask + i * words, row)) {
                double value = plus[i * rows + row];
                if (signs == 2) value -= minus[i * rows + row];
                sum += signs == 2 || i < positive ? value : -value;
            }
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y > 0 || row >= rows) return;
    for (u32 k = 1; k < TILE_STEP; k++) sum += sums[k][threadIdx.x];
    out[blockIdx.y * rows + row] = (T)sum;
}

template <typename T>
__device__ void masked_broadcast(u64 rows, u64 patterns, u64 targets, u64 words, const u64 *mask, double alpha,
                                 const T *r, T *out) {
    FOR_EACH_ENTRY(rows, patterns, targets) {
        bool open = bit_at(mask + pattern * words, row);
        out[(block * patterns + pattern) * rows + row] = (T)(open ? alpha * r[block * rows + row] : 0.0);
    }
}

template <typename T>
__device__ void sign_flip(u64 rows, u64 patterns, u64 blocks, u64 words, const u64 *mask, const T *factors, const T *x,
                          const T *minus, T *out) {
    FOR_EACH_ENTRY(rows, patterns, blocks) {
        u64 at = (block * patterns + pattern) * rows + row;
        double value = (double)factors[row] * (minus ? (double)x[at] - (double)minus[at] : (double)x[at]);
        out[at] = (T)(bit_at(mask + pattern * words, row) ? value : -value);
    }
}

// Of `signs` runs of P columns for each target.
template <typename T>
__device__ void add_pairs(u64 rows, u64 patterns, u64 blocks, u32 signs, u64 positive, double alpha, const T *c, T *x) {
    FOR_EACH_ENTRY(rows, patterns, blocks) {
        bool minus = signs == 2 ? block % 2 : pattern >= positive;
        double step = alpha * c[(block / signs * patterns + pattern) * rows + row];
        T *entry = x + (block * patterns + pattern) * rows + row;
        *entry = (T)(*entry + (minus ? -step : step));
    }
}

// Columns first.. of (a'a) o (D D') from those of a'a, which come as `products` with a row for each of the first
// `height` samples: above the diagonal to `out`, on it to `diagonal`, added to what is there with `accumulate`. The bits
// of a sample are `words` words; without them every count is 1.
template <typename T>
__device__ void coactivate(u64 first, u64 width, u64 height, u64 order, u32 accumulate, u64 words, const u64 *samples,
                           const T *products, T *out, T *diagonal) {
    __shared__ u64 left[TILE_STEP][TILE], right[TILE_STEP][TILE];
    const u64 row = (u64)blockIdx.x * TILE, column = (u64)blockIdx.y * TILE;
    u32 counts[TILE / TILE_STEP] = {};
    for (u64 word = 0; word < words; word += TILE_STEP) {
        u64 at = word + threadIdx.y, i = row + threadIdx.x, j = column + threadIdx.x;
        __syncthreads();
        left[threadIdx.y][threadIdx.x] = at < words && i < height ? samples[i * words + at] : 0;
        right[threadIdx.y][threadIdx.x] = at < words && j < width ? samples[(first + j) * words + at] : 0;
        __syncthreads();
        for (u32 k = 0; k < TILE / TILE_STEP; k++)
            for (u32 w = 0; w < TILE_STEP; w++)
                counts[k] += __popcll(left[w][threadIdx.x] & right[w][threadIdx.y + k * TILE_STEP]);
    }
    for (u32 k = 0; k < TILE / TILE_STEP; k++) {
        u64 i = row + threadIdx.x, j = column + threadIdx.y + k * TILE_STEP;
        if (j >= width || i > first + j) continue;
        T *entry = i < first + j ? out + (first + j) * order + i : diagonal + i;
        double value = (double)products[j * height + i] * (samples ? counts[k] : 1);
        *entry = (T)(accumulate ? *entry + value : value);
    }
}

#define DEFINE(suffix, T)                                                                                              \
    KERNEL(masked_row_sum_##suffix, u64 rows, u64 patterns, u32 signs, u64 positive, u64 words, const u64 *mask,       \
           const T *t, T *out) {                                                                                       \
        masked_row_sum(rows, patterns, signs, positive, words, mask, t, out);                                          \
    }                                                                                                                  \
    KERNEL(masked_broadcast_##suffix, u64 rows, u64 patterns, u64 targets, u64 words, const u64 *mask, double alpha,   \
           const T *r, T *out) {                                                                                       \
        masked_broadcast(rows, patterns, targets, words, mask, alpha, r, out);                                         \
    }                                                                                                                  \
    KERNEL(sign_flip_##suffix, u64 rows, u64 patterns, u64 blocks, u64 words, const u64 *mask, const T *factors,       \
           const T *x, const T *minus, T *out) {                                                                       \
        sign_flip(rows, patterns, blocks, words, mask, factors, x, minus, out);                                        \
    }                                                                                                                  \
    KERNEL(add_pairs_##suffix, u64 rows, u64 patterns, u64 blocks, u32 signs, u64 positive, double alpha, const T *c,  \
           T *x) {                                                                                                     \
        add_pairs(rows, patterns, blocks, signs, positive, alpha, c, x);                                               \
    }                                                                                                                  \
    KERNEL(coactivate_##suffix, u64 first, u64 width, u64 height, u64 order, u32 accumulate, u64 words,                \
           const u64 *samples, const T *products, T *out, T *diagonal) {                                               \
        coactivate(first, width, height, order, accumulate, words, samples, products, out, diagonal);                  \
    }
FOR_BOTH(DEFINE)
#undef DEFINE
