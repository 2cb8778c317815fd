//===- Reblock.h - Weights in another format --------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// What `tenon-compile --weights` does to a matrix: its values, whatever the checkpoint stores them
// as, rounded to another format and packed into panels in the same pass. One panel of 16 rows is
// f32 at a time and thread; the matrix never is.
//
#ifndef TENON_COMPILER_PACK_REBLOCK_H
#define TENON_COMPILER_PACK_REBLOCK_H

#include "frontends/Checkpoint.h"
#include "runtime/engine/WeightFormat.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>

namespace tenon::compiler {

class ColumnFeedback;

/// Whether `reblockMatrix` can make `format`: bf16 and the formats with row scales.
bool canReblockTo(WeightFormat format);

/// Like `packMatrix`, but rounds to `format` on the way: `out` has
/// `packedBytes(format, rowCount, tensor.columns)` bytes. Rows are shared out to `threads` threads;
/// the bytes do not depend on how many. With `feedback`, of the matrix's inputs, formats with row
/// scales are rounded so that products change little. Fails where `packMatrix` fails, and on a
/// value that is not finite or too large for the format, naming its row and column.
llvm::Error reblockMatrix(const frontend::Tensor &tensor, WeightFormat format,
                          llvm::ArrayRef<uint32_t> rowOrder, uint64_t firstRow, uint64_t rowCount,
                          unsigned threads, llvm::MutableArrayRef<uint8_t> out,
                          const ColumnFeedback *feedback = nullptr);

} // namespace tenon::compiler

#endif // TENON_COMPILER_PACK_REBLOCK_H
