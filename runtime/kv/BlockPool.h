//===- BlockPool.h - Who holds which KV block -------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Bookkeeping only: the blocks' memory belongs to the executor, which addresses it by block id.
//
#ifndef TENON_RUNTIME_KV_BLOCKPOOL_H
#define TENON_RUNTIME_KV_BLOCKPOOL_H

#include "runtime/base/Status.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace tenon::kv {

using BlockId = int32_t;

/// A fixed number of blocks with reference counts. Not thread-safe: one scheduler owns it. No call
/// allocates after construction.
class BlockPool {
public:
  explicit BlockPool(uint32_t blocks);

  uint32_t size() const { return static_cast<uint32_t>(references.size()); }
  uint32_t freeBlocks() const { return static_cast<uint32_t>(freeList.size()); }

  /// A block with one reference, or nothing if none is free: running out is normal, the caller
  /// waits, evicts or preempts.
  std::optional<BlockId> allocate();

  /// One more holder of a block in use.
  void addReference(BlockId block);

  /// One holder less; the last one frees the block.
  void release(BlockId block);

  /// Marks a block that its caller holds and would give up for others: a cache's. One caller at a
  /// time.
  void keep(BlockId block);
  /// Takes the mark off; the reference stays.
  void unkeep(BlockId block);
  /// Blocks with the mark that nobody else holds.
  uint32_t keptAlone() const { return alone; }

  uint32_t referenceCount(BlockId block) const { return references[static_cast<size_t>(block)]; }

  /// Whether writing to the block would be seen by another holder, so that it must be copied first.
  bool isShared(BlockId block) const { return referenceCount(block) > 1; }

  /// Audits the books: every block is either free once or referenced; free + used == size; the
  /// references equal `expectedReferences`, the number that the holders count themselves; and so
  /// many are kept alone.
  Status checkIntegrity(uint64_t expectedReferences) const;

private:
  std::vector<uint32_t> references; ///< By block.
  std::vector<uint8_t> kept;        ///< By block.
  uint32_t alone = 0;
  std::vector<BlockId> freeList; ///< A stack: the block freed last is warm.
};

} // namespace tenon::kv

#endif // TENON_RUNTIME_KV_BLOCKPOOL_H
