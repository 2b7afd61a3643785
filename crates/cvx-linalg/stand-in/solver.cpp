// libcusolver: the dense Cholesky routines in single and double precision on
// the host.
//
// A routine reads and writes the named triangle only. With
// CVX_STAND_IN_SCRIBBLE set it leaves NaNs in the other one, which nothing
// promises to keep.

#include "handles.h"
#include "matrix.h"
#include "settings.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace stand_in {
namespace solver {

enum Status : int {
    kSuccess = 0,
    kNotInitialized = 1,
    kInvalidValue = 3,
    kExecutionFailed = 6,
};

// cudaDataType.
enum DataType : int { kSingle = 0, kDouble = 1 };

struct Library {
    Opaque stream = nullptr;
    int mode = 1;  // CUSOLVER_DETERMINISTIC_RESULTS
};

inline Handles<Library>& libraries() {
    static auto* const live = new Handles<Library>;
    return *live;
}

inline Status obstacle(Opaque handle) {
    if (!libraries().find(handle)) return kNotInitialized;
    return stand_in_failed() ? kExecutionFailed : kSuccess;
}

// The routines need no workspace, but ask for one and spoil it, so that a
// caller that passes too little or lets it overlap something is found out.
inline Size workspace_entries(Size n) { return std::max<Size>(1, 2 * n); }

template <typename T>
constexpr T kNothing = std::numeric_limits<T>::quiet_NaN();

template <typename T>
void spoil_workspace(const char* routine, T* workspace, Size n) {
    const Size entries = workspace_entries(n);
    Matrix<T>{workspace, entries, 1, entries}.require(routine, "the workspace");
    std::fill_n(workspace, entries, kNothing<T>);
}

template <typename T>
void scribble(Triangle triangle, const Matrix<T>& a) {
    if (!settings().scribble) return;
    for (Size j = 0; j < a.columns; ++j)
        for (Size i = 0; i < a.rows; ++i)
            if (!within(triangle, i, j)) a(i, j) = kNothing<T>;
}

// What the routines' arguments have in common; `go` tells whether there is
// anything to do.
template <typename T>
Status check(Opaque handle, const char* routine, Triangle triangle, const Matrix<T>& a,
             T* workspace, Size entries, int* info, bool& go) {
    go = false;
    if (const Status error = obstacle(handle)) return error;
    if (!valid(triangle) || a.rows < 0 || !a.valid_leading() || !info) return kInvalidValue;
    Matrix<int>{info, 1, 1, 1}.require(routine, "devInfo");
    *info = 0;
    if (a.empty()) return kSuccess;
    if (!a.data || !workspace || entries < workspace_entries(a.rows)) return kInvalidValue;
    a.require(routine, "A");
    spoil_workspace(routine, workspace, a.rows);
    go = true;
    return kSuccess;
}

// A = L L^T by columns from the left; the order of the leading minor that is
// not positive definite, or 0.
template <typename T>
Size factor_lower(const Matrix<T>& a) {
    const Size n = a.rows;
    for (Size j = 0; j < n; ++j) {
        T* __restrict__ column = &a(0, j);
        for (Size p = 0; p < j; ++p) {
            const T* __restrict__ earlier = &a(0, p);
            const T by = earlier[j];
            for (Size i = j; i < n; ++i) column[i] -= earlier[i] * by;
        }
        // Not told of NaN, which no routine promises to notice.
        if (column[j] <= T(0)) return j + 1;
        const T pivot = std::sqrt(column[j]);
        column[j] = pivot;
        for (Size i = j + 1; i < n; ++i) column[i] /= pivot;
    }
    return 0;
}

// A = U^T U, likewise.
template <typename T>
Size factor_upper(const Matrix<T>& a) {
    for (Size j = 0; j < a.rows; ++j)
        for (Size i = 0; i <= j; ++i) {
            T rest = a(i, j);
            for (Size p = 0; p < i; ++p) rest -= a(p, i) * a(p, j);
            if (i == j && !(rest > T(0))) return j + 1;
            a(i, j) = i == j ? std::sqrt(rest) : rest / a(i, i);
        }
    return 0;
}

// The inverse of a triangular matrix in its place, column by column so that
// the columns still needed are the ones not yet replaced.
template <typename T>
Size invert_triangle(Triangle triangle, Diagonal diagonal, const Matrix<T>& a) {
    const Size n = a.rows;
    const bool lower = triangle == kLower;
    if (diagonal == kStored)
        for (Size j = 0; j < n; ++j)
            if (a(j, j) == T(0)) return j + 1;
    std::vector<T> x(static_cast<std::size_t>(n));
    for (Size step = 0; step < n; ++step) {
        // Columns whose inverse depends on the rest of the triangle go first:
        // lower from the left, upper from the right.
        const Size j = lower ? step : n - 1 - step;
        std::fill(x.begin(), x.end(), T(0));
        x[static_cast<std::size_t>(j)] = T(1);
        for (Size p = j; lower ? p < n : p >= 0; p += lower ? 1 : -1) {
            T& pivot = x[static_cast<std::size_t>(p)];
            if (diagonal == kStored) pivot /= a(p, p);
            for (Size i = lower ? p + 1 : 0; i < (lower ? n : p); ++i)
                x[static_cast<std::size_t>(i)] -= a(i, p) * pivot;
        }
        for (Size i = lower ? j : 0; i < (lower ? n : j + 1); ++i)
            if (i != j || diagonal == kStored) a(i, j) = x[static_cast<std::size_t>(i)];
    }
    return 0;
}

template <typename T>
Status potrf(Opaque handle, Triangle triangle, Size n, T* data, Size leading, T* workspace,
             Size entries, int* info) {
    const Matrix<T> a{data, n, n, leading};
    bool go;
    if (const Status error = check(handle, "potrf", triangle, a, workspace, entries, info, go))
        return error;
    if (!go) return kSuccess;
    *info = static_cast<int>(triangle == kLower ? factor_lower(a) : factor_upper(a));
    scribble(triangle, a);
    return kSuccess;
}

// The inverse of A from its factor: V^T V with V the inverse of L, or V V^T
// with V the inverse of U.
template <typename T>
Status potri(Opaque handle, Triangle triangle, Size n, T* data, Size leading, T* workspace,
             Size entries, int* info) {
    const Matrix<T> a{data, n, n, leading};
    bool go;
    if (const Status error = check(handle, "potri", triangle, a, workspace, entries, info, go))
        return error;
    if (!go) return kSuccess;
    *info = static_cast<int>(invert_triangle(triangle, kStored, a));
    if (*info == 0) {
        // Ascending in both indices, each entry is read for the last time
        // when it is replaced.
        for (Size j = 0; j < n; ++j)
            for (Size i = 0; i <= j; ++i) {
                T sum = 0;
                for (Size p = j; p < n; ++p)
                    sum += triangle == kLower ? a(p, i) * a(p, j) : a(i, p) * a(j, p);
                (triangle == kLower ? a(j, i) : a(i, j)) = sum;
            }
    }
    scribble(triangle, a);
    return kSuccess;
}

inline bool valid(DataType type) { return type == kSingle || type == kDouble; }

template <typename T>
Status trtri(Opaque handle, Triangle triangle, Diagonal diagonal, Size n, void* data, Size leading,
             void* workspace, std::size_t bytes, int* info) {
    const Matrix<T> a{static_cast<T*>(data), n, n, leading};
    bool go;
    if (const Status error = check(handle, "trtri", triangle, a, static_cast<T*>(workspace),
                                   static_cast<Size>(bytes / sizeof(T)), info, go))
        return error;
    if (!go) return kSuccess;
    *info = static_cast<int>(invert_triangle(triangle, diagonal, a));
    scribble(triangle, a);
    return kSuccess;
}

}  // namespace solver
}  // namespace stand_in

using namespace stand_in;
using solver::Status;

// The handle.

STAND_IN_EXPORT Status cusolverDnCreate(Opaque* handle) {
    if (!handle) return solver::kInvalidValue;
    if (stand_in_failed()) return solver::kNotInitialized;
    *handle = solver::libraries().add(std::make_unique<solver::Library>());
    return solver::kSuccess;
}
STAND_IN_EXPORT Status cusolverDnDestroy(Opaque handle) {
    return solver::libraries().remove(handle) ? solver::kSuccess : solver::kNotInitialized;
}
STAND_IN_EXPORT Status cusolverDnSetStream(Opaque handle, Opaque stream) {
    solver::Library* library = solver::libraries().find(handle);
    if (!library) return solver::kNotInitialized;
    library->stream = stream;
    return solver::kSuccess;
}
STAND_IN_EXPORT Status cusolverDnSetDeterministicMode(Opaque handle, int mode) {
    solver::Library* library = solver::libraries().find(handle);
    if (!library) return solver::kNotInitialized;
    library->mode = mode;
    return solver::kSuccess;
}
STAND_IN_EXPORT Status cusolverDnGetDeterministicMode(Opaque handle, int* mode) {
    const solver::Library* library = solver::libraries().find(handle);
    if (!library) return solver::kNotInitialized;
    *mode = library->mode;
    return solver::kSuccess;
}

// The routines.

#define ROUTINE(letter, T, name)                                                                 \
    STAND_IN_EXPORT Status cusolverDn##letter##name##_bufferSize(Opaque handle, Triangle uplo,   \
                                                                 int n, T* a, int lda,           \
                                                                 int* entries) {                 \
        if (const Status error = solver::obstacle(handle)) return error;                         \
        if (!valid(uplo) || n < 0 || !Matrix<T>{a, n, n, lda}.valid_leading() || !entries)       \
            return solver::kInvalidValue;                                                        \
        *entries = static_cast<int>(solver::workspace_entries(n));                               \
        return solver::kSuccess;                                                                 \
    }                                                                                            \
    STAND_IN_EXPORT Status cusolverDn##letter##name(Opaque handle, Triangle uplo, int n, T* a,   \
                                                    int lda, T* workspace, int entries,          \
                                                    int* info) {                                 \
        return solver::name<T>(handle, uplo, n, a, lda, workspace, entries, info);               \
    }
ROUTINE(S, float, potrf)
ROUTINE(D, double, potrf)
ROUTINE(S, float, potri)
ROUTINE(D, double, potri)

STAND_IN_EXPORT Status cusolverDnXtrtri_bufferSize(Opaque handle, Triangle uplo, Diagonal diagonal,
                                                   std::int64_t n, solver::DataType type, void*,
                                                   std::int64_t lda, std::size_t* device_bytes,
                                                   std::size_t* host_bytes) {
    if (const Status error = solver::obstacle(handle)) return error;
    if (!valid(uplo) || !valid(diagonal) || !solver::valid(type) || n < 0 ||
        lda < std::max<Size>(1, n) || !device_bytes || !host_bytes)
        return solver::kInvalidValue;
    const std::size_t entry = type == solver::kSingle ? sizeof(float) : sizeof(double);
    *device_bytes = static_cast<std::size_t>(solver::workspace_entries(n)) * entry;
    *host_bytes = 0;
    return solver::kSuccess;
}
STAND_IN_EXPORT Status cusolverDnXtrtri(Opaque handle, Triangle uplo, Diagonal diagonal,
                                        std::int64_t n, solver::DataType type, void* a,
                                        std::int64_t lda, void* workspace, std::size_t bytes, void*,
                                        std::size_t, int* info) {
    if (!valid(diagonal) || !solver::valid(type)) return solver::kInvalidValue;
    return type == solver::kSingle
               ? solver::trtri<float>(handle, uplo, diagonal, n, a, lda, workspace, bytes, info)
               : solver::trtri<double>(handle, uplo, diagonal, n, a, lda, workspace, bytes, info);
}
