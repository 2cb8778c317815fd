//===- LocalTest.cpp - Collectives of one process -------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/collective/Local.h"

#include <gtest/gtest.h>

#include <functional>
#include <thread>
#include <vector>

using namespace tenon;
using namespace tenon::collective;

namespace {

/// Runs `body` on every worker of every member.
void onAll(const std::vector<uint32_t> &workers, const std::function<void(Caller)> &body) {
  std::vector<std::thread> threads;
  for (uint32_t member = 0; member < workers.size(); ++member)
    for (uint32_t worker = 0; worker < workers[member]; ++worker)
      threads.emplace_back([&, member, worker] { body({member, worker, workers[member]}); });
  for (std::thread &thread : threads)
    thread.join();
}

std::unique_ptr<LocalGroup> groupOf(const std::vector<uint32_t> &workers) {
  auto group = LocalGroup::create(workers, {.spins = 64, .yields = 4});
  EXPECT_TRUE(group.isOk()) << group.status().message();
  return std::move(*group);
}

/// A value that says where it is from.
float valueOf(uint32_t round, uint32_t member, uint64_t index) {
  return float(round * 100 + member * 10) + float(index % 7);
}

TEST(LocalGroup, sumsInOrderOfMemberWhoeverComesFirst) {
  // (1e8 + 1) - 1e8 is 0 in f32, any other order of the three gives 1.
  const std::vector<uint32_t> workers = {1, 1, 1};
  auto group = groupOf(workers);
  const float terms[] = {1e8f, 1.0f, -1e8f};
  for (uint32_t late = 0; late < 3; ++late) {
    float out[3] = {5, 5, 5};
    onAll(workers, [&](Caller who) {
      if (who.member == late)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      EXPECT_TRUE(group->allReduce(who, &terms[who.member], &out[who.member], 1, 1, true).isOk());
    });
    EXPECT_EQ(out[0], 5.0f);
    EXPECT_EQ(out[1], 5.0f);
    EXPECT_EQ(out[2], 5.0f);
  }
}

TEST(LocalGroup, reducesManyTimesWithUnequalWorkersAndOddShapes) {
  const std::vector<uint32_t> workers = {2, 1, 3};
  auto group = groupOf(workers);
  constexpr uint64_t rows = 5, columns = 577;
  // Two inputs in turn, as the contract asks.
  std::vector<float> in[2][3], out[3];
  for (uint32_t member = 0; member < 3; ++member) {
    in[0][member].resize(rows * columns);
    in[1][member].resize(rows * columns);
    out[member].assign(rows * columns, 1.0f);
  }
  onAll(workers, [&](Caller who) {
    const uint64_t first = rows * who.worker / who.workers,
                   last = rows * (who.worker + 1) / who.workers;
    for (uint32_t round = 0; round < 200; ++round) {
      std::vector<float> &mine = in[round % 2][who.member];
      for (uint64_t i = first * columns; i < last * columns; ++i)
        mine[i] = valueOf(round, who.member, i);
      const bool accumulate = round % 3 == 0;
      ASSERT_TRUE(
          group->allReduce(who, mine.data(), out[who.member].data(), rows, columns, accumulate)
              .isOk());
      // A worker may read its own rows at once.
      for (uint64_t i = first * columns; i < last * columns; i += 13) {
        float wanted = 0;
        for (uint32_t member = 0; member < 3; ++member)
          wanted += valueOf(round, member, i);
        if (accumulate)
          for (uint32_t member = 0; round > 0 && member < 3; ++member)
            wanted += valueOf(round - 1, member, i);
        if (round == 0)
          wanted += 1.0f;
        ASSERT_EQ(out[who.member][i], wanted) << "round " << round << " element " << i;
      }
    }
  });
}

TEST(LocalGroup, gathersUnevenColumnsWhereTheyAreWanted) {
  const std::vector<uint32_t> workers = {1, 2};
  auto group = groupOf(workers);
  const uint64_t begins[] = {0, 6, 9};
  // One row is less than a chip has workers; both members want it in odd rounds, the first in even.
  for (const uint64_t rows : {uint64_t(4), uint64_t(1)})
    for (uint32_t round = 0; round < 50; ++round) {
      std::vector<float> in[2] = {std::vector<float>(rows * 6), std::vector<float>(rows * 3)};
      for (uint64_t row = 0; row < rows; ++row)
        for (uint64_t column = 0; column < 9; ++column)
          (column < 6 ? in[0][row * 6 + column] : in[1][row * 3 + column - 6]) =
              float(round * 1000 + row * 100 + column);
      std::vector<float> out[2] = {std::vector<float>(rows * 9, -1),
                                   std::vector<float>(rows * 9, -1)};
      onAll(workers, [&](Caller who) {
        const bool wants = who.member == 0 || round % 2;
        ASSERT_TRUE(group
                        ->gatherColumns(who, in[who.member].data(),
                                        wants ? out[who.member].data() : nullptr, rows, begins)
                        .isOk());
        // A worker may read its own rows at once.
        for (uint64_t row = rows * who.worker / who.workers;
             wants && row < rows * (who.worker + 1) / who.workers; ++row)
          for (uint64_t column = 0; column < 9; ++column)
            ASSERT_EQ(out[who.member][row * 9 + column], float(round * 1000 + row * 100 + column));
      });
      if (round % 2 == 0)
        EXPECT_EQ(out[1], std::vector<float>(rows * 9, -1));
    }
}

TEST(LocalGroup, scattersTheColumnsOfASum) {
  const std::vector<uint32_t> workers = {1, 1};
  auto group = groupOf(workers);
  const uint64_t begins[] = {0, 2, 5};
  const float in[2][10] = {{0, 1, 2, 3, 4, 10, 11, 12, 13, 14}, {1, 1, 1, 1, 1, 2, 2, 2, 2, 2}};
  float out[2][6] = {};
  onAll(workers, [&](Caller who) {
    ASSERT_TRUE(
        group->reduceScatterColumns(who, in[who.member], out[who.member], 2, begins).isOk());
  });
  EXPECT_EQ(std::vector<float>(out[0], out[0] + 4), (std::vector<float>{1, 2, 12, 13}));
  EXPECT_EQ(std::vector<float>(out[1], out[1] + 6), (std::vector<float>{3, 4, 5, 14, 15, 16}));
}

TEST(LocalGroup, broadcastsFromAnyMember) {
  const std::vector<uint32_t> workers = {2, 3};
  auto group = groupOf(workers);
  for (uint32_t root = 0; root < 2; ++root) {
    std::vector<uint32_t> data[2] = {std::vector<uint32_t>(1001, 7),
                                     std::vector<uint32_t>(1001, 8)};
    onAll(workers, [&](Caller who) {
      ASSERT_TRUE(group->broadcast(who, data[who.member].data(), 1001 * 4, root).isOk());
    });
    EXPECT_EQ(data[0], data[1]);
    EXPECT_EQ(data[1][1000], 7 + root);
  }
}

TEST(LocalGroup, sendsInOrderBetweenChipsOfUnequalWorkers) {
  const std::vector<uint32_t> workers = {2, 3, 1};
  auto group = groupOf(workers);
  uint64_t wrong = 0;
  std::vector<uint32_t> out(333), in(333);
  onAll(workers, [&](Caller who) {
    for (uint32_t round = 0; round < 300; ++round) {
      if (who.member == 0) {
        for (size_t i = who.worker; i < out.size(); i += who.workers)
          out[i] = round * 1000 + i;
        ASSERT_TRUE(group->send(who, out.data(), out.size() * 4, 1).isOk());
      } else if (who.member == 1) {
        ASSERT_TRUE(group->receive(who, in.data(), in.size() * 4, 0).isOk());
        const Caller me = who; // Each worker looks at the bytes that it copied.
        const size_t first = (in.size() * 4 * me.worker / me.workers + 3) / 4,
                     last = in.size() * 4 * (me.worker + 1) / me.workers / 4;
        for (size_t i = first; i < last; ++i)
          if (in[i] != round * 1000 + i)
            __atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
      }
    }
  });
  EXPECT_EQ(wrong, 0u);
}

TEST(LocalGroup, refusesStrangersAndImpossibleGroups) {
  EXPECT_FALSE(LocalGroup::create({}).isOk());
  EXPECT_FALSE(LocalGroup::create({1, 0}).isOk());
  auto group = groupOf({1, 1});
  float value = 0;
  EXPECT_FALSE(group->barrier({2, 0, 1}).isOk());
  EXPECT_FALSE(group->barrier({0, 0, 2}).isOk());
  EXPECT_FALSE(group->send({0, 0, 1}, &value, 4, 0).isOk());
  EXPECT_FALSE(group->receive({0, 0, 1}, &value, 4, 2).isOk());
}

} // namespace
