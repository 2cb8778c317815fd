//===- AttentionItem.h - Rows of a sequence and one KV head -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// What a worker takes at once: consecutive rows of one sequence and one KV head, with all queries
// that share it (query = row * group + head of group). The steps here are common to a single row
// (AttentionRow.cpp) and to a tile of rows (AttentionTile.cpp); they fix the arithmetic of both.
//
#ifndef TENON_COMPILER_TARGETS_CPU_EMIT_ATTENTIONITEM_H
#define TENON_COMPILER_TARGETS_CPU_EMIT_ATTENTIONITEM_H

#include "compiler/targets/cpu/emit/AttentionLayout.h"
#include "compiler/targets/cpu/emit/KernelBuilder.h"

namespace tenon::cpu {

/// Segments [first, end) that rows of `rows` consecutive positions from `position` see; all i64.
std::pair<Value, Value> emitSegmentsSeen(KernelBuilder &k, const KernelSpec &spec, Value position,
                                         Value rows);

/// Accumulators of 16 lanes that a variant holds in registers beside their operands. Register
/// blocks are no part of the arithmetic: each accumulator is one chain in order of dimensions or
/// keys.
int64_t accumulatorLimit(engine::Variant variant);

/// Keys of one head within one segment that are read: what a part of a row's work prefetches for
/// the next. i64 but `table`.
struct KeyRun {
  Value table; ///< Pool blocks of the sequence, i32.
  Value head;
  Value firstBlock, blocks; ///< Of the sequence; 1 ..= kSegmentKeys / kBlockTokens.
};
/// What a part of a row's work prefetches, a block for each of its own: all of `next`, and of
/// `then` what there is room for.
struct KeysAhead {
  KeyRun next, then;
};

class AttentionItem {
public:
  /// All values are i64; `rows` may be a constant. `group` query heads read KV head `head`.
  AttentionItem(KernelBuilder &k, const KernelSpec &spec, Value firstRow, Value rows, Value head,
                int64_t group);

  KernelBuilder &k;
  const KernelSpec &spec;
  const int64_t group, headDim;
  const AttentionScratch layout;
  const AttentionRecord record;
  const Value firstRow, rows, head;
  Value queries;  ///< rows * group
  Value position; ///< Of the first row.
  Value lastKey;  ///< Position of the last row.
  Value firstSegment, endSegment;

  /// The first query head that reads this KV head.
  Value firstQuery() const;
  /// Byte offset of row `row`'s queries of this head within the launch's input.
  Value queryOffset(Value row) const;
  Value scratchAt(int64_t offset) const { return k.at(k.scratch, {}, offset); }
  /// Bytes from the beginning of either pool to this head's part of block `index` of the sequence.
  /// An index behind the last key's block is taken for that block: its keys are masked anyway.
  Value blockOffset(Value index) const;
  /// Keys from the segment's first to the last row's own (it may lie in a later segment), those of
  /// them in the segment, 1 ..= kSegmentKeys, and the groups [first, end) of these that any row
  /// sees.
  struct Extent {
    Value toLastKey, keys, firstGroup, endGroup;
  };
  Extent extentOf(Value segment) const;
  KeyRun keysOf(Value segment) const;

  /// Masks scores[query][kSegmentKeys], turns them into exp(score - maximum of the segment), and
  /// writes maximum and sum of each query's record. Masked keys become exact zeros. `together`
  /// queries are interleaved; where it does not divide their number, arrays have room for the rest.
  void softmax(Value scores, Value records, Value segment, const Extent &extent,
               int64_t together) const;
  /// Clears the running records.
  void clearRunning() const;
  /// Adds the segment in `records` to the running records. A query that sees none of its keys is
  /// left as it is.
  void combine(Value records) const;
  /// Divides the running records by their sums and writes the rows' outputs.
  void finish() const;

private:
  Value table, kvHeads;
};

/// Requests the blocks of `run` from `first` on.
void emitPrefetch(KernelBuilder &k, const KernelSpec &spec, const KeyRun &run, Value first);
/// One segment of the item's only row into `records` [group]; its keys have been requested.
/// Requests those of `ahead`.
void emitRowSegment(const AttentionItem &item, Value segment, Value records,
                    const KeysAhead &ahead);
/// Outputs of `rows` rows, any number up to kAttentionTileRows.
void emitTile(KernelBuilder &k, const KernelSpec &spec, Value firstRow, Value rows, Value head,
              int64_t group);

} // namespace tenon::cpu

#endif // TENON_COMPILER_TARGETS_CPU_EMIT_ATTENTIONITEM_H
