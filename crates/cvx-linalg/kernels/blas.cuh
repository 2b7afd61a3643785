// Sums, products entry by entry, norms: what of BLAS is bound by memory.

#pragma once
#include "common.cuh"

template <typename T> __device__ void scale(u64 count, double alpha, T *x) {
    for (u64 i = first_index(); i < count; i += index_step()) x[i] = (T)(alpha * x[i]);
}

// y = alpha x + beta y; with beta = 0, y is not read.
template <typename T> __device__ void axpby(u64 count, double alpha, const T *x, double beta, T *y) {
    for (u64 i = first_index(); i < count; i += index_step())
        y[i] = (T)(beta == 0.0 ? alpha * x[i] : alpha * x[i] + beta * y[i]);
}

template <typename T> __device__ void hadamard(u64 count, const T *x, const T *y, T *out) {
    for (u64 i = first_index(); i < count; i += index_step()) out[i] = x[i] * y[i];
}

// One sum for each block.
template <typename T> __device__ void dot_partials(u64 count, const T *x, const T *y, double *partials) {
    double sum = 0.0;
    for (u64 i = first_index(); i < count; i += index_step()) sum += (double)x[i] * (double)y[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

// out[q] = the sum of partials q count..(q + 1) count, by block q.
KERNEL(sum_partials, u64 count, const double *partials, double *out) {
    double sum = 0.0;
    for (u64 i = threadIdx.x; i < count; i += THREADS) sum += partials[blockIdx.x * count + i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) out[blockIdx.x] = sum;
}

// A block to a column.
template <typename T> __device__ void column_norms(u64 rows, const T *x, double *norms) {
    double norm = block_norm(x + blockIdx.x * rows, rows);
    if (threadIdx.x == 0) norms[blockIdx.x] = norm;
}

// out = a diag(weights).
template <typename T> __device__ void scale_columns(u64 rows, u64 columns, const T *weights, const T *a, T *out) {
    for (u64 j = blockIdx.y; j < columns; j += gridDim.y)
        for (u64 i = first_index(); i < rows; i += index_step())
            out[j * rows + i] = (T)((double)weights[j] * (double)a[j * rows + i]);
}

template <typename T> __device__ void shift_diagonal(u64 order, double shift, T *a) {
    for (u64 i = first_index(); i < order; i += index_step()) a[i * order + i] = (T)(a[i * order + i] + shift);
}

#define DEFINE(suffix, T)                                                                                              \
    KERNEL(scale_##suffix, u64 count, double alpha, T *x) { scale(count, alpha, x); }                                  \
    KERNEL(axpby_##suffix, u64 count, double alpha, const T *x, double beta, T *y) {                                   \
        axpby(count, alpha, x, beta, y);                                                                               \
    }                                                                                                                  \
    KERNEL(hadamard_##suffix, u64 count, const T *x, const T *y, T *out) { hadamard(count, x, y, out); }               \
    KERNEL(dot_partials_##suffix, u64 count, const T *x, const T *y, double *partials) {                               \
        dot_partials(count, x, y, partials);                                                                           \
    }                                                                                                                  \
    KERNEL(column_norms_##suffix, u64 rows, const T *x, double *norms) { column_norms(rows, x, norms); }               \
    KERNEL(scale_columns_##suffix, u64 rows, u64 columns, const T *weights, const T *a, T *out) {                      \
        scale_columns(rows, columns, weights, a, out);                                                                 \
    }                                                                                                                  \
    KERNEL(shift_diagonal_##suffix, u64 order, double shift, T *a) { shift_diagonal(order, shift, a); }
FOR_BOTH(DEFINE)
#undef DEFINE
