//===- Conformance.cpp - What every group of chips must do ----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "test/collective/Conformance.h"

#include "runtime/collective/Overlapping.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <thread>

using namespace tenon::collective;

namespace tenon::test {

void onWorkers(const std::vector<uint32_t> &workers, const std::vector<uint32_t> &here,
               const std::function<void(Caller)> &body) {
  std::vector<std::thread> threads;
  for (uint32_t member : here)
    for (uint32_t worker = 0; worker < workers[member]; ++worker)
      threads.emplace_back([&, member, worker] { body({member, worker, workers[member]}); });
  for (std::thread &thread : threads)
    thread.join();
}

namespace {

/// A group and this process's part in it.
struct Cast {
  std::vector<uint32_t> workers, here;
  std::unique_ptr<Group> group;

  Cast(const MakeGroup &make, std::vector<uint32_t> w) : workers(std::move(w)) {
    group = make(workers, here);
  }
  explicit operator bool() const { return group != nullptr; }
  void run(const std::function<void(Caller)> &body) const { onWorkers(workers, here, body); }
};

/// A value that says where it is from.
float valueOf(uint32_t round, uint32_t member, uint64_t index) {
  return float(round * 100 + member * 10) + float(index % 7);
}

void sumsInOrderOfMemberWhoeverComesFirst(const MakeGroup &make) {
  // (1e8 + 1) - 1e8 is 0 in f32, any other order of the three gives 1.
  const Cast cast(make, {1, 1, 1});
  if (!cast)
    return;
  const float terms[] = {1e8f, 1.0f, -1e8f};
  for (uint32_t late = 0; late < 3; ++late) {
    float out[3] = {5, 5, 5};
    cast.run([&](Caller who) {
      if (who.member == late)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      EXPECT_TRUE(
          cast.group
              ->allReduce(who, &terms[who.member], &out[who.member], 1, 1, {.accumulate = true})
              .isOk());
    });
    for (uint32_t member : cast.here)
      EXPECT_EQ(out[member], 5.0f);
  }
}

void reducesManyTimesWithUnequalWorkersAndOddShapes(const MakeGroup &make) {
  const Cast cast(make, {2, 1, 3});
  if (!cast)
    return;
  constexpr uint64_t rows = 5, columns = 577;
  // Two inputs in turn, as the contract asks.
  std::vector<float> in[2][3], out[3];
  for (uint32_t member = 0; member < 3; ++member) {
    in[0][member].resize(rows * columns);
    in[1][member].resize(rows * columns);
    out[member].assign(rows * columns, 1.0f);
  }
  cast.run([&](Caller who) {
    const uint64_t first = rows * who.worker / who.workers,
                   last = rows * (who.worker + 1) / who.workers;
    for (uint32_t round = 0; round < 200; ++round) {
      std::vector<float> &mine = in[round % 2][who.member];
      for (uint64_t i = first * columns; i < last * columns; ++i)
        mine[i] = valueOf(round, who.member, i);
      const bool accumulate = round % 3 == 0;
      ASSERT_TRUE(cast.group
                      ->allReduce(who, mine.data(), out[who.member].data(), rows, columns,
                                  {.accumulate = accumulate})
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

void gathersUnevenColumnsWhereTheyAreWanted(const MakeGroup &make) {
  const Cast cast(make, {1, 2});
  if (!cast)
    return;
  const uint64_t begins[] = {0, 6, 9};
  // One row is less than a chip has workers; in turn the first, both and the second want it.
  for (const uint64_t rows : {uint64_t(4), uint64_t(1)})
    for (uint32_t round = 0; round < 60; ++round) {
      const uint32_t root = round % 3 == 1 ? kEveryone : round % 3 / 2;
      std::vector<float> in[2] = {std::vector<float>(rows * 6), std::vector<float>(rows * 3)};
      for (uint64_t row = 0; row < rows; ++row)
        for (uint64_t column = 0; column < 9; ++column)
          (column < 6 ? in[0][row * 6 + column] : in[1][row * 3 + column - 6]) =
              float(round * 1000 + row * 100 + column);
      std::vector<float> out[2] = {std::vector<float>(rows * 9, -1),
                                   std::vector<float>(rows * 9, -1)};
      cast.run([&](Caller who) {
        const bool wants = root == kEveryone || root == who.member;
        ASSERT_TRUE(cast.group
                        ->gatherColumns(who, in[who.member].data(),
                                        wants ? out[who.member].data() : nullptr, rows, begins,
                                        root)
                        .isOk());
        // A worker may read its own rows at once.
        for (uint64_t row = rows * who.worker / who.workers;
             wants && row < rows * (who.worker + 1) / who.workers; ++row)
          for (uint64_t column = 0; column < 9; ++column)
            ASSERT_EQ(out[who.member][row * 9 + column], float(round * 1000 + row * 100 + column));
      });
      for (uint32_t member : cast.here)
        if (root == 1 - member)
          EXPECT_EQ(out[member], std::vector<float>(rows * 9, -1));
    }
}

void scattersTheColumnsOfASum(const MakeGroup &make) {
  const Cast cast(make, {1, 1});
  if (!cast)
    return;
  const uint64_t begins[] = {0, 2, 5};
  const float in[2][10] = {{0, 1, 2, 3, 4, 10, 11, 12, 13, 14}, {1, 1, 1, 1, 1, 2, 2, 2, 2, 2}};
  float out[2][6] = {};
  cast.run([&](Caller who) {
    ASSERT_TRUE(
        cast.group->reduceScatterColumns(who, in[who.member], out[who.member], 2, begins).isOk());
  });
  const float wanted[2][6] = {{1, 2, 12, 13}, {3, 4, 5, 14, 15, 16}};
  for (uint32_t member : cast.here)
    for (uint32_t i = 0; i < (member ? 6u : 4u); ++i)
      EXPECT_EQ(out[member][i], wanted[member][i]) << "member " << member << " value " << i;
}

/// A column of each member, all of bf16, and their sums.
struct Halves {
  std::vector<std::array<float, 4>> terms; ///< By member.
  std::array<float, 4> sums, rounded;
};

void addsHalvesInFloatsAndRoundsOnce(const MakeGroup &make) {
  // Between 256 and 512 bf16 has every second number. Rounded after each term, 256 + 1 + 1 would be
  // 256.
  const Halves cases[] = {
      {{{256, 258, 256, -256}, {1, 1, 1, -1}, {1, 0, 0, -1}},
       {258, 259, 257, -258},
       {258, 260, 256, -258}},
      {{{256, 258, 256, 3}, {1, 1, 0.5f, -3}}, {257, 259, 256.5f, 0}, {256, 260, 256, 0}}};
  for (const auto &[terms, sums, rounded] : cases) {
    const auto members = static_cast<uint32_t>(terms.size());
    const Cast cast(make, std::vector<uint32_t>(members, 1));
    if (!cast)
      continue;
    const std::vector<uint64_t> begins =
        members == 3 ? std::vector<uint64_t>{0, 1, 2, 4} : std::vector<uint64_t>{0, 1, 4};
    std::array<Bf16, 4> in[3], halves[3], columns[3];
    std::array<float, 4> floats[3];
    for (uint32_t member = 0; member < members; ++member) {
      std::transform(terms[member].begin(), terms[member].end(), in[member].begin(), toBf16);
      floats[member].fill(0.25f);
    }
    cast.run([&](Caller who) {
      const uint32_t m = who.member;
      const Addition both = {.in = Element::BF16, .out = Element::BF16};
      ASSERT_TRUE(cast.group->allReduce(who, in[m].data(), halves[m].data(), 1, 4, both).isOk());
      ASSERT_TRUE(cast.group
                      ->allReduce(who, in[m].data(), floats[m].data(), 1, 4,
                                  {.in = Element::BF16, .accumulate = true})
                      .isOk());
      ASSERT_TRUE(
          cast.group->reduceScatterColumns(who, in[m].data(), columns[m].data(), 1, begins, both)
              .isOk());
      ASSERT_TRUE(cast.group->barrier(who).isOk());
    });
    for (uint32_t member : cast.here)
      for (uint32_t i = 0; i < 4; ++i) {
        EXPECT_EQ(floats[member][i], 0.25f + sums[i]) << i;
        EXPECT_EQ(float(halves[member][i]), rounded[i]) << i;
        if (i >= begins[member] && i < begins[member + 1])
          EXPECT_EQ(columns[member][i - begins[member]].bits, halves[member][i].bits);
      }
  }
}

void roundsAsHardwareDoes(const MakeGroup &make) {
  const Cast cast(make, {1, 1});
  if (!cast)
    return;
  // Many at once, so that vectors and their remainders are met: 577 sums of pairs, and what is no
  // number.
  constexpr uint64_t columns = 577;
  std::vector<float> in[2] = {std::vector<float>(columns), std::vector<float>(columns)};
  for (uint64_t i = 0; i < columns; ++i) {
    in[0][i] =
        (i % 2 ? -1.0f : 1.0f) * std::ldexp(1.0f + float(i * 37 % 512) / 512, int(i % 61) - 30);
    in[1][i] = std::ldexp(float(i * 11 % 256) - 128, int(i % 61) - 38);
  }
  in[0][5] = std::numeric_limits<float>::quiet_NaN();
  in[0][6] = std::numeric_limits<float>::infinity();
  in[0][7] = std::numeric_limits<float>::max();
  std::vector<Bf16> out[2] = {std::vector<Bf16>(columns), std::vector<Bf16>(columns)};
  cast.run([&](Caller who) {
    ASSERT_TRUE(cast.group
                    ->allReduce(who, in[who.member].data(), out[who.member].data(), 1, columns,
                                {.out = Element::BF16})
                    .isOk());
  });
  for (uint32_t member : cast.here) {
    EXPECT_TRUE(std::isnan(float(out[member][5])));
    EXPECT_EQ(float(out[member][6]), std::numeric_limits<float>::infinity());
    EXPECT_EQ(float(out[member][7]), std::numeric_limits<float>::infinity());
    for (uint64_t i = 8; i < columns; ++i) {
      const float sum = in[0][i] + in[1][i], got = out[member][i];
      // Its eight bits, or with them the next: none is nearer, and of two as near the even one.
      const float step = std::ldexp(1.0f, std::max(std::ilogb(sum == 0 ? 1.0f : sum), -126) - 7);
      EXPECT_EQ(got, step * std::nearbyint(sum / step)) << sum;
    }
  }
}

void gathersHalves(const MakeGroup &make) {
  const Cast cast(make, {1, 2});
  if (!cast)
    return;
  const uint64_t begins[] = {0, 3, 8}, rows = 3;
  for (const uint32_t root : {kEveryone, 1u}) {
    std::vector<Bf16> in[2] = {std::vector<Bf16>(rows * 3), std::vector<Bf16>(rows * 5)};
    std::vector<Bf16> out[2] = {std::vector<Bf16>(rows * 8, Bf16{1}),
                                std::vector<Bf16>(rows * 8, Bf16{1})};
    for (uint64_t row = 0; row < rows; ++row)
      for (uint64_t column = 0; column < 8; ++column)
        (column < 3 ? in[0][row * 3 + column]
                    : in[1][row * 5 + column - 3]) = {uint16_t(row * 100 + column)};
    cast.run([&](Caller who) {
      ASSERT_TRUE(cast.group
                      ->gatherColumns(who, in[who.member].data(), out[who.member].data(), rows,
                                      begins, root, Element::BF16)
                      .isOk());
    });
    for (uint32_t member : cast.here)
      for (uint64_t i = 0; (root == kEveryone || root == member) && i < rows * 8; ++i)
        EXPECT_EQ(out[member][i].bits, i / 8 * 100 + i % 8);
  }
}

/// A sum in its two halves: every member's rows of it, then everybody's, without touching what is
/// not there yet.
void scattersAndGathersRows(const MakeGroup &make) {
  const Cast cast(make, {2, 1, 3});
  if (!cast)
    return;
  constexpr uint64_t columns = 33;
  for (const uint64_t rows :
       {uint64_t(1), uint64_t(2), uint64_t(7), uint64_t(24)}) { // Some have none of one row.
    std::vector<float> in[2][3], out[2][3];
    for (uint32_t member = 0; member < 3; ++member)
      for (uint32_t set = 0; set < 2; ++set) {
        in[set][member].resize(rows * columns);
        out[set][member].assign(rows * columns, 1.0f);
      }
    cast.run([&](Caller who) {
      const uint32_t m = who.member;
      for (uint32_t round = 0; round < 40; ++round) {
        float *mine = in[round % 2][m].data(), *got = out[round % 2][m].data();
        for (uint64_t i = who.worker; i < rows * columns; i += who.workers)
          mine[i] = valueOf(round, m, i), got[i] = 1.0f;
        ASSERT_TRUE(cast.group->barrier(who).isOk());
        ASSERT_TRUE(
            cast.group
                ->reduceScatterRows(who, mine, got, rows, columns, {.accumulate = round % 3 == 0})
                .isOk());
        ASSERT_TRUE(cast.group->barrier(who).isOk());
        const auto wanted = [&](uint64_t i) {
          float sum = 0;
          for (uint32_t member = 0; member < 3; ++member)
            sum += valueOf(round, member, i);
          return round % 3 == 0 ? sum + 1.0f : sum;
        };
        for (uint64_t row = 0; row < rows; ++row) {
          const bool own = row >= rows * m / 3 && row < rows * (m + 1) / 3;
          for (uint64_t i = row * columns; i < (row + 1) * columns; ++i)
            ASSERT_EQ(got[i], own ? wanted(i) : 1.0f)
                << "row " << row << " of " << rows << " on " << m;
        }
        ASSERT_TRUE(cast.group->gatherRows(who, got, rows, columns * sizeof(float)).isOk());
        ASSERT_TRUE(cast.group->barrier(who).isOk());
        for (uint64_t i = 0; i < rows * columns; ++i)
          ASSERT_EQ(got[i], wanted(i)) << "element " << i << " of round " << round;
      }
    });
  }
}

/// The same while workers write the rows, and read them, block by block. What has not arrived is
/// not there.
void scattersAndGathersRowsWhileMembersCompute(const MakeGroup &make) {
  const Cast cast(make, {2, 1, 3, 1});
  if (!cast || !cast.group->overlapping())
    return; // Its rows do not travel by themselves.
  OverlappingGroup &group = *cast.group->overlapping();
  using Order = RowBlocks::Order;
  constexpr uint64_t columns = 33, rowBytes = columns * sizeof(float);
  for (const auto &[rows, block] :
       {std::pair<uint64_t, uint64_t>{1, 4}, {3, 1}, {23, 4}, {64, 5}, {64, 64}}) {
    std::vector<float> in[4], out[4], read[4];
    for (uint32_t member = 0; member < 4; ++member) {
      in[member].resize(rows * columns);
      out[member].assign(rows * columns, 1.0f);
      read[member].resize(rows * columns);
    }
    cast.run([&](Caller who) {
      const uint32_t m = who.member;
      for (uint32_t round = 0; round < 25; ++round) {
        float *mine = in[m].data(), *got = out[m].data();
        const bool accumulate = round % 3 == 0;
        const auto wanted = [&](uint64_t i) {
          float sum = accumulate ? 1.0f : 0.0f;
          for (uint32_t member = 0; member < 4; ++member)
            sum += valueOf(round, member, i);
          return sum;
        };
        const Share own = rowsOfMember(rows, m, 4);
        for (uint64_t i = own.first * columns + who.worker; i < own.last * columns;
             i += who.workers)
          got[i] = 1.0f;
        ASSERT_TRUE(cast.group->barrier(who).isOk()); // What others may still read may be written.
        ASSERT_TRUE(
            group.beginReduceScatterRows(who, mine, rows, columns, Element::F32, block).isOk());
        uint64_t seen = 0;
        for (RowBlocks walk = group.blocks(rows, block, Order::OwnLast); walk.next();) {
          ASSERT_LE(walk.rowCount(), block);
          seen += walk.rowCount();
          for (uint64_t i = walk.first() * columns + who.worker;
               i < (walk.first() + walk.rowCount()) * columns; i += who.workers)
            mine[i] = valueOf(round, m, i);
          if (round % 5 == m)
            std::this_thread::yield();
          ASSERT_TRUE(group.blockDone(who).isOk());
        }
        ASSERT_EQ(seen, rows);
        ASSERT_TRUE(
            cast.group->reduceScatterRows(who, mine, got, rows, columns, {.accumulate = accumulate})
                .isOk());
        ASSERT_TRUE(cast.group->barrier(who).isOk());
        for (uint64_t i = own.first * columns; i < own.last * columns; ++i)
          ASSERT_EQ(got[i], wanted(i)) << "element " << i << " of round " << round << " on " << m;

        ASSERT_TRUE(group.beginGatherRows(who, got, rows, rowBytes, block).isOk());
        for (RowBlocks walk = group.blocks(rows, block, Order::OwnFirst); walk.next();) {
          if (!walk.isOwn())
            ASSERT_TRUE(group.awaitBlock(who).isOk());
          for (uint64_t i = walk.first() * columns + who.worker;
               i < (walk.first() + walk.rowCount()) * columns; i += who.workers)
            read[m][i] = got[i];
          ASSERT_TRUE(group.blockDone(who).isOk());
        }
        ASSERT_TRUE(group.endGatherRows(who).isOk());
        ASSERT_FALSE(group.awaitBlock(who).isOk()); // There is none.
        ASSERT_TRUE(cast.group->barrier(who).isOk());
        for (uint64_t i = 0; i < rows * columns; ++i)
          ASSERT_EQ(read[m][i], wanted(i))
              << "element " << i << " of round " << round << " on " << m;
      }
    });
    for (uint32_t member : cast.here) {
      EXPECT_FALSE(group
                       .beginGatherRows({member, 0, cast.workers[member]}, out[member].data(), rows,
                                        rowBytes, 0)
                       .isOk());
      EXPECT_FALSE(group
                       .beginGatherRows({member, 0, cast.workers[member]}, out[member].data(),
                                        kMostBytes, rowBytes, 4)
                       .isOk());
    }
  }
}

void broadcastsFromAnyMember(const MakeGroup &make) {
  const Cast cast(make, {2, 3, 1});
  if (!cast)
    return;
  for (uint32_t round = 0; round < 30; ++round) {
    const uint32_t root = round % 3;
    std::vector<std::vector<uint32_t>> data;
    for (uint32_t member = 0; member < 3; ++member)
      data.emplace_back(1001, round * 10 + member);
    cast.run([&](Caller who) {
      ASSERT_TRUE(cast.group->broadcast(who, data[who.member].data(), 1001 * 4, root).isOk());
    });
    for (uint32_t member : cast.here)
      EXPECT_EQ(data[member], std::vector<uint32_t>(1001, round * 10 + root));
  }
}

void sendsInOrderBetweenAnyTwoOfUnequalWorkers(const MakeGroup &make) {
  const Cast cast(make, {2, 3, 1});
  if (!cast)
    return;
  std::atomic<uint64_t> wrong{0};
  std::vector<uint32_t> data[3];
  for (auto &words : data)
    words.resize(333);
  // Each pair in turn, in both directions; the third member stays out of it.
  cast.run([&](Caller who) {
    for (uint32_t round = 0; round < 300; ++round) {
      const uint32_t from = round % 3, to = (from + 1 + round / 3 % 2) % 3;
      std::vector<uint32_t> &mine = data[who.member];
      if (who.member == from) {
        for (size_t i = who.worker; i < mine.size(); i += who.workers)
          mine[i] = round * 1000 + i;
        ASSERT_TRUE(cast.group->send(who, mine.data(), mine.size() * 4, to).isOk());
      } else if (who.member == to) {
        ASSERT_TRUE(cast.group->receive(who, mine.data(), mine.size() * 4, from).isOk());
        // Each worker looks at the bytes of its own share.
        const size_t first = (mine.size() * 4 * who.worker / who.workers + 3) / 4,
                     last = mine.size() * 4 * (who.worker + 1) / who.workers / 4;
        for (size_t i = first; i < last; ++i)
          wrong += mine[i] != round * 1000 + i;
      }
      // What was received is written over in the next round: nobody may be late.
      ASSERT_TRUE(cast.group->barrier(who).isOk());
    }
  });
  EXPECT_EQ(wrong, 0u);
}

void keepsStrangersOut(const MakeGroup &make) {
  const Cast cast(make, {1, 1});
  if (!cast)
    return;
  float value = 0;
  for (uint32_t member : cast.here) {
    EXPECT_FALSE(cast.group->barrier({2, 0, 1}).isOk());
    EXPECT_FALSE(cast.group->barrier({member, 0, 2}).isOk());
    EXPECT_FALSE(cast.group->barrier({member, 1, 1}).isOk());
    EXPECT_FALSE(cast.group->send({member, 0, 1}, &value, 4, member).isOk());
    EXPECT_FALSE(cast.group->receive({member, 0, 1}, &value, 4, 2).isOk());
  }
}

} // namespace

const std::vector<Check> &conformanceChecks() {
  static const std::vector<Check> checks = {
      {"sumsInOrderOfMemberWhoeverComesFirst", sumsInOrderOfMemberWhoeverComesFirst},
      {"reducesManyTimesWithUnequalWorkersAndOddShapes",
       reducesManyTimesWithUnequalWorkersAndOddShapes},
      {"gathersUnevenColumnsWhereTheyAreWanted", gathersUnevenColumnsWhereTheyAreWanted},
      {"scattersTheColumnsOfASum", scattersTheColumnsOfASum},
      {"addsHalvesInFloatsAndRoundsOnce", addsHalvesInFloatsAndRoundsOnce},
      {"roundsAsHardwareDoes", roundsAsHardwareDoes},
      {"gathersHalves", gathersHalves},
      {"scattersAndGathersRows", scattersAndGathersRows},
      {"scattersAndGathersRowsWhileMembersCompute", scattersAndGathersRowsWhileMembersCompute},
      {"broadcastsFromAnyMember", broadcastsFromAnyMember},
      {"sendsInOrderBetweenAnyTwoOfUnequalWorkers", sendsInOrderBetweenAnyTwoOfUnequalWorkers},
      {"keepsStrangersOut", keepsStrangersOut}};
  return checks;
}

} // namespace tenon::test
