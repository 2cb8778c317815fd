//===- BlockPool.cpp - Who holds which KV block ---------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/kv/BlockPool.h"

#include <cassert>
#include <string>

namespace tenon::kv {

BlockPool::BlockPool(uint32_t blocks) : references(blocks, 0), kept(blocks, 0) {
  freeList.reserve(blocks);
  for (uint32_t i = blocks; i-- > 0;)
    freeList.push_back(static_cast<BlockId>(i));
}

std::optional<BlockId> BlockPool::allocate() {
  if (freeList.empty())
    return std::nullopt;
  const BlockId block = freeList.back();
  freeList.pop_back();
  references[static_cast<size_t>(block)] = 1;
  return block;
}

void BlockPool::addReference(BlockId block) {
  assert(referenceCount(block) > 0 && "a free block has no holder to share it");
  const auto i = static_cast<size_t>(block);
  alone -= kept[i] && references[i] == 1;
  ++references[i];
}

void BlockPool::release(BlockId block) {
  assert(referenceCount(block) > 0 && "released more often than held");
  const auto i = static_cast<size_t>(block);
  --references[i];
  assert((references[i] > 0 || !kept[i]) && "the mark belongs to a holder");
  alone += kept[i] && references[i] == 1;
  if (references[i] == 0)
    freeList.push_back(block);
}

void BlockPool::keep(BlockId block) {
  const auto i = static_cast<size_t>(block);
  assert(references[i] > 0 && !kept[i]);
  kept[i] = 1;
  alone += references[i] == 1;
}

void BlockPool::unkeep(BlockId block) {
  const auto i = static_cast<size_t>(block);
  assert(references[i] > 0 && kept[i]);
  kept[i] = 0;
  alone -= references[i] == 1;
}

Status BlockPool::checkIntegrity(uint64_t expectedReferences) const {
  std::vector<bool> isFree(references.size(), false);
  for (BlockId block : freeList) {
    if (block < 0 || static_cast<size_t>(block) >= references.size())
      return Status::internal("KV pool: free block " + std::to_string(block) +
                              " is none of the pool's");
    if (isFree[static_cast<size_t>(block)])
      return Status::internal("KV pool: block " + std::to_string(block) + " is free twice");
    isFree[static_cast<size_t>(block)] = true;
  }
  uint64_t sum = 0;
  uint32_t marked = 0;
  for (size_t i = 0; i < references.size(); ++i) {
    sum += references[i];
    marked += kept[i] && references[i] == 1;
    if (kept[i] && references[i] == 0)
      return Status::internal("KV pool: block " + std::to_string(i) + " is kept by nobody");
    if (isFree[i] != (references[i] == 0))
      return Status::internal("KV pool: block " + std::to_string(i) + " has " +
                              std::to_string(references[i]) + " references and is " +
                              (isFree[i] ? "" : "not ") + "free");
  }
  if (sum != expectedReferences)
    return Status::internal("KV pool: " + std::to_string(sum) +
                            " references, and the holders count " +
                            std::to_string(expectedReferences));
  if (marked != alone)
    return Status::internal("KV pool: " + std::to_string(marked) +
                            " blocks are held by the cache alone, and the books say " +
                            std::to_string(alone));
  return Status::ok();
}

} // namespace tenon::kv
