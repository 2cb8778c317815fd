//===- BlockTable.h - The KV blocks of one sequence -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_KV_BLOCKTABLE_H
#define TENON_RUNTIME_KV_BLOCKTABLE_H

#include "runtime/kv/BlockPool.h"

#include <span>
#include <vector>

namespace tenon::kv {

/// Maps positions of one sequence to blocks: position p lies in blocks()[p / blockTokens]. Holds
/// one reference to each block. Not thread-safe. The pool must outlive it.
class BlockTable {
public:
  /// `maxBlocks` is reserved, so that growing up to it allocates nothing.
  BlockTable(BlockPool &pool, uint32_t blockTokens, uint32_t maxBlocks);
  ~BlockTable() { clear(); }
  BlockTable(BlockTable &&other) noexcept;
  BlockTable &operator=(BlockTable &&) = delete;

  std::span<const BlockId> blocks() const { return held; }

  /// Takes blocks until `tokens` positions fit; false, and nothing taken, if there are not enough.
  bool growTo(uint64_t tokens);

  /// Takes over `shared` blocks at the end of the table (a common beginning of another sequence),
  /// adding a reference to each.
  void appendShared(std::span<const BlockId> shared);

  /// A copy to make before writing: the executor copies block `from` to `to`.
  struct Copy {
    BlockId from, to;
  };
  /// Makes the block of `position` writable: if another sequence holds it too, replaces it by a
  /// fresh one and sets `copy`. False if it would need a block and none is free.
  bool makeWritable(uint64_t position, std::optional<Copy> &copy);

  /// Releases everything.
  void clear();

private:
  BlockPool &pool;
  uint32_t blockTokens;
  std::vector<BlockId> held;
};

} // namespace tenon::kv

#endif // TENON_RUNTIME_KV_BLOCKTABLE_H
