//===- LinearLoop.h - How a linear walks its output -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_TARGETS_CPU_EMIT_LINEARLOOP_H
#define TENON_COMPILER_TARGETS_CPU_EMIT_LINEARLOOP_H

#include "compiler/targets/cpu/emit/KernelBuilder.h"

namespace tenon::cpu {

/// Rows that one pass over the weights of a unit serves; their inputs stay in L2.
inline constexpr int64_t kRowBlock = 128;
/// Most rows of one call of a panel product, hence of a tile.
inline constexpr int64_t kMaxTileRows = 8;

/// Calls `body(unit, row, count)` for this worker's share of (row block, unit) items, where rows come
/// in runs of `count` (a constant out of panelRowCounts). Items are row-block major, so that workers
/// share a row block's inputs while each streams its own units' weights.
void emitLinearLoop(KernelBuilder &k, Value rows, Value units,
                    llvm::function_ref<void(Value unit, Value row, int64_t count)> body);

/// Calls the panel product of `panels` consecutive panels (count i64, first panel index `firstPanel`)
/// into columns `tileColumn + 16 * i` of the tile at `tile` (row stride `tileStride` bytes).
void emitPanels(KernelBuilder &k, WeightFormat format, uint64_t columns, int64_t rows, Value input,
                Value weights, Value firstPanel, int64_t panels, Value tile, int64_t tileStride,
                int64_t tileColumn);

} // namespace tenon::cpu

#endif // TENON_COMPILER_TARGETS_CPU_EMIT_LINEARLOOP_H
