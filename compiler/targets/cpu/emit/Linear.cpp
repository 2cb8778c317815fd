//===- Linear.cpp - Matrix products with their epilogues ------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/emit/Kernels.h"
#include "compiler/targets/cpu/emit/LinearLoop.h"
#include "compiler/targets/cpu/emit/QuantRows.h"
#include "compiler/targets/cpu/emit/VectorMath.h"

#include <algorithm>
#include <limits>

namespace tenon::cpu {

/// The largest number of a vector; -infinity if there is none.
static Value horizontalMax(KernelBuilder &k, Value v) {
  for (int64_t half = kLanes / 2; half; half /= 2) {
    llvm::SmallVector<int64_t, kLanes> lanes;
    for (int64_t lane = 0; lane < kLanes; ++lane)
      lanes.push_back(lane ^ half);
    v = k.maxF(k.shuffle(v, v, lanes), v);
  }
  return k.extract(v, 0);
}

void emitLinear(KernelBuilder &k, const KernelSpec &spec) {
  Value weights = k.buffer(1), out = k.buffer(2);
  const int64_t outBytes = spec.bf16Out ? 2 : 4, panels = panelCount(spec.n);
  // Where chips of one process put their logits together, each writes its columns of the whole
  // rows.
  Value rowColumns = k.constI64(spec.n), firstColumn = k.constI64(0);
  if (spec.logits) {
    Value whole = k.stepU32(offsetof(StepView, logitStride)),
          isPart = k.cmpI("ne", whole, firstColumn);
    rowColumns = k.select(isPart, whole, rowColumns);
    firstColumn = k.select(isPart, k.stepU32(offsetof(StepView, firstLogit)), firstColumn);
  }
  Value outStride = k.mulC(rowColumns, outBytes);
  const int64_t unitPanels = kLinearUnitColumns / kLanes, wholeUnits = spec.n / kLinearUnitColumns;
  const LinearShape shape{
      spec.k,
      k.buffer(0),
      int64_t(inputStride(spec)),
      spec.rowBits,
      k.stepU32(spec.logits ? offsetof(StepView, numLogitRows) : offsetof(StepView, numTokens)),
      k.constI64((panels + unitPanels - 1) / unitPanels),
      kLinearUnitColumns};
  const auto storeUnit = [&](Value unit, Value row, Value tileRow, int64_t columns) {
    Value place =
        k.at(out, k.add(k.mul(row, outStride), k.mulC(unit, kLinearUnitColumns * outBytes)));
    Value most = k.splatF32(-std::numeric_limits<double>::infinity());
    for (int64_t first = 0; first < columns; first += kLanes) {
      Value sum = k.load(k.vec(k.f32), tileRow, {}, first * 4);
      if (spec.softcap != 0)
        sum = emitSoftcap(k, sum, spec.softcap);
      const int64_t valid = std::min(columns - first, kLanes);
      if (spec.residual)
        sum = k.addF(k.load(k.vec(k.f32), place, {}, first * 4), sum);
      if (spec.maxima)
        most = valid == kLanes ? k.maxF(sum, most)
                               : k.select(k.cmpI("ult", k.lanesI32(), k.splatI32(valid)),
                                          k.maxF(sum, most), most);
      if (spec.bf16Out)
        sum = emitRoundToBf16(k, sum);
      if (valid == kLanes)
        k.store(sum, place, {}, first * outBytes);
      for (int64_t lane = 0; lane < valid && valid < kLanes; ++lane)
        k.store(k.extract(sum, lane), place, {}, (first + lane) * outBytes);
    }
    if (spec.maxima) {
      static_assert(kLinearUnitColumns == kLogitsBlock, "each block of logits has one writer");
      Value blocks = k.divU(k.addC(rowColumns, kLogitsBlock - 1), k.constI64(kLogitsBlock));
      Value block =
          k.add(k.add(k.mul(row, blocks), k.divU(firstColumn, k.constI64(kLogitsBlock))), unit);
      Value behind = k.sub(k.mul(shape.rows, outStride), k.mulC(firstColumn, 4));
      k.store(horizontalMax(k, most), k.at(out, k.add(behind, k.mulC(block, 4))));
    }
  };
  // The last unit may have fewer panels, and its last panel fewer channels.
  const int64_t tailColumns = int64_t(spec.n) - wholeUnits * kLinearUnitColumns;
  const auto wholeOrTail = [&](Value unit, llvm::function_ref<void(int64_t columns)> body) {
    if (tailColumns == 0)
      return body(kLinearUnitColumns);
    if (wholeUnits == 0)
      return body(tailColumns);
    k.ifElse(
        k.cmpI("ult", unit, k.constI64(wholeUnits)), {},
        [&] {
          body(kLinearUnitColumns);
          return Values{};
        },
        [&] {
          body(tailColumns);
          return Values{};
        });
  };
  emitLinearLoop(
      k, shape,
      [&](Value unit, Multiply multiply) {
        wholeOrTail(unit, [&](int64_t columns) {
          multiply({spec.formats[0], weights, k.mulC(unit, unitPanels),
                    int64_t(panelCount(columns)), 0});
        });
      },
      [&](Value unit, Value row, Value tileRow) {
        wholeOrTail(unit, [&](int64_t columns) { storeUnit(unit, row, tileRow, columns); });
      });
}

void emitLinearGate(KernelBuilder &k, const KernelSpec &spec) {
  Value gate = k.buffer(1), up = k.buffer(2), out = k.buffer(3);
  const int64_t outStride = outputStride(spec, spec.n);
  // A unit is one quantisation group: 32 channels, two panels of each matrix. Tile row: gate 32 |
  // up 32.
  const LinearShape shape{spec.k,
                          k.buffer(0),
                          int64_t(inputStride(spec)),
                          spec.rowBits,
                          k.stepU32(offsetof(StepView, numTokens)),
                          k.constI64(spec.n / 32),
                          kGateUnitColumns};
  emitLinearLoop(
      k, shape,
      [&](Value unit, Multiply multiply) {
        multiply({spec.formats[0], gate, k.mulC(unit, 2), 2, 0});
        multiply({spec.formats[1], up, k.mulC(unit, 2), 2, 32});
      },
      [&](Value unit, Value row, Value tileRow) {
        Value half[2];
        for (int64_t h = 0; h < 2; ++h) {
          Value g = k.load(k.vec(k.f32), tileRow, {}, h * 64);
          Value u = k.load(k.vec(k.f32), tileRow, {}, 128 + h * 64);
          half[h] = k.mulF(emitActivation(k, spec.activation, g), u);
        }
        Value place = k.at(out, k.mulC(row, outStride));
        emitStore32(k, half[0], half[1], place, unit, outputLayout(spec, spec.n));
      });
}

} // namespace tenon::cpu
