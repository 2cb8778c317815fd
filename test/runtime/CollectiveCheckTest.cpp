//===- CollectiveCheckTest.cpp - Plans whose chips would not meet ---------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/engine/CollectiveCheck.h"

#include <gtest/gtest.h>

#include <functional>

using namespace tenon;
using namespace tenon::engine;

namespace {

LaunchPlan allReduce(const char *name, uint64_t columns) {
  LaunchPlan launch;
  launch.name = name;
  launch.args = {{ArgKind::Buffer, 0}, {ArgKind::Buffer, 1}};
  launch.collective = {
      CollectiveKind::AllReduce, 1, {0, columns}, false, false, false, Element::F32, ""};
  return launch;
}

LaunchPlan pass(CollectiveKind kind) {
  LaunchPlan launch;
  launch.name = collectiveKindName(kind);
  launch.args = {{ArgKind::Buffer, 1}};
  launch.collective = {kind, 0, {0, 64}, false, false, false, Element::F32, ""};
  return launch;
}

/// Two stages of two chips; the chips of each stage run one program.
Plan twoByTwo() {
  Plan plan;
  plan.grid = {2, 2};
  for (uint32_t id = 0; id < 4; ++id) {
    ChipPlan chip;
    chip.id = id;
    chip.program = id / 2;
    for (const char *name : {"a", "b"}) {
      BufferPlan buffer;
      buffer.name = name;
      buffer.size.perToken = 64 * sizeof(float);
      chip.buffers.push_back(buffer);
    }
    plan.chips.push_back(chip);
  }
  plan.functions = {{"first", {allReduce("o", 64), pass(CollectiveKind::Send)}},
                    {"second", {pass(CollectiveKind::Receive), allReduce("o", 64)}}};
  plan.calls = {{0, {}, 0, 0}, {1, {}, 0, 1}};
  return plan;
}

std::string errorAfter(const std::function<void(Plan &)> &change) {
  Plan plan = twoByTwo();
  change(plan);
  return checkCollectives(plan).message();
}

void expectSays(const std::string &message, const char *words) {
  EXPECT_NE(message.find(words), std::string::npos) << message;
}

TEST(CollectiveCheck, acceptsChipsThatMeet) {
  EXPECT_TRUE(checkCollectives(twoByTwo()).isOk()) << checkCollectives(twoByTwo()).message();
}

TEST(CollectiveCheck, refusesAChipThatIsLeftWaiting) {
  // Chip 1 runs a program of its own without the sum.
  expectSays(errorAfter([](Plan &p) {
               p.chips[1].program = 2;
               p.functions.push_back({"silent", {pass(CollectiveKind::Send)}});
               p.calls.push_back({2, {}, 0, 2});
             }),
             "chip 0 enters 1 collectives and chip 1 enters 0; one would wait for ever");
}

TEST(CollectiveCheck, refusesChipsOfWhichOneComputesWhileRowsTravel) {
  expectSays(errorAfter([](Plan &p) {
               p.chips[1].program = 2;
               p.functions.push_back(p.functions[0]);
               p.functions[2].launches[0].collective->overlap.from = 8;
               p.calls.push_back({2, {}, 0, 2});
             }),
             "collective 0 of a step is 'o' on chip 0 and 'o' on chip 1, and they differ");
}

TEST(CollectiveCheck, refusesCollectivesThatDiffer) {
  expectSays(errorAfter([](Plan &p) {
               p.chips[1].program = 2;
               p.functions.push_back({"other", {allReduce("p", 32), pass(CollectiveKind::Send)}});
               p.calls.push_back({2, {}, 0, 2});
             }),
             "collective 0 of a step is 'o' on chip 0 and 'p' on chip 1, and they differ");
}

TEST(CollectiveCheck, refusesWhatIsSentAndNotReceived) {
  expectSays(
      errorAfter([](Plan &p) { p.functions[1].launches.erase(p.functions[1].launches.begin()); }),
      "chip 0 sends 1 times and chip 2, a stage later, receives 0 times");
  expectSays(
      errorAfter([](Plan &p) { p.functions[1].launches.push_back(pass(CollectiveKind::Send)); }),
      "chip 2 sends 1 times");
  expectSays(errorAfter([](Plan &p) {
               p.functions[0].launches.insert(p.functions[0].launches.begin(),
                                              pass(CollectiveKind::Receive));
             }),
             "chip 0 is of the first stage and receives");
}

TEST(CollectiveCheck, wantsHalfTheRoomForPartsOfBf16) {
  const auto rounded = [](Plan &p) {
    p.functions[0].launches[0].collective->given = Element::BF16;
    for (uint32_t chip : {0, 1}) // Those of the second stage give f32.
      p.chips[chip].buffers[0].size.perToken = 128;
  };
  EXPECT_EQ(errorAfter(rounded), "");
  expectSays(errorAfter([&](Plan &p) {
               rounded(p);
               p.chips[1].buffers[0].size.perToken = 126;
             }),
             "chip 1 collective 'o': buffer 'a' has no 64 columns");
  expectSays(errorAfter([&](Plan &p) {
               rounded(p);
               p.chips[0].buffers[1].size.perToken = 128;
             }),
             "chip 0 collective 'o': buffer 'b' has no 64 columns");
  expectSays(errorAfter([](Plan &p) {
               LaunchPlan other = allReduce("o", 64);
               other.collective->given = Element::BF16;
               p.chips[1].program = 2;
               p.functions.push_back({"other", {other, pass(CollectiveKind::Send)}});
               p.calls.push_back({2, {}, 0, 2});
             }),
             "collective 0 of a step is 'o' on chip 0 and 'o' on chip 1, and they differ");
}

TEST(CollectiveCheck, refusesRowsThatDoNotFit) {
  expectSays(errorAfter([](Plan &p) { p.chips[3].buffers[0].size.perToken = 252; }),
             "chip 3 collective 'o': buffer 'a' has no 64 columns");
}

/// A second stage that gathers logits with the maxima of their blocks behind them.
void gatherLogits(Plan &plan, uint64_t edge) {
  LaunchPlan gather = allReduce("logits", 64);
  gather.collective = {
      CollectiveKind::GatherColumns, 1, {0, edge, 64}, false, true, false, Element::F32, ""};
  plan.functions[1].launches.push_back(gather);
  plan.logitsBuffer = 1;
  plan.logitsBlock = 32;
  for (ChipPlan &chip : plan.chips) {
    chip.buffers[0].size.perLogitRow = (32 + 1) * sizeof(float);
    chip.buffers[1].size.perLogitRow = (64 + 2) * sizeof(float);
  }
}

TEST(CollectiveCheck, wantsRoomForTheMaximaOfGatheredLogits) {
  EXPECT_EQ(errorAfter([](Plan &p) { gatherLogits(p, 32); }), "");
  expectSays(errorAfter([](Plan &p) { gatherLogits(p, 20); }), "'logits' cuts logits at column 20");
  expectSays(errorAfter([](Plan &p) {
               gatherLogits(p, 32);
               p.chips[2].buffers[0].size.perLogitRow -= 4;
             }),
             "chip 2 collective 'logits': buffer 'a' has no 33 columns");
  expectSays(errorAfter([](Plan &p) {
               gatherLogits(p, 32);
               p.chips[3].buffers[1].size.perLogitRow -= 4;
             }),
             "chip 3 collective 'logits': buffer 'b' has no 66 columns");
}

TEST(CollectiveCheck, refusesCollectivesAlongTheWrongAxis) {
  expectSays(errorAfter([](Plan &p) { p.functions[0].launches[0].collective->axis = 0; }),
             "chips of a stage talk along axis 1");
}

} // namespace
