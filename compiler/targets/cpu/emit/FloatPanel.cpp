//===- FloatPanel.cpp - Rows times a panel of floats ----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/emit/FloatPanel.h"

namespace tenon::cpu {
namespace {

struct Panel {
  KernelBuilder &k;
  WeightFormat format;
  uint64_t columns;
  int64_t rows;
  Value input, panel;
  ValueRange ahead;
};

/// Weights of k and k+1 as f32: vector<16xf32> each.
std::pair<Value, Value> floatPair(Panel &p, Value pairIndex) {
  KernelBuilder &k = p.k;
  if (p.format == WeightFormat::F32) {
    Value offset = k.mulC(pairIndex, 128);
    return {k.load(k.vec(k.f32), p.panel, offset), k.load(k.vec(k.f32), p.panel, offset, 64)};
  }
  if (p.format == WeightFormat::F16) {
    Value offset = k.mulC(pairIndex, 64);
    return {k.toF32(k.load(k.vec(k.f16), p.panel, offset)),
            k.toF32(k.load(k.vec(k.f16), p.panel, offset, 32))};
  }
  Value both = k.load(k.vec(k.i32), p.panel, k.mulC(pairIndex, 64));
  return {k.bitcast(k.shl(both, k.splatI32(16)), k.vec(k.f32)),
          k.bitcast(k.andI(both, k.splatI32(0xffff0000)), k.vec(k.f32))};
}

Values sumRows(Panel &p) {
  KernelBuilder &k = p.k;
  const int64_t stride = p.columns * 4, rows = p.rows;
  Values carried(2 * rows, k.splatF32(0.0));
  Values sums =
      k.forLoop(k.constI64(0), k.constI64(p.columns / 2), 1, carried, [&](Value i, ValueRange acc) {
        const int64_t pairBytes = formatInfo(p.format).bits / 8 * 2 * kLanes;
        for (int64_t line = 0; line < pairBytes; line += 64)
          for (Value ahead : p.ahead)
            k.prefetch(ahead, k.mulC(i, pairBytes), line, /*locality=*/3);
        auto [even, odd] = floatPair(p, i);
        Value offset = k.mulC(i, 8);
        Values next(acc.begin(), acc.end());
        for (int64_t r = 0; r < rows; ++r) {
          next[r] = k.fma(even, k.loadSplat(k.f32, p.input, offset, r * stride), next[r]);
          next[rows + r] =
              k.fma(odd, k.loadSplat(k.f32, p.input, offset, r * stride + 4), next[rows + r]);
        }
        return next;
      });
  Values out;
  for (int64_t r = 0; r < rows; ++r)
    out.push_back(k.addF(sums[r], sums[rows + r]));
  if (p.columns % 2) {
    const int64_t last = p.columns - 1;
    Value weights = [&]() -> Value {
      if (p.format == WeightFormat::F32)
        return k.load(k.vec(k.f32), p.panel, {}, last * 64);
      if (p.format == WeightFormat::F16)
        return k.toF32(k.load(k.vec(k.f16), p.panel, {}, last * 32));
      return floatPair(p, k.constI64(last / 2)).first;
    }();
    for (int64_t r = 0; r < rows; ++r)
      out[r] = k.fma(weights, k.loadSplat(k.f32, p.input, {}, r * stride + last * 4), out[r]);
  }
  return out;
}

} // namespace

Values emitFloatPanel(KernelBuilder &k, WeightFormat format, uint64_t columns, int64_t rows,
                      Value input, Value panel, ValueRange ahead) {
  Panel p{k, format, columns, rows, input, panel, ahead};
  return sumRows(p);
}

} // namespace tenon::cpu
