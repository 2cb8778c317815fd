//===- FloatPanel.h - Rows times a panel of floats --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_TARGETS_CPU_EMIT_FLOATPANEL_H
#define TENON_COMPILER_TARGETS_CPU_EMIT_FLOATPANEL_H

#include "compiler/targets/cpu/emit/KernelBuilder.h"

namespace tenon::cpu {

/// `rows` sums (vector<16xf32>) of the f32 rows at `input` (`columns` each) times a panel in F32,
/// F16 or BF16. A sum is the even columns in order plus the odd columns in order: two chains
/// whatever the rows. A panel's bytes at each of `ahead` are prefetched meanwhile.
Values emitFloatPanel(KernelBuilder &k, WeightFormat format, uint64_t columns, int64_t rows,
                      Value input, Value panel, ValueRange ahead);

} // namespace tenon::cpu

#endif // TENON_COMPILER_TARGETS_CPU_EMIT_FLOATPANEL_H
