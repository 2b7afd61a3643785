// libcublas: the level-3 routines that the back end calls, in single and double
// precision on the host.
//
// Sums run in the storage type, in ascending order of the summation index.
// What the real library leaves undefined (an output that overlaps an input, a
// matrix that leaves its allocation) ends the process.

#include "handles.h"
#include "matrix.h"

#include <algorithm>

namespace stand_in {
namespace blas {

enum Status : int {
    kSuccess = 0,
    kNotInitialized = 1,
    kInvalidValue = 7,
    kExecutionFailed = 13,
};

struct Library {
    Opaque stream = nullptr;
};

inline Handles<Library>& libraries() {
    static auto* const live = new Handles<Library>;
    return *live;
}

// What stands in the way of any routine.
inline Status obstacle(Opaque handle) {
    if (!libraries().find(handle)) return kNotInitialized;
    return stand_in_failed() ? kExecutionFailed : kSuccess;
}

// Reads a scalar argument, after making sure that it is in host memory, where
// it is looked for unless the pointer mode says otherwise.
template <typename T>
T scalar(const char* routine, const T* value) {
    if (stand_in_holds(value, sizeof(T)))
        fatal("%s: a scalar is in device memory, not in the host's", routine);
    return *value;
}

// op(X), as a matrix of the size that the routine works with.
template <typename T>
struct Operand {
    Matrix<const T> stored;
    bool transposed;

    Operand(Transpose op, const T* data, Size rows, Size columns, Size leading)
        : stored{data, op == kPlain ? rows : columns, op == kPlain ? columns : rows, leading},
          transposed(op != kPlain) {}
    T operator()(Size row, Size column) const {
        return transposed ? stored(column, row) : stored(row, column);
    }
};

template <typename T>
void add_four_columns(Size rows, T* __restrict__ to, const T* __restrict__ from, Size leading,
                      const T* factors) {
    const T *a = from, *b = a + leading, *c = b + leading, *d = c + leading;
    const T p = factors[0], q = factors[1], r = factors[2], s = factors[3];
    for (Size i = 0; i < rows; ++i)
        to[i] = (((to[i] + a[i] * p) + b[i] * q) + c[i] * r) + d[i] * s;
}

template <typename T>
void add_column(Size rows, T* __restrict__ to, const T* __restrict__ from, T factor) {
    for (Size i = 0; i < rows; ++i) to[i] += from[i] * factor;
}

// The product of two operands in memory of its own, wherever the rows of a
// block meet the wanted triangle. The left one is packed in blocks that stay in
// the cache while all columns of the right one pass.
template <typename T>
std::vector<T> multiply(Size m, Size n, Size k, const Operand<T>& left, const Operand<T>& right,
                        Triangle wanted) {
    constexpr Size kRows = 256, kDepth = 64;
    std::vector<T> result(static_cast<std::size_t>(m * n), T(0));
    std::vector<T> pack(kRows * kDepth);
    T factors[kDepth];
    for (Size p0 = 0; p0 < k; p0 += kDepth) {
        const Size depth = std::min(kDepth, k - p0);
        for (Size i0 = 0; i0 < m; i0 += kRows) {
            const Size rows = std::min(kRows, m - i0);
            for (Size p = 0; p < depth; ++p)
                for (Size i = 0; i < rows; ++i)
                    pack[static_cast<std::size_t>(p * kRows + i)] = left(i0 + i, p0 + p);
            for (Size j = 0; j < n; ++j) {
                if (!within(wanted, i0, j) && !within(wanted, i0 + rows - 1, j)) continue;
                for (Size p = 0; p < depth; ++p) factors[p] = right(p0 + p, j);
                T* to = result.data() + j * m + i0;
                Size p = 0;
                for (; p + 4 <= depth; p += 4)
                    add_four_columns(rows, to, pack.data() + p * kRows, kRows, factors + p);
                for (; p < depth; ++p) add_column(rows, to, pack.data() + p * kRows, factors[p]);
            }
        }
    }
    return result;
}

// C := alpha product + beta C in a triangle; an absent product counts as zero,
// and C is not read when beta is zero.
template <typename T>
void update(const Matrix<T>& c, Triangle triangle, T alpha, const std::vector<T>& product, T beta) {
    for (Size j = 0; j < c.columns; ++j)
        for (Size i = 0; i < c.rows; ++i) {
            if (!within(triangle, i, j)) continue;
            const auto at = static_cast<std::size_t>(j * c.rows + i);
            T value = product.empty() ? T(0) : alpha * product[at];
            if (beta != T(0)) value += beta * c(i, j);
            c(i, j) = value;
        }
}

// C := alpha left right + beta C in a triangle, with everything checked but
// the sizes.
template <typename T>
Status multiply_into(const char* routine, Triangle triangle, Size k, const T* alpha,
                     const Operand<T>& left, const Operand<T>& right, const T* beta,
                     const Matrix<T>& c) {
    if (!left.stored.valid_leading() || !right.stored.valid_leading() || !c.valid_leading())
        return kInvalidValue;
    if (!alpha || !beta) return kInvalidValue;
    if (c.empty()) return kSuccess;
    if (!c.data) return kInvalidValue;
    c.require(routine, "C");
    const T by = scalar(routine, alpha), keep = scalar(routine, beta);
    std::vector<T> product;
    if (k > 0 && by != T(0)) {
        if (!left.stored.data || !right.stored.data) return kInvalidValue;
        left.stored.require(routine, "the left factor");
        right.stored.require(routine, "the right factor");
        forbid_overlap(routine, left.stored, c);
        forbid_overlap(routine, right.stored, c);
        product = multiply(c.rows, c.columns, k, left, right, triangle);
    }
    update(c, triangle, by, product, keep);
    return kSuccess;
}

template <typename T>
Status gemm(Opaque handle, Transpose op_a, Transpose op_b, Size m, Size n, Size k, const T* alpha,
            const T* a, Size lda, const T* b, Size ldb, const T* beta, T* c, Size ldc) {
    if (const Status error = obstacle(handle)) return error;
    if (!valid(op_a) || !valid(op_b) || m < 0 || n < 0 || k < 0) return kInvalidValue;
    return multiply_into("gemm", kFull, k, alpha, Operand<T>(op_a, a, m, k, lda),
                         Operand<T>(op_b, b, k, n, ldb), beta, Matrix<T>{c, m, n, ldc});
}

// C := alpha op(A) op(B)^T + beta C, which the caller promises to be symmetric.
template <typename T>
Status syrkx(Opaque handle, Triangle triangle, Transpose op, Size n, Size k, const T* alpha,
             const T* a, Size lda, const T* b, Size ldb, const T* beta, T* c, Size ldc) {
    if (const Status error = obstacle(handle)) return error;
    if (!valid(triangle) || !valid(op) || n < 0 || k < 0) return kInvalidValue;
    const Transpose opposite = op == kPlain ? kTransposed : kPlain;
    return multiply_into("syrk", triangle, k, alpha, Operand<T>(op, a, n, k, lda),
                         Operand<T>(opposite, b, k, n, ldb), beta, Matrix<T>{c, n, n, ldc});
}

// Solves X against a packed triangular matrix on the left of it. The columns
// of X go in small groups, so that a column of the triangle is fetched once for
// all of a group.
template <typename T>
void solve_left(const Matrix<const T>& triangular, bool lower, const Matrix<T>& x) {
    constexpr Size kGroup = 8;
    const Size n = x.rows;
    for (Size j0 = 0; j0 < x.columns; j0 += kGroup)
        for (Size step = 0; step < n; ++step) {
            const Size p = lower ? step : n - 1 - step;
            const Size from = lower ? p + 1 : 0, to = lower ? n : p;
            for (Size j = j0; j < std::min(j0 + kGroup, x.columns); ++j) {
                x(p, j) /= triangular(p, p);
                add_column(to - from, &x(from, j), &triangular(from, p), -x(p, j));
            }
        }
}

// The same with the triangular matrix on the right, some rows of X at a time.
template <typename T>
void solve_right(const Matrix<const T>& triangular, bool lower, const Matrix<T>& x) {
    constexpr Size kGroup = 256;
    const Size n = x.columns;
    for (Size i = 0; i < x.rows; i += kGroup) {
        const Size rows = std::min(kGroup, x.rows - i);
        for (Size step = 0; step < n; ++step) {
            const Size j = lower ? n - 1 - step : step;
            for (Size p = lower ? j + 1 : 0; p < (lower ? n : j); ++p)
                add_column(rows, &x(i, j), &x(i, p), -triangular(p, j));
            for (Size row = i; row < i + rows; ++row) x(row, j) /= triangular(j, j);
        }
    }
}

template <typename T>
Status trsm(Opaque handle, Side side, Triangle triangle, Transpose op, Diagonal diagonal, Size m,
            Size n, const T* alpha, const T* a, Size lda, T* b, Size ldb) {
    if (const Status error = obstacle(handle)) return error;
    if (!valid(side) || !valid(triangle) || !valid(op) || !valid(diagonal) || m < 0 || n < 0)
        return kInvalidValue;
    const Size order = side == kLeft ? m : n;
    const Operand<T> factor(op, a, order, order, lda);
    const Matrix<T> x{b, m, n, ldb};
    if (!factor.stored.valid_leading() || !x.valid_leading() || !alpha) return kInvalidValue;
    if (x.empty()) return kSuccess;
    if (!a || !b) return kInvalidValue;
    x.require("trsm", "B");
    const T by = scalar("trsm", alpha);
    for (Size j = 0; j < n; ++j)
        for (Size i = 0; i < m; ++i) x(i, j) = by == T(0) ? T(0) : by * x(i, j);
    if (by == T(0)) return kSuccess;
    factor.stored.require("trsm", "A");
    forbid_overlap("trsm", factor.stored, x);
    const bool lower = (triangle == kLower) != factor.transposed;
    std::vector<T> pack(static_cast<std::size_t>(order * order), T(0));
    for (Size j = 0; j < order; ++j)
        for (Size i = lower ? j : 0; i < (lower ? order : j + 1); ++i)
            pack[static_cast<std::size_t>(j * order + i)] =
                i == j && diagonal == kUnit ? T(1) : factor(i, j);
    const Matrix<const T> triangular{pack.data(), order, order, order};
    if (side == kLeft)
        solve_left(triangular, lower, x);
    else
        solve_right(triangular, lower, x);
    return kSuccess;
}

}  // namespace blas
}  // namespace stand_in

using namespace stand_in;
using blas::Status;

// The handle.

STAND_IN_EXPORT Status cublasCreate_v2(Opaque* handle) {
    if (!handle) return blas::kInvalidValue;
    if (stand_in_failed()) return blas::kNotInitialized;
    *handle = blas::libraries().add(std::make_unique<blas::Library>());
    return blas::kSuccess;
}
STAND_IN_EXPORT Status cublasDestroy_v2(Opaque handle) {
    return blas::libraries().remove(handle) ? blas::kSuccess : blas::kNotInitialized;
}
STAND_IN_EXPORT Status cublasGetVersion_v2(Opaque, int* version) {
    if (!version) return blas::kInvalidValue;
    *version = 130000;
    return blas::kSuccess;
}
STAND_IN_EXPORT Status cublasSetStream_v2(Opaque handle, Opaque stream) {
    blas::Library* library = blas::libraries().find(handle);
    if (!library) return blas::kNotInitialized;
    library->stream = stream;
    return blas::kSuccess;
}

// The routines that the back end calls, in both precisions, with indices of 64 bits.
#define ROUTINES(letter, T)                                                                        \
    STAND_IN_EXPORT Status cublas##letter##gemm_v2_64(                                             \
        Opaque h, Transpose ta, Transpose tb, Size m, Size n, Size k, const T* alpha, const T* a,  \
        Size lda, const T* b, Size ldb, const T* beta, T* c, Size ldc) {                           \
        return blas::gemm<T>(h, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);             \
    }                                                                                              \
    STAND_IN_EXPORT Status cublas##letter##syrkx_64(                                               \
        Opaque h, Triangle uplo, Transpose t, Size n, Size k, const T* alpha, const T* a,          \
        Size lda, const T* b, Size ldb, const T* beta, T* c, Size ldc) {                           \
        return blas::syrkx<T>(h, uplo, t, n, k, alpha, a, lda, b, ldb, beta, c, ldc);              \
    }                                                                                              \
    STAND_IN_EXPORT Status cublas##letter##trsm_v2_64(                                             \
        Opaque h, Side side, Triangle uplo, Transpose t, Diagonal diag, Size m, Size n,            \
        const T* alpha, const T* a, Size lda, T* b, Size ldb) {                                    \
        return blas::trsm<T>(h, side, uplo, t, diag, m, n, alpha, a, lda, b, ldb);                 \
    }
ROUTINES(S, float)
ROUTINES(D, double)
