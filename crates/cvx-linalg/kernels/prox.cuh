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
// block, kind by kind. With `steps` (17.3), a negative slack moves up by the step of its sample, target and sign, at most
// to 0, in a layout of `signs` runs of P columns for each target; without, it becomes 0.
template <typename T>
__device__ void slack_step(u64 rows, u64 patterns, u64 blocks, u32 signs, u64 positive, u64 words, const u64 *mask,
                           const T *factors, const T *xu, double relaxation, double dual_step, const double *steps, T *s,
                           T *nu, double *partials) {
    double norms[4] = {};
    FOR_EACH_ENTRY(rows, patterns, blocks) {
        u64 at = (block * patterns + pattern) * rows + row;
        bool minus = signs == 2 ? block % 2 : pattern >= positive;
        double flipped = (double)factors[row] * (double)xu[at];
        double gu = bit_at(mask + pattern * words, row) ? flipped : -flipped;
        double old = s[at], gh = relaxation * gu + (1.0 - relaxation) * old, z = gh + nu[at];
        double step = steps ? steps[2 * (block / signs * rows + row) + minus] : 1.0 / 0.0;
        double fresh = z >= 0.0 ? z : fmin(z + step, 0.0), dual = nu[at] + dual_step * (gh - fresh);
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

// The derivative of a loss (soft_cones.rs): 0 squared, 1 logistic, 2 squared hinge, 3 Huber; and its derivative.
__device__ __forceinline__ void loss_slope(u32 loss, double delta, double q, double y, double *slope, double *bend) {
    if (loss == 1) {
        double tail = exp(-fabs(y * q)), share = y * q >= 0.0 ? tail / (1.0 + tail) : 1.0 / (1.0 + tail);
        *slope = -y * share;
        *bend = tail / ((1.0 + tail) * (1.0 + tail));
    } else if (loss == 2) {
        double gap = 1.0 - y * q;
        *slope = gap > 0.0 ? -y * gap : 0.0;
        *bend = gap > 0.0 ? 1.0 : 0.0;
    } else {
        double distance = q - y;
        bool inside = loss == 0 || fabs(distance) <= delta;
        *slope = inside ? distance : copysign(delta, distance);
        *bend = inside ? 1.0 : 0.0;
    }
}

// `Bracket` of soft_cones.rs.
struct Bracket {
    double low, high, before, last;

    __device__ __forceinline__ explicit Bracket(double low)
        : low(low), high(1.0 / 0.0), before(1.0 / 0.0), last(1.0 / 0.0) {}

    __device__ __forceinline__ void narrow(double excess, double at, double other) {
        if (excess > 0.0) {
            low = fmax(low, other);
            high = at;
        } else {
            low = at;
            high = fmin(high, other);
        }
    }

    __device__ __forceinline__ double step(double newton) {
        double width = high - low;
        bool accepted = width <= 0.5 * before && newton >= low && newton <= high;
        before = last;
        last = width;
        return accepted ? newton : 0.5 * (low + high);
    }
};

// One sample and target of (17.2), whose violations are read again for every price.
template <typename T> struct JointEntry {
    u64 row, rows, patterns, words, first, count;
    u32 signs, loss;
    u64 positive;
    const u64 *mask;
    const T *xu, *s, *nu;
    double g, relaxation, delta, y, weight, kappa, give;

    // What remains of the violations of one sign at a price, and how many remain.
    __device__ void left(bool negative, double price, double *sum, double *number) const {
        *sum = *number = 0.0;
        for (u64 k = 0; k < count; k++) {
            u64 pattern = k % patterns;
            if ((signs == 2 ? k >= patterns : pattern >= positive) != negative) continue;
            u64 at = (first + k) * rows + row;
            double flipped = g * (double)xu[at], gu = bit_at(mask + pattern * words, row) ? flipped : -flipped;
            double z = relaxation * gu + (1.0 - relaxation) * (double)s[at] + (double)nu[at];
            if (!(z < 0.0)) continue;
            double value = -z / g - price * give;
            if (value > 0.0) {
                *sum += value;
                *number += 1.0;
            }
        }
    }

    // The answer to a price of one sign at the prediction q, its derivative, and what the violations give.
    __device__ void answer(bool negative, double q, double price, double *at, double *bend, double *yield) const {
        double sign = negative ? -1.0 : 1.0, sum = 0.0, number = 0.0, slope;
        if (g > 0.0) left(negative, price, &sum, &number);
        loss_slope(loss, delta, q + sign * sum, y, &slope, bend);
        double found = sign * weight * slope;
        *at = found > 0.0 ? found : 0.0;
        *bend = found > 0.0 ? weight * *bend : 0.0;
        *yield = give * number;
    }

    // theta = omega l'(q +- V(theta)) (17.3), sought from its old value on, and by how much it changes with +-q.
    __device__ void price(bool negative, double q, double *theta, double *change) const {
        double at, bend, yield, value = *theta;
        Bracket bracket(0.0);
        for (u32 step = 0; step < 200; step++) {
            answer(negative, q, value, &at, &bend, &yield);
            double excess = value - at, slope = 1.0 + bend * yield;
            bracket.narrow(excess, value, at);
            double next = bracket.step(value - excess / slope);
            bool open = fabs(next - value) > 4.5e-16 * next;
            *change = bend / slope;
            value = next;
            if (!open) break;
        }
        *theta = value;
    }
};

// The q of (17.2) in the place of `q`, and by how much negative slacks of positive and negative blocks move: a thread to
// each sample and target.
template <typename T>
__device__ void joint_steps(u64 rows, u64 patterns, u64 targets, u32 signs, u64 positive, u64 words, const u64 *mask,
                            const T *factors, const T *xu, const T *s, const T *nu, double relaxation, u32 loss,
                            double delta, const double *y, const double *weights, double kappa, double rho, double *q,
                            double *steps) {
    for (u64 at = first_index(); at < rows * targets; at += index_step()) {
        u64 row = at % rows, target = at / rows, count = signs * patterns;
        double g = factors[row], goal = q[at], found = goal;
        JointEntry<T> entry = {row, rows, patterns, words, target * count, count, signs, loss, positive, mask, xu, s,
                               nu, g, relaxation, delta, y[at], weights[row], kappa, g > 0.0 ? 1.0 / (rho * g * g) : 0.0};
        double infinity = 1.0 / 0.0, theta = 0.0, lower = 0.0, up, down;
        Bracket bracket(-infinity);
        for (u32 step = 0; step < 200; step++) {
            entry.price(false, found, &theta, &up);
            entry.price(true, found, &lower, &down);
            double excess = kappa * (found - goal) + theta - lower;
            bracket.narrow(excess, found, goal - (theta - lower) / kappa);
            double next = bracket.step(found - excess / (kappa + up + down));
            bool close = fabs(next - found) <= 4.5e-16 * fmax(fabs(found), fabs(goal)) || !(fabs(excess) < infinity);
            found = next;
            if (close) break;
        }
        q[at] = found;
        steps[2 * at] = g > 0.0 ? theta / (rho * g) : infinity;
        steps[2 * at + 1] = g > 0.0 ? lower / (rho * g) : infinity;
    }
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
    KERNEL(slack_step_##suffix, u64 rows, u64 patterns, u64 blocks, u32 signs, u64 positive, u64 words,                \
           const u64 *mask, const T *factors, const T *xu, double relaxation, double dual_step, const double *steps,   \
           T *s, T *nu, double *partials) {                                                                            \
        slack_step(rows, patterns, blocks, signs, positive, words, mask, factors, xu, relaxation, dual_step, steps, s, \
                   nu, partials);                                                                                      \
    }                                                                                                                  \
    KERNEL(joint_steps_##suffix, u64 rows, u64 patterns, u64 targets, u32 signs, u64 positive, u64 words,              \
           const u64 *mask, const T *factors, const T *xu, const T *s, const T *nu, double relaxation, u32 loss,       \
           double delta, const double *y, const double *weights, double kappa, double rho, double *q, double *steps) { \
        joint_steps(rows, patterns, targets, signs, positive, words, mask, factors, xu, s, nu, relaxation, loss,       \
                    delta, y, weights, kappa, rho, q, steps);                                                          \
    }
FOR_BOTH(DEFINE)
#undef DEFINE
