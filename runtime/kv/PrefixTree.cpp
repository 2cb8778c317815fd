//===- PrefixTree.cpp - Cached beginnings of sequences --------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/kv/PrefixTree.h"

#include <algorithm>

namespace tenon::kv {

struct PrefixTree::Node {
  Node *parent = nullptr;
  BlockId block = -1;
  uint64_t path =
      kEmptyPath; ///< pathHash(): only speeds the search up; equality is decided by the tokens.
  std::vector<int32_t> tokens; ///< Of this block.
  /// By the child's path; equal ones are told apart by the tokens.
  std::unordered_multimap<uint64_t, std::unique_ptr<Node>> children;
  Node *older = nullptr, *newer = nullptr;
};

PrefixTree::PrefixTree(BlockPool &pool, uint32_t blockTokens, PrefixDirectory *directory)
    : pool(pool), blockTokens(blockTokens), directory(directory), root(std::make_unique<Node>()) {}

PrefixTree::~PrefixTree() {
  // Leaf by leaf: a recursive destructor would be as deep as the longest sequence has blocks.
  while (oldest) {
    Node *leaf = oldest;
    while (!leaf->children.empty())
      leaf = leaf->children.begin()->second.get();
    drop(*leaf);
  }
}

PrefixTree::Node *PrefixTree::find(Node &parent, std::span<const int32_t> block) const {
  const auto [first, last] = parent.children.equal_range(pathHash(parent.path, block));
  for (auto at = first; at != last; ++at)
    if (std::equal(block.begin(), block.end(), at->second->tokens.begin(),
                   at->second->tokens.end()))
      return at->second.get();
  return nullptr;
}

/// Moves the node to the newest end of the list, or links it there.
void PrefixTree::touch(Node &node) {
  if (newest == &node)
    return;
  if (node.newer) { // linked, and not the newest
    (node.older ? node.older->newer : oldest) = node.newer;
    node.newer->older = node.older;
  }
  node.older = newest;
  node.newer = nullptr;
  (newest ? newest->newer : oldest) = &node;
  newest = &node;
}

void PrefixTree::match(std::span<const int32_t> tokens, std::vector<BlockId> &blocks) {
  blocks.clear();
  Node *at = root.get();
  while (tokens.size() >= blockTokens) {
    Node *next = find(*at, tokens.first(blockTokens));
    if (!next)
      break;
    blocks.push_back(next->block);
    at = next;
    tokens = tokens.subspan(blockTokens);
  }
  // Deepest first, so that a leaf is always older than what it hangs on.
  for (; at != root.get(); at = at->parent)
    touch(*at);
}

void PrefixTree::insert(std::span<const int32_t> tokens, std::span<const BlockId> blocks) {
  Node *at = root.get();
  for (BlockId block : blocks) {
    if (tokens.size() < blockTokens)
      break;
    const auto key = tokens.first(blockTokens);
    Node *next = find(*at, key);
    if (!next) {
      auto made = std::make_unique<Node>();
      made->parent = at;
      made->block = block;
      made->path = pathHash(at->path, key);
      made->tokens.assign(key.begin(), key.end());
      next = made.get();
      at->children.emplace(made->path, std::move(made));
      if (directory)
        directory->add(next->path);
      pool.addReference(block);
      pool.keep(block);
      ++count;
    } else if (next->block != block) {
      break; // Computed twice at the same time. What follows hangs on a copy that is not the
             // tree's.
    }
    at = next;
    tokens = tokens.subspan(blockTokens);
  }
  for (; at != root.get(); at = at->parent)
    touch(*at);
}

void PrefixTree::drop(Node &leaf) {
  (leaf.older ? leaf.older->newer : oldest) = leaf.newer;
  (leaf.newer ? leaf.newer->older : newest) = leaf.older;
  pool.unkeep(leaf.block);
  pool.release(leaf.block);
  --count;
  if (directory)
    directory->remove(leaf.path);
  const auto [first, last] = leaf.parent->children.equal_range(leaf.path);
  for (auto at = first; at != last; ++at)
    if (at->second.get() == &leaf) {
      leaf.parent->children.erase(at);
      return;
    }
}

uint32_t PrefixTree::evict(uint32_t wanted) {
  uint32_t freed = 0;
  // Leaves are older than their parents, so one pass from the oldest frees whole branches.
  for (Node *at = oldest; at && freed < wanted;) {
    Node *next = at->newer;
    if (at->children.empty() && !pool.isShared(at->block)) {
      drop(*at);
      ++freed;
    }
    at = next;
  }
  return freed;
}

} // namespace tenon::kv
