//===- QuantRows.h - Quantised activation rows ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_TARGETS_CPU_EMIT_QUANTROWS_H
#define TENON_COMPILER_TARGETS_CPU_EMIT_QUANTROWS_H

#include "compiler/targets/cpu/KernelSpec.h"
#include "compiler/targets/cpu/emit/KernelBuilder.h"
#include "runtime/device/cpu/KernelAbi.h"

#include <optional>

namespace tenon::cpu {

/// Quantises 32 consecutive values (two vectors of 16 f32) into group `group` (i64) of the QuantRow
/// at `row` whose layout is `layout`, by the formula of KernelAbi.h.
void emitQuantizeGroup(KernelBuilder &k, Value low, Value high, Value row, Value group,
                       const QuantRowLayout &layout);

/// Writes 32 consecutive output values of a row: quantised, if `layout` says how, or as f32.
/// `rowPointer` is the row's start, `group` = column / 32.
void emitStore32(KernelBuilder &k, Value low, Value high, Value rowPointer, Value group,
                 std::optional<QuantRowLayout> layout);

/// Layout of a kernel's output rows if they are quantised.
inline std::optional<QuantRowLayout> outputLayout(const KernelSpec &spec, uint64_t columns) {
  return spec.quantOut ? std::optional(QuantRowLayout(columns, spec.rowBits)) : std::nullopt;
}

/// Bytes from one row to the next of a kernel's input or output buffer.
inline uint64_t inputStride(const KernelSpec &spec) {
  return spec.quantIn ? QuantRowLayout(spec.k, spec.rowBits).stride() : uint64_t(spec.k) * 4;
}
inline uint64_t outputStride(const KernelSpec &spec, uint64_t columns) {
  return spec.quantOut ? QuantRowLayout(columns, spec.rowBits).stride() : columns * 4;
}

} // namespace tenon::cpu

#endif // TENON_COMPILER_TARGETS_CPU_EMIT_QUANTROWS_H
