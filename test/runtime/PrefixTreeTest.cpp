//===- PrefixTreeTest.cpp - Cached beginnings -----------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/kv/PrefixTree.h"
#include "runtime/kv/BlockTable.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

using namespace tenon;
using namespace tenon::kv;

namespace {

constexpr uint32_t kTokens = 4; // per block

/// Computes `tokens` into fresh blocks and leaves them to the tree alone.
std::vector<BlockId> keep(BlockPool &pool, PrefixTree &tree, const std::vector<int32_t> &tokens) {
  BlockTable table(pool, kTokens, 64);
  EXPECT_TRUE(table.growTo(tokens.size() / kTokens * kTokens));
  tree.insert(tokens, table.blocks());
  return {table.blocks().begin(), table.blocks().end()};
}

std::vector<BlockId> matched(PrefixTree &tree, const std::vector<int32_t> &tokens) {
  std::vector<BlockId> blocks;
  tree.match(tokens, blocks);
  return blocks;
}

TEST(PrefixTree, findsTheLongestBeginningInWholeBlocks) {
  BlockPool pool(8);
  PrefixTree tree(pool, kTokens);
  const auto blocks = keep(pool, tree, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  ASSERT_EQ(blocks.size(), 2u);
  EXPECT_EQ(matched(tree, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}), blocks);
  EXPECT_EQ(matched(tree, {1, 2, 3, 4, 5, 6, 7}), std::vector<BlockId>{blocks[0]});
  EXPECT_EQ(matched(tree, {1, 2, 3, 4, 0, 6, 7, 8}), std::vector<BlockId>{blocks[0]});
  EXPECT_TRUE(matched(tree, {1, 2, 3}).empty());
  EXPECT_TRUE(matched(tree, {2, 2, 3, 4}).empty());
  EXPECT_TRUE(pool.checkIntegrity(tree.size()));
}

TEST(PrefixTree, keepsTheFirstCopy) {
  BlockPool pool(8);
  PrefixTree tree(pool, kTokens);
  const auto first = keep(pool, tree, {1, 2, 3, 4});
  keep(pool, tree, {1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_EQ(matched(tree, {1, 2, 3, 4, 5, 6, 7, 8}), first);
  EXPECT_EQ(tree.size(), 1u);
  EXPECT_EQ(pool.freeBlocks(), 7u);
}

TEST(PrefixTree, evictsTheLeastRecentlyUsedBlockFirst) {
  BlockPool pool(8);
  PrefixTree tree(pool, kTokens);
  keep(pool, tree, {1, 1, 1, 1});
  keep(pool, tree, {2, 2, 2, 2});
  keep(pool, tree, {3, 3, 3, 3});
  EXPECT_EQ(matched(tree, {1, 1, 1, 1}).size(), 1u); // now the newest
  EXPECT_EQ(tree.evict(1), 1u);
  EXPECT_TRUE(matched(tree, {2, 2, 2, 2}).empty());
  EXPECT_EQ(tree.evict(1), 1u);
  EXPECT_TRUE(matched(tree, {3, 3, 3, 3}).empty());
  EXPECT_EQ(matched(tree, {1, 1, 1, 1}).size(), 1u);
}

TEST(PrefixTree, evictsLeavesBeforeWhatTheyHangOn) {
  BlockPool pool(8);
  PrefixTree tree(pool, kTokens);
  const auto blocks = keep(pool, tree, {1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3});
  EXPECT_EQ(tree.evict(1), 1u);
  EXPECT_EQ(matched(tree, {1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3}),
            (std::vector<BlockId>{blocks[0], blocks[1]}));
  EXPECT_EQ(tree.evict(9), 2u);
  EXPECT_EQ(pool.freeBlocks(), 8u);
}

TEST(PrefixTree, neverEvictsWhatASequenceHolds) {
  BlockPool pool(8);
  PrefixTree tree(pool, kTokens);
  keep(pool, tree, {1, 1, 1, 1, 2, 2, 2, 2});
  BlockTable reader(pool, kTokens, 8);
  reader.appendShared(matched(tree, {1, 1, 1, 1}));
  EXPECT_EQ(tree.evictable(), 1u);
  EXPECT_EQ(tree.evict(5), 1u);
  EXPECT_EQ(matched(tree, {1, 1, 1, 1, 2, 2, 2, 2}).size(), 1u);
  EXPECT_TRUE(pool.checkIntegrity(2));
}

/// Against a model that keeps every cached path as a plain list of tokens.
TEST(PrefixTree, agreesWithAPlainModelUnderRandomUse) {
  std::mt19937 random(5);
  BlockPool pool(24);
  {
    PrefixTree tree(pool, kTokens);
    std::map<std::vector<int32_t>, BlockId> paths;
    for (int i = 0; i < 4000; ++i) {
      std::vector<int32_t> tokens(kTokens * (1 + random() % 5));
      for (size_t t = 0; t < tokens.size(); ++t)
        tokens[t] = int32_t(t % kTokens == 0 ? random() % 3 : 0);
      std::vector<BlockId> found = matched(tree, tokens);
      for (size_t b = 0; b < found.size(); ++b) {
        const std::vector<int32_t> path(tokens.begin(),
                                        tokens.begin() + ptrdiff_t((b + 1) * kTokens));
        ASSERT_TRUE(paths.count(path));
        ASSERT_EQ(paths[path], found[b]) << "another sequence's block";
      }
      BlockTable table(pool, kTokens, 8);
      table.appendShared(found);
      while (!table.growTo(tokens.size()))
        ASSERT_GT(tree.evict(1), 0u);
      tree.insert(tokens, table.blocks());
      for (size_t b = 0; b < table.blocks().size(); ++b)
        paths[{tokens.begin(), tokens.begin() + ptrdiff_t((b + 1) * kTokens)}] = table.blocks()[b];
      ASSERT_TRUE(pool.checkIntegrity(tree.size() + table.blocks().size()));
      ASSERT_LE(tree.evictable(), tree.size());
    }
  }
  EXPECT_EQ(pool.freeBlocks(), pool.size());
}

TEST(PrefixTree, itsDirectoryKnowsWhatItHolds) {
  BlockPool pool(8);
  PrefixDirectory directory;
  const auto known = [&](const std::vector<int32_t> &tokens) {
    return directory.cachedBlocks(pathsOf(tokens, kTokens));
  };
  {
    PrefixTree tree(pool, kTokens, &directory);
    keep(pool, tree, {1, 2, 3, 4, 5, 6, 7, 8});
    keep(pool, tree, {9, 9, 9, 9, 1, 2, 3, 4});
    EXPECT_EQ(known({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}), 2u);
    EXPECT_EQ(known({9, 9, 9, 9, 1, 2, 3, 4}), 2u);
    EXPECT_EQ(known({1, 2, 3, 4, 0, 6, 7, 8}), 1u);
    EXPECT_EQ(known({5, 6, 7, 8}), 0u); // Held behind another block only.
    EXPECT_EQ(known({1, 2, 3}), 0u);
    ASSERT_EQ(tree.evict(1), 1u); // The leaf that was used first.
    EXPECT_EQ(known({1, 2, 3, 4, 5, 6, 7, 8}), 1u);
    EXPECT_EQ(known({9, 9, 9, 9, 1, 2, 3, 4}), 2u);
  }
  EXPECT_EQ(known({9, 9, 9, 9, 1, 2, 3, 4}), 0u);
}

} // namespace
