//===- PairProduct.h - Matrix instructions on two lines ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// AArch64's `smmla` multiplies 2 channels x 8 k by 8 k x 2 lines. A line is one plane of one
// activation row: with two planes a row's own planes are a pair, so that a single row gains as much
// as many; with one plane two rows are, and a last one is paired with itself.
//
// Eight k are two steps of 4 (WeightUnpack.h). Which two does not matter as long as weights and
// lines agree: steps 4i and 4i + 2, and 4i + 1 and 4i + 3. So the nibbles of two packed vectors are
// zipped before they are taken apart, and 16 consecutive bytes of two lines are unzipped once for
// both.
//
#ifndef TENON_COMPILER_TARGETS_CPU_EMIT_PAIRPRODUCT_H
#define TENON_COMPILER_TARGETS_CPU_EMIT_PAIRPRODUCT_H

#include "compiler/targets/cpu/emit/KernelBuilder.h"

#include <utility>

namespace tenon::cpu {

/// Exact sums of bytes times bytes for 16 channels and two lines. Weights are signed, 8 vectors
/// <64xi8> a group of 32 k in the order of GroupQuants::pair: vector 4q + 2o + h has channels 8h to
/// 8h + 7 of steps 4q + o and 4q + o + 2.
class PairProduct {
public:
  explicit PairProduct(KernelBuilder &k) : k(k) {}

  /// Sums of channels 2i and 2i + 1 with both lines: vector<4xi32>, i = 0..7.
  using Sum = llvm::SmallVector<Value, 8>;
  /// Begins with `first` and `second` (vector<16xi32>, all lanes equal; null is zero) for the two
  /// lines.
  Sum start(Value first, Value second);
  /// 16 consecutive k of two lines, at `first` and `second`: for vectors with o = 0, and with o
  /// = 1.
  std::pair<Value, Value> lines(Value first, Value second, Value offset, int64_t firstConstant,
                                int64_t secondConstant);
  /// Adds vector `index` (0..7) of a group times `lines`.
  void accumulate(Sum &sum, int64_t index, Value weights, Value lines);
  /// vector<16xi32> of each line.
  std::pair<Value, Value> finish(const Sum &sum);

private:
  KernelBuilder &k;
};

} // namespace tenon::cpu

#endif // TENON_COMPILER_TARGETS_CPU_EMIT_PAIRPRODUCT_H
