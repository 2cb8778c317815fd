//===- AttentionRow.cpp - Attention of a single row -----------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// A decode is limited by the bytes of K and V: they are widened in registers, once for as many
// queries of the group as accumulators fit. Blocks lie anywhere in the pool, out of reach of
// hardware prefetchers, so keys prefetch the same bytes of their values, and values the keys of the
// parts of work that come next: of the next segment, head or row.

#include "compiler/targets/cpu/emit/AttentionItem.h"

namespace tenon::cpu {
namespace {

constexpr int64_t kUnroll = 4;

/// Lines of 64 bytes that hold `bytes` from a multiple of `bytes` on, as prefetches.
void prefetchSpan(KernelBuilder &k, Value pointer, Value offset, int64_t constant, int64_t bytes) {
  for (int64_t line = 0; line < bytes; line += 64)
    k.prefetch(pointer, offset, constant + line, /*locality=*/2);
}

/// Bytes from the beginning of the key pool to block `index` of the run, or to its last one behind
/// that.
Value runOffset(KernelBuilder &k, const KernelSpec &spec, const KeyRun &run, Value index) {
  Value entry = k.add(run.firstBlock, k.minU(index, k.subU(run.blocks, k.constI64(1))));
  Value block = k.toI64(k.load(k.i32, run.table, k.mulC(entry, 4)));
  return k.mulC(k.add(k.mul(block, k.poolHeads(spec)), run.head),
                int64_t(spec.headDim) * kBlockTokens * 2);
}

/// The same of block `index` of what is ahead: of `then` where `next` has no more.
Value aheadOffset(KernelBuilder &k, const KernelSpec &spec, const KeysAhead &ahead, Value index) {
  Value isThen = k.andI(k.cmpI("ule", ahead.next.blocks, index),
                        k.cmpI("ult", k.constI64(0), ahead.then.blocks));
  auto either = [&](Value KeyRun::*field) {
    return k.select(isThen, ahead.then.*field, ahead.next.*field);
  };
  const KeyRun run{either(&KeyRun::table), either(&KeyRun::head), either(&KeyRun::firstBlock),
                   either(&KeyRun::blocks)};
  return runOffset(k, spec, run, k.select(isThen, k.sub(index, ahead.next.blocks), index));
}

/// scores[query][key of segment] = q . k for whole groups of keys.
void scoreSegment(const AttentionItem &item, Value queries, Value scores, Value segment,
                  const AttentionItem::Extent &extent) {
  KernelBuilder &k = item.k;
  const int64_t limit = accumulatorLimit(k.variant()), headDim = item.headDim;
  const int64_t together = largestDivisor(item.group, std::min<int64_t>(limit, 6));
  constexpr int64_t groupBlocks = kGroupKeys / kBlockTokens;
  const int64_t blocks = largestDivisor(groupBlocks, limit / together);
  Value kPool = k.buffer(1), vPool = k.buffer(2);
  Value firstBlock = k.mulC(segment, kSegmentKeys / kBlockTokens);
  k.forEach(k.mulC(extent.firstGroup, groupBlocks), k.mulC(extent.endGroup, groupBlocks), blocks,
            [&](Value block) {
              Values keys, values;
              for (int64_t b = 0; b < blocks; ++b) {
                Value index = k.addC(k.add(firstBlock, block), b), offset = item.blockOffset(index);
                keys.push_back(k.at(kPool, offset));
                values.push_back(k.at(vPool, offset));
              }
              k.forEach(k.constI64(0), k.constI64(item.group), together, [&](Value first) {
                Value q = k.at(queries, k.mulC(first, headDim * 4));
                Values sums(together * blocks, k.splatF32(0));
                sums =
                    k.forLoop(k.constI64(0), k.constI64(headDim), kUnroll, sums,
                              [&](Value d, ValueRange before) {
                                Values next(before.begin(), before.end());
                                Value line = k.mulC(d, kBlockTokens * 2), word = k.mulC(d, 4);
                                for (int64_t b = 0; b < blocks; ++b)
                                  prefetchSpan(k, values[b], line, 0, kUnroll * kBlockTokens * 2);
                                for (int64_t u = 0; u < kUnroll; ++u) {
                                  Values key;
                                  for (int64_t b = 0; b < blocks; ++b)
                                    key.push_back(k.toF32(
                                        k.load(k.vec(k.f16), keys[b], line, u * kBlockTokens * 2)));
                                  for (int64_t i = 0; i < together; ++i) {
                                    Value x = k.loadSplat(k.f32, q, word, (i * headDim + u) * 4);
                                    for (int64_t b = 0; b < blocks; ++b)
                                      next[i * blocks + b] = k.fma(key[b], x, next[i * blocks + b]);
                                  }
                                }
                                return next;
                              });
                Value place =
                    k.at(scores, k.add(k.mulC(first, kSegmentKeys * 4), k.mulC(block, kLanes * 4)));
                for (int64_t i = 0; i < together; ++i)
                  for (int64_t b = 0; b < blocks; ++b)
                    k.store(sums[i * blocks + b], place, {}, (i * kSegmentKeys + b * kLanes) * 4);
              });
            });
}

/// records[query] = weights . V over the segment's keys. Requests the first keys of what is ahead,
/// a block for a block.
void weighValues(const AttentionItem &item, Value weights, Value records, Value segment,
                 const AttentionItem::Extent &extent, const KeysAhead &keysAhead) {
  KernelBuilder &k = item.k;
  const int64_t limit = accumulatorLimit(k.variant()), headDim = item.headDim;
  const int64_t together = largestDivisor(item.group, std::min<int64_t>(limit, 6));
  const int64_t width = largestDivisor(headDim / kLanes, std::min<int64_t>(limit / together, 8));
  constexpr int64_t groupBlocks = kGroupKeys / kBlockTokens,
                    segmentBlocks = kSegmentKeys / kBlockTokens;
  Value kPool = k.buffer(1), vPool = k.buffer(2);
  Value firstBlock = k.mulC(segment, segmentBlocks),
        skipped = k.mulC(extent.firstGroup, groupBlocks);
  Value fullBlocks = k.divU(extent.keys, k.constI64(kBlockTokens));
  Value rest = k.remU(extent.keys, k.constI64(kBlockTokens));
  k.forEach(k.constI64(0), k.constI64(item.group), together, [&](Value first) {
    Value p = k.at(weights, k.mulC(first, kSegmentKeys * 4));
    k.forEach(k.constI64(0), k.constI64(headDim * 2), width * kLanes * 2, [&](Value column) {
      // One key: `values` points at this column of the block, `word` and `line` at the slot.
      auto key = [&](Values sums, Value values, Value line, Value word, int64_t slot) {
        Values v;
        for (int64_t w = 0; w < width; ++w)
          v.push_back(
              k.toF32(k.load(k.vec(k.f16), values, line, slot * headDim * 2 + w * kLanes * 2)));
        for (int64_t i = 0; i < together; ++i) {
          Value weight = k.loadSplat(k.f32, p, word, (i * kSegmentKeys + slot) * 4);
          for (int64_t w = 0; w < width; ++w)
            sums[i * width + w] = k.fma(v[w], weight, sums[i * width + w]);
        }
        return sums;
      };
      auto keys = [&](Value block, Value count, int64_t unroll, bool prefetch, ValueRange before) {
        Value index = k.add(firstBlock, block);
        Value values = k.at(vPool, k.add(item.blockOffset(index), column));
        Value ahead;
        if (prefetch)
          ahead = k.at(kPool,
                       k.add(aheadOffset(k, item.spec, keysAhead, k.sub(block, skipped)), column));
        Value weightsOf = k.mulC(block, kBlockTokens * 4);
        return k.forLoop(k.constI64(0), count, unroll, before, [&](Value slot, ValueRange inner) {
          Values next(inner.begin(), inner.end());
          Value line = k.mulC(slot, headDim * 2), word = k.add(weightsOf, k.mulC(slot, 4));
          for (int64_t u = 0; u < unroll; ++u) {
            if (prefetch)
              prefetchSpan(k, ahead, line, u * headDim * 2, width * kLanes * 2);
            next = key(std::move(next), values, line, word, u);
          }
          return next;
        });
      };
      Values sums(together * width, k.splatF32(0));
      sums = k.forLoop(skipped, fullBlocks, 1, sums, [&](Value block, ValueRange before) {
        return keys(block, k.constI64(kBlockTokens), kUnroll, true, before);
      });
      // Slots behind the last key may hold anything and are not read: 0 times infinity is no zero.
      sums = keys(fullBlocks, rest, 1, false, sums);
      Value into = k.at(records, k.add(k.mulC(first, item.record.bytes), k.mulC(column, 2)));
      for (int64_t i = 0; i < together; ++i)
        for (int64_t w = 0; w < width; ++w)
          k.store(sums[i * width + w], into, {}, i * item.record.bytes + w * kLanes * 4);
    });
  });
}

} // namespace

void emitPrefetch(KernelBuilder &k, const KernelSpec &spec, const KeyRun &run, Value first) {
  const int64_t blockBytes = int64_t(spec.headDim) * kBlockTokens * 2;
  k.forEach(first, run.blocks, 1, [&](Value block) {
    Value keys = k.at(k.buffer(1), runOffset(k, spec, run, block));
    k.forEach(k.constI64(0), k.constI64(blockBytes), std::min<int64_t>(blockBytes, 1024),
              [&](Value at) { prefetchSpan(k, keys, at, 0, std::min<int64_t>(blockBytes, 1024)); });
  });
}

void emitRowSegment(const AttentionItem &item, Value segment, Value records,
                    const KeysAhead &ahead) {
  KernelBuilder &k = item.k;
  Value queries = k.at(k.buffer(0), item.queryOffset(item.firstRow));
  Value scores = item.scratchAt(item.layout.scores);
  const AttentionItem::Extent extent = item.extentOf(segment);
  scoreSegment(item, queries, scores, segment, extent);
  item.softmax(scores, records, segment, extent, largestDivisor(item.group, 3));
  // Values request a block of the next keys for each full block of their own; the rest is requested
  // here.
  Value own = k.subU(k.divU(extent.keys, k.constI64(kBlockTokens)),
                     k.mulC(extent.firstGroup, kGroupKeys / kBlockTokens));
  emitPrefetch(k, item.spec, ahead.next, own);
  weighValues(item, scores, records, segment, extent, ahead);
}

} // namespace tenon::cpu
