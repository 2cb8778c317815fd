//===- BlockPoolTest.cpp - Block books, tables, scheduling ----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/kv/BlockTable.h"
#include "runtime/schedule/Scheduler.h"

#include <gtest/gtest.h>

#include <random>

using namespace tenon;
using namespace tenon::kv;

namespace {

TEST(BlockPool, handsOutEachBlockOnceAndTakesItBack) {
  BlockPool pool(3);
  std::vector<BlockId> held;
  for (int i = 0; i < 3; ++i)
    held.push_back(*pool.allocate());
  std::sort(held.begin(), held.end());
  EXPECT_EQ(held, (std::vector<BlockId>{0, 1, 2}));
  EXPECT_FALSE(pool.allocate().has_value());
  pool.release(1);
  EXPECT_EQ(*pool.allocate(), 1);
  EXPECT_TRUE(pool.checkIntegrity(3));
}

TEST(BlockPool, freesASharedBlockWithItsLastHolder) {
  BlockPool pool(2);
  const BlockId block = *pool.allocate();
  pool.addReference(block);
  EXPECT_TRUE(pool.isShared(block));
  pool.release(block);
  EXPECT_EQ(pool.freeBlocks(), 1u);
  pool.release(block);
  EXPECT_EQ(pool.freeBlocks(), 2u);
}

TEST(BlockPool, noticesBooksThatDoNotBalance) {
  BlockPool pool(4);
  (void)pool.allocate();
  EXPECT_TRUE(pool.checkIntegrity(1));
  const Status status = pool.checkIntegrity(2);
  EXPECT_EQ(status.code(), StatusCode::Internal);
  EXPECT_NE(status.message().find("1 references, and the holders count 2"), std::string::npos);
}

TEST(BlockPool, countsWhatACacheAloneHolds) {
  BlockPool pool(3);
  const BlockId cached = *pool.allocate();
  pool.keep(cached);
  EXPECT_EQ(pool.keptAlone(), 1u);
  pool.addReference(cached); // A sequence starts from it, ...
  EXPECT_EQ(pool.keptAlone(), 0u);
  pool.addReference(cached);
  pool.release(cached);
  EXPECT_EQ(pool.keptAlone(), 0u);
  pool.release(cached); // ... and ends.
  EXPECT_EQ(pool.keptAlone(), 1u);
  EXPECT_TRUE(pool.checkIntegrity(1));
  pool.unkeep(cached);
  EXPECT_EQ(pool.keptAlone(), 0u);
  pool.release(cached);
  EXPECT_EQ(pool.freeBlocks(), 3u);
  EXPECT_TRUE(pool.checkIntegrity(0));
}

TEST(BlockTable, growsByWholeBlocksOrNotAtAll) {
  BlockPool pool(4);
  BlockTable a(pool, 16, 4), b(pool, 16, 4);
  EXPECT_TRUE(a.growTo(17));
  EXPECT_EQ(a.blocks().size(), 2u);
  EXPECT_TRUE(a.growTo(32));
  EXPECT_EQ(a.blocks().size(), 2u);
  EXPECT_FALSE(b.growTo(33));
  EXPECT_EQ(b.blocks().size(), 0u);
  EXPECT_EQ(pool.freeBlocks(), 2u);
}

TEST(BlockTable, copiesASharedBlockBeforeWriting) {
  BlockPool pool(3);
  BlockTable a(pool, 16, 4), b(pool, 16, 4);
  ASSERT_TRUE(a.growTo(20));
  b.appendShared(a.blocks());
  std::optional<BlockTable::Copy> copy;
  ASSERT_TRUE(b.makeWritable(18, copy));
  ASSERT_TRUE(copy.has_value());
  EXPECT_EQ(copy->from, a.blocks()[1]);
  EXPECT_EQ(copy->to, b.blocks()[1]);
  EXPECT_NE(copy->from, copy->to);
  EXPECT_EQ(a.blocks()[0], b.blocks()[0]);
  EXPECT_TRUE(pool.checkIntegrity(4));
  copy.reset();
  EXPECT_TRUE(a.makeWritable(18, copy)); // alone again
  EXPECT_FALSE(copy.has_value());
  EXPECT_FALSE(b.makeWritable(0, copy)); // none free to copy to
}

schedule::SchedulerLimits limits(uint32_t stepTokens, uint32_t sequences, uint32_t blocks) {
  return {stepTokens, sequences, sequences, 256, 16, blocks};
}

std::vector<int32_t> prompt(size_t n) { return std::vector<int32_t>(n, 7); }

TEST(Scheduler, takesDecodesFirstThenPromptChunksUpToTheBudget) {
  schedule::Scheduler s(limits(20, 4, 64));
  const auto a = prompt(4), b = prompt(50);
  schedule::Sequence *first = *s.add({0, a, 10});
  std::vector<schedule::ScheduledRows> rows;
  s.planStep(rows);
  s.stepDone(rows);
  s.append(*first, 1, false);
  schedule::Sequence *second = *s.add({1, b, 10});
  s.planStep(rows);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].sequence, first);
  EXPECT_EQ(rows[0].count, 1u);
  EXPECT_EQ(rows[0].logitRows, 1u);
  EXPECT_EQ(rows[1].sequence, second);
  EXPECT_EQ(rows[1].count, 19u);
  EXPECT_EQ(rows[1].logitRows, 0u);
  s.stepDone(rows);
  s.append(*first, 1, false);
  s.planStep(rows);
  EXPECT_EQ(rows[1].first, 19u);
}

TEST(Scheduler, countsTheEmptyEndsOfBlocks) {
  schedule::Scheduler s(limits(64, 4, 16));
  const auto a = prompt(17), b = prompt(16);
  ASSERT_TRUE(s.add({0, a, 10}).isOk());
  ASSERT_TRUE(s.add({1, b, 10}).isOk());
  EXPECT_EQ(s.slots().held, 0u);
  std::vector<schedule::ScheduledRows> rows;
  s.planStep(rows);
  s.stepDone(rows);
  EXPECT_EQ(s.slots().held, 48u); // Two blocks and one, ...
  EXPECT_EQ(s.slots().filled, 33u);
  s.remove(*rows[1].sequence);
  EXPECT_EQ(s.slots().held, 32u);
  EXPECT_EQ(s.slots().filled, 17u);
}

TEST(Scheduler, letsTheLatestArrivalGiveWay) {
  schedule::Scheduler s(limits(64, 4, 4));
  const auto p = prompt(16);
  schedule::Sequence *a = *s.add({0, p, 40});
  schedule::Sequence *b = *s.add({1, p, 40});
  schedule::Sequence *c = *s.add({2, p, 40});
  std::vector<schedule::ScheduledRows> rows;
  s.planStep(rows);
  ASSERT_EQ(rows.size(), 3u);
  s.stepDone(rows);
  for (schedule::Sequence *each : {a, b, c})
    s.append(*each, 1, false);
  s.planStep(rows); // each needs a second block and one is free: c gives its own
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].sequence, a);
  EXPECT_EQ(rows[1].sequence, b);
  EXPECT_EQ(c->state, schedule::SequenceState::Waiting);
  EXPECT_EQ(c->preemptions, 1u);
  EXPECT_TRUE(s.checkIntegrity());
}

TEST(Scheduler, refusesWhatNeverFitsAndSaysWhatWould) {
  schedule::Scheduler s(limits(64, 4, 4));
  const auto p = prompt(50);
  const auto refused = s.add({0, p, 40});
  ASSERT_FALSE(refused.isOk());
  EXPECT_NE(refused.status().message().find("raise --kv-memory"), std::string::npos);
}

/// Random arrivals, lengths, cancellations and pool sizes: every request ends, the books always
/// balance, no step is over its budget, and no position is computed twice without a preemption.
TEST(Scheduler, survivesRandomTraffic) {
  std::mt19937 random(11);
  const auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  for (int round = 0; round < 60; ++round) {
    const bool paced = round % 3 == 2; // Steps that have less time than room.
    const schedule::SchedulerLimits l = {paced ? 140 + below(100) : 1 + below(40),
                                         1 + below(6),
                                         1 + below(6),
                                         256,
                                         16,
                                         6 + below(20),
                                         round % 2 == 1};
    schedule::Scheduler s(l);
    std::vector<schedule::Sequence *> live;
    std::vector<schedule::ScheduledRows> rows;
    uint64_t added = 0, ended = 0;
    for (int step = 0; step < 3000 && (added < 12 || s.hasWork()); ++step) {
      if (added < 12 && below(3) == 0) {
        const auto p = prompt(1 + below(paced ? 200 : 60));
        if (auto sequence = s.add({added, p, 1 + below(30)}); sequence.isOk())
          live.push_back(*sequence);
        else
          ++ended;
        ++added;
      }
      if (!live.empty() && below(40) == 0) {
        const size_t victim = below(uint32_t(live.size()));
        s.remove(*live[victim]);
        live.erase(live.begin() + ptrdiff_t(victim));
        ++ended;
      }
      schedule::StepRoom room;
      if (paced)
        room.rows = 1 + below(240);
      s.planStep(rows, room);
      uint32_t tokens = 0, logits = 0;
      for (const auto &r : rows) {
        tokens += r.count;
        EXPECT_EQ(r.logitBase, logits);
        logits += r.logitRows;
        EXPECT_EQ(r.first, r.sequence->computed);
        EXPECT_LE(r.first + r.count, r.sequence->table.blocks().size() * 16);
      }
      ASSERT_LE(tokens, l.stepTokens);
      ASSERT_LE(logits, l.logitRows);
      ASSERT_LE(rows.size(), l.sequences);
      if (s.hasWork())
        ASSERT_FALSE(rows.empty()) << "work is left and none is planned";
      s.stepDone(rows);
      for (const auto &r : rows)
        if (r.logitRows && s.append(*r.sequence, 3, below(50) == 0)) {
          std::erase(live, r.sequence);
          s.remove(*r.sequence);
          ++ended;
        }
      const Status books = s.checkIntegrity();
      ASSERT_TRUE(books) << books.message();
    }
    EXPECT_EQ(added, ended) << "round " << round;
  }
}

} // namespace
