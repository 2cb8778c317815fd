//===- Overlapping.h - Rows that travel while chips compute -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_COLLECTIVE_OVERLAPPING_H
#define TENON_RUNTIME_COLLECTIVE_OVERLAPPING_H

#include "runtime/collective/Collective.h"
#include "runtime/collective/RowBlocks.h"

namespace tenon::collective {

/// What a Group does of reduceScatterRows and gatherRows in parts, while workers compute between
/// them. All workers of all members call the same in the same order, and no other collective of the
/// group in between. As messages get on only when somebody looks at them, worker 0 of the process's
/// first member does that whenever it has done a block.
///
///   beginReduceScatterRows, for each block of blocks(OwnLast): compute it, blockDone;
///   reduceScatterRows beginGatherRows, for each block of blocks(OwnFirst): awaitBlock unless it is
///   own, compute, blockDone; endGatherRows
class OverlappingGroup {
public:
  virtual ~OverlappingGroup() = default;

  virtual RowBlocks blocks(uint64_t rows, uint64_t block, RowBlocks::Order order) const = 0;

  /// `in` [rows, columns] of `element` is about to be written, block by block. The
  /// reduceScatterRows of it that follows ends it.
  virtual Status beginReduceScatterRows(const Caller &who, const void *in, uint64_t rows,
                                        uint64_t columns, Element element, uint64_t block) = 0;
  /// The caller has done its share of its next block.
  virtual Status blockDone(const Caller &who) = 0;

  /// The member's rows of `data` have been written, by all of its workers when all have called
  /// this.
  virtual Status beginGatherRows(const Caller &who, void *data, uint64_t rows, uint64_t rowBytes,
                                 uint64_t block) = 0;
  /// Returns when the next block of other processes' rows is in its place.
  virtual Status awaitBlock(const Caller &who) = 0;
  virtual Status endGatherRows(const Caller &who) = 0;
};

} // namespace tenon::collective

#endif // TENON_RUNTIME_COLLECTIVE_OVERLAPPING_H
