//===- PrefixTree.h - Cached beginnings of sequences ------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// A tree of whole KV blocks: a path from the root is a beginning of tokens whose K and V are
// cached. Tokens are compared themselves, never only their hashes, so that no request can read
// another's cache. Kernels are batch invariant, so a request that starts from the tree gives the
// same bits.
//
#ifndef TENON_RUNTIME_KV_PREFIXTREE_H
#define TENON_RUNTIME_KV_PREFIXTREE_H

#include "runtime/kv/BlockPool.h"
#include "runtime/kv/PrefixDirectory.h"

#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

namespace tenon::kv {

/// Holds one reference to each of its blocks. Blocks that nobody else holds are evicted on demand,
/// least recently used first, leaves before what they hang on. Not thread-safe; the pool must
/// outlive it and have no other tree.
class PrefixTree {
public:
  /// `directory`, which may be null and outlives the tree, is told of every path that comes or
  /// goes.
  PrefixTree(BlockPool &pool, uint32_t blockTokens, PrefixDirectory *directory = nullptr);
  ~PrefixTree();
  PrefixTree(const PrefixTree &) = delete;
  PrefixTree &operator=(const PrefixTree &) = delete;

  /// The longest cached beginning of `tokens` in whole blocks. `blocks` is replaced; the caller
  /// adds references (BlockTable::appendShared) before anything else happens to the tree.
  void match(std::span<const int32_t> tokens, std::vector<BlockId> &blocks);

  /// Keeps `blocks`, which hold the first blocks.size() * blockTokens of `tokens`. From where the
  /// tree has another copy of the same tokens on, nothing is kept: the first copy stays.
  void insert(std::span<const int32_t> tokens, std::span<const BlockId> blocks);

  /// Gives up to `wanted` blocks back to the pool and returns how many.
  uint32_t evict(uint32_t wanted);

  /// Blocks that the tree holds: each one reference.
  uint32_t size() const { return count; }

  /// Blocks that evict() could free now: those that only the tree holds. Exact, because whoever
  /// holds a block of a path holds all blocks before it.
  uint32_t evictable() const { return pool.keptAlone(); }

private:
  struct Node;
  Node *find(Node &parent, std::span<const int32_t> block) const;
  void drop(Node &leaf);
  void touch(Node &node);

  BlockPool &pool;
  const uint32_t blockTokens;
  PrefixDirectory *const directory;
  std::unique_ptr<Node> root;
  Node *oldest = nullptr, *newest = nullptr; ///< All nodes, by last use.
  uint32_t count = 0;
};

} // namespace tenon::kv

#endif // TENON_RUNTIME_KV_PREFIXTREE_H
