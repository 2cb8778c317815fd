//===- PairProduct.cpp - Matrix instructions on two lines -----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/emit/PairProduct.h"

namespace tenon::cpu {

PairProduct::Sum PairProduct::start(Value first, Value second) {
  Value a = first ? first : k.splatI32(0), b = second ? second : k.splatI32(0);
  return Sum(8, k.shuffle(a, b, {0, kLanes, 0, kLanes}));
}

std::pair<Value, Value> PairProduct::lines(Value first, Value second, Value offset,
                                           int64_t firstConstant, int64_t secondConstant) {
  Value a = k.load(k.vec(k.i32, 4), first, offset, firstConstant);
  Value b = k.load(k.vec(k.i32, 4), second, offset, secondConstant);
  const Type bytes = k.vec(k.i8, 16);
  return {k.bitcast(k.shuffle(a, b, {0, 2, 4, 6}), bytes),
          k.bitcast(k.shuffle(a, b, {1, 3, 5, 7}), bytes)};
}

void PairProduct::accumulate(Sum &sum, int64_t index, Value weights, Value lines) {
  for (int64_t i = 0; i < 4; ++i) {
    llvm::SmallVector<int64_t, 16> bytes;
    for (int64_t byte = 0; byte < 16; ++byte)
      bytes.push_back(i * 16 + byte);
    Value &part = sum[index % 2 * 4 + i];
    part = k.intrinsic("llvm.aarch64.neon.smmla.v4i32.v16i8", part.getType(),
                       {part, k.shuffle(weights, weights, bytes), lines});
  }
}

std::pair<Value, Value> PairProduct::finish(const Sum &sum) {
  const auto line = [&](int64_t odd) {
    llvm::SmallVector<Value, 4> quarters, halves;
    for (int64_t i = 0; i < 8; i += 2)
      quarters.push_back(k.shuffle(sum[i], sum[i + 1], {odd, odd + 2, odd + 4, odd + 6}));
    const auto concat = [&](Value low, Value high, int64_t lanes) {
      llvm::SmallVector<int64_t, kLanes> all;
      for (int64_t lane = 0; lane < lanes; ++lane)
        all.push_back(lane);
      return k.shuffle(low, high, all);
    };
    for (int64_t i = 0; i < 4; i += 2)
      halves.push_back(concat(quarters[i], quarters[i + 1], 8));
    return concat(halves[0], halves[1], kLanes);
  };
  return {line(0), line(1)};
}

} // namespace tenon::cpu
