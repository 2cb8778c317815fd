//===- ColumnFeedback.h - Errors that make up for each other ----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Weights are rounded so that W x changes little, not W: with H = sum over measured inputs of x
// x^T, the error of a row is d H d^T, d the errors of its weights. Columns are rounded one after
// the other, the ones with the largest inputs first, and each aims at a value that makes up for the
// errors of those before it (Frantar et al., GPTQ, 2022, in the form of Chee et al., QuIP, 2023,
// section 3: H = R D R^T, R with ones on its diagonal and zeros below, so that the error is sum
// over j of D_j (d_j + sum over i < j of d_i R_ij)^2).
//
// H needs columns^2 floats and columns^3 / 6 operations: wide matrices are cut into blocks of
// columns that know nothing of each other.
//
#ifndef TENON_COMPILER_PACK_COLUMNFEEDBACK_H
#define TENON_COMPILER_PACK_COLUMNFEEDBACK_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <vector>

namespace tenon::compiler {

/// Most columns whose errors make up for each other.
inline constexpr uint64_t kMostFeedbackColumns = 2048;

/// What the inputs of one matrix say about rounding it.
class ColumnFeedback {
public:
  /// Columns [first, first + order.size()).
  struct Block {
    uint64_t first = 0;
    std::vector<uint32_t>
        order; ///< Columns of the block, counted from `first`, in the order of rounding.
    uint64_t stride = 0;
    /// [order.size()][stride]: element (j, i), i < j, is R_ij, in the order of rounding; the rest
    /// of a row to the next multiple of four is zero.
    std::vector<float> factors;
    const float *row(uint64_t j) const { return factors.data() + j * stride; }
  };

  /// Reads inputs of some columns, [rows][count] bf16, from wherever they are kept.
  using Read =
      llvm::function_ref<llvm::Error(uint64_t first, uint64_t count, std::vector<uint16_t> &out)>;

  /// From `rows` inputs of a matrix with `columns` columns; if some are not finite, they say
  /// nothing. The result does not depend on `threads`.
  static llvm::Expected<ColumnFeedback> measure(uint64_t rows, uint64_t columns, Read read,
                                                unsigned threads);

  llvm::ArrayRef<Block> blocks() const { return parts; }
  /// Mean square of each column's inputs, relative to that of all. What a column's error counts.
  llvm::ArrayRef<float> importance() const { return weights; }

private:
  std::vector<Block> parts;
  std::vector<float> weights;
};

} // namespace tenon::compiler

#endif // TENON_COMPILER_PACK_COLUMNFEEDBACK_H
