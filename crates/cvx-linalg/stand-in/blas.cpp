// libcublas: the level-3 routines, and a few others, in single and double
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

enum PointerMode : int { kHost = 0, kDevice = 1 };

struct Library {
    Opaque stream = nullptr;
    PointerMode scalars = kHost;
    int math = 0;
    int atomics = 0;
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

// Reads a scalar argument, after making sure that it is where the pointer mode
// says: a GPU could not follow the wrong kind of pointer.
template <typename T>
T scalar(Opaque handle, const char* routine, const T* value) {
    const bool device = libraries().find(handle)->scalars == kDevice;
    if (stand_in_holds(value, sizeof(T)) != device)
        fatal("%s: a scalar is not in %s memory, as the pointer mode says", routine,
              device ? "device" : "host");
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
Status multiply_into(Opaque handle, const char* routine, Triangle triangle, Size k, const T* alpha,
                     const Operand<T>& left, const Operand<T>& right, const T* beta,
                     const Matrix<T>& c) {
    if (!left.stored.valid_leading() || !right.stored.valid_leading() || !c.valid_leading())
        return kInvalidValue;
    if (!alpha || !beta) return kInvalidValue;
    if (c.empty()) return kSuccess;
    if (!c.data) return kInvalidValue;
    c.require(routine, "C");
    const T by = scalar(handle, routine, alpha), keep = scalar(handle, routine, beta);
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
    return multiply_into(handle, "gemm", kFull, k, alpha, Operand<T>(op_a, a, m, k, lda),
                         Operand<T>(op_b, b, k, n, ldb), beta, Matrix<T>{c, m, n, ldc});
}

template <typename T>
Status gemm_batched(Opaque handle, Transpose op_a, Transpose op_b, Size m, Size n, Size k,
                    const T* alpha, const T* a, Size lda, long long step_a, const T* b, Size ldb,
                    long long step_b, const T* beta, T* c, Size ldc, long long step_c, Size count) {
    if (const Status error = obstacle(handle)) return error;
    if (count < 0) return kInvalidValue;
    for (Size i = 0; i < count; ++i)
        if (const Status error = gemm(handle, op_a, op_b, m, n, k, alpha, a + i * step_a, lda,
                                      b + i * step_b, ldb, beta, c + i * step_c, ldc))
            return error;
    return kSuccess;
}

// C := alpha op(A) op(B)^T + beta C, which the caller promises to be symmetric.
template <typename T>
Status syrkx(Opaque handle, Triangle triangle, Transpose op, Size n, Size k, const T* alpha,
             const T* a, Size lda, const T* b, Size ldb, const T* beta, T* c, Size ldc) {
    if (const Status error = obstacle(handle)) return error;
    if (!valid(triangle) || !valid(op) || n < 0 || k < 0) return kInvalidValue;
    const Transpose opposite = op == kPlain ? kTransposed : kPlain;
    return multiply_into(handle, "syrk", triangle, k, alpha, Operand<T>(op, a, n, k, lda),
                         Operand<T>(opposite, b, k, n, ldb), beta, Matrix<T>{c, n, n, ldc});
}

template <typename T>
Status syrk(Opaque handle, Triangle triangle, Transpose op, Size n, Size k, const T* alpha,
            const T* a, Size lda, const T* beta, T* c, Size ldc) {
    return syrkx(handle, triangle, op, n, k, alpha, a, lda, a, lda, beta, c, ldc);
}

// C := alpha A B + beta C or, on the right, alpha B A + beta C.
template <typename T>
Status symm(Opaque handle, Side side, Triangle triangle, Size m, Size n, const T* alpha, const T* a,
            Size lda, const T* b, Size ldb, const T* beta, T* c, Size ldc) {
    if (const Status error = obstacle(handle)) return error;
    if (!valid(side) || !valid(triangle) || m < 0 || n < 0) return kInvalidValue;
    const Size order = side == kLeft ? m : n;
    const Matrix<const T> stored{a, order, order, lda}, other{b, m, n, ldb};
    const Matrix<T> output{c, m, n, ldc};
    if (!stored.valid_leading() || !other.valid_leading() || !output.valid_leading())
        return kInvalidValue;
    if (!alpha || !beta) return kInvalidValue;
    if (output.empty()) return kSuccess;
    if (!a || !b || !c) return kInvalidValue;
    stored.require("symm", "A");
    other.require("symm", "B");
    output.require("symm", "C");
    forbid_overlap("symm", stored, output);
    forbid_overlap("symm", other, output);
    const T by = scalar(handle, "symm", alpha), keep = scalar(handle, "symm", beta);
    std::vector<T> product;
    if (by != T(0)) {
        std::vector<T> whole(static_cast<std::size_t>(order * order));
        for (Size j = 0; j < order; ++j)
            for (Size i = 0; i < order; ++i)
                whole[static_cast<std::size_t>(j * order + i)] =
                    within(triangle, i, j) ? stored(i, j) : stored(j, i);
        const Operand<T> symmetric(kPlain, whole.data(), order, order, order);
        const Operand<T> plain(kPlain, b, m, n, ldb);
        product = side == kLeft ? multiply(m, n, order, symmetric, plain, kFull)
                                : multiply(m, n, order, plain, symmetric, kFull);
    }
    update(output, kFull, by, product, keep);
    return kSuccess;
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
    const T by = scalar(handle, "trsm", alpha);
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

// C := alpha op(A) + beta op(B); C may be A or B itself where that one is not
// transposed.
template <typename T>
Status geam(Opaque handle, Transpose op_a, Transpose op_b, Size m, Size n, const T* alpha,
            const T* a, Size lda, const T* beta, const T* b, Size ldb, T* c, Size ldc) {
    if (const Status error = obstacle(handle)) return error;
    if (!valid(op_a) || !valid(op_b) || m < 0 || n < 0) return kInvalidValue;
    const Operand<T> left(op_a, a, m, n, lda), right(op_b, b, m, n, ldb);
    const Matrix<T> output{c, m, n, ldc};
    if (!left.stored.valid_leading() || !right.stored.valid_leading() || !output.valid_leading())
        return kInvalidValue;
    if (!alpha || !beta) return kInvalidValue;
    if (output.empty()) return kSuccess;
    const T by_a = scalar(handle, "geam", alpha), by_b = scalar(handle, "geam", beta);
    if (!c) return kInvalidValue;
    output.require("geam", "C");
    for (const auto& [operand, by] : {std::pair(&left, by_a), std::pair(&right, by_b)}) {
        if (by == T(0)) continue;
        if (!operand->stored.data) return kInvalidValue;
        operand->stored.require("geam", "an input");
        if (operand->stored.data == c) {
            if (operand->transposed || operand->stored.leading != ldc) return kInvalidValue;
        } else {
            forbid_overlap("geam", operand->stored, output);
        }
    }
    for (Size j = 0; j < n; ++j)
        for (Size i = 0; i < m; ++i) {
            T value = by_a == T(0) ? T(0) : by_a * left(i, j);
            if (by_b != T(0)) value += by_b * right(i, j);
            output(i, j) = value;
        }
    return kSuccess;
}

// A vector with a stride; with a negative one it runs backwards from its end.
template <typename T>
struct Strided {
    T* data;
    Size count, step;

    T& operator()(Size i) const { return data[step < 0 ? (i + 1 - count) * step : i * step]; }
    void require(const char* routine, const char* name) const {
        const Size extent = count == 0 ? 0 : (count - 1) * (step < 0 ? -step : step) + 1;
        Matrix<T>{data, extent, 1, extent}.require(routine, name);
    }
};

// C := A diag(x) or, on the left, diag(x) A; C may be A itself.
template <typename T>
Status dgmm(Opaque handle, Side side, Size m, Size n, const T* a, Size lda, const T* x, Size step,
            T* c, Size ldc) {
    if (const Status error = obstacle(handle)) return error;
    const Matrix<const T> input{a, m, n, lda};
    const Matrix<T> output{c, m, n, ldc};
    if (!valid(side) || m < 0 || n < 0 || !input.valid_leading() || !output.valid_leading())
        return kInvalidValue;
    if (output.empty()) return kSuccess;
    if (!a || !x || !c) return kInvalidValue;
    const Strided<const T> diagonal{x, side == kLeft ? m : n, step};
    input.require("dgmm", "A");
    diagonal.require("dgmm", "x");
    output.require("dgmm", "C");
    if (a == c ? lda != ldc : output.overlaps(input)) fatal("dgmm: C overlaps A");
    for (Size j = 0; j < n; ++j)
        for (Size i = 0; i < m; ++i) output(i, j) = input(i, j) * diagonal(side == kLeft ? i : j);
    return kSuccess;
}

template <typename T>
Status gemv(Opaque handle, Transpose op, Size m, Size n, const T* alpha, const T* a, Size lda,
            const T* x, Size step_x, const T* beta, T* y, Size step_y) {
    if (const Status error = obstacle(handle)) return error;
    const Matrix<const T> stored{a, m, n, lda};
    if (!valid(op) || m < 0 || n < 0 || !stored.valid_leading() || step_x == 0 || step_y == 0 ||
        !alpha || !beta)
        return kInvalidValue;
    if (stored.empty()) return kSuccess;
    if (!a || !x || !y) return kInvalidValue;
    const Strided<const T> input{x, op == kPlain ? n : m, step_x};
    const Strided<T> output{y, op == kPlain ? m : n, step_y};
    stored.require("gemv", "A");
    input.require("gemv", "x");
    output.require("gemv", "y");
    const T by = scalar(handle, "gemv", alpha), keep = scalar(handle, "gemv", beta);
    std::vector<T> product(static_cast<std::size_t>(output.count), T(0));
    for (Size j = 0; j < n; ++j)
        for (Size i = 0; i < m; ++i)
            if (op == kPlain)
                product[static_cast<std::size_t>(i)] += stored(i, j) * input(j);
            else
                product[static_cast<std::size_t>(j)] += stored(i, j) * input(i);
    for (Size i = 0; i < output.count; ++i) {
        T value = by == T(0) ? T(0) : by * product[static_cast<std::size_t>(i)];
        if (keep != T(0)) value += keep * output(i);
        output(i) = value;
    }
    return kSuccess;
}

template <typename T>
Status dot(Opaque handle, Size n, const T* x, Size step_x, const T* y, Size step_y, T* result) {
    if (const Status error = obstacle(handle)) return error;
    if (!result) return kInvalidValue;
    scalar(handle, "dot", result);
    T sum = 0;
    if (n > 0) {
        if (!x || !y) return kInvalidValue;
        const Strided<const T> left{x, n, step_x}, right{y, n, step_y};
        left.require("dot", "x");
        right.require("dot", "y");
        for (Size i = 0; i < n; ++i) sum += left(i) * right(i);
    }
    *result = sum;
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
STAND_IN_EXPORT Status cublasSetWorkspace_v2(Opaque handle, void* workspace, std::size_t bytes) {
    if (!blas::libraries().find(handle)) return blas::kNotInitialized;
    if (workspace && !stand_in_holds(workspace, bytes))
        fatal("cublasSetWorkspace: the workspace is not within one live device allocation");
    return blas::kSuccess;
}

// Properties of the handle that a caller sets and reads back.
#define PROPERTY(name, suffix, type, member)                                      \
    STAND_IN_EXPORT Status cublasSet##name##suffix(Opaque handle, type value) {   \
        blas::Library* library = blas::libraries().find(handle);                  \
        if (!library) return blas::kNotInitialized;                               \
        library->member = value;                                                  \
        return blas::kSuccess;                                                    \
    }                                                                             \
    STAND_IN_EXPORT Status cublasGet##name##suffix(Opaque handle, type* value) {  \
        const blas::Library* library = blas::libraries().find(handle);            \
        if (!library) return blas::kNotInitialized;                               \
        if (!value) return blas::kInvalidValue;                                   \
        *value = library->member;                                                 \
        return blas::kSuccess;                                                    \
    }
PROPERTY(Stream, _v2, Opaque, stream)
PROPERTY(PointerMode, _v2, blas::PointerMode, scalars)
PROPERTY(MathMode, , int, math)
PROPERTY(AtomicsMode, , int, atomics)

// The routines, each in both precisions and with indices of 32 and 64 bits.
#define ROUTINES(letter, T, v2, plain, I)                                                          \
    STAND_IN_EXPORT Status cublas##letter##gemm##v2(                                               \
        Opaque h, Transpose ta, Transpose tb, I m, I n, I k, const T* alpha, const T* a, I lda,    \
        const T* b, I ldb, const T* beta, T* c, I ldc) {                                           \
        return blas::gemm<T>(h, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);             \
    }                                                                                              \
    STAND_IN_EXPORT Status cublas##letter##gemmStridedBatched##plain(                              \
        Opaque h, Transpose ta, Transpose tb, I m, I n, I k, const T* alpha, const T* a, I lda,    \
        long long sa, const T* b, I ldb, long long sb, const T* beta, T* c, I ldc, long long sc,   \
        I count) {                                                                                 \
        return blas::gemm_batched<T>(h, ta, tb, m, n, k, alpha, a, lda, sa, b, ldb, sb, beta, c,   \
                                     ldc, sc, count);                                              \
    }                                                                                              \
    STAND_IN_EXPORT Status cublas##letter##syrk##v2(Opaque h, Triangle uplo, Transpose t, I n,     \
                                                    I k, const T* alpha, const T* a, I lda,        \
                                                    const T* beta, T* c, I ldc) {                  \
        return blas::syrk<T>(h, uplo, t, n, k, alpha, a, lda, beta, c, ldc);                       \
    }                                                                                              \
    STAND_IN_EXPORT Status cublas##letter##syrkx##plain(                                           \
        Opaque h, Triangle uplo, Transpose t, I n, I k, const T* alpha, const T* a, I lda,         \
        const T* b, I ldb, const T* beta, T* c, I ldc) {                                           \
        return blas::syrkx<T>(h, uplo, t, n, k, alpha, a, lda, b, ldb, beta, c, ldc);              \
    }                                                                                              \
    STAND_IN_EXPORT Status cublas##letter##symm##v2(                                               \
        Opaque h, Side side, Triangle uplo, I m, I n, const T* alpha, const T* a, I lda,           \
        const T* b, I ldb, const T* beta, T* c, I ldc) {                                           \
        return blas::symm<T>(h, side, uplo, m, n, alpha, a, lda, b, ldb, beta, c, ldc);            \
    }                                                                                              \
    STAND_IN_EXPORT Status cublas##letter##trsm##v2(Opaque h, Side side, Triangle uplo,            \
                                                    Transpose t, Diagonal diag, I m, I n,          \
                                                    const T* alpha, const T* a, I lda, T* b,       \
                                                    I ldb) {                                       \
        return blas::trsm<T>(h, side, uplo, t, diag, m, n, alpha, a, lda, b, ldb);                 \
    }                                                                                              \
    STAND_IN_EXPORT Status cublas##letter##geam##plain(                                            \
        Opaque h, Transpose ta, Transpose tb, I m, I n, const T* alpha, const T* a, I lda,         \
        const T* beta, const T* b, I ldb, T* c, I ldc) {                                           \
        return blas::geam<T>(h, ta, tb, m, n, alpha, a, lda, beta, b, ldb, c, ldc);                \
    }                                                                                              \
    STAND_IN_EXPORT Status cublas##letter##dgmm##plain(Opaque h, Side side, I m, I n, const T* a,  \
                                                       I lda, const T* x, I step, T* c, I ldc) {   \
        return blas::dgmm<T>(h, side, m, n, a, lda, x, step, c, ldc);                              \
    }                                                                                              \
    STAND_IN_EXPORT Status cublas##letter##gemv##v2(                                               \
        Opaque h, Transpose t, I m, I n, const T* alpha, const T* a, I lda, const T* x, I sx,      \
        const T* beta, T* y, I sy) {                                                               \
        return blas::gemv<T>(h, t, m, n, alpha, a, lda, x, sx, beta, y, sy);                       \
    }                                                                                              \
    STAND_IN_EXPORT Status cublas##letter##dot##v2(Opaque h, I n, const T* x, I sx, const T* y,    \
                                                   I sy, T* result) {                              \
        return blas::dot<T>(h, n, x, sx, y, sy, result);                                           \
    }
ROUTINES(S, float, _v2, , int)
ROUTINES(S, float, _v2_64, _64, std::int64_t)
ROUTINES(D, double, _v2, , int)
ROUTINES(D, double, _v2_64, _64, std::int64_t)
