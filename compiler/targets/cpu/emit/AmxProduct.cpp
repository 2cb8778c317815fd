//===- AmxProduct.cpp - Rows times prepared panels in tiles ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/emit/AmxProduct.h"
#include "compiler/targets/cpu/emit/AmxTiles.h"
#include "compiler/targets/cpu/emit/QuantRows.h"

namespace tenon::cpu {
namespace {

/// Tile numbers: sums of plane h (0 high, 1 low) and panel p, the rows' planes, the panels'
/// weights.
constexpr int64_t sumTile(int64_t plane, int64_t panel) { return panel * 2 + plane; }
constexpr int64_t kPlaneTile = 4, kPanelTile = 6;

struct Product {
  KernelBuilder &k;
  WeightFormat format;
  const uint64_t columns;
  const QuantRowLayout row;
  const int64_t panels;
  const PreparedLayout layout;
  const FormatInfo info;
  const int64_t parts;                ///< Integer sums of a group: one for each weight scale.
  const int64_t partBytes;            ///< k of a part.
  const int64_t chunkBytes;           ///< From one prepared panel to the next.
  llvm::SmallVector<Value, 2> packed; ///< Each panel's start.
  AmxTiles tiles;
  Value input, prepared, tile, tileStride, rows;
  Value sums; ///< [parts][panels][2 planes] tiles of [16 rows][16 channels] i32.

  Product(KernelBuilder &k, WeightFormat format, const QuantRowLayout &row, int64_t panels,
          ValueRange arguments)
      : k(k), format(format), columns(row.columns), row(row), panels(panels), layout(format),
        info(formatInfo(format)), parts(info.scalesPer32()), partBytes(32 / parts),
        chunkBytes(layout.chunkBytes(format, columns)), tiles(k), input(arguments[0]),
        prepared(arguments[4]), tile(arguments[5]), tileStride(arguments[6]), rows(arguments[8]),
        sums(k.stackBytes(parts * panels * 2 * AmxTiles::kBytes)) {
    for (int64_t p = 0; p < panels; ++p)
      packed.push_back(k.at(arguments[3], {}, p * int64_t(PanelLayout(format, columns).bytes)));
  }

  static int64_t sumOffset(int64_t panels, int64_t part, int64_t panel, int64_t plane) {
    return ((part * panels + panel) * 2 + plane) * AmxTiles::kBytes;
  }

  void configure() {
    std::array<AmxTiles::Shape, AmxTiles::kCount> shapes;
    for (int64_t i = 0; i < AmxTiles::kCount; ++i)
      shapes[i] = i < kPlaneTile   ? AmxTiles::Shape{0, AmxTiles::kRowBytes}
                  : i < kPanelTile ? AmxTiles::Shape{0, partBytes}
                                   : AmxTiles::Shape{partBytes / 4, AmxTiles::kRowBytes};
    tiles.configure(shapes, rows);
  }

  /// Unpacks a group of the panels to `weights`, for this tile and the ones after it.
  void prepare(Value group, llvm::ArrayRef<SuperScales> super, Value weights) {
    // Stored values without an offset have at most 7 bits, so that they are signed as they are.
    const auto toSigned = [&](Value v) {
      return info.offset ? k.sub(v, k.splatI8(info.offset)) : v;
    };
    for (int64_t p = 0; p < panels; ++p) {
      GroupQuants quants(k, format, columns, packed[p], group);
      for (int64_t step = 0; step < kStepsPerGroup; ++step)
        k.store(toSigned(quants.step(step)), weights, {}, p * chunkBytes + step * 64);
      GroupScales scales = emitGroupScales(k, format, columns, packed[p], group, super[p]);
      for (int64_t part = 0; part < parts; ++part)
        k.store(scales.scale[part], weights, {}, p * chunkBytes + layout.scales + part * 64);
      if (info.hasMin)
        k.store(scales.min, weights, {}, p * chunkBytes + layout.min);
    }
  }

  /// The group's integer sums, part after part.
  void multiply(Value group, Value weights) {
    for (int64_t part = 0; part < parts; ++part) {
      Value planes = k.at(input, k.mulC(group, 32), part * partBytes);
      for (int64_t h = 0; h < row.planes; ++h)
        tiles.load(kPlaneTile + h, k.at(planes, {}, h * row.lowOffset()), row.stride());
      for (int64_t p = 0; p < panels; ++p) {
        tiles.load(kPanelTile + p, k.at(weights, {}, p * chunkBytes + part * partBytes * kLanes),
                   AmxTiles::kRowBytes);
        for (int64_t h = 0; h < row.planes; ++h) {
          tiles.zero(sumTile(h, p));
          tiles.dotSigned(sumTile(h, p), kPlaneTile + h, kPanelTile + p);
        }
      }
      for (int64_t p = 0; p < panels; ++p)
        for (int64_t h = 0; h < row.planes; ++h)
          tiles.store(sumTile(h, p), k.at(sums, {}, sumOffset(panels, part, p, h)),
                      AmxTiles::kRowBytes);
    }
  }

  /// Adds the group's scaled sums to the tile, row after row.
  void scale(Value group, Value weights) {
    Value word = k.mulC(group, 4);
    const auto vector = [&](int64_t panel, int64_t offset) {
      return k.load(k.vec(k.f32), weights, {}, panel * chunkBytes + offset);
    };
    llvm::SmallVector<GroupScales, 2> scales(panels);
    for (int64_t p = 0; p < panels; ++p) {
      for (int64_t part = 0; part < parts; ++part)
        scales[p].scale[part] = vector(p, layout.scales + part * 64);
      if (info.hasMin)
        scales[p].min = vector(p, layout.min);
    }
    k.forEach(k.constI64(0), rows, 1, [&](Value r) {
      Value numbers = k.at(input, k.add(k.mulC(r, row.stride()), word));
      Value rowScale = k.loadSplat(k.f32, numbers, {}, row.scaleOffset());
      Value rowSum = info.hasMin ? k.loadSplat(k.f32, numbers, {}, row.sumOffset()) : Value();
      Value out = k.at(tile, k.mul(r, tileStride)),
            integers = k.at(sums, k.mulC(r, AmxTiles::kRowBytes));
      for (int64_t p = 0; p < panels; ++p) {
        Value sum = k.load(k.vec(k.f32), out, {}, p * kLanes * 4);
        for (int64_t part = 0; part < parts; ++part) {
          Value integer = k.load(k.vec(k.i32), integers, {}, sumOffset(panels, part, p, 0));
          if (row.planes == 2)
            integer = k.add(k.shl(integer, k.splatI32(kQuantLowBits)),
                            k.load(k.vec(k.i32), integers, {}, sumOffset(panels, part, p, 1)));
          sum = k.fma(k.mulF(k.toF32(integer), scales[p].scale[part]), rowScale, sum);
        }
        if (info.hasMin)
          sum = k.fma(scales[p].min, rowSum, sum);
        k.store(sum, out, {}, p * kLanes * 4);
      }
    });
  }
};

} // namespace

std::string emitAmxProduct(KernelBuilder &k, WeightFormat format, uint64_t columns,
                           uint32_t rowBits, int64_t panels, TileSource source, bool fetch) {
  const bool packed = source == TileSource::Packed;
  std::string name = std::string(packed ? "amx_prepare_" : "amx_") +
                     std::string(formatInfo(format).name) + "_k" + std::to_string(columns) +
                     (rowBits == 8 ? "_i8" : "") + "_p" + std::to_string(panels) +
                     (fetch ? "_f" : "");
  const Type types[] = {k.ptr, k.i64, k.i64, k.ptr, k.ptr, k.ptr, k.i64, k.ptr, k.i64};
  k.internalFunction(name, types, [&](ValueRange arguments) {
    Product product(k, format, QuantRowLayout(columns, rowBits), panels, arguments);
    Value first = arguments[1], last = arguments[2], next = arguments[7];
    const auto group = [&](Value g, llvm::ArrayRef<SuperScales> super) {
      Value weights = k.at(product.prepared, k.mulC(k.sub(g, first), product.layout.groupBytes));
      if (fetch)
        prefetchShare(k, format, columns, next, g);
      if (packed)
        product.prepare(g, super, weights);
      product.multiply(g, weights);
      product.scale(g, weights);
      return Values{};
    };
    product.configure();
    if (packed)
      forGroups(
          k, format, columns, product.packed, first, last, {},
          [&](Value g, llvm::ArrayRef<SuperScales> super, ValueRange) { return group(g, super); });
    else
      k.forEach(first, last, 1, [&](Value g) { group(g, {}); });
    product.tiles.release();
  });
  return name;
}

} // namespace tenon::cpu
