//===- RowRounding.h - A row of weights in few bits -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Rounds one row of a matrix to a format with row scales (runtime/engine/WeightFormat.h): for every
// group, the 8-bit scale (and minimum) whose rounded values come nearest to the given ones in
// the sense of sum over k of importance[k] * (w[k] - rounded[k])^2. What is known about the inputs
// decides about importance; if nothing is, importance[k] = |w[k]| plus the row's root mean square:
// large weights count more, and none counts for nothing.
//
// Scales and minimums are searched as the codes that will be stored, not as real numbers that are
// rounded afterwards. A group alternates, from several beginnings, between the best quants for a
// scale and the best scale for the quants (least squares), and then looks at the codes next to the
// best. The beginnings follow from the group's extremes, so that values that already lie on a grid
// of the format (a 4-bit file) are found again.
//
// The result depends on the row alone: not on the machine's vectors, nor on other rows.
//
#ifndef TENON_COMPILER_PACK_ROWROUNDING_H
#define TENON_COMPILER_PACK_ROWROUNDING_H

#include "runtime/engine/WeightFormat.h"

#include "llvm/ADT/ArrayRef.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace tenon::compiler {

/// One row in an R format: w = half(scale) * code * (q - offset) [- half(minScale) * minCode].
struct RoundedRow {
  uint16_t scale = 0, minScale = 0;     ///< Bits of f16 numbers >= 0.
  std::vector<int16_t> codes, minCodes; ///< For each group; minCodes empty without minimum.
  std::vector<uint8_t> quants;          ///< For each column, as stored (unsigned).
};

/// Rounds rows of one matrix. Holds only scratch memory; one for each thread.
class RowRounder {
public:
  /// `format` has row scales; `columns` is a multiple of 32.
  RowRounder(WeightFormat format, uint64_t columns);

  /// Rounds `row` [columns], whose values are finite and at most 2^23 in magnitude.
  /// `columnImportance` [columns] is of the inputs, and empty if nothing is known. Valid until the
  /// next call.
  const RoundedRow &round(llvm::ArrayRef<float> row, llvm::ArrayRef<float> columnImportance = {});

private:
  /// Elements of group `g`; the last may be short.
  llvm::ArrayRef<float> groupOf(llvm::ArrayRef<float> row, size_t g) const {
    return row.slice(g * info.group, std::min<size_t>(info.group, row.size() - g * info.group));
  }
  void roundSymmetric(llvm::ArrayRef<float> row);
  void roundWithMinimum(llvm::ArrayRef<float> row);

  const FormatInfo info;
  RoundedRow result;
  std::vector<float> importance, firstScale, firstMin;
};

} // namespace tenon::compiler

#endif // TENON_COMPILER_PACK_ROWROUNDING_H
