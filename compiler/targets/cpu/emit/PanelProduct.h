//===- PanelProduct.h - Rows times one weight panel -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The innermost loop of every linear: R activation rows times one panel of 16 output channels.
//
#ifndef TENON_COMPILER_TARGETS_CPU_EMIT_PANELPRODUCT_H
#define TENON_COMPILER_TARGETS_CPU_EMIT_PANELPRODUCT_H

#include "compiler/targets/cpu/emit/KernelBuilder.h"

#include <string>

namespace tenon::cpu {

/// Row counts that one pass over a panel handles on `variant`, descending; the last is 1. Every row's
/// arithmetic is the same in each, so that the split of a batch never changes a bit.
llvm::ArrayRef<int64_t> panelRowCounts(engine::Variant variant);

/// Emits (once) the internal function `void f(ptr input, ptr panel, ptr tile, i64 tileStride)`, where
/// `input` points at the first of `rows` activation rows (QuantRows for block formats, f32 rows
/// otherwise), `panel` at a packed panel, and row r's 16 sums (f32) go to tile + r * tileStride.
/// Returns its name.
std::string emitPanelProduct(KernelBuilder &k, WeightFormat format, uint64_t columns, int64_t rows);

} // namespace tenon::cpu

#endif // TENON_COMPILER_TARGETS_CPU_EMIT_PANELPRODUCT_H
