//===- HostKvCacheTest.cpp - KV cache of the reference --------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "dialects/tenon/reference/HostKvCache.h"

#include <cmath>

#include <gtest/gtest.h>

using namespace mlir::tenon;

namespace {

TEST(HostKvCache, keepsSequencesAndLayersApart) {
  HostKvCache cache(2, 1, 2);
  cache.write(0, 7, 0, {1, 2}, {3, 4});
  cache.write(1, 7, 0, {5, 6}, {7, 8});
  cache.write(0, 9, 2, {9, 10}, {11, 12});
  EXPECT_EQ(cache.key(0, 7, 0), llvm::ArrayRef<float>({1, 2}));
  EXPECT_EQ(cache.value(1, 7, 0), llvm::ArrayRef<float>({7, 8}));
  EXPECT_EQ(cache.value(0, 9, 2), llvm::ArrayRef<float>({11, 12}));
  EXPECT_EQ(cache.length(0, 7), 1);
  EXPECT_EQ(cache.length(0, 9), 3);
  EXPECT_EQ(cache.length(1, 9), 0);
}

TEST(HostKvCache, writesOverAPosition) {
  HostKvCache cache(1, 1, 1);
  cache.write(0, 0, 0, {1}, {2});
  cache.write(0, 0, 1, {3}, {4});
  cache.write(0, 0, 0, {5}, {6});
  EXPECT_EQ(cache.key(0, 0, 0)[0], 5);
  EXPECT_EQ(cache.key(0, 0, 1)[0], 3);
  EXPECT_EQ(cache.length(0, 0), 2);
}

TEST(HostKvCache, roundsToHalfUnlessAskedNotTo) {
  const float third = 1.0f / 3.0f;
  HostKvCache half(1, 1, 1), single(1, 1, 1, KvPrecision::F32);
  half.write(0, 0, 0, {third}, {third});
  single.write(0, 0, 0, {third}, {third});
  EXPECT_EQ(half.key(0, 0, 0)[0], 0.333251953125f);
  EXPECT_EQ(single.key(0, 0, 0)[0], third);
}

TEST(RoundToHalf, roundsTiesToEven) {
  EXPECT_EQ(roundToHalf(1.0f), 1.0f);
  EXPECT_EQ(roundToHalf(2049.0f), 2048.0f);
  EXPECT_EQ(roundToHalf(2051.0f), 2052.0f);
  EXPECT_EQ(roundToHalf(-0.0f), 0.0f);
  EXPECT_TRUE(std::isinf(roundToHalf(70000.0f)));
}

} // namespace
