//===- Attention.cpp - Paged causal attention, grouped heads --------------===//
// SPDX-License-Identifier: Apache-2.0
//
// Online softmax over chunks of 64 keys (Dao et al., FlashAttention, arXiv 2205.14135, algorithm 1). A
// query's arithmetic depends on its own position alone: chunks start at absolute multiples of 64, keys
// are masked by position, and what a masked key contributes is an exact zero, so a row gives the same
// bits in a tile of one or of four rows, in any chunk of a prompt, and beside any neighbour.
//
// All queries that share a KV head (rows of the tile x heads of the group) walk K and V together.

#include "compiler/targets/cpu/emit/AttentionLayout.h"
#include "compiler/targets/cpu/emit/Kernels.h"
#include "compiler/targets/cpu/emit/QuantRows.h"
#include "compiler/targets/cpu/emit/VectorMath.h"

namespace tenon::cpu {
namespace {

constexpr int64_t kBlocksPerChunk = kChunkKeys / kBlockTokens;
constexpr double kMasked = -1e30; // finite: exp(kMasked - m) is 0, and exp(kMasked - kMasked) is wiped later

/// The largest divisor of `n` that is at most `limit`.
int64_t largestDivisor(int64_t n, int64_t limit) {
  for (int64_t d = std::min(n, limit); d > 1; --d)
    if (n % d == 0)
      return d;
  return 1;
}

/// Emits attention of a tile of `rows` rows for one KV head.
class TileAttention {
public:
  TileAttention(KernelBuilder &k, const KernelSpec &spec, int64_t rows)
      : k(k), spec(spec), layout(spec, rows), rows(rows), group(spec.heads / spec.kvHeads),
        queries(rows * group), headDim(spec.headDim) {}

  /// `firstRow` and `kvHead` are i64.
  void emit(Value row0, Value kvHead) {
    firstRow = row0;
    head = kvHead;
    loadSequence();
    gatherQueries();
    Value lastKey = k.addC(position, rows - 1);
    Value firstChunk = k.constI64(0);
    if (spec.window) {
      // First key of row 0's window: max(0, position - window + 1).
      Value sees = k.cmpI("uge", position, k.constI64(spec.window));
      Value first = k.select(sees, k.sub(position, k.constI64(spec.window - 1)), k.constI64(0));
      firstChunk = k.divU(first, k.constI64(kChunkKeys));
    }
    Value endChunk = k.addC(k.divU(lastKey, k.constI64(kChunkKeys)), 1);
    k.forEach(firstChunk, endChunk, 1, [&](Value chunk) {
      Value firstKey = k.mulC(chunk, kChunkKeys);
      Value left = k.addC(k.sub(lastKey, firstKey), 1);
      Value keys = k.minU(left, k.constI64(kChunkKeys));
      scoreChunk(chunk, keys);
      softmaxChunk(firstKey);
      accumulateChunk(chunk, keys);
    });
    finish();
  }

private:
  Value scratchAt(int64_t offset, Value index = {}, int64_t stride = 0) {
    return k.at(k.scratch, index ? k.mulC(index, stride) : Value(), offset);
  }

  void loadSequence() {
    Value rowBytes = k.mulC(firstRow, 4);
    position = k.toI64(k.load(k.i32, k.stepPointer(offsetof(StepView, positions)), rowBytes));
    Value sequence =
        k.toI64(k.load(k.i32, k.stepPointer(offsetof(StepView, rowSequence)), rowBytes));
    Value entries = k.mul(sequence, k.stepU32(offsetof(StepView, blockTableStride)));
    table = k.at(k.stepPointer(offsetof(StepView, blockTables)), k.mulC(entries, 4));
    kPool = k.buffer(1);
    vPool = k.buffer(2);
  }

  /// Copies the queries side by side ([query][headDim], query = row * group + head of group) and
  /// clears the running maximum, the sums and the outputs.
  void gatherQueries() {
    Value q = k.buffer(0);
    const int64_t rowBytes = int64_t(spec.heads) * headDim * 4, groupBytes = group * headDim * 4;
    k.forEach(k.constI64(0), k.constI64(rows), 1, [&](Value r) {
      Value from = k.at(q, k.add(k.mulC(k.add(firstRow, r), rowBytes), k.mulC(head, groupBytes)));
      Value to = scratchAt(layout.queries, r, groupBytes);
      k.forEach(k.constI64(0), k.constI64(groupBytes), kLanes * 4,
                [&](Value at) { k.store(k.load(k.vec(k.f32), from, at), to, at); });
    });
    k.forEach(k.constI64(0), k.constI64(queries), 1, [&](Value i) {
      k.store(k.constF32(kMasked), scratchAt(layout.maxima, i, 4));
      k.store(k.splatF32(0), scratchAt(layout.sums, i, kLanes * 4));
    });
    k.forEach(k.constI64(0), k.constI64(queries * headDim * 4), kLanes * 4,
              [&](Value at) { k.store(k.splatF32(0), scratchAt(layout.outputs), at); });
  }

  /// Pointer to this head's part of block `index` (within the sequence).
  Value blockPointer(Value pool, Value index) {
    Value block = k.toI64(k.load(k.i32, table, k.mulC(index, 4)));
    return k.at(pool, k.mulC(k.add(k.mulC(block, spec.kvHeads), head),
                             headDim * kBlockTokens * 2));
  }

  /// scores[query][key of chunk] = q . k, for the blocks that hold keys.
  void scoreChunk(Value chunk, Value keys) {
    const int64_t together = largestDivisor(queries, 8);
    Value blocks = k.shrU(k.addC(keys, kBlockTokens - 1), k.constI64(4));
    k.forEach(k.constI64(0), blocks, 1, [&](Value block) {
      Value keysOf = blockPointer(kPool, k.add(k.mulC(chunk, kBlocksPerChunk), block));
      k.forEach(k.constI64(0), k.constI64(queries), together, [&](Value first) {
        Value q = scratchAt(layout.queries, first, headDim * 4);
        Values zeros(together, k.splatF32(0));
        Values sums = k.forLoop(
            k.constI64(0), k.constI64(headDim), 1, zeros, [&](Value d, ValueRange acc) {
              Value key = k.toF32(k.load(k.vec(k.f16), keysOf, k.mulC(d, kBlockTokens * 2)));
              Values next;
              for (int64_t i = 0; i < together; ++i)
                next.push_back(k.fma(
                    key, k.loadSplat(k.f32, q, k.mulC(d, 4), i * headDim * 4), acc[i]));
              return next;
            });
        Value place = k.at(scratchAt(layout.scores, first, kChunkKeys * 4), k.mulC(block, 64));
        for (int64_t i = 0; i < together; ++i)
          k.store(sums[i], place, {}, i * kChunkKeys * 4);
      });
    });
  }

  /// Masks, then scores become exp(score - maximum); sums and the rescaling factors are updated.
  void softmaxChunk(Value firstKey) {
    k.forEach(k.constI64(0), k.constI64(queries), 1, [&](Value i) {
      Value scores = scratchAt(layout.scores, i, kChunkKeys * 4);
      Value own = k.toI32(k.add(position, k.divU(i, k.constI64(group))));
      Value keyBase = k.add(k.splat(k.toI32(firstKey)), k.lanesI32());
      Values values;
      for (int64_t v = 0; v < kBlocksPerChunk; ++v) {
        Value key = k.add(keyBase, k.splatI32(v * kLanes));
        Value s = k.load(k.vec(k.f32), scores, {}, v * 64);
        if (spec.softcap != 0)
          s = emitSoftcap(k, s, spec.softcap);
        Value seen = k.cmpI("sle", key, k.splat(own));
        s = k.select(seen, s, k.splatF32(kMasked));
        if (spec.window) {
          Value oldest = k.sub(own, k.constI32(spec.window - 1));
          s = k.select(k.cmpI("sge", key, k.splat(oldest)), s, k.splatF32(kMasked));
        }
        values.push_back(s);
      }
      Value widest = values[0];
      for (int64_t v = 1; v < kBlocksPerChunk; ++v)
        widest = k.maxF(widest, values[v]);
      Value maxPlace = scratchAt(layout.maxima, i, 4);
      Value before = k.load(k.f32, maxPlace);
      Value maximum = k.maxF(emitMax(k, widest), before);
      k.store(maximum, maxPlace);
      Value alpha = emitExp(k, k.splat(k.subF(before, maximum)));
      k.store(k.extract(alpha, 0), scratchAt(layout.factors, i, 4));

      Value sumPlace = scratchAt(layout.sums, i, kLanes * 4);
      Value sum = k.mulF(k.load(k.vec(k.f32), sumPlace), alpha);
      for (int64_t v = 0; v < kBlocksPerChunk; ++v) {
        Value p = emitExp(k, k.subF(values[v], k.splat(maximum)));
        sum = k.addF(sum, p);
        k.store(p, scores, {}, v * 64);
      }
      k.store(sum, sumPlace);
    });
  }

  /// outputs = outputs * factor + p . V, `width` vectors of the head dimension and a few queries at a time.
  void accumulateChunk(Value chunk, Value keys) {
    const int64_t width = largestDivisor(headDim / kLanes, 4);
    const int64_t together = largestDivisor(queries, 20 / (width + 1));
    Value firstBlock = k.mulC(chunk, kBlocksPerChunk);
    k.forEach(k.constI64(0), k.constI64(queries), together, [&](Value first) {
      Value p = scratchAt(layout.scores, first, kChunkKeys * 4);
      Value factors = scratchAt(layout.factors, first, 4);
      Value out = scratchAt(layout.outputs, first, headDim * 4);
      k.forEach(k.constI64(0), k.constI64(headDim * 4), width * 64, [&](Value column) {
        Values acc;
        for (int64_t i = 0; i < together; ++i)
          for (int64_t w = 0; w < width; ++w)
            acc.push_back(k.mulF(k.load(k.vec(k.f32), out, column, i * headDim * 4 + w * 64),
                                 k.loadSplat(k.f32, factors, {}, i * 4)));
        Value halfColumn = k.shrU(column, k.constI64(1));
        Value blocks = k.shrU(k.addC(keys, kBlockTokens - 1), k.constI64(4));
        acc = k.forLoop(k.constI64(0), blocks, 1, acc, [&](Value block, ValueRange outer) {
          Value values = k.at(blockPointer(vPool, k.add(firstBlock, block)), halfColumn);
          Value firstSlot = k.mulC(block, kBlockTokens);
          Value slots = k.minU(k.sub(keys, firstSlot), k.constI64(kBlockTokens));
          return k.forLoop(k.constI64(0), slots, 1, outer, [&](Value slot, ValueRange inner) {
            Values next;
            Value line = k.mulC(slot, headDim * 2), key = k.mulC(k.add(firstSlot, slot), 4);
            Values v;
            for (int64_t w = 0; w < width; ++w)
              v.push_back(k.toF32(k.load(k.vec(k.f16), values, line, w * kLanes * 2)));
            for (int64_t i = 0; i < together; ++i) {
              Value weight = k.loadSplat(k.f32, p, key, i * kChunkKeys * 4);
              for (int64_t w = 0; w < width; ++w)
                next.push_back(k.fma(v[w], weight, inner[i * width + w]));
            }
            return next;
          });
        });
        for (int64_t i = 0; i < together; ++i)
          for (int64_t w = 0; w < width; ++w)
            k.store(acc[i * width + w], out, column, i * headDim * 4 + w * 64);
      });
    });
  }

  /// Divides by the sums and writes the rows.
  void finish() {
    Value out = k.buffer(3);
    const int64_t columns = int64_t(spec.heads) * headDim;
    k.forEach(k.constI64(0), k.constI64(queries), 1, [&](Value i) {
      Value row = k.divU(i, k.constI64(group)), inGroup = k.remU(i, k.constI64(group));
      Value total = emitSum(k, k.load(k.vec(k.f32), scratchAt(layout.sums, i, kLanes * 4)));
      Value inverse = k.splat(k.divF(k.constF32(1.0), total));
      Value result = scratchAt(layout.outputs, i, headDim * 4);
      Value place = k.at(out, k.mulC(k.add(firstRow, row), rowStride(spec.quantOut, columns)));
      Value queryHead = k.add(k.mulC(head, group), inGroup);
      auto get = [&](Value at, int64_t constant) {
        return k.mulF(k.load(k.vec(k.f32), result, at, constant), inverse);
      };
      if (spec.quantOut) {
        Value firstGroup = k.mulC(queryHead, headDim / 32);
        k.forEach(k.constI64(0), k.constI64(headDim / 32), 1, [&](Value g) {
          Value at = k.mulC(g, 128);
          emitQuantizeGroup(k, get(at, 0), get(at, 64), place, k.add(firstGroup, g),
                            QuantRowLayout(columns));
        });
        return;
      }
      Value column = k.mulC(queryHead, headDim * 4);
      k.forEach(k.constI64(0), k.constI64(headDim * 4), kLanes * 4,
                [&](Value at) { k.store(get(at, 0), place, k.add(column, at)); });
    });
  }

  KernelBuilder &k;
  const KernelSpec &spec;
  const AttentionScratch layout;
  const int64_t rows, group, queries, headDim;
  Value firstRow, head, position, table, kPool, vPool;
};

} // namespace

void emitAttention(KernelBuilder &k, const KernelSpec &spec) {
  Value tiles = k.stepPointer(offsetof(StepView, attentionTiles));
  Value kvHeads = k.constI64(spec.kvHeads);
  Value items = k.mul(k.stepU32(offsetof(StepView, numAttentionTiles)), kvHeads);
  // Causal tiles grow dearer with position: workers take items in turn, not in halves.
  k.forLoop(k.constI64(0), k.divU(k.add(k.sub(items, k.worker), k.addC(k.workers, -1)), k.workers),
            1, {}, [&](Value turn, ValueRange) {
              Value item = k.add(k.mul(turn, k.workers), k.worker);
              Value tile = k.at(tiles, k.mulC(k.divU(item, kvHeads), sizeof(AttentionTile)));
              Value head = k.remU(item, kvHeads);
              Value firstRow = k.toI64(k.load(k.i32, tile));
              Value count = k.toI64(k.load(k.i32, tile, {}, offsetof(AttentionTile, rowCount)));
              k.ifElse(
                  k.cmpI("eq", count, k.constI64(kAttentionTileRows)), {},
                  [&] {
                    TileAttention(k, spec, kAttentionTileRows).emit(firstRow, head);
                    return Values{};
                  },
                  [&] {
                    k.forEach(firstRow, k.add(firstRow, count), 1, [&](Value row) {
                      TileAttention(k, spec, 1).emit(row, head);
                    });
                    return Values{};
                  });
              return Values{};
            });
}

} // namespace tenon::cpu
