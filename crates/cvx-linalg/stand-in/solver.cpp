// libcusolver: the dense Cholesky factorisation in single and double precision on
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

struct Library {
    Opaque stream = nullptr;
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

template <typename T>
Status potrf(Opaque handle, Triangle triangle, Size n, T* data, Size leading, T* workspace,
             Size entries, int* info) {
    if (const Status error = obstacle(handle)) return error;
    const Matrix<T> a{data, n, n, leading};
    if (!valid(triangle) || n < 0 || !a.valid_leading() || !info) return kInvalidValue;
    if (triangle != kLower) fatal("potrf: only lower triangles stand in");
    Matrix<int>{info, 1, 1, 1}.require("potrf", "devInfo");
    *info = 0;
    if (a.empty()) return kSuccess;
    if (!data || !workspace || entries < workspace_entries(n)) return kInvalidValue;
    a.require("potrf", "A");
    spoil_workspace("potrf", workspace, n);
    *info = static_cast<int>(factor_lower(a));
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

// The routine, in both precisions.
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
