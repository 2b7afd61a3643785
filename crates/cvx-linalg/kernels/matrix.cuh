// Conversions from and to f64.

#pragma once
#include "common.cuh"

template <typename S, typename T> __device__ void convert(u64 count, const S *source, T *out) {
    for (u64 i = first_index(); i < count; i += index_step()) out[i] = (T)source[i];
}

#define DEFINE(suffix, T)                                                                                              \
    KERNEL(widen_##suffix, u64 count, const T *source, double *out) { convert(count, source, out); }                   \
    KERNEL(narrow_##suffix, u64 count, const double *source, T *out) { convert(count, source, out); }
FOR_BOTH(DEFINE)
#undef DEFINE
