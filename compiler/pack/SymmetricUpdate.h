//===- SymmetricUpdate.h - Products of rows with themselves -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_PACK_SYMMETRICUPDATE_H
#define TENON_COMPILER_PACK_SYMMETRICUPDATE_H

#include <cstdint>
#include <vector>

namespace tenon::compiler {

/// A symmetric matrix [size, size] f32 of which only elements with row <= column are kept up to
/// date. Rows are padded with zeros to whole vectors.
class SymmetricMatrix {
public:
  explicit SymmetricMatrix(uint64_t size)
      : count(size), rowStride((size + kTile - 1) / kTile * kTile), values(count * rowStride) {}

  uint64_t size() const { return count; }
  uint64_t stride() const { return rowStride; } ///< Floats from one row to the next.
  float *row(uint64_t r) { return values.data() + r * rowStride; }
  const float *row(uint64_t r) const { return values.data() + r * rowStride; }

  /// Columns that are computed at a time.
  static constexpr uint64_t kTile = 16;

private:
  uint64_t count, rowStride;
  std::vector<float> values;
};

/// matrix[b][a] += sign * sum over n < rows of x[n][b] * x[n][a], for first <= b < last and b <= a.
/// Each element is a chain of fused multiply-adds in order of n, whatever the machine's vectors
/// hold. `x` is [rows, stride], and its columns from `matrix.size()` to the end of the vector are
/// readable. `sign` is 1 or -1.
void addProducts(SymmetricMatrix &matrix, const float *x, uint64_t stride, uint64_t rows,
                 float sign, uint64_t first, uint64_t last);

/// As above for all rows of the matrix, shared out to `threads` threads.
void addProducts(SymmetricMatrix &matrix, const float *x, uint64_t stride, uint64_t rows,
                 float sign, unsigned threads);

} // namespace tenon::compiler

#endif // TENON_COMPILER_PACK_SYMMETRICUPDATE_H
