// Adam's two operations, each one pass over its matrices.

#pragma once
#include "common.cuh"

template <typename T> __device__ void gate(u64 count, const T *z, T *g) {
    for (u64 i = first_index(); i < count; i += index_step())
        if (z[i] <= (T)0) g[i] = (T)0;
}

// In the storage precision, like the processor: there are no sums.
template <typename T>
__device__ void adam_step(u64 count, double rate, double first_decay, double second_decay, double root_scale,
                          double epsilon, double weight_decay, const T *gradient, T *m, T *v, T *w) {
    const T keep_m = (T)first_decay, take_m = (T)(1.0 - first_decay);
    const T keep_v = (T)second_decay, take_v = (T)(1.0 - second_decay);
    for (u64 i = first_index(); i < count; i += index_step()) {
        T g = gradient[i] + (T)weight_decay * w[i];
        m[i] = keep_m * m[i] + take_m * g;
        v[i] = keep_v * v[i] + take_v * g * g;
        w[i] = w[i] - (T)rate * m[i] / ((T)root_scale * sqrt(v[i]) + (T)epsilon);
    }
}

#define DEFINE(suffix, T)                                                                                              \
    KERNEL(gate_##suffix, u64 count, const T *z, T *g) { gate(count, z, g); }                                          \
    KERNEL(adam_step_##suffix, u64 count, double rate, double first_decay, double second_decay, double root_scale,     \
           double epsilon, double weight_decay, const T *gradient, T *m, T *v, T *w) {                                 \
        adam_step(count, rate, first_decay, second_decay, root_scale, epsilon, weight_decay, gradient, m, v, w);       \
    }
FOR_BOTH(DEFINE)
#undef DEFINE
