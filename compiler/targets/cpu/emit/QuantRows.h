//===- QuantRows.h - Quantised activation rows ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_TARGETS_CPU_EMIT_QUANTROWS_H
#define TENON_COMPILER_TARGETS_CPU_EMIT_QUANTROWS_H

#include "compiler/targets/cpu/emit/KernelBuilder.h"
#include "runtime/device/cpu/KernelAbi.h"

namespace tenon::cpu {

/// Quantises 32 consecutive values (two vectors of 16 f32) into group `group` (i64) of the QuantRow
/// at `row` whose layout is `layout`, by the formula of KernelAbi.h.
void emitQuantizeGroup(KernelBuilder &k, Value low, Value high, Value row, Value group,
                       const QuantRowLayout &layout);

/// Writes 32 consecutive output values of a row: quantised or as f32. `rowPointer` is the row's
/// start, `group` = column / 32.
void emitStore32(KernelBuilder &k, Value low, Value high, Value rowPointer, Value group,
                 bool quantOut, uint64_t columns);

/// Bytes from one row to the next of an activation buffer.
inline uint64_t rowStride(bool quant, uint64_t columns) {
  return quant ? QuantRowLayout(columns).stride() : columns * 4;
}

} // namespace tenon::cpu

#endif // TENON_COMPILER_TARGETS_CPU_EMIT_QUANTROWS_H
