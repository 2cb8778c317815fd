//===- Attention.cpp - Paged causal attention, grouped heads --------------===//
// SPDX-License-Identifier: Apache-2.0
//
// A row's keys are cut into segments at absolute multiples of 256. Each segment gives a partial
// softmax (maximum, sum, weighted values), and partials are combined in ascending order (Dao,
// "Flash-Decoding for long-context inference", 2023; the rescaling is that of arXiv 2205.14135).
// Within a segment every sum is one chain in order of dimensions or keys, keys are masked by
// position, and what a masked key contributes is an exact zero. So a query's bits depend on its own
// position and its sequence's keys alone: the same in a tile of any rows, any chunk of a prompt,
// beside any neighbour, and whoever computes which segment.
//
// The work of a launch is laid out on one line, item after item (tile x KV head), in units that
// stand for equal times, and every worker takes an equal stretch. A stretch that ends within a tile
// of rows parts its rows; one that ends within a single row parts its segments, and the last of
// that row's workers to finish combines them.

#include "compiler/targets/cpu/emit/AttentionItem.h"
#include "compiler/targets/cpu/emit/Kernels.h"

namespace tenon::cpu {
namespace {

/// A tile as a stretch of the line: for each KV head `parts` equal parts. A part of a head with g
/// queries costs `perPart + perQuery * g` units.
struct TileWork {
  Value firstRow, rows, isRow, parts, perPart, perQuery;
};

/// KV heads [first, end) that are read by `group` query heads each.
struct HeadRun {
  int64_t first, end, group;
};

/// The heads of a launch in runs: all in one, unless the first and the last have fewer queries than
/// the others.
std::vector<HeadRun> headRuns(const KernelSpec &spec) {
  const int64_t group = queryGroup(spec), last = spec.kvHeads - 1;
  const auto queriesUpTo = [&](int64_t kvHead) { // of all heads before `kvHead`
    return std::clamp<int64_t>(kvHead * group - spec.skippedHeads, 0, spec.heads);
  };
  std::vector<HeadRun> runs;
  for (int64_t head = 0; head <= last; ++head) {
    const int64_t own = queriesUpTo(head + 1) - queriesUpTo(head);
    if (!runs.empty() && runs.back().group == own)
      runs.back().end = head + 1;
    else
      runs.push_back({head, head + 1, own});
  }
  return runs;
}

class Launch {
public:
  Launch(KernelBuilder &k, const KernelSpec &spec) : k(k), spec(spec) {}

  void emit() {
    tiles = k.stepPointer(offsetof(StepView, attentionTiles));
    positions = k.stepPointer(offsetof(StepView, positions));
    Value zero = k.constI64(0);
    count = k.stepU32(offsetof(StepView, numAttentionTiles));
    total = k.forLoop(zero, count, 1, zero, [&](Value tile, ValueRange sum) {
      return Values{k.add(sum[0], costOf(workOf(tile)))};
    })[0];
    std::tie(begin, end) = k.share(total);
    k.forLoop(zero, count, 1, zero, [&](Value tile, ValueRange before) {
      TileWork work = workOf(tile);
      Value next = k.add(before[0], costOf(work));
      k.ifThen(k.andI(k.cmpI("ult", before[0], end), k.cmpI("ult", begin, next)), [&] {
        Value start = before[0];
        for (const HeadRun &run : headRuns(spec)) {
          Value partCost = k.add(work.perPart, k.mulC(work.perQuery, run.group)),
                cost = k.mul(work.parts, partCost);
          k.forEach(zero, k.constI64(run.end - run.first), 1, [&](Value index) {
            emitItem(tile, work, partCost, k.addC(index, run.first), run.group,
                     k.add(start, k.mul(index, cost)));
          });
          start = k.add(start, k.mulC(cost, run.end - run.first));
        }
      });
      return Values{next};
    });
  }

private:
  TileWork workOf(Value tile) {
    TileWork work;
    Value at = k.at(tiles, k.mulC(tile, sizeof(AttentionTile)));
    work.firstRow = k.toI64(k.load(k.i32, at));
    work.rows = k.toI64(k.load(k.i32, at, {}, offsetof(AttentionTile, rowCount)));
    Value position = k.toI64(k.load(k.i32, positions, k.mulC(work.firstRow, 4)));
    auto [first, last] = emitSegmentsSeen(k, spec, position, work.rows);
    Value segments = k.sub(last, first);
    // A segment costs a single row the bytes of its keys and values and a tile's row its
    // arithmetic, in measured proportion.
    work.isRow = k.cmpI("eq", work.rows, k.constI64(1));
    work.parts = k.select(work.isRow, segments, work.rows);
    work.perPart = k.select(work.isRow, k.constI64(3), k.constI64(0));
    work.perQuery = k.select(work.isRow, k.constI64(2), k.mulC(segments, 2));
    return work;
  }

  /// Units of all heads of a tile.
  Value costOf(const TileWork &work) {
    return k.mul(work.parts,
                 k.add(k.mulC(work.perPart, spec.kvHeads), k.mulC(work.perQuery, spec.heads)));
  }

  /// This worker's parts of the item that starts at `start` of the line.
  void emitItem(Value tile, const TileWork &work, Value partCost, Value head, int64_t group,
                Value start) {
    auto partAt = [&](Value unit) {
      Value past = k.subU(unit, start);
      return k.minU(k.divU(k.add(past, k.addC(partCost, -1)), partCost), work.parts);
    };
    Value first = partAt(begin), last = partAt(end);
    k.ifThen(k.cmpI("ult", first, last), [&] {
      k.ifElse(
          work.isRow, {},
          [&] {
            AttentionItem item(k, spec, work.firstRow, k.constI64(1), head, group);
            KeyRun next =
                runAfter(tile, item, k.cmpI("ult", k.add(start, k.mul(work.parts, partCost)), end));
            emitRow(item, first, last, work.parts, start, next);
            return Values{};
          },
          [&] {
            emitTile(k, spec, k.add(work.firstRow, first), k.sub(last, first), head, group);
            return Values{};
          });
    });
  }

  /// What follows the row's `item`: its next head, or the next row. No blocks if the worker has no
  /// more, or not a single row.
  KeyRun runAfter(Value tile, const AttentionItem &item, Value mine) {
    Value zero = k.constI64(0), nextHead = k.addC(item.head, 1),
          nextTile = k.minU(k.addC(tile, 1), k.addC(count, -1));
    Value sameRow = k.cmpI("ult", nextHead, k.constI64(spec.kvHeads));
    TileWork after = workOf(nextTile);
    AttentionItem row(k, spec, after.firstRow, k.constI64(1), zero, item.group);
    KeyRun here = item.keysOf(item.firstSegment), there = row.keysOf(row.firstSegment);
    Value another = k.andI(after.isRow, k.cmpI("ult", tile, nextTile));
    auto either = [&](Value ours, Value theirs) { return k.select(sameRow, ours, theirs); };
    Value blocks = either(here.blocks, k.select(another, there.blocks, zero));
    return {either(here.table, there.table), either(nextHead, zero),
            either(here.firstBlock, there.firstBlock), k.select(mine, blocks, zero)};
  }

  /// Segments [first, last) of a row's `parts`, counted from the first that it sees. `after`
  /// follows them.
  void emitRow(const AttentionItem &item, Value first, Value last, Value parts, Value start,
               const KeyRun &after) {
    // What comes after part `part` of those from `begin` to `end`: the next of them, then `after`.
    // A short last part has too few blocks to request all of `after` beside them, so the part
    // before it begins with that.
    auto following = [&](Value part, Value begin, Value end) {
      auto run = [&](Value part) { return item.keysOf(k.add(item.firstSegment, part)); };
      Value zero = k.constI64(0), nextPart = k.addC(part, 1), blocks = run(part).blocks;
      KeyRun own = run(k.minU(nextPart, k.addC(parts, -1)));
      Value more = k.cmpI("ult", nextPart, end), nextIsLast = k.cmpI("eq", k.addC(part, 2), end);
      Value begun = k.select(k.cmpI("ult", begin, part),
                             k.subU(run(k.subU(part, k.constI64(1))).blocks, blocks), zero);
      begun = k.minU(begun, k.subU(after.blocks, k.constI64(1)));
      auto either = [&](Value ours, Value theirs) { return k.select(more, ours, theirs); };
      KeyRun then = after;
      then.blocks = k.select(k.andI(more, nextIsLast),
                             k.minU(after.blocks, k.subU(blocks, own.blocks)), zero);
      return KeysAhead{{either(own.table, after.table), either(own.head, after.head),
                        either(own.firstBlock, k.add(after.firstBlock, begun)),
                        either(own.blocks, k.sub(after.blocks, begun))},
                       then};
    };
    // Nobody has requested a stretch's first keys yet.
    k.ifThen(k.cmpI("ule", start, begin), [&] {
      emitPrefetch(k, spec, item.keysOf(k.add(item.firstSegment, first)), k.constI64(0));
    });
    Value partial = item.scratchAt(item.layout.partials);
    if (!spec.context) {
      // No room for partials that workers hand over: the worker that has the first part takes all.
      k.ifThen(k.cmpI("eq", first, k.constI64(0)), [&] {
        item.clearRunning();
        k.forEach(k.constI64(0), parts, 1, [&](Value part) {
          emitRowSegment(item, k.add(item.firstSegment, part), partial,
                         following(part, k.constI64(0), parts));
          item.combine(partial);
        });
        item.finish();
      });
      return;
    }
    item.clearRunning();
    const int64_t partBytes = item.record.bytes * item.group, counterBytes = 64;
    // The row's slot is that of the worker who has its first part.
    Value ahead = k.mul(k.addC(start, 1), k.workers);
    Value owner = k.addC(k.divU(k.add(ahead, k.addC(total, -1)), total), -1);
    Value counter = k.at(k.buffer(4), k.mulC(owner, counterBytes));
    Value slot =
        k.at(k.buffer(4), k.add(k.mulC(k.workers, counterBytes),
                                k.mulC(owner, attentionPartialBytes(spec) - counterBytes)));
    Value whole = k.cmpI("eq", k.sub(last, first), parts);
    k.forEach(first, last, 1, [&](Value part) {
      Value into = k.select(whole, partial, k.at(slot, k.mulC(part, partBytes)));
      emitRowSegment(item, k.add(item.firstSegment, part), into, following(part, first, last));
      k.ifThen(whole, [&] { item.combine(partial); });
    });
    Value mine = k.ifElse(
        whole, {k.i1}, [&] { return Values{k.constI1(true)}; },
        [&] {
          Value done = k.sub(last, first);
          Value before = k.toI64(k.atomicAdd(counter, k.toI32(done)));
          Value isLast = k.cmpI("eq", k.add(before, done), parts);
          k.ifThen(isLast, [&] {
            k.store(k.constI32(0), counter); // for the next launch
            k.forEach(k.constI64(0), parts, 1,
                      [&](Value part) { item.combine(k.at(slot, k.mulC(part, partBytes))); });
          });
          return Values{isLast};
        })[0];
    k.ifThen(mine, [&] { item.finish(); });
  }

  KernelBuilder &k;
  const KernelSpec &spec;
  Value tiles, positions, count, total, begin, end;
};

} // namespace

void emitAttention(KernelBuilder &k, const KernelSpec &spec) { Launch(k, spec).emit(); }

} // namespace tenon::cpu
