//===- LinearLoop.h - How a linear walks its output -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// A linear's output is cut into units: a few panels that one epilogue needs together. Workers take
// (row block, unit) items, row blocks outermost, so that they share a block's inputs while each
// streams its own units' weights; meanwhile the weights of a worker's next unit are prefetched.
//
#ifndef TENON_COMPILER_TARGETS_CPU_EMIT_LINEARLOOP_H
#define TENON_COMPILER_TARGETS_CPU_EMIT_LINEARLOOP_H

#include "compiler/targets/cpu/emit/KernelBuilder.h"

namespace tenon::cpu {

/// Rows that one pass over the weights of a unit serves; their inputs stay in L2.
inline constexpr int64_t kRowBlock = 128;
/// Output columns of a unit of a Linear, and of a LinearGate (gate and up). Of a LinearQkv: a head.
inline constexpr int64_t kLinearUnitColumns = 32, kGateUnitColumns = 64;

/// What all items of a linear have in common.
struct LinearShape {
  uint64_t columns;    ///< K
  Value input;         ///< First input row.
  int64_t inputStride; ///< Bytes.
  uint32_t rowBits;    ///< Of QuantRows; KernelSpec's.
  Value rows, units;   ///< i64
  int64_t unitColumns; ///< Output columns of a unit: its tile is [kRowBlock][unitColumns] f32.
};

/// Consecutive panels of one matrix, to be multiplied into columns `column`.. of the unit's tile.
struct PanelRun {
  WeightFormat format;
  Value weights;    ///< The matrix's first panel.
  Value firstPanel; ///< i64
  int64_t panels;
  int64_t column;
};

using Multiply = llvm::function_ref<void(const PanelRun &)>;

/// For each item: `products(unit, multiply)` calls `multiply` for each of the unit's runs (perhaps
/// under a condition); then `epilogue(unit, row, tileRow)` is emitted for each row, where `row` is
/// the step's row and `tileRow` points at its unitColumns sums.
void emitLinearLoop(KernelBuilder &k, const LinearShape &shape,
                    llvm::function_ref<void(Value unit, Multiply multiply)> products,
                    llvm::function_ref<void(Value unit, Value row, Value tileRow)> epilogue);

/// Scratch that a linear of such units needs, whatever the variant.
uint64_t linearScratchBytes(llvm::ArrayRef<WeightFormat> formats, uint64_t columns,
                            int64_t unitColumns);

} // namespace tenon::cpu

#endif // TENON_COMPILER_TARGETS_CPU_EMIT_LINEARLOOP_H
