//===- PanelProduct.cpp - Rows times one weight panel ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/emit/PanelProduct.h"
#include "compiler/targets/cpu/emit/DotProduct.h"
#include "compiler/targets/cpu/emit/QuantRows.h"
#include "compiler/targets/cpu/emit/WeightUnpack.h"

#include "llvm/Support/MathExtras.h"

namespace tenon::cpu {

llvm::ArrayRef<int64_t> panelRowCounts(engine::Variant variant) {
  // Accumulators live in registers: R integer and R float vectors of 16 lanes beside the weights.
  static constexpr int64_t wide[] = {8, 4, 2, 1};
  static constexpr int64_t narrow[] = {2, 1};
  return variant == engine::Variant::Avx2 ? llvm::ArrayRef(narrow) : llvm::ArrayRef(wide);
}

namespace {

struct Panel {
  KernelBuilder &k;
  WeightFormat format;
  uint64_t columns;
  int64_t rows;
  Value input, panel;
};

/// One group of 32 k, in this order: sums[r] += (integer dot * scale) * scaleA;  += min * sumA.
/// The dot of a row is 128 * (weights . high plane) + (weights . low plane), exact in 32 bits.
Values integerGroup(Panel &p, Value group, const SuperScales &super, ValueRange sums) {
  KernelBuilder &k = p.k;
  const FormatInfo info = formatInfo(p.format);
  const QuantRowLayout row(p.columns);
  const int64_t stride = row.stride();
  const int64_t parts = 32 / info.group; // one integer sum for each weight scale
  const int64_t stepsPerPart = kStepsPerGroup / parts;
  DotProduct dot(k, p.format);
  GroupQuants quants(k, p.format, p.columns, p.panel, group);
  GroupScales scales = emitGroupScales(k, p.format, p.columns, p.panel, group, super);

  Value groupBytes = k.mulC(group, 32), word = k.mulC(group, 4), pair = k.mulC(group, 8);
  Values out(sums.begin(), sums.end());
  for (int64_t part = 0; part < parts; ++part) {
    Values high(p.rows, k.splatI32(0)), low(p.rows, k.splatI32(0));
    for (int64_t r = 0; r < p.rows && dot.offsetRemains(); ++r) {
      Value negSum = parts == 1
                         ? k.loadSplat(k.i32, p.input, word, r * stride + row.negSum32Offset())
                         : k.loadSplat(k.i32, p.input, pair,
                                       r * stride + row.negSum16Offset() + part * 4);
      low[r] = k.shl(negSum, k.splatI32(llvm::Log2_32(info.offset)));
    }
    for (int64_t step = part * stepsPerPart; step < (part + 1) * stepsPerPart; ++step) {
      Value weights = dot.prepare(quants.step(step));
      for (int64_t r = 0; r < p.rows; ++r) {
        const int64_t at = r * stride + step * 4;
        high[r] = dot.accumulate(high[r], weights, k.load(k.i32, p.input, groupBytes, at));
        low[r] = dot.accumulate(low[r], weights,
                                k.load(k.i32, p.input, groupBytes, at + row.lowOffset()));
      }
    }
    for (int64_t r = 0; r < p.rows; ++r) {
      Value scaleA = k.loadSplat(k.f32, p.input, word, r * stride + row.scaleOffset());
      Value integer = k.add(k.shl(high[r], k.splatI32(kQuantLowBits)), low[r]);
      out[r] = k.fma(k.mulF(k.toF32(integer), scales.scale[part]), scaleA, out[r]);
    }
  }
  for (int64_t r = 0; r < p.rows && scales.min; ++r)
    out[r] = k.fma(scales.min, k.loadSplat(k.f32, p.input, word, r * stride + row.sumOffset()), out[r]);
  return out;
}

Values integerPanel(Panel &p, ValueRange zeros) {
  KernelBuilder &k = p.k;
  const int64_t groups = p.columns / 32;
  if (!formatInfo(p.format).superScales)
    return k.forLoop(k.constI64(0), k.constI64(groups), 1, zeros, [&](Value g, ValueRange sums) {
      return integerGroup(p, g, {}, sums);
    });
  return k.forLoop(
      k.constI64(0), k.constI64(groups / 8), 1, zeros, [&](Value superGroup, ValueRange sums) {
        SuperScales super = emitSuperScales(k, p.format, p.columns, p.panel, superGroup);
        Value first = k.mulC(superGroup, 8);
        return k.forLoop(first, k.addC(first, 8), 1, sums, [&](Value g, ValueRange inner) {
          return integerGroup(p, g, super, inner);
        });
      });
}

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

/// sums = even k in order + odd k in order: two chains per row whatever the number of rows.
Values floatPanel(Panel &p, ValueRange zeros) {
  KernelBuilder &k = p.k;
  const int64_t stride = p.columns * 4, rows = p.rows;
  Values carried(zeros.begin(), zeros.end());
  carried.append(zeros.begin(), zeros.end());
  Values sums = k.forLoop(
      k.constI64(0), k.constI64(p.columns / 2), 1, carried, [&](Value i, ValueRange acc) {
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

std::string emitPanelProduct(KernelBuilder &k, WeightFormat format, uint64_t columns,
                             int64_t rows) {
  std::string name = "panel_" + std::string(formatInfo(format).name) + "_k" +
                     std::to_string(columns) + "_r" + std::to_string(rows);
  k.internalFunction(name, {k.ptr, k.ptr, k.ptr, k.i64}, [&](ValueRange arguments) {
    Panel p{k, format, columns, rows, arguments[0], arguments[1]};
    Values zeros(rows, k.splatF32(0.0));
    Values sums = formatInfo(format).isFloat() ? floatPanel(p, zeros) : integerPanel(p, zeros);
    for (int64_t r = 0; r < rows; ++r)
      k.store(sums[r], arguments[2], k.mulC(arguments[3], r));
  });
  return name;
}

} // namespace tenon::cpu
