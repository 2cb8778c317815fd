//===- StepPaceTest.cpp - Steps that are given a time ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/schedule/StepPace.h"
#include "runtime/schedule/Scheduler.h"

#include <gtest/gtest.h>

#include <vector>

using namespace tenon;
using schedule::kPromptRowsAtLeast;
using schedule::StepPace;

namespace {

TEST(StepPace, goesByTheMedianOfTheLatestSteps) {
  StepPace pace(60'000);
  EXPECT_EQ(pace.rows(), 1u); // Nothing is known.
  pace.observe(100, 100, 150'000);
  EXPECT_EQ(pace.rows(), 40u);
  pace.observe(100, 100, 40'000);
  EXPECT_EQ(pace.rows(), 150u); // Of two the faster: the first also mapped the weights.
  pace.observe(200, 190, 80'000);
  pace.observe(100, 80, 9'000'000); // Interrupted.
  EXPECT_EQ(pace.rows(), 150u);
  for (int i = 0; i < 5; ++i)
    pace.observe(100, 100, 60'000); // The context has grown.
  EXPECT_EQ(pace.rows(), 100u);
}

TEST(StepPace, passesOverStepsThatSayNothingOfPrompts) {
  StepPace pace(60'000);
  pace.observe(100, 100, 40'000);
  for (int i = 0; i < 8; ++i) {
    pace.observe(16, 16, 60'000); // Few rows: mostly the weights.
    pace.observe(60, 0, 60'000);
    pace.observe(60, 20, 60'000); // Mostly decodes.
  }
  EXPECT_EQ(pace.rows(), 150u);
}

TEST(StepPace, hasNoBoundWithoutATarget) {
  StepPace pace;
  pace.observe(100, 100, 40'000);
  EXPECT_EQ(pace.rows(), UINT32_MAX);
}

/// A scheduler whose steps have room for 512 rows and time for fewer.
class PacedSteps : public testing::Test {
protected:
  schedule::Sequence *add(size_t promptTokens) {
    const std::vector<int32_t> prompt(promptTokens, 7);
    return *scheduler.add({added++, prompt, 40});
  }

  /// The rows that each sequence has in a step for which there is time for so many.
  std::vector<uint32_t> step(uint32_t rowsInTime) {
    std::vector<schedule::ScheduledRows> rows;
    schedule::StepRoom room;
    room.rows = rowsInTime;
    scheduler.planStep(rows, room);
    scheduler.stepDone(rows);
    std::vector<uint32_t> counts;
    for (const schedule::ScheduledRows &r : rows) {
      counts.push_back(r.count);
      if (r.logitRows)
        scheduler.append(*r.sequence, 3, false);
    }
    return counts;
  }

  using Counts = std::vector<uint32_t>;
  schedule::Scheduler scheduler{{512, 8, 8, 2048, 16, 1024}};
  uint64_t added = 0;
};

TEST_F(PacedSteps, whoIsAloneHasAllRows) {
  add(1200);
  EXPECT_EQ(step(200), Counts{512});
  add(10);
  EXPECT_EQ(step(200), Counts{200}); // Now somebody waits.
}

TEST_F(PacedSteps, decodesAreOfTheStepsTime) {
  for (int i = 0; i < 3; ++i)
    add(4);
  EXPECT_EQ(step(200), (Counts{4, 4, 4}));
  add(1000);
  EXPECT_EQ(step(200), (Counts{1, 1, 1, 197}));
  EXPECT_EQ(step(400), (Counts{1, 1, 1, 397}));
}

TEST_F(PacedSteps, promptsGoOnHoweverSlowStepsAre) {
  add(4);
  step(200);
  add(1000);
  EXPECT_EQ(step(1), (Counts{1, kPromptRowsAtLeast}));
}

TEST_F(PacedSteps, aPromptThatAlmostFitsIsNotCut) {
  add(240), add(160), add(160);
  EXPECT_EQ(step(200), Counts{240});
  EXPECT_EQ(step(201), (Counts{1, 160})); // What is left is too little to begin another.
  EXPECT_EQ(step(202), (Counts{1, 1, 160}));
}

TEST_F(PacedSteps, aChunkIsBegunWhereThereIsTime) {
  add(120), add(160);
  EXPECT_EQ(step(200), (Counts{120, 80}));
  EXPECT_EQ(step(201), (Counts{1, 80}));
}

TEST_F(PacedSteps, whatEndsAPromptKeepsToTheRoom) {
  for (int i = 0; i < 4; ++i)
    add(510);
  EXPECT_EQ(step(420), Counts{510});
  EXPECT_EQ(step(420), (Counts{1, 510}));
  EXPECT_EQ(step(510), (Counts{1, 1, 510}));
  EXPECT_EQ(step(510), (Counts{1, 1, 1, 509})); // There is room for no more.
}

} // namespace
