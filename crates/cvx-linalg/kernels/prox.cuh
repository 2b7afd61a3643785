// Proximal steps, each one pass over its matrix.

#pragma once
#include "common.cuh"

template <typename T> __device__ void positive_part(u64 count, double factor, T *x) {
    for (u64 i = first_index(); i < count; i += index_step()) x[i] = (T)fmax(factor * x[i], 0.0);
}

// A block to a column.
template <typename T> __device__ void group_soft_threshold(u64 rows, double threshold, const T *x, T *out) {
    x += blockIdx.x * rows;
    out += blockIdx.x * rows;
    double norm = block_norm(x, rows);
    double factor = norm > threshold ? 1.0 - threshold / norm : 0.0;
    for (u64 i = threadIdx.x; i < rows; i += THREADS) out[i] = (T)(factor * x[i]);
}

// A positive entry stays where its bit of `above` is set, a negative one where that of `below` is.
template <typename T>
__device__ void keep_signs(u64 rows, u64 patterns, u64 blocks, u64 words, const u64 *above, const u64 *below, T *x) {
    FOR_EACH_ENTRY(rows, patterns, blocks) {
        u64 at = (block * patterns + pattern) * rows + row;
        double value = x[at];
        bool cut = (value > 0.0 && !bit_at(above + pattern * words, row)) ||
                   (value < 0.0 && !bit_at(below + pattern * words, row));
        if (cut) x[at] = (T)0.0;
    }
}

// (4b), (4c) of docs/math.md for s and nu, with the squared norms that they leave behind: one sum of each kind for each
// block, kind by kind.
template <typename T>
__device__ void slack_step(u64 rows, u64 patterns, u64 blocks, u64 words, const u64 *mask, const T *factors,
                           const T *xu, double relaxation, double dual_step, T *s, T *nu, double *partials) {
    double norms[4] = {};
    FOR_EACH_ENTRY(rows, patterns, blocks) {
        u64 at = (block * patterns + pattern) * rows + row;
        double flipped = (double)factors[row] * (double)xu[at];
        double gu = bit_at(mask + pattern * words, row) ? flipped : -flipped;
        double old = s[at], gh = relaxation * gu + (1.0 - relaxation) * old;
        double fresh = fmax(gh + nu[at], 0.0), dual = nu[at] + dual_step * (gh - fresh);
        s[at] = (T)fresh;
        nu[at] = (T)dual;
        norms[0] += (gu - fresh) * (gu - fresh);
        norms[1] += (fresh - old) * (fresh - old);
        norms[2] += gu * gu;
        norms[3] += dual * dual;
    }
    block_sums(norms);
    const u64 grid = (u64)gridDim.x * gridDim.y * gridDim.z;
    const u64 number = ((u64)blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    if (threadIdx.x == 0)
        for (u32 q = 0; q < 4; q++) partials[q * grid + number] = norms[q];
}

#define DEFINE(suffix, T)                                                                                              \
    KERNEL(positive_part_##suffix, u64 count, double factor, T *x) { positive_part(count, factor, x); }                \
    KERNEL(group_soft_threshold_##suffix, u64 rows, double threshold, const T *x, T *out) {                            \
        group_soft_threshold(rows, threshold, x, out);                                                                 \
    }                                                                                                                  \
    KERNEL(keep_signs_##suffix, u64 rows, u64 patterns, u64 blocks, u64 words, const u64 *above, const u64 *below,     \
           T *x) {                                                                                                     \
        keep_signs(rows, patterns, blocks, words, above, below, x);                                                    \
    }                                                                                                                  \
    KERNEL(slack_step_##suffix, u64 rows, u64 patterns, u64 blocks, u64 words, const u64 *mask, const T *factors,      \
           const T *xu, double relaxation, double dual_step, T *s, T *nu, double *partials) {                          \
        slack_step(rows, patterns, blocks, words, mask, factors, xu, relaxation, dual_step, s, nu, partials);          \
    }
FOR_BOTH(DEFINE)
#undef DEFINE
