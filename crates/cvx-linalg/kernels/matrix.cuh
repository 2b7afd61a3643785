// Conversions from and to f64, and what moves or sets whole columns.

#pragma once
#include "common.cuh"

template <typename S, typename T> __device__ void convert(u64 count, const S *source, T *out) {
    for (u64 i = first_index(); i < count; i += index_step()) out[i] = (T)source[i];
}

// Column j of out is column indices[j] of source: blockIdx.y takes turns at the columns.
template <typename T>
__device__ void gather_columns(u64 rows, u64 columns, const u64 *indices, const T *source, T *out) {
    for (u64 j = blockIdx.y; j < columns; j += gridDim.y)
        for (u64 i = first_index(); i < rows; i += index_step()) out[j * rows + i] = source[indices[j] * rows + i];
}

template <typename T> __device__ void fill(u64 count, double value, T *x) {
    for (u64 i = first_index(); i < count; i += index_step()) x[i] = (T)value;
}

#define DEFINE(suffix, T)                                                                                              \
    KERNEL(widen_##suffix, u64 count, const T *source, double *out) { convert(count, source, out); }                   \
    KERNEL(narrow_##suffix, u64 count, const double *source, T *out) { convert(count, source, out); }                  \
    KERNEL(gather_columns_##suffix, u64 rows, u64 columns, const u64 *indices, const T *source, T *out) {              \
        gather_columns(rows, columns, indices, source, out);                                                           \
    }                                                                                                                  \
    KERNEL(fill_##suffix, u64 count, double value, T *x) { fill(count, value, x); }
FOR_BOTH(DEFINE)
#undef DEFINE
