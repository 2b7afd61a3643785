// Numbers of half precision, as their bits. The conversions are integer arithmetic, so that they are the same in
// every compiler: CUDA's own are in a header that the host compiler does not have.

#pragma once
#include "common.cuh"

typedef unsigned short u16;

// The largest number of half precision; what is beyond it becomes it.
#define LARGEST_HALF 65504.0f

// The nearest number of half precision, ties to even.
__device__ __forceinline__ u16 to_half(float x) {
    u32 sign = __float_as_uint(x) >> 16 & 0x8000;
    float magnitude = fminf(fabsf(x), LARGEST_HALF);
    u32 bits = __float_as_uint(magnitude);
    // Below 2^-14 the steps are 2^-24, as they are in f32 between 0.5 and 1: the addition rounds.
    if (bits < 113u << 23) return (u16)(sign | (__float_as_uint(magnitude + 0.5f) - (126u << 23)));
    // The exponent has another bias, and 13 bits less follow it.
    return (u16)(sign | ((bits - (112u << 23) + 0xfff + (bits >> 13 & 1)) >> 13));
}

// The number with these bits. Without the bias, the exponent is one of f32, which subnormal numbers have too.
__device__ __forceinline__ float from_half(u16 half) {
    float magnitude = __uint_as_float((u32)(half & 0x7fff) << 13) * 0x1p112f;
    return half & 0x8000 ? -magnitude : magnitude;
}

template <typename T> __device__ void store_half(u64 count, const T *source, u16 *out) {
    for (u64 i = first_index(); i < count; i += index_step()) out[i] = to_half((float)source[i]);
}

// Column j of out is rows first.. of column indices[j] of source, which has `height` rows: blockIdx.y takes turns at
// the columns.
template <typename T>
__device__ void load_half(u64 rows, u64 columns, u64 height, u64 first, const u64 *indices, const u16 *source,
                          T *out) {
    for (u64 j = blockIdx.y; j < columns; j += gridDim.y)
        for (u64 i = first_index(); i < rows; i += index_step())
            out[j * rows + i] = (T)from_half(source[indices[j] * height + first + i]);
}

#define DEFINE(suffix, T)                                                                                              \
    KERNEL(store_half_##suffix, u64 count, const T *source, u16 *out) { store_half(count, source, out); }              \
    KERNEL(load_half_##suffix, u64 rows, u64 columns, u64 height, u64 first, const u64 *indices, const u16 *source,    \
           T *out) {                                                                                                   \
        load_half(rows, columns, height, first, indices, source, out);                                                 \
    }
FOR_BOTH(DEFINE)
#undef DEFINE
