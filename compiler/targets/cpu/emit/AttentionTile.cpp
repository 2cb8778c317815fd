//===- AttentionTile.cpp - Attention of a tile of rows --------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// A prompt is limited by multiply-accumulates: the keys of a segment are widened once into a panel,
// from where all queries of the tile read them in register blocks, then its values. The panel
// streams out of L2 as fast as the products can take it; an accumulator stays in its register over
// a whole segment. While keys are widened their values are fetched, and with those the next
// segment's keys.

#include "compiler/targets/cpu/emit/AttentionItem.h"

namespace tenon::cpu {
namespace {

constexpr int64_t kUnroll = 4, kGroupBlocks = kGroupKeys / kBlockTokens,
                  kSegmentBlocks = kSegmentKeys / kBlockTokens;

class Tile {
public:
  explicit Tile(const AttentionItem &item)
      : item(item), k(item.k), headDim(item.headDim), queries(item.scratchAt(item.layout.queries)),
        scores(item.scratchAt(item.layout.scores)), partials(item.scratchAt(item.layout.partials)),
        panel(item.scratchAt(item.layout.panel)), kPool(k.buffer(1)), vPool(k.buffer(2)) {}

  void emit() {
    gatherQueries();
    item.clearRunning();
    k.forEach(item.firstSegment, item.endSegment, 1, [&](Value segment) {
      const AttentionItem::Extent extent = item.extentOf(segment);
      packKeys(segment, extent);
      score(extent);
      item.softmax(scores, partials, segment, extent, 2);
      Value slots = packValues(segment, extent);
      weigh(extent, slots);
      item.combine(partials);
    });
    item.finish();
  }

private:
  /// Copies the queries side by side.
  void gatherQueries() {
    const int64_t groupBytes = item.group * headDim * 4;
    Value q = k.buffer(0);
    k.forEach(k.constI64(0), item.rows, 1, [&](Value r) {
      Value from = k.at(q, item.queryOffset(k.add(item.firstRow, r))),
            to = k.at(queries, k.mulC(r, groupBytes));
      k.forEach(k.constI64(0), k.constI64(groupBytes), kLanes * 4,
                [&](Value at) { k.store(k.load(k.vec(k.f32), from, at), to, at); });
    });
  }

  Value roundUp(Value keys) { return k.andI(k.addC(keys, kUnroll - 1), k.constI64(-kUnroll)); }

  /// panel[group of keys][headDim][64 keys]
  void packKeys(Value segment, const AttentionItem::Extent &extent) {
    k.forEach(extent.firstGroup, extent.endGroup, 1, [&](Value g) {
      Value first = k.add(k.mulC(segment, kSegmentBlocks), k.mulC(g, kGroupBlocks));
      Values keys, values;
      for (int64_t b = 0; b < kGroupBlocks; ++b) {
        Value offset = item.blockOffset(k.addC(first, b));
        keys.push_back(k.at(kPool, offset));
        values.push_back(k.at(vPool, offset));
      }
      Value into = k.at(panel, k.mulC(g, headDim * kGroupKeys * 4));
      k.forEach(k.constI64(0), k.constI64(headDim), 1, [&](Value d) {
        Value from = k.mulC(d, kBlockTokens * 2), to = k.mulC(d, kGroupKeys * 4);
        for (int64_t b = 0; b < kGroupBlocks; ++b) {
          k.prefetch(values[b], from, 0, 2);
          k.store(k.toF32(k.load(k.vec(k.f16), keys[b], from)), into, to, b * 64);
        }
      });
    });
  }

  /// panel[part of the head][kSegmentKeys][16 * panelVectors]. Returns the segment's slots to go
  /// over: those up to the last key, and zeros up to an unrolled step. Their weights are 0 too:
  /// they change no bit.
  Value packValues(Value segment, const AttentionItem::Extent &extent) {
    const int64_t vectors = panelVectors(headDim), lineBytes = vectors * 64;
    const int64_t parts = headDim / kLanes / vectors, partBytes = kSegmentKeys * lineBytes;
    Value end = roundUp(extent.keys);
    k.forEach(k.mulC(extent.firstGroup, kGroupKeys), extent.keys, kBlockTokens, [&](Value slot0) {
      Value block = k.add(k.mulC(segment, kSegmentBlocks), k.divU(slot0, k.constI64(kBlockTokens)));
      Value values = k.at(vPool, item.blockOffset(block));
      Value ahead = k.at(kPool, item.blockOffset(k.addC(block, kSegmentBlocks)));
      Value slots = k.minU(k.sub(extent.keys, slot0), k.constI64(kBlockTokens));
      k.forEach(k.constI64(0), slots, 1, [&](Value slot) {
        Value from = k.mulC(slot, headDim * 2), to = k.mulC(k.add(slot0, slot), lineBytes);
        for (int64_t line = 0; line < headDim * 2; line += 64)
          k.prefetch(ahead, from, line, 2);
        for (int64_t v = 0; v < headDim / kLanes; ++v)
          k.store(k.toF32(k.load(k.vec(k.f16), values, from, v * kLanes * 2)), panel, to,
                  v / vectors * partBytes + v % vectors * 64);
      });
    });
    k.forEach(k.mulC(extent.keys, lineBytes), k.mulC(end, lineBytes), 64, [&](Value at) {
      for (int64_t part = 0; part < parts; ++part)
        k.store(k.splatF32(0), panel, at, part * partBytes);
    });
    return end;
  }

  /// out[query][16 * width] = sum over steps [from, to) of in[query][step] * lines[step][16 *
  /// width] for `together` queries; both bounds are multiples of kUnroll.
  void multiply(int64_t together, int64_t width, Value in, int64_t inStride, Value lines,
                int64_t lineBytes, Value from, Value to, Value out, int64_t outStride) {
    Values sums(together * width, k.splatF32(0));
    sums = k.forLoop(from, to, kUnroll, sums, [&](Value step, ValueRange before) {
      Values next(before.begin(), before.end());
      Value line = k.mulC(step, lineBytes), word = k.mulC(step, 4);
      for (int64_t u = 0; u < kUnroll; ++u) {
        Values b;
        for (int64_t w = 0; w < width; ++w)
          b.push_back(k.load(k.vec(k.f32), lines, line, u * lineBytes + w * 64));
        for (int64_t i = 0; i < together; ++i) {
          Value a = k.loadSplat(k.f32, in, word, i * inStride + u * 4);
          for (int64_t w = 0; w < width; ++w)
            next[i * width + w] = k.fma(b[w], a, next[i * width + w]);
        }
      }
      return next;
    });
    for (int64_t i = 0; i < together; ++i)
      for (int64_t w = 0; w < width; ++w)
        k.store(sums[i * width + w], out, {}, i * outStride + w * 64);
  }

  /// Calls body(first query, queries together) for register blocks of `width` vectors.
  void forBlocks(int64_t width, llvm::function_ref<void(Value, int64_t)> body) {
    const int64_t together = std::min(accumulatorLimit(k.variant()) / width, kMaxBlockQueries);
    k.forEach(k.constI64(0), item.queries, together, [&](Value first) { body(first, together); });
  }
  int64_t widthOf(int64_t vectors) {
    return largestDivisor(vectors, std::max<int64_t>(1, accumulatorLimit(k.variant()) / 4));
  }

  /// How many of the segment's keys the queries of a register block see, counted to the last that
  /// one sees.
  Value keysSeen(Value first, int64_t together, const AttentionItem::Extent &extent) {
    Value lastRow = k.divU(k.addC(first, together - 1), k.constI64(item.group));
    Value unseen = k.subU(k.addC(item.rows, -1), lastRow); // keys of the tile's later rows
    return k.minU(k.subU(extent.toLastKey, unseen), k.constI64(kSegmentKeys));
  }

  /// scores[query][key of segment] = q . k for whole groups of keys. What no query of a block sees
  /// stays unset, and is masked.
  void score(const AttentionItem::Extent &extent) {
    const int64_t width = widthOf(kGroupKeys / kLanes);
    forBlocks(width, [&](Value first, int64_t together) {
      Value q = k.at(queries, k.mulC(first, headDim * 4));
      Value end =
          k.divU(k.addC(keysSeen(first, together, extent), kGroupKeys - 1), k.constI64(kGroupKeys));
      k.forEach(extent.firstGroup, end, 1, [&](Value g) {
        Value keys = k.at(panel, k.mulC(g, headDim * kGroupKeys * 4));
        Value into =
            k.at(scores, k.add(k.mulC(first, kSegmentKeys * 4), k.mulC(g, kGroupKeys * 4)));
        k.forEach(k.constI64(0), k.constI64(kGroupKeys * 4), width * 64, [&](Value column) {
          multiply(together, width, q, headDim * 4, k.at(keys, column), kGroupKeys * 4,
                   k.constI64(0), k.constI64(headDim), k.at(into, column), kSegmentKeys * 4);
        });
      });
    });
  }

  /// partials[query] = weights . V
  void weigh(const AttentionItem::Extent &extent, Value slots) {
    const int64_t vectors = panelVectors(headDim), width = widthOf(vectors);
    const int64_t parts = headDim / kLanes / vectors, partBytes = kSegmentKeys * vectors * 64;
    Value from = k.mulC(extent.firstGroup, kGroupKeys);
    forBlocks(width, [&](Value first, int64_t together) {
      Value end = k.minU(roundUp(keysSeen(first, together, extent)), slots);
      Value p = k.at(scores, k.mulC(first, kSegmentKeys * 4));
      Value into = k.at(partials, k.mulC(first, item.record.bytes));
      k.forEach(k.constI64(0), k.constI64(parts), 1, [&](Value part) {
        Value values = k.at(panel, k.mulC(part, partBytes)),
              place = k.at(into, k.mulC(part, vectors * 64));
        k.forEach(k.constI64(0), k.constI64(vectors * 64), width * 64, [&](Value column) {
          multiply(together, width, p, kSegmentKeys * 4, k.at(values, column), vectors * 64, from,
                   end, k.at(place, column), item.record.bytes);
        });
      });
    });
  }

  const AttentionItem &item;
  KernelBuilder &k;
  const int64_t headDim;
  const Value queries, scores, partials, panel, kPool, vPool;
};

} // namespace

void emitTile(KernelBuilder &k, const KernelSpec &spec, Value firstRow, Value rows, Value head,
              int64_t group) {
  const int64_t most = tileRows(spec);
  k.forEach(k.constI64(0), rows, most, [&](Value row) {
    Value count = k.minU(k.sub(rows, row), k.constI64(most));
    AttentionItem item(k, spec, k.add(firstRow, row), count, head, group);
    Tile(item).emit();
  });
}

} // namespace tenon::cpu
