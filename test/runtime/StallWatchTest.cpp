//===- StallWatchTest.cpp - Chips that wait for one that hangs ------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/executor/StallWatch.h"

#include "runtime/base/Clock.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

using namespace tenon;
using namespace tenon::executor;

namespace {

constexpr double kSeconds = 0.4;

/// Two chips, of two workers and of one; what was said of them.
struct Chips {
  std::mutex mutex;
  int blamed = -1;
  std::string said, ended;
  WorkerPulse first[2], second[1]; ///< Of each chip's workers.
  StallWatch watch;

  Chips()
      : watch({.seconds = kSeconds,
               .graceSeconds = 0.2,
               .firstChip = 4,
               .owner = "replica 1, ",
               .chips = {first, second},
               .chipsPerStage = 2,
               .nameOf =
                   [](uint32_t chip, uint32_t number) {
                     return "launch " + std::to_string(chip) + "." + std::to_string(number);
                   },
               .stalled =
                   [this](uint32_t chip, const Status &why) {
                     const std::lock_guard lock(mutex);
                     EXPECT_EQ(why.code(), StatusCode::Unavailable);
                     blamed = static_cast<int>(chip), said = why.message();
                   },
               .stuck =
                   [this](const Status &why) {
                     const std::lock_guard lock(mutex);
                     ended = why.message();
                   }}) {}

  void places(int32_t one, int32_t other, int32_t third) {
    first[0].moved(one), first[1].moved(other), second[0].moved(third);
  }
  int whoIsBlamed(double seconds) {
    const Stopwatch clock;
    while (clock.seconds() < seconds) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      const std::lock_guard lock(mutex);
      if (blamed >= 0)
        return blamed;
    }
    return -1;
  }
};

constexpr int32_t Idle = WorkerPulse::Idle, Between = WorkerPulse::Between,
                  Meeting = WorkerPulse::Meeting;

TEST(StallWatch, namesTheChipThatComputesWhileOthersWait) {
  Chips chips;
  chips.places(Meeting, Meeting, 7);
  chips.watch.begin();
  EXPECT_EQ(chips.whoIsBlamed(20 * kSeconds), 1);
  EXPECT_NE(chips.said.find("hangs: worker 0 has been in launch 'launch 1.7' for 0."),
            std::string::npos)
      << chips.said;
}

TEST(StallWatch, namesTheWorkerOfAChipWhoseOthersStandAtABarrier) {
  Chips chips;
  chips.places(Between, 3, Meeting);
  chips.watch.begin();
  EXPECT_EQ(chips.whoIsBlamed(20 * kSeconds), 0);
  EXPECT_NE(chips.said.find("worker 1 has been in launch 'launch 0.3'"), std::string::npos)
      << chips.said;
}

TEST(StallWatch, namesAChipBetweenLaunchesOrOneThatHasNotBegun) {
  {
    Chips chips;
    chips.places(Meeting, Meeting, Between);
    chips.watch.begin();
    EXPECT_EQ(chips.whoIsBlamed(20 * kSeconds), 1);
    EXPECT_NE(chips.said.find("between two launches"), std::string::npos) << chips.said;
  }
  Chips chips;
  chips.places(Meeting, Meeting, Idle);
  chips.watch.begin();
  EXPECT_EQ(chips.whoIsBlamed(20 * kSeconds), 1);
  EXPECT_NE(chips.said.find("worker 0 has not begun"), std::string::npos) << chips.said;
}

TEST(StallWatch, namesTheChipThatStaysInACollectiveWhichOthersHaveLeft) {
  Chips chips;
  chips.places(Meeting - 9, Meeting - 9, Meeting - 5);
  chips.watch.begin();
  EXPECT_EQ(chips.whoIsBlamed(20 * kSeconds), 1);
  EXPECT_NE(chips.said.find("worker 0 has not come out of collective 'launch 1.5'"),
            std::string::npos)
      << chips.said;
}

TEST(StallWatch, endsTheProcessOnlyIfTheStepDoesNotEnd) {
  for (const bool returns : {true, false}) {
    Chips chips;
    chips.places(Meeting, Meeting, 7);
    chips.watch.begin();
    ASSERT_EQ(chips.whoIsBlamed(20 * kSeconds), 1);
    if (returns)
      chips.watch.end();
    std::this_thread::sleep_for(std::chrono::milliseconds(900));
    const std::lock_guard lock(chips.mutex);
    EXPECT_EQ(chips.ended.empty(), returns);
    if (!returns)
      EXPECT_EQ(chips.ended.find("replica 1, chip 5: hangs: worker 0"), 0u) << chips.ended;
  }
}

TEST(StallWatch, leavesAloneWhoWorksWhoRestsAndWhoHasFinished) {
  Chips chips;
  chips.places(Meeting, Meeting, 7);
  EXPECT_EQ(chips.whoIsBlamed(3 * kSeconds), -1); // No step is under way.
  chips.watch.begin();
  const Stopwatch clock;
  while (clock.seconds() < 4 * kSeconds) { // One launch after the other.
    chips.second[0].moved(7);
    EXPECT_EQ(chips.whoIsBlamed(kSeconds / 4), -1);
  }
  chips.places(Idle, Idle, Idle); // Host work before the step is asked for.
  EXPECT_EQ(chips.whoIsBlamed(3 * kSeconds), -1);
}

} // namespace
