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

// `count` rows of all columns, from row `from` of `source` to row `to` of `out`.
template <typename T>
__device__ void move_rows(u64 count, u64 columns, u64 from_height, u64 from, u64 to_height, u64 to, const T *source,
                          T *out) {
    for (u64 j = blockIdx.y; j < columns; j += gridDim.y)
        for (u64 i = first_index(); i < count; i += index_step())
            out[j * to_height + to + i] = source[j * from_height + from + i];
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
    KERNEL(move_rows_##suffix, u64 count, u64 columns, u64 from_height, u64 from, u64 to_height, u64 to,               \
           const T *source, T *out) {                                                                                  \
        move_rows(count, columns, from_height, from, to_height, to, source, out);                                      \
    }                                                                                                                  \
    KERNEL(fill_##suffix, u64 count, double value, T *x) { fill(count, value, x); }
FOR_BOTH(DEFINE)
#undef DEFINE
