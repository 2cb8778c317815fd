//===- BlockTable.cpp - The KV blocks of one sequence ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/kv/BlockTable.h"

namespace tenon::kv {

BlockTable::BlockTable(BlockPool &pool, uint32_t blockTokens, uint32_t maxBlocks)
    : pool(pool), blockTokens(blockTokens) {
  held.reserve(maxBlocks);
}

BlockTable::BlockTable(BlockTable &&other) noexcept
    : pool(other.pool), blockTokens(other.blockTokens), held(std::move(other.held)) {
  other.held.clear();
}

bool BlockTable::growTo(uint64_t tokens) {
  const uint64_t wanted = (tokens + blockTokens - 1) / blockTokens;
  if (wanted <= held.size())
    return true;
  if (wanted - held.size() > pool.freeBlocks())
    return false;
  while (held.size() < wanted)
    held.push_back(*pool.allocate());
  return true;
}

void BlockTable::appendShared(std::span<const BlockId> shared) {
  for (BlockId block : shared) {
    pool.addReference(block);
    held.push_back(block);
  }
}

bool BlockTable::makeWritable(uint64_t position, std::optional<Copy> &copy) {
  BlockId &block = held[position / blockTokens];
  if (!pool.isShared(block))
    return true;
  const std::optional<BlockId> fresh = pool.allocate();
  if (!fresh)
    return false;
  copy = Copy{block, *fresh};
  pool.release(block);
  block = *fresh;
  return true;
}

void BlockTable::clear() {
  // Last first, so that the pool's stack hands the beginning out again first.
  while (!held.empty()) {
    pool.release(held.back());
    held.pop_back();
  }
}

} // namespace tenon::kv
