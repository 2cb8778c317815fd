//===- LaunchTrafficTest.cpp - Bytes read, written, sent and held ---------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/engine/LaunchTraffic.h"

#include <gtest/gtest.h>

using namespace tenon;
using namespace tenon::engine;

namespace {

constexpr StepSize kStep = {.tokens = 5, .logitRows = 2, .context = 700};

/// Two stages of two chips. Buffers: x [T, 64], h [T, 32], l [S, 512]; all f32.
Plan planOfFourChips() {
  Plan plan;
  plan.grid = {2, 2};
  plan.kv = {2, 4, 16, 16, 2, 0};
  for (uint32_t id = 0; id < 4; ++id) {
    ChipPlan chip;
    chip.id = id;
    chip.kvHeads = id % 2 ? 1 : 3;
    chip.buffers = {
        {"x", {}, {0, 256, 0, 0}}, {"h", {}, {0, 128, 0, 0}}, {"l", {}, {0, 0, 2048, 0}}};
    plan.chips.push_back(chip);
  }
  plan.logitsBuffer = 2;
  plan.kernels = {{"embed", "embed", "", KernelKind::Embed, 0},
                  {"norm", "norm_quant", "", KernelKind::NormQuant, 0},
                  {"plain", "linear", "{k = 64 : i64, n = 32 : i64}", KernelKind::Linear, 0},
                  {"adds", "linear", "{residual}", KernelKind::Linear, 0},
                  {"qkv", "linear_qkv", "", KernelKind::LinearQkv, 0},
                  {"norm_add", "norm_add", "", KernelKind::NormAdd, 0}};
  return plan;
}

LaunchPlan launchOf(uint32_t kernel, std::vector<ArgPlan> args, CostForm cost) {
  LaunchPlan launch;
  launch.kernel = kernel;
  launch.args = std::move(args);
  launch.cost = cost;
  return launch;
}
LaunchPlan collectiveOf(CollectiveKind kind, uint32_t axis, std::vector<uint64_t> columns) {
  LaunchPlan launch;
  launch.args = {{ArgKind::Buffer, 0}, {ArgKind::Buffer, 1}};
  if (kind == CollectiveKind::Send || kind == CollectiveKind::Receive)
    launch.args.pop_back();
  launch.collective = {kind, axis, std::move(columns), false, false, false, Element::F32, ""};
  launch.cost.bytesPerToken = 512;
  return launch;
}
constexpr ArgPlan kX = {ArgKind::Buffer, 0}, kH = {ArgKind::Buffer, 1}, kL = {ArgKind::Buffer, 2},
                  kW = {ArgKind::Weight, 0};

TEST(LaunchTraffic, countsTheResultAsWrittenAndTheRestAsRead) {
  const Plan plan = planOfFourChips();
  const CostForm cost = {.weightBytes = 1000, .bytesPerToken = 384};
  const Traffic traffic = trafficOf(plan, plan.chips[0], launchOf(2, {kX, kW, kH}, cost), kStep);
  EXPECT_EQ(traffic.written, 5 * 128);
  EXPECT_EQ(traffic.read, 1000 + 5 * 384 - 5 * 128);
  EXPECT_EQ(traffic.sent, 0);
}

TEST(LaunchTraffic, countsKeysAndValuesOfTheChipsOwnHeads) {
  const Plan plan = planOfFourChips();
  const CostForm cost = {.weightBytes = 100000, .bytesPerToken = 4000};
  const LaunchPlan qkv = launchOf(4, {kX, kW, kW, kW, kH}, cost);
  // K and V of each row, 16 values of two bytes for each head, beside the queries.
  EXPECT_EQ(trafficOf(plan, plan.chips[0], qkv, kStep).written, 5 * 128 + 2 * 5 * 3 * 16 * 2);
  EXPECT_EQ(trafficOf(plan, plan.chips[1], qkv, kStep).written, 5 * 128 + 2 * 5 * 1 * 16 * 2);
}

TEST(LaunchTraffic, neverWritesMoreThanTheLaunchMoves) {
  const Plan plan = planOfFourChips();
  const Traffic traffic =
      trafficOf(plan, plan.chips[0], launchOf(2, {kX, kW, kH}, {.bytesPerToken = 10}), kStep);
  EXPECT_EQ(traffic.written, 50);
  EXPECT_EQ(traffic.read, 0);
}

TEST(LaunchTraffic, sendsWhatOtherChipsTake) {
  const Plan plan = planOfFourChips();
  const auto sent = [&](uint32_t chip, const LaunchPlan &launch) {
    return trafficOf(plan, plan.chips[chip], launch, kStep).sent;
  };
  const LaunchPlan sum = collectiveOf(CollectiveKind::AllReduce, 1, {0, 64});
  for (uint32_t chip = 0; chip < 4; ++chip)
    EXPECT_EQ(sent(chip, sum), 5 * 64 * 4) << chip;
  // The second chip of a stage gives its columns to the first.
  LaunchPlan gather = collectiveOf(CollectiveKind::GatherColumns, 1, {0, 300, 512});
  gather.collective->logitRows = true;
  EXPECT_EQ(sent(2, gather), 0);
  EXPECT_EQ(sent(3, gather), 2 * 212 * 4);
  EXPECT_EQ(sent(0, collectiveOf(CollectiveKind::Send, 0, {0, 64})), 5 * 64 * 4);
  EXPECT_EQ(sent(2, collectiveOf(CollectiveKind::Receive, 0, {0, 64})), 0);
}

TEST(LaunchTraffic, sendsToEveryOtherChipOfALargerStage) {
  Plan plan = planOfFourChips();
  plan.grid = {1, 4};
  EXPECT_EQ(
      trafficOf(plan, plan.chips[0], collectiveOf(CollectiveKind::AllReduce, 1, {0, 64}), kStep)
          .sent,
      3 * 5 * 64 * 4);
}

/// x = embed; h = f(x); [x += g(h)]; l = logits(x), of the last stage.
Plan planOfOneChip(bool adds) {
  Plan plan = planOfFourChips();
  plan.grid = {1};
  plan.chips.resize(1);
  const CostForm cost = {.weightBytes = 1 << 20};
  plan.functions = {{"step",
                     {launchOf(0, {kX, kW}, cost), launchOf(2, {kX, kW, kH}, cost),
                      adds ? launchOf(3, {kH, kW, kX}, cost) : launchOf(2, {kH, kW, kX}, cost),
                      launchOf(2, {kX, kW, kL}, cost)}}};
  plan.calls = {{0, {}, 0, 0}};
  return plan;
}

TEST(LaunchTraffic, listsTheLaunchesOfAChipsOwnProgram) {
  Plan plan = planOfOneChip(true);
  plan.functions.push_back({"other", {launchOf(1, {kX, kW, kH}, {})}});
  plan.calls = {{0, {}, 0, 0}, {1, {}, 0, 1}, {0, {}, 1, 0}};
  EXPECT_EQ(launchesOf(plan, plan.chips[0]).size(), 8u);
  plan.chips[0].program = 1;
  ASSERT_EQ(launchesOf(plan, plan.chips[0]).size(), 1u);
  EXPECT_EQ(launchesOf(plan, plan.chips[0])[0], &plan.functions[1].launches[0]);
}

TEST(LaunchTraffic, holdsWhatIsReadLaterAndNothingElse) {
  const uint64_t x = 5 * 256, h = 5 * 128, l = 2 * 2048;
  // A residual is needed while the branch is computed.
  const Plan adding = planOfOneChip(true);
  EXPECT_EQ(arenaInUse(adding, adding.chips[0], kStep),
            (std::vector<uint64_t>{x, x + h, x + h, x + l}));
  // What is overwritten whole was not needed before, but lies there while it is written.
  const Plan replacing = planOfOneChip(false);
  EXPECT_EQ(arenaInUse(replacing, replacing.chips[0], kStep),
            (std::vector<uint64_t>{x, x + h, h + x, x + l}));
}

TEST(LaunchTraffic, keepsTheLogitsToTheEndOfTheStep) {
  Plan plan = planOfOneChip(true);
  std::swap(plan.functions[0].launches[1], plan.functions[0].launches[3]); // Logits second.
  const std::vector<uint64_t> held = arenaInUse(plan, plan.chips[0], kStep);
  ASSERT_EQ(held.size(), 4u);
  for (size_t i = 1; i < held.size(); ++i)
    EXPECT_GE(held[i], 2 * 2048u) << i;
  EXPECT_LT(held[0], 2 * 2048u);
}

} // namespace
