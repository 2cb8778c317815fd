//===- QuantRows.cpp - Quantised activation rows --------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/emit/QuantRows.h"
#include "compiler/targets/cpu/emit/VectorMath.h"

namespace tenon::cpu {

void emitQuantizeGroup(KernelBuilder &k, Value low, Value high, Value row, Value group,
                       const QuantRowLayout &layout) {
  Value amax = emitMax(k, k.maxF(k.absF(low), k.absF(high)));
  Value scale = k.mulF(amax, k.constF32(1.0f / layout.steps()));
  Value wide = k.cmpF("ogt", amax, k.constF32(0.0));
  Value inverses =
      k.splat(k.select(wide, k.divF(k.constF32(layout.steps()), amax), k.constF32(0.0)));
  Value bytes = k.mulC(group, 32), word = k.mulC(group, 4), pair = k.mulC(group, 8);
  auto quantise = [&](Value v, int64_t first) {
    Value q = k.toSigned(k.roundEven(k.mulF(v, inverses)), k.i32);
    if (layout.planes == 1) {
      k.store(k.truncate(q, k.i8), row, bytes, first);
      return q;
    }
    Value upper = k.shrS(k.add(q, k.splatI32(1 << (kQuantLowBits - 1))), k.splatI32(kQuantLowBits));
    Value lower = k.sub(q, k.shl(upper, k.splatI32(kQuantLowBits)));
    k.store(k.truncate(upper, k.i8), row, bytes, first);
    k.store(k.truncate(lower, k.i8), row, bytes, layout.lowOffset() + first);
    return q;
  };
  Value qLow = quantise(low, 0), qHigh = quantise(high, 16);
  Value sumLow = emitSumI32(k, qLow), sumHigh = emitSumI32(k, qHigh);
  Value sum = k.add(sumLow, sumHigh);

  k.store(scale, row, word, layout.scaleOffset());
  k.store(k.mulF(scale, k.toF32(sum)), row, word, layout.sumOffset());
  Value zero = k.constI32(0);
  k.store(k.sub(zero, sum), row, word, layout.negSum32Offset());
  k.store(k.sub(zero, sumLow), row, pair, layout.negSum16Offset());
  k.store(k.sub(zero, sumHigh), row, pair, layout.negSum16Offset() + 4);
}

void emitStore32(KernelBuilder &k, Value low, Value high, Value rowPointer, Value group,
                 std::optional<QuantRowLayout> layout) {
  if (layout)
    return emitQuantizeGroup(k, low, high, rowPointer, group, *layout);
  Value bytes = k.mulC(group, 128);
  k.store(low, rowPointer, bytes);
  k.store(high, rowPointer, bytes, 64);
}

} // namespace tenon::cpu
