//===- PanelProduct.h - Rows times weight panels ----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The innermost loops of every linear: R activation rows times panels of 16 output channels. Two
// ways with the same arithmetic, hence the same bits:
//
//   stream   few rows: weights are unpacked in registers as they pass by, each byte touched once;
//   tiles    many rows: the first tile of rows leaves the panels it unpacks ("prepared") in L1, a
//   chunk of
//            columns at a time, for the tiles after it. Sums between chunks rest in the tile's
//            memory.
//
// Per group of 32 k, in order: sums += (exact integer dot * weight scale) * row scale; += min * row
// sum.
//
#ifndef TENON_COMPILER_TARGETS_CPU_EMIT_PANELPRODUCT_H
#define TENON_COMPILER_TARGETS_CPU_EMIT_PANELPRODUCT_H

#include "compiler/targets/cpu/emit/KernelBuilder.h"
#include "compiler/targets/cpu/emit/WeightUnpack.h"

#include <string>

namespace tenon::cpu {

/// Row counts that one stream pass handles on `variant`, descending by one to 1.
int64_t maxStreamRows(engine::Variant variant, uint32_t rowBits);
/// Row counts of the tiles that go over prepared panels (or over float panels), descending; the
/// last is 1. The first is at most maxStreamRows + 1 for block formats.
llvm::ArrayRef<int64_t> tileRowCounts(engine::Variant variant, WeightFormat format,
                                      uint32_t rowBits);
/// Panels that a tile of prepared weights covers.
int64_t tilePanels(engine::Variant variant);

/// Columns are prepared in chunks of this many groups of 32 at most; block formats only.
int64_t chunkGroups(WeightFormat format, uint64_t columns);

/// A panel's chunk, prepared: per group the quants of 8 steps [16 ch][4 kk] bytes (of pairs of
/// steps where `multipliesPairs`, WeightUnpack.h), the scales as f32 vectors (one, or two where the
/// format's group is 16), and the minimum where there is one.
struct PreparedLayout {
  int64_t scales, min, groupBytes;
  explicit PreparedLayout(WeightFormat format);
  /// Bytes of one panel's chunk.
  int64_t chunkBytes(WeightFormat format, uint64_t columns) const {
    return chunkGroups(format, columns) * groupBytes;
  }
};

/// Calls `body(group, super scales of each panel, carried)` for groups `first` to `last`; with
/// super scales both are multiples of 8.
Values forGroups(KernelBuilder &k, WeightFormat format, uint64_t columns,
                 llvm::ArrayRef<Value> panels, Value first, Value last, ValueRange carried,
                 llvm::function_ref<Values(Value, llvm::ArrayRef<SuperScales>, ValueRange)> body);

/// Asks for group `group`'s even share of a panel's bytes: with all groups, for the panel.
void prefetchShare(KernelBuilder &k, WeightFormat format, uint64_t columns, Value panel,
                   Value group);

/// Each emits an internal function once and returns its name. `input` points at the first of the
/// rows (QuantRows for block formats, f32 rows otherwise), row r's 16 sums (f32) lie at tile + r *
/// tileStride.

/// void f(ptr input, ptr panel, ptr tile, i64 tileStride, ptr ahead, ptr next): tile = rows .
/// panel. A panel's bytes at `ahead` and at `next` are prefetched, a few lines with each group.
std::string emitStreamProduct(KernelBuilder &k, WeightFormat format, uint64_t columns,
                              uint32_t rowBits, int64_t rows);

/// Where a tile reads its panels. Packed: it also leaves them prepared.
enum class TileSource { Packed, Prepared };

/// void f(ptr input, i64 firstGroup, i64 lastGroup, ptr packed, ptr prepared, ptr tile, i64
/// tileStride, ptr next): tile += rows . `panels` consecutive panels (16 columns of the tile each),
/// which lie one after the other at `packed` and chunkBytes apart at `prepared`. With `fetch`, the
/// same groups of the panel at `next` are prefetched, a few lines with each group: a burst would
/// stall. Block formats.
std::string emitTileProduct(KernelBuilder &k, WeightFormat format, uint64_t columns,
                            uint32_t rowBits, int64_t rows, int64_t panels, TileSource source,
                            bool fetch);

} // namespace tenon::cpu

#endif // TENON_COMPILER_TARGETS_CPU_EMIT_PANELPRODUCT_H
