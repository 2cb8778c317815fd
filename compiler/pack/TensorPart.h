//===- TensorPart.h - A chip's part of a checkpoint tensor ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_PACK_TENSORPART_H
#define TENON_COMPILER_PACK_TENSORPART_H

#include "frontends/Checkpoint.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <vector>

namespace tenon::compiler {

/// A rectangle of a matrix, in packed rows (after the rotary row order) and columns.
struct TensorPart {
  uint64_t firstRow = 0, rows = 0, firstColumn = 0, columns = 0;

  /// The part of size `rows` x `columns` that begins at `begin` along `dim` (0: rows, 1: columns).
  static TensorPart along(uint32_t dim, uint64_t begin, uint64_t rows, uint64_t columns) {
    return dim == 0 ? TensorPart{begin, rows, 0, columns} : TensorPart{0, rows, begin, columns};
  }
  bool isWithin(const frontend::Tensor &tensor) const {
    return firstRow <= tensor.rows && rows <= tensor.rows - firstRow &&
           firstColumn <= tensor.columns && columns <= tensor.columns - firstColumn;
  }
};

/// Copies a part of `tensor` into `storage`, in the tensor's own format, and returns it as a tensor
/// of its own that reads `storage`. Packed row r is row `rowOrder[r]`, or r if there is no order.
/// Fails if the part does not lie within the tensor or its columns do not begin and end between
/// blocks of the format.
llvm::Expected<frontend::Tensor> copyPart(const frontend::Tensor &tensor,
                                          llvm::ArrayRef<uint32_t> rowOrder, const TensorPart &part,
                                          std::vector<uint8_t> &storage);

} // namespace tenon::compiler

#endif // TENON_COMPILER_PACK_TENSORPART_H
