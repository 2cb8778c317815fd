//===- DotProduct.h - The integer dot instruction of a variant --*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_TARGETS_CPU_EMIT_DOTPRODUCT_H
#define TENON_COMPILER_TARGETS_CPU_EMIT_DOTPRODUCT_H

#include "compiler/targets/cpu/emit/KernelBuilder.h"

namespace tenon::cpu {

/// Sums of bytes times bytes for 16 channels, exact on every variant:
///   sum[i] += sum over 4 bytes of weights[4i..4i+3] * activation[0..3].
/// How a variant likes its weights: unsigned as stored, or signed (offset already subtracted).
class DotProduct {
public:
  DotProduct(KernelBuilder &k, WeightFormat format);

  /// A running sum of at most one group of 32 k, in whatever parts the variant keeps it.
  struct Sum {
    Values parts;      ///< i32 lanes.
    Values pairs;      ///< AVX2: sums of two products, 16 bits wide, not yet added to `parts`.
    int64_t steps = 0; ///< Steps that `pairs` holds.
  };
  /// `initial`: vector<16xi32>, or null for zero.
  Sum start(Value initial = {});
  /// Weights of one step (vector<64xi8>, unsigned as stored), made ready for any number of rows.
  Value prepare(Value weights);
  /// `activation` is four int8 in an i32.
  void accumulate(Sum &sum, Value prepared, Value activation);
  /// vector<16xi32>
  Value finish(Sum &sum);
  /// Whether the stored offset is still in the products, to be cancelled by offset * -sum(a).
  bool offsetRemains() const { return remaining; }

private:
  void accumulateAvx2(Sum &sum, Value weights, Value activations);
  void flushPairs(Sum &sum);

  KernelBuilder &k;
  bool eightBit;
  bool remaining;
  int64_t pairSteps; ///< AVX2: steps whose pairs fit 16 bits together.
};

} // namespace tenon::cpu

#endif // TENON_COMPILER_TARGETS_CPU_EMIT_DOTPRODUCT_H
