//===- AmxProduct.h - Rows times prepared panels in tiles -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The product of many rows where there is AMX. A prepared panel's eight steps of a group are one
// operand tile as they lie (8 rows of 16 channels x 4 k), and so are up to 16 QuantRows' planes at
// row stride; the two planes times two panels are four sums of 16 rows x 16 channels, exact as
// everywhere. Scaling them to floats is the vector arithmetic of PanelProduct.cpp in the same
// order, so that all bits are equal.
//
#ifndef TENON_COMPILER_TARGETS_CPU_EMIT_AMXPRODUCT_H
#define TENON_COMPILER_TARGETS_CPU_EMIT_AMXPRODUCT_H

#include "compiler/targets/cpu/emit/PanelProduct.h"

#include <string>

namespace tenon::cpu {

/// Rows that one product covers at most.
inline constexpr int64_t kAmxRows = 16;

/// void f(ptr input, i64 firstGroup, i64 lastGroup, ptr packed, ptr prepared, ptr tile, i64
/// tileStride, ptr next, i64 rows): as emitTileProduct's, for 1 to kAmxRows rows. Here the prepared
/// weights are signed, their offset subtracted. Configures the thread's tiles and releases them.
std::string emitAmxProduct(KernelBuilder &k, WeightFormat format, uint64_t columns,
                           uint32_t rowBits, int64_t panels, TileSource source, bool fetch);

} // namespace tenon::cpu

#endif // TENON_COMPILER_TARGETS_CPU_EMIT_AMXPRODUCT_H
