//===- Packer.h - Checkpoint matrices to weight panels ----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Rearranges a matrix as a checkpoint stores it into the panels of runtime/engine/WeightFormat.h.
// The format is kept and no value changes: only nibbles, bits and scales move. One pass over the
// source, 16 rows at a time, each output plane written front to back.
//
#ifndef TENON_COMPILER_PACK_PACKER_H
#define TENON_COMPILER_PACK_PACKER_H

#include "frontends/Checkpoint.h"
#include "runtime/engine/WeightFormat.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <vector>

namespace tenon::compiler {

/// Packs `rowCount` rows of `tensor`, from packed row `firstRow` on, into `out`, whose size must be
/// `packedBytes(tensor.format, rowCount, tensor.columns)`. Packed row r is row `rowOrder[r]` of the
/// tensor, or row r if `rowOrder` is empty; otherwise it holds one entry per row of the tensor.
/// Rows that pad the last panel to 16 decode to zero. Threads may pack disjoint outputs at once.
/// Fails on a tensor without data and on ranges, orders or buffers that do not fit it.
llvm::Error packMatrix(const frontend::Tensor &tensor, llvm::ArrayRef<uint32_t> rowOrder,
                       uint64_t firstRow, uint64_t rowCount, llvm::MutableArrayRef<uint8_t> out);

/// Row order that turns interleaved rotary pairs (2i, 2i+1) of a q or k matrix [heads*headDim, K]
/// into halves (i, i + rotary/2). Elements from `rotary` on stay where they are.
std::vector<uint32_t> rotaryRowOrder(uint32_t heads, uint32_t headDim, uint32_t rotary);

/// Value at (row, column) of packed panels, as the layout's description states it. A slow reference
/// that shares nothing with `packMatrix`.
float unpackValue(WeightFormat format, llvm::ArrayRef<uint8_t> panels, uint64_t columns,
                  uint64_t row, uint64_t column);

} // namespace tenon::compiler

#endif // TENON_COMPILER_PACK_PACKER_H
