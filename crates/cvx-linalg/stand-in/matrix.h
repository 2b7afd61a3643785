// Column-major matrices in device memory, as the routines' arguments give them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "memory.h"

namespace stand_in {

using Size = std::int64_t;

// The numbers of the CUDA headers' enumerations.
enum Transpose : int { kPlain = 0, kTransposed = 1, kAdjoint = 2 };
enum Triangle : int { kLower = 0, kUpper = 1, kFull = 2 };
enum Side : int { kLeft = 0, kRight = 1 };
enum Diagonal : int { kStored = 0, kUnit = 1 };

inline bool valid(Transpose value) { return value >= kPlain && value <= kAdjoint; }
inline bool valid(Triangle value) { return value == kLower || value == kUpper; }
inline bool valid(Side value) { return value == kLeft || value == kRight; }
inline bool valid(Diagonal value) { return value == kStored || value == kUnit; }

// Whether an entry lies in a triangle, its diagonal included.
inline bool within(Triangle triangle, Size row, Size column) {
    return triangle == kFull || (triangle == kLower ? row >= column : row <= column);
}

template <typename T>
struct Matrix {
    T* data;
    Size rows, columns, leading;

    bool empty() const { return rows == 0 || columns == 0; }
    bool valid_leading() const { return leading >= (rows > 1 ? rows : 1); }
    // From the first entry to the last.
    Size extent() const { return empty() ? 0 : (columns - 1) * leading + rows; }
    T& operator()(Size row, Size column) const { return data[row + column * leading]; }

    void require(const char* routine, const char* name) const {
        if (!stand_in_holds(data, static_cast<std::size_t>(extent()) * sizeof(T)))
            fatal("%s: %s (%lld x %lld, leading dimension %lld) is not within one live device "
                  "allocation",
                  routine, name, static_cast<long long>(rows), static_cast<long long>(columns),
                  static_cast<long long>(leading));
    }

    // Whether the two share an entry. Two blocks of one matrix may interleave
    // in memory without doing so; with unlike leading dimensions, crossing
    // ranges count as sharing.
    template <typename U>
    bool overlaps(const Matrix<U>& other) const {
        if (empty() || other.empty()) return false;
        const auto mine = reinterpret_cast<std::intptr_t>(data);
        const auto its = reinterpret_cast<std::intptr_t>(other.data);
        const auto unit = static_cast<std::intptr_t>(sizeof(T));
        if (mine + extent() * unit <= its || its + other.extent() * unit <= mine) return false;
        if (leading != other.leading || (its - mine) % unit != 0) return true;
        const Size offset = (its - mine) / unit;
        Size column = offset / leading, row = offset % leading;
        if (row < 0) row += leading, --column;
        // Seen from this matrix the other one starts at (row, column); what
        // passes the last row continues at the top of the next column.
        return (row < rows && meets(column, other.columns)) ||
               (row + other.rows > leading && meets(column + 1, other.columns));
    }

private:
    bool meets(Size column, Size count) const { return column < columns && column + count > 0; }
};

template <typename T, typename U>
void forbid_overlap(const char* routine, const Matrix<T>& input, const Matrix<U>& output) {
    if (output.overlaps(input)) fatal("%s: the output overlaps an input", routine);
}

}  // namespace stand_in
