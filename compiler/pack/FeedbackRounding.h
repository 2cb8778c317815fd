//===- FeedbackRounding.h - Sixteen rows, column after column ---*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_PACK_FEEDBACKROUNDING_H
#define TENON_COMPILER_PACK_FEEDBACKROUNDING_H

#include "compiler/pack/ColumnFeedback.h"
#include "compiler/pack/RowRounding.h"

#include "llvm/ADT/ArrayRef.h"

#include <vector>

namespace tenon::compiler {

/// Chooses quants anew for rows whose scales are settled. Holds only scratch memory; one for each
/// thread.
class FeedbackRounder {
public:
  FeedbackRounder(WeightFormat format, uint64_t columns);

  /// `rows` are [rows][columns] values, `rounded` what RowRounder made of them. Their quants become
  /// those that keep the rows' products with the measured inputs. At most 16 rows; a row's result
  /// does not depend on the others.
  void round(const ColumnFeedback &feedback, llvm::ArrayRef<std::vector<float>> rows,
             llvm::MutableArrayRef<RoundedRow> rounded);

private:
  const FormatInfo info;
  // [columns of a block, in the order of rounding][16 rows]
  std::vector<float> values, scales, minimums, errors, quants;
};

} // namespace tenon::compiler

#endif // TENON_COMPILER_PACK_FEEDBACKROUNDING_H
