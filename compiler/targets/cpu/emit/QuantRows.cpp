//===- QuantRows.cpp - Quantised activation rows --------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/emit/QuantRows.h"
#include "compiler/targets/cpu/emit/VectorMath.h"

namespace tenon::cpu {

void emitQuantizeGroup(KernelBuilder &k, Value low, Value high, Value row, Value group,
                       const QuantRowLayout &layout) {
  Value amax = emitMax(k, k.maxF(k.absF(low), k.absF(high)));
  Value scale = k.mulF(amax, k.constF32(1.0f / 127.0f));
  Value nonZero = k.cmpF("ogt", amax, k.constF32(0.0));
  Value inverse = k.select(nonZero, k.divF(k.constF32(127.0), amax), k.constF32(0.0));
  Value inverses = k.splat(inverse);
  Value qLow = k.toSigned(k.roundEven(k.mulF(low, inverses)), k.i32);
  Value qHigh = k.toSigned(k.roundEven(k.mulF(high, inverses)), k.i32);
  Value sumLow = emitSumI32(k, qLow), sumHigh = emitSumI32(k, qHigh);
  Value sum = k.add(sumLow, sumHigh);

  Value bytes = k.mulC(group, 32), word = k.mulC(group, 4), pair = k.mulC(group, 8);
  k.store(k.truncate(qLow, k.i8), row, bytes);
  k.store(k.truncate(qHigh, k.i8), row, bytes, 16);
  k.store(scale, row, word, layout.scaleOffset());
  k.store(k.mulF(scale, k.toF32(sum)), row, word, layout.sumOffset());
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
