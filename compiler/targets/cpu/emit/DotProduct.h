//===- DotProduct.h - The integer dot instruction of a variant --*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_TARGETS_CPU_EMIT_DOTPRODUCT_H
#define TENON_COMPILER_TARGETS_CPU_EMIT_DOTPRODUCT_H

#include "compiler/targets/cpu/emit/KernelBuilder.h"

namespace tenon::cpu {

/// acc[i] += sum over 4 bytes of weights[4i..4i+3] * activation[4i..4i+3]; exact on every variant.
/// How a variant likes its weights: unsigned as stored, or signed (offset already subtracted).
class DotProduct {
public:
  DotProduct(KernelBuilder &k, WeightFormat format);

  /// Weights of one step, prepared once for all rows.
  Value prepare(Value weights);
  /// vector<16xi32> += dot; `activation` is four int8 in an i32.
  Value accumulate(Value acc, Value prepared, Value activation);
  /// Whether the stored offset is still in the products, to be cancelled by offset * -sum(a).
  bool offsetRemains() const { return remaining; }

private:
  Value avx2(Value acc, Value weights, Value activations, bool signedWeights);
  Value neon(Value acc, Value weights, Value activations);

  KernelBuilder &k;
  bool eightBit;
  bool remaining;
};

} // namespace tenon::cpu

#endif // TENON_COMPILER_TARGETS_CPU_EMIT_DOTPRODUCT_H
