//===- PanelProduct.cpp - Rows times weight panels ------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/emit/PanelProduct.h"
#include "compiler/targets/cpu/emit/DotProduct.h"
#include "compiler/targets/cpu/emit/FloatPanel.h"
#include "compiler/targets/cpu/emit/QuantRows.h"
#include "compiler/targets/cpu/emit/WeightUnpack.h"

#include "llvm/Support/MathExtras.h"

namespace tenon::cpu {

using engine::Variant;

// 32 registers of 512 bits; the others have 16 of 256 or 32 of 128, a quarter of that.
int64_t maxStreamRows(Variant variant, uint32_t rowBits) {
  return !isAvx512(variant) ? 2 : rowBits == 8 ? 6 : 4;
}

llvm::ArrayRef<int64_t> tileRowCounts(Variant variant, WeightFormat format, uint32_t rowBits) {
  // Accumulators live in registers. Integers: rows x panels x (planes and the float sum), beside
  // the panels' weights. Floats: two chains a row.
  static constexpr int64_t eight[] = {8, 4, 2, 1}, six[] = {6, 4, 2, 1}, four[] = {4, 2, 1}, two[] = {2, 1};
  if (!isAvx512(variant))
    return two;
  if (formatInfo(format).isFloat())
    return eight;
  return rowBits == 8 ? llvm::ArrayRef(six) : llvm::ArrayRef(four);
}

int64_t tilePanels(Variant variant) { return isAvx512(variant) ? 2 : 1; }

int64_t chunkGroups(WeightFormat format, uint64_t columns) {
  // Two panels of 20 groups are 25 KB: they stay in L1 beside the rows.
  constexpr int64_t most = 20;
  const int64_t groups = columns / 32;
  if (formatInfo(format).superScales)
    return std::min<int64_t>(groups, most / 8 * 8);
  const int64_t chunks = llvm::divideCeil(groups, most);
  return llvm::divideCeil(groups, chunks);
}

PreparedLayout::PreparedLayout(WeightFormat format) {
  const FormatInfo info = formatInfo(format);
  scales = kStepsPerGroup * 64;
  min = scales + (info.isFloat() ? 1 : info.scalesPer32()) * 64;
  groupBytes = min + (info.hasMin ? 64 : 0);
}

namespace {

/// Rows times panels of one format, a group of 32 k at a time.
struct IntegerProduct {
  KernelBuilder &k;
  WeightFormat format;
  const FormatInfo info = formatInfo(format);
  const QuantRowLayout row;
  const int64_t rows, panels;
  Value input;

  IntegerProduct(KernelBuilder &k, WeightFormat format, const QuantRowLayout &row, int64_t rows,
                 int64_t panels, Value input)
      : k(k), format(format), row(row), rows(rows), panels(panels), input(input) {}

  /// `sums` (rows x panels, row by row) after group `group` (i64). `weights(panel, step)` are prepared
  /// quants; `scales[panel]` the group's.
  Values group(Value group, llvm::ArrayRef<GroupScales> scales, ValueRange sums,
               llvm::function_ref<Value(int64_t panel, int64_t step)> weights) const {
    const int64_t stride = row.stride();
    const int64_t parts = info.scalesPer32(); // one integer sum for each weight scale
    const int64_t stepsPerPart = kStepsPerGroup / parts;
    DotProduct dot(k, format);
    Value bytes = k.mulC(group, 32), word = k.mulC(group, 4), pair = k.mulC(group, 8);
    Values out(sums.begin(), sums.end());
    for (int64_t part = 0; part < parts; ++part) {
      // Of each plane, the last one first: what is added at once goes to the units.
      llvm::SmallVector<DotProduct::Sum, 16> low, high;
      for (int64_t r = 0; r < rows; ++r) {
        Value initial;
        if (dot.offsetRemains()) {
          Value negSum = parts == 1 ? k.loadSplat(k.i32, input, word, r * stride + row.negSum32Offset())
                                    : k.loadSplat(k.i32, input, pair,
                                                  r * stride + row.negSum16Offset() + part * 4);
          initial = k.shl(negSum, k.splatI32(llvm::Log2_32(info.offset)));
        }
        for (int64_t p = 0; p < panels; ++p) {
          low.push_back(dot.start(initial));
          if (row.planes == 2)
            high.push_back(dot.start());
        }
      }
      for (int64_t step = part * stepsPerPart; step < (part + 1) * stepsPerPart; ++step) {
        Values prepared;
        for (int64_t p = 0; p < panels; ++p)
          prepared.push_back(weights(p, step));
        for (int64_t r = 0; r < rows; ++r) {
          const int64_t at = r * stride + step * 4;
          Value upper = k.load(k.i32, input, bytes, at), lower = upper;
          if (row.planes == 2)
            lower = k.load(k.i32, input, bytes, at + row.lowOffset());
          for (int64_t p = 0; p < panels; ++p) {
            if (row.planes == 2)
              dot.accumulate(high[r * panels + p], prepared[p], upper);
            dot.accumulate(low[r * panels + p], prepared[p], lower);
          }
        }
      }
      for (int64_t r = 0; r < rows; ++r) {
        Value rowScale = k.loadSplat(k.f32, input, word, r * stride + row.scaleOffset());
        for (int64_t p = 0; p < panels; ++p) {
          const int64_t i = r * panels + p;
          Value integer = dot.finish(low[i]);
          if (row.planes == 2)
            integer = k.add(k.shl(dot.finish(high[i]), k.splatI32(kQuantLowBits)), integer);
          out[i] = k.fma(k.mulF(k.toF32(integer), scales[p].scale[part]), rowScale, out[i]);
        }
      }
    }
    for (int64_t r = 0; r < rows && info.hasMin; ++r) {
      Value rowSum = k.loadSplat(k.f32, input, word, r * stride + row.sumOffset());
      for (int64_t p = 0; p < panels; ++p)
        out[r * panels + p] = k.fma(scales[p].min, rowSum, out[r * panels + p]);
    }
    return out;
  }
};

} // namespace

Values forGroups(KernelBuilder &k, WeightFormat format, uint64_t columns, llvm::ArrayRef<Value> panels,
                 Value first, Value last, ValueRange carried,
                 llvm::function_ref<Values(Value, llvm::ArrayRef<SuperScales>, ValueRange)> body) {
  llvm::SmallVector<SuperScales, 2> super(panels.size());
  if (!formatInfo(format).superScales)
    return k.forLoop(first, last, 1, carried,
                     [&](Value g, ValueRange inner) { return body(g, super, inner); });
  return k.forLoop(k.shrU(first, k.constI64(3)), k.shrU(last, k.constI64(3)), 1, carried,
                   [&](Value superGroup, ValueRange outer) {
                     for (size_t p = 0; p < panels.size(); ++p)
                       super[p] = emitSuperScales(k, format, columns, panels[p], superGroup);
                     Value from = k.mulC(superGroup, 8);
                     return k.forLoop(from, k.addC(from, 8), 1, outer,
                                      [&](Value g, ValueRange inner) { return body(g, super, inner); });
                   });
}

void prefetchShare(KernelBuilder &k, WeightFormat format, uint64_t columns, Value panel, Value group) {
  const int64_t groups = columns / 32;
  const int64_t lines = llvm::divideCeil(PanelLayout(format, columns).bytes / 64, groups);
  for (int64_t i = 0; i < lines; ++i)
    k.prefetch(panel, k.mulC(group, lines * 64), i * 64, /*locality=*/3);
}

static std::string functionName(llvm::StringRef what, WeightFormat format, const QuantRowLayout &row) {
  return (what + "_" + llvm::StringRef(formatInfo(format).name) + "_k" + llvm::Twine(row.columns) +
          (row.planes == 1 ? "_i8" : ""))
      .str();
}

std::string emitStreamProduct(KernelBuilder &k, WeightFormat format, uint64_t columns, uint32_t rowBits, int64_t rows) {
  const QuantRowLayout row(columns, rowBits);
  std::string name = functionName("stream", format, row) + "_r" + std::to_string(rows);
  k.internalFunction(name, {k.ptr, k.ptr, k.ptr, k.i64, k.ptr, k.ptr}, [&](ValueRange arguments) {
    Value input = arguments[0], panel = arguments[1];
    Values sums(rows, k.splatF32(0.0));
    if (formatInfo(format).isFloat()) {
      sums = emitFloatPanel(k, format, columns, rows, input, panel, {arguments[4], arguments[5]});
    } else {
      IntegerProduct product(k, format, row, rows, 1, input);
      DotProduct dot(k, format);
      sums = forGroups(k, format, columns, panel, k.constI64(0), k.constI64(columns / 32), sums,
                       [&](Value g, llvm::ArrayRef<SuperScales> super, ValueRange inner) {
                         prefetchShare(k, format, columns, arguments[4], g);
                         prefetchShare(k, format, columns, arguments[5], g);
                         GroupQuants quants(k, format, columns, panel, g);
                         GroupScales scales = emitGroupScales(k, format, columns, panel, g, super[0]);
                         return product.group(g, scales, inner, [&](int64_t, int64_t step) {
                           return dot.prepare(quants.step(step));
                         });
                       });
    }
    for (int64_t r = 0; r < rows; ++r)
      k.store(sums[r], arguments[2], k.mulC(arguments[3], r));
  });
  return name;
}

std::string emitTileProduct(KernelBuilder &k, WeightFormat format, uint64_t columns, uint32_t rowBits, int64_t rows,
                            int64_t panels, TileSource source, bool fetch) {
  const bool prepare = source == TileSource::Packed;
  const QuantRowLayout row(columns, rowBits);
  std::string name = functionName(prepare ? "prepare" : "tile", format, row) + "_r" +
                     std::to_string(rows) + "_p" + std::to_string(panels) + (fetch ? "_f" : "");
  k.internalFunction(name, {k.ptr, k.i64, k.i64, k.ptr, k.ptr, k.ptr, k.i64, k.ptr}, [&](ValueRange arguments) {
    Value first = arguments[1], packed = arguments[3], tile = arguments[5], tileStride = arguments[6];
    const PreparedLayout layout(format);
    const int64_t chunkBytes = layout.chunkBytes(format, columns);
    const int64_t panelBytes = PanelLayout(format, columns).bytes;
    const FormatInfo info = formatInfo(format);
    DotProduct dot(k, format);
    IntegerProduct product(k, format, row, rows, panels, arguments[0]);
    Values sums;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t p = 0; p < panels; ++p)
        sums.push_back(k.load(k.vec(k.f32), tile, k.mulC(tileStride, r), p * kLanes * 4));

    llvm::SmallVector<GroupScales, 2> scales(panels);
    const auto preparedAt = [&](Value group) {
      if (fetch)
        prefetchShare(k, format, columns, arguments[7], group);
      return k.at(arguments[4], k.mulC(k.sub(group, first), layout.groupBytes));
    };
    const auto forScales = [&](llvm::function_ref<void(Value &, int64_t offset)> body) {
      for (int64_t p = 0; p < panels; ++p) {
        for (int64_t part = 0; part < info.scalesPer32(); ++part)
          body(scales[p].scale[part], p * chunkBytes + layout.scales + part * 64);
        if (info.hasMin)
          body(scales[p].min, p * chunkBytes + layout.min);
      }
    };
    if (prepare) {
      llvm::SmallVector<Value, 2> panel;
      for (int64_t p = 0; p < panels; ++p)
        panel.push_back(k.at(packed, {}, p * panelBytes));
      sums = forGroups(k, format, columns, panel, first, arguments[2], sums,
                       [&](Value g, llvm::ArrayRef<SuperScales> super, ValueRange inner) {
                         Value out = preparedAt(g);
                         llvm::SmallVector<GroupQuants, 2> quants;
                         for (int64_t p = 0; p < panels; ++p) {
                           quants.emplace_back(k, format, columns, panel[p], g);
                           scales[p] = emitGroupScales(k, format, columns, panel[p], g, super[p]);
                         }
                         forScales([&](Value &v, int64_t offset) { k.store(v, out, {}, offset); });
                         return product.group(g, scales, inner, [&](int64_t p, int64_t step) {
                           Value weights = dot.prepare(quants[p].step(step));
                           k.store(weights, out, {}, p * chunkBytes + step * 64);
                           return weights;
                         });
                       });
    } else {
      sums = k.forLoop(first, arguments[2], 1, sums, [&](Value g, ValueRange inner) {
        Value in = preparedAt(g);
        forScales([&](Value &v, int64_t offset) { v = k.load(k.vec(k.f32), in, {}, offset); });
        return product.group(g, scales, inner, [&](int64_t p, int64_t step) {
          return k.load(k.vec(k.i8, 64), in, {}, p * chunkBytes + step * 64);
        });
      });
    }
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t p = 0; p < panels; ++p)
        k.store(sums[r * panels + p], tile, k.mulC(tileStride, r), p * kLanes * 4);
  });
  return name;
}

} // namespace tenon::cpu
