//===- Linear.cpp - Matrix products with their epilogues ------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/emit/Kernels.h"
#include "compiler/targets/cpu/emit/LinearLoop.h"
#include "compiler/targets/cpu/emit/QuantRows.h"
#include "compiler/targets/cpu/emit/VectorMath.h"

#include <algorithm>

namespace tenon::cpu {

/// Stores the first `valid` lanes (i64, 1..16) of `v`: the last panel of a matrix may be ragged.
static void storeLanes(KernelBuilder &k, Value v, Value pointer, Value valid) {
  k.ifElse(
      k.cmpI("uge", valid, k.constI64(kLanes)), {},
      [&] {
        k.store(v, pointer);
        return Values{};
      },
      [&] {
        for (int64_t lane = 0; lane < kLanes - 1; ++lane)
          k.ifThen(k.cmpI("ugt", valid, k.constI64(lane)),
                   [&] { k.store(k.extract(v, lane), pointer, {}, lane * 4); });
        return Values{};
      });
}

void emitLinear(KernelBuilder &k, const KernelSpec &spec) {
  Value input = k.buffer(0), weights = k.buffer(1), out = k.buffer(2);
  Value rows = k.stepU32(spec.logits ? offsetof(StepView, numLogitRows)
                                     : offsetof(StepView, numTokens));
  const int64_t inStride = rowStride(spec.quantIn, spec.k), outStride = int64_t(spec.n) * 4;
  const bool ragged = spec.n % kLanes != 0;

  emitLinearLoop(k, rows, k.constI64(panelCount(spec.n)), [&](Value unit, Value row, int64_t count) {
    emitPanels(k, spec.formats[0], spec.k, count, k.at(input, k.mulC(row, inStride)), weights, unit,
               1, k.scratch, kLanes * 4, 0);
    Value column = k.mulC(unit, kLanes * 4);
    Value valid = ragged ? k.sub(k.constI64(spec.n), k.mulC(unit, kLanes)) : Value();
    for (int64_t r = 0; r < count; ++r) {
      Value sum = k.load(k.vec(k.f32), k.scratch, {}, r * kLanes * 4);
      if (spec.softcap != 0)
        sum = emitSoftcap(k, sum, spec.softcap);
      Value place = k.at(out, k.add(k.mulC(k.addC(row, r), outStride), column));
      if (!ragged) {
        if (spec.residual)
          sum = k.addF(k.load(k.vec(k.f32), place), sum);
        k.store(sum, place);
        continue;
      }
      storeLanes(k, sum, place, valid);
    }
  });
}

void emitLinearGate(KernelBuilder &k, const KernelSpec &spec) {
  Value input = k.buffer(0), gate = k.buffer(1), up = k.buffer(2), out = k.buffer(3);
  Value rows = k.stepU32(offsetof(StepView, numTokens));
  const int64_t inStride = rowStride(spec.quantIn, spec.k);
  const int64_t outStride = rowStride(spec.quantOut, spec.n);
  // A unit is one quantisation group: 32 channels, two panels of each matrix. Tile: [row][gate 32 | up 32].
  constexpr int64_t tileStride = 64 * 4;

  emitLinearLoop(k, rows, k.constI64(spec.n / 32), [&](Value unit, Value row, int64_t count) {
    Value in = k.at(input, k.mulC(row, inStride)), firstPanel = k.mulC(unit, 2);
    emitPanels(k, spec.formats[0], spec.k, count, in, gate, firstPanel, 2, k.scratch, tileStride, 0);
    emitPanels(k, spec.formats[1], spec.k, count, in, up, firstPanel, 2, k.scratch, tileStride, 32);
    k.forEach(k.constI64(0), k.constI64(count), 1, [&](Value r) {
      Value tile = k.at(k.scratch, k.mulC(r, tileStride));
      Value half[2];
      for (int64_t h = 0; h < 2; ++h) {
        Value g = k.load(k.vec(k.f32), tile, {}, h * 64);
        Value u = k.load(k.vec(k.f32), tile, {}, 128 + h * 64);
        half[h] = k.mulF(emitActivation(k, spec.activation, g), u);
      }
      Value place = k.at(out, k.mulC(k.add(row, r), outStride));
      emitStore32(k, half[0], half[1], place, unit, spec.quantOut, spec.n);
    });
  });
}

} // namespace tenon::cpu
