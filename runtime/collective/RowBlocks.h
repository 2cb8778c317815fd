//===- RowBlocks.h - The order in which rows travel -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Chips that share a step's rows out compute and send them in blocks. Everybody cuts alike: each
// member's rows (rowsOfMember) into runs of `block` rows and what is left. Who computes what others
// wait for begins with the rows of the process that comes next, in a circle, and ends with those of
// its own; who waits for others' begins with its own.
//
#ifndef TENON_RUNTIME_COLLECTIVE_ROWBLOCKS_H
#define TENON_RUNTIME_COLLECTIVE_ROWBLOCKS_H

#include "runtime/collective/SumInOrder.h"

#include <span>

namespace tenon::collective {

/// A walk over the blocks of a step's rows, as the process `own` takes them. A value; allocates
/// nothing.
class RowBlocks {
public:
  enum class Order : uint8_t { OwnLast, OwnFirst };

  /// `ranks`: process of each member, ascending, `own` among them; outlives the walk. `block` is 1
  /// or more.
  RowBlocks(std::span<const uint32_t> ranks, uint32_t own, uint64_t rows, uint64_t block,
            Order order)
      : ranks(ranks), own(own), rows(rows), block(block),
        left(static_cast<uint32_t>(ranks.size())) {
    const auto first =
        static_cast<uint32_t>(std::lower_bound(ranks.begin(), ranks.end(), own) - ranks.begin());
    const auto behind =
        static_cast<uint32_t>(std::upper_bound(ranks.begin(), ranks.end(), own) - ranks.begin());
    who = order == Order::OwnFirst ? first : behind % ranks.size();
    part = rowsOfMember(rows, who, size());
  }

  /// Moves on to the next block that has rows; false behind the last.
  bool next() {
    while (left && part.count() == 0) {
      --left;
      who = (who + 1) % size();
      part = rowsOfMember(rows, who, size());
    }
    if (left == 0)
      return false;
    at = part.first;
    count = std::min(block, part.count());
    part.first += count;
    return true;
  }

  uint64_t first() const { return at; } ///< Row of the step at which the block begins.
  uint64_t rowCount() const { return count; }
  uint32_t member() const { return who; }          ///< Whose rows they are.
  bool isOwn() const { return ranks[who] == own; } ///< Of a member of this process.

  /// Blocks that any step of up to `rows` rows has at most.
  static uint64_t most(uint64_t rows, uint64_t block, uint64_t members) {
    return rows / block + members;
  }

private:
  uint32_t size() const { return static_cast<uint32_t>(ranks.size()); }

  std::span<const uint32_t> ranks;
  uint32_t own = 0;
  uint64_t rows = 0, block = 1;
  uint32_t left = 0, who = 0; ///< Members that are not done; the one at work.
  Share part{0, {}};          ///< Of its rows, what is left.
  uint64_t at = 0, count = 0;
};

} // namespace tenon::collective

#endif // TENON_RUNTIME_COLLECTIVE_ROWBLOCKS_H
