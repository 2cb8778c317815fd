//===- QuantRows.cpp - Quantised activation rows --------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/emit/QuantRows.h"
#include "compiler/targets/cpu/emit/VectorMath.h"

namespace tenon::cpu {

void emitQuantizeGroup(KernelBuilder &k, Value low, Value high, Value row, Value group,
                       const QuantRowLayout &layout) {
  Value max = emitMax(k, k.maxF(low, high)), min = emitMin(k, k.minF(low, high));
  Value base = k.mulF(k.addF(min, max), k.constF32(0.5));
  Value half = k.subF(max, base);
  Value scale = k.mulF(half, k.constF32(1.0f / 127.0f));
  Value wide = k.cmpF("ogt", half, k.constF32(0.0));
  Value inverses = k.splat(k.select(wide, k.divF(k.constF32(127.0), half), k.constF32(0.0)));
  Value bases = k.splat(base);
  auto quantise = [&](Value v) {
    Value q = k.mulF(k.subF(v, bases), inverses);
    q = k.minF(k.maxF(q, k.splatF32(-127)), k.splatF32(127));
    return k.toSigned(k.roundEven(q), k.i32);
  };
  Value qLow = quantise(low), qHigh = quantise(high);
  Value sumLow = emitSumI32(k, qLow), sumHigh = emitSumI32(k, qHigh);
  Value sum = k.add(sumLow, sumHigh);

  Value bytes = k.mulC(group, 32), word = k.mulC(group, 4), pair = k.mulC(group, 8);
  k.store(k.truncate(qLow, k.i8), row, bytes);
  k.store(k.truncate(qHigh, k.i8), row, bytes, 16);
  k.store(scale, row, word, layout.scaleOffset());
  k.store(base, row, word, layout.baseOffset());
  k.store(k.fma(base, k.constF32(32.0), k.mulF(scale, k.toF32(sum))), row, word,
          layout.sumOffset());
  Value zero = k.constI32(0);
  k.store(k.sub(zero, sum), row, word, layout.negSum32Offset());
  k.store(k.sub(zero, sumLow), row, pair, layout.negSum16Offset());
  k.store(k.sub(zero, sumHigh), row, pair, layout.negSum16Offset() + 4);
}

void emitStore32(KernelBuilder &k, Value low, Value high, Value rowPointer, Value group,
                 bool quantOut, uint64_t columns) {
  if (quantOut)
    return emitQuantizeGroup(k, low, high, rowPointer, group, QuantRowLayout(columns));
  Value bytes = k.mulC(group, 128);
  k.store(low, rowPointer, bytes);
  k.store(high, rowPointer, bytes, 64);
}

} // namespace tenon::cpu
