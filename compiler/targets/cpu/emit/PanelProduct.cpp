//===- PanelProduct.cpp - Rows times weight panels ------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/emit/PanelProduct.h"
#include "compiler/targets/cpu/emit/DotProduct.h"
#include "compiler/targets/cpu/emit/FloatPanel.h"
#include "compiler/targets/cpu/emit/PairProduct.h"
#include "compiler/targets/cpu/emit/QuantRows.h"
#include "compiler/targets/cpu/emit/WeightUnpack.h"

#include "llvm/ADT/FunctionExtras.h"
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
  static constexpr int64_t eight[] = {8, 4, 2, 1}, six[] = {6, 4, 2, 1}, four[] = {4, 2, 1},
                           two[] = {2, 1};
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

  /// The vectors of prepared quants of a panel's group, in the order of `weights`.
  Value vector(DotProduct &dot, GroupQuants &quants, int64_t index) const {
    return dot.prepare(multipliesPairs(k.variant()) ? quants.pair(index) : quants.step(index));
  }

  /// -sum(row) * offset, which a row's sum begins with: vector<16xi32>, null if nothing remains of
  /// the offset.
  Value initialOf(const DotProduct &dot, Value group, int64_t part, int64_t r) const {
    if (!dot.offsetRemains())
      return {};
    const int64_t at = r * row.stride();
    Value negSum =
        info.scalesPer32() == 1
            ? k.loadSplat(k.i32, input, k.mulC(group, 4), at + row.negSum32Offset())
            : k.loadSplat(k.i32, input, k.mulC(group, 8), at + row.negSum16Offset() + part * 4);
    return k.shl(negSum, k.splatI32(llvm::Log2_32(info.offset)));
  }

  Value joinPlanes(Value high, Value low) const {
    return k.add(k.shl(high, k.splatI32(kQuantLowBits)), low);
  }

  /// Gives sum i of rows x panels, vector<16xi32>. Asked in turn: a sum is put together right where
  /// it is scaled.
  using Integers = llvm::unique_function<Value(int64_t i)>;

  /// Integer sums of part `part` of a group: the 32 k, or those of one weight scale.
  Integers sumsByDots(Value group, int64_t part,
                      llvm::function_ref<Value(int64_t panel, int64_t index)> weights) const {
    const int64_t stepsPerPart = kStepsPerGroup / info.scalesPer32();
    DotProduct dot(k, format);
    Value bytes = k.mulC(group, 32);
    // Of each plane, the last one first: what is added at once goes to the units.
    llvm::SmallVector<DotProduct::Sum, 16> low, high;
    for (int64_t r = 0; r < rows; ++r) {
      Value initial = initialOf(dot, group, part, r);
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
        const int64_t at = r * row.stride() + step * 4;
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
    return [this, dot, low, high](int64_t i) mutable {
      Value integer = dot.finish(low[i]);
      return row.planes == 2 ? joinPlanes(dot.finish(high[i]), integer) : integer;
    };
  }

  /// The same by matrix instructions. The lines of a pair are a row's planes, or two rows; a last
  /// row alone is twice there.
  Integers sumsByPairs(Value group, int64_t part,
                       llvm::function_ref<Value(int64_t panel, int64_t index)> weights) const {
    const int64_t parts = info.scalesPer32(), quads = 2 / parts;
    const bool planes = row.planes == 2;
    const int64_t pairs = planes ? rows : (rows + 1) / 2;
    const auto second = [&](int64_t i) { return std::min(2 * i + 1, rows - 1); };
    DotProduct dot(k, format);
    PairProduct product(k);
    llvm::SmallVector<PairProduct::Sum, 4> sums; // [pairs][panels]
    for (int64_t i = 0; i < pairs; ++i) {
      Value a = planes ? Value() : initialOf(dot, group, part, 2 * i);
      Value b = initialOf(dot, group, part, planes ? i : second(i));
      for (int64_t p = 0; p < panels; ++p)
        sums.push_back(product.start(a, b));
    }
    for (int64_t quad = part * quads; quad < (part + 1) * quads; ++quad) {
      llvm::SmallVector<std::pair<Value, Value>, 4> lines;
      for (int64_t i = 0; i < pairs; ++i) {
        const int64_t a = (planes ? i : 2 * i) * row.stride();
        const int64_t b = planes ? a + row.lowOffset() : second(i) * row.stride();
        lines.push_back(
            product.lines(input, input, k.mulC(group, 32), a + quad * 16, b + quad * 16));
      }
      for (int64_t index = quad * 4; index < quad * 4 + 4; ++index)
        for (int64_t p = 0; p < panels; ++p) {
          Value vector = weights(p, index);
          for (int64_t i = 0; i < pairs; ++i)
            product.accumulate(sums[i * panels + p], index, vector,
                               index % 4 < 2 ? lines[i].first : lines[i].second);
        }
    }
    return [this, product, sums, planes](int64_t i) mutable {
      const int64_t r = i / panels, p = i % panels;
      auto [a, b] = product.finish(sums[(planes ? r : r / 2) * panels + p]);
      return planes ? joinPlanes(a, b) : r % 2 ? b : a;
    };
  }

  /// `sums` (rows x panels, row by row) after group `group` (i64). `weights(panel, index)` are
  /// vectors of prepared quants, in the order of `vector`; `scales[panel]` the group's.
  Values group(Value group, llvm::ArrayRef<GroupScales> scales, ValueRange sums,
               llvm::function_ref<Value(int64_t panel, int64_t index)> weights) const {
    const int64_t stride = row.stride();
    Value word = k.mulC(group, 4);
    Values out(sums.begin(), sums.end());
    // One integer sum for each weight scale.
    for (int64_t part = 0; part < info.scalesPer32(); ++part) {
      Integers integers = multipliesPairs(k.variant()) ? sumsByPairs(group, part, weights)
                                                       : sumsByDots(group, part, weights);
      for (int64_t r = 0; r < rows; ++r) {
        Value rowScale = k.loadSplat(k.f32, input, word, r * stride + row.scaleOffset());
        for (int64_t p = 0; p < panels; ++p) {
          const int64_t i = r * panels + p;
          out[i] = k.fma(k.mulF(k.toF32(integers(i)), scales[p].scale[part]), rowScale, out[i]);
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

Values forGroups(KernelBuilder &k, WeightFormat format, uint64_t columns,
                 llvm::ArrayRef<Value> panels, Value first, Value last, ValueRange carried,
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
                     return k.forLoop(
                         from, k.addC(from, 8), 1, outer,
                         [&](Value g, ValueRange inner) { return body(g, super, inner); });
                   });
}

void prefetchShare(KernelBuilder &k, WeightFormat format, uint64_t columns, Value panel,
                   Value group) {
  const int64_t groups = columns / 32;
  const int64_t lines = llvm::divideCeil(PanelLayout(format, columns).bytes / 64, groups);
  for (int64_t i = 0; i < lines; ++i)
    k.prefetch(panel, k.mulC(group, lines * 64), i * 64, /*locality=*/3);
}

static std::string functionName(llvm::StringRef what, WeightFormat format,
                                const QuantRowLayout &row) {
  return (what + "_" + llvm::StringRef(formatInfo(format).name) + "_k" + llvm::Twine(row.columns) +
          (row.planes == 1 ? "_i8" : ""))
      .str();
}

std::string emitStreamProduct(KernelBuilder &k, WeightFormat format, uint64_t columns,
                              uint32_t rowBits, int64_t rows) {
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
                         GroupScales scales =
                             emitGroupScales(k, format, columns, panel, g, super[0]);
                         return product.group(g, scales, inner, [&](int64_t, int64_t index) {
                           return product.vector(dot, quants, index);
                         });
                       });
    }
    for (int64_t r = 0; r < rows; ++r)
      k.store(sums[r], arguments[2], k.mulC(arguments[3], r));
  });
  return name;
}

std::string emitTileProduct(KernelBuilder &k, WeightFormat format, uint64_t columns,
                            uint32_t rowBits, int64_t rows, int64_t panels, TileSource source,
                            bool fetch) {
  const bool prepare = source == TileSource::Packed;
  const QuantRowLayout row(columns, rowBits);
  std::string name = functionName(prepare ? "prepare" : "tile", format, row) + "_r" +
                     std::to_string(rows) + "_p" + std::to_string(panels) + (fetch ? "_f" : "");
  k.internalFunction(
      name, {k.ptr, k.i64, k.i64, k.ptr, k.ptr, k.ptr, k.i64, k.ptr}, [&](ValueRange arguments) {
        Value first = arguments[1], packed = arguments[3], tile = arguments[5],
              tileStride = arguments[6];
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
          sums =
              forGroups(k, format, columns, panel, first, arguments[2], sums,
                        [&](Value g, llvm::ArrayRef<SuperScales> super, ValueRange inner) {
                          Value out = preparedAt(g);
                          llvm::SmallVector<GroupQuants, 2> quants;
                          for (int64_t p = 0; p < panels; ++p) {
                            quants.emplace_back(k, format, columns, panel[p], g);
                            scales[p] = emitGroupScales(k, format, columns, panel[p], g, super[p]);
                          }
                          forScales([&](Value &v, int64_t offset) { k.store(v, out, {}, offset); });
                          return product.group(g, scales, inner, [&](int64_t p, int64_t index) {
                            Value weights = product.vector(dot, quants[p], index);
                            k.store(weights, out, {}, p * chunkBytes + index * 64);
                            return weights;
                          });
                        });
        } else {
          sums = k.forLoop(first, arguments[2], 1, sums, [&](Value g, ValueRange inner) {
            Value in = preparedAt(g);
            forScales([&](Value &v, int64_t offset) { v = k.load(k.vec(k.f32), in, {}, offset); });
            return product.group(g, scales, inner, [&](int64_t p, int64_t index) {
              return k.load(k.vec(k.i8, 64), in, {}, p * chunkBytes + index * 64);
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
