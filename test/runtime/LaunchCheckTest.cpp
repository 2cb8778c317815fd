//===- LaunchCheckTest.cpp - Launches whose rows would travel -------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/engine/LaunchCheck.h"

#include "runtime/engine/Plan.h"

#include <gtest/gtest.h>

#include <functional>

using namespace tenon;
using namespace tenon::engine;

namespace {

constexpr uint64_t kRow = 64 * sizeof(float);

/// Two chips: rows are gathered into buffer 0 beside a product, and another product's buffer 1 is
/// added up into buffer 2.
Plan pair() {
  Plan plan;
  plan.grid = {1, 2};
  for (uint32_t id = 0; id < 2; ++id) {
    ChipPlan chip;
    chip.id = id;
    chip.kvLayers = 1;
    for (const char *name : {"n", "o", "x"}) {
      BufferPlan buffer;
      buffer.name = name;
      buffer.size.perToken = kRow;
      chip.buffers.push_back(buffer);
    }
    plan.chips.push_back(chip);
  }
  WeightPlan weight;
  weight.name = "w";
  weight.packed = true;
  plan.weights = {weight};
  plan.kernels = {{"linear", "linear", "", KernelKind::Linear, 0},
                  {"quantize", "quantize", "", KernelKind::Quantize, 0}};
  LaunchPlan gather, first, second, sum;
  gather.name = "gather";
  gather.args = {{ArgKind::Buffer, 0}};
  gather.ownRows = 8;
  gather.collective = CollectivePlan{CollectiveKind::GatherRows, 1, {0, 64}};
  gather.collective->overlap = {8, 4, {kRow, 0, kRow}};
  first.name = "first";
  first.args = {{ArgKind::Buffer, 0}, {ArgKind::Weight, 0}, {ArgKind::Buffer, 2}};
  second = first;
  second.name = "second";
  second.args = {{ArgKind::Buffer, 2}, {ArgKind::Weight, 0}, {ArgKind::Buffer, 1}};
  sum.name = "sum";
  sum.args = {{ArgKind::Buffer, 1}, {ArgKind::Buffer, 2}};
  sum.ownRows = 8;
  sum.collective = CollectivePlan{CollectiveKind::AllReduce, 1, {0, 64}};
  sum.collective->overlap = {8, 4, {kRow, 0, kRow}};
  plan.functions = {{"layer", {gather, first, second, sum}}};
  plan.calls = {{0, {}, 0, 0}};
  return plan;
}

/// What is said when the gather, or the sum, is changed.
std::string errorAfter(bool gathers, const std::function<void(Plan &, LaunchPlan &)> &change) {
  Plan plan = pair();
  change(plan, plan.functions[0].launches[gathers ? 0 : 3]);
  return checkLaunches(plan).message();
}

void expectSays(const std::string &message, const char *words) {
  EXPECT_NE(message.find(words), std::string::npos) << message;
}

TEST(LaunchCheck, keptRowsAreEveryChipsAndStandNowhere) {
  EXPECT_EQ(errorAfter(false,
                       [](Plan &plan, LaunchPlan &sum) {
                         sum.ownRows = 0;
                         sum.collective->overlap = {};
                         sum.kept = plan.functions[0].launches[2].kept = true;
                         plan.functions[0].launches.erase(plan.functions[0].launches.begin());
                       }),
            "");
  expectSays(errorAfter(false, [](Plan &, LaunchPlan &sum) { sum.kept = true; }),
             "are no chip's own");
  expectSays(errorAfter(false,
                        [](Plan &, LaunchPlan &sum) {
                          sum.ownRows = 0;
                          sum.collective->overlap = {};
                          sum.kept = sum.collective->logitRows = true;
                        }),
             "kept rows have no logits yet");
  expectSays(errorAfter(false,
                        [](Plan &plan, LaunchPlan &sum) {
                          sum.collective->overlap = {};
                          auto &launches = plan.functions[0].launches;
                          launches.erase(launches.begin());
                          plan.kernels[0] = {"embed", "embed", "", KernelKind::Embed, 0};
                          launches[0].kept = true;
                        }),
             "asks where they stand");
}

TEST(LaunchCheck, acceptsRowsThatTravelBesideAProduct) {
  EXPECT_TRUE(checkLaunches(pair()).isOk()) << checkLaunches(pair()).message();
}

TEST(LaunchCheck, refusesBlocksThatReachOutsideOfABuffer) {
  for (const bool gathers : {true, false}) {
    expectSays(
        errorAfter(gathers,
                   [](Plan &, LaunchPlan &l) { l.collective->overlap.strides[2] = kRow + 4; }),
        "rows of argument 2 are 260 bytes apart, and those of buffer");
    expectSays(
        errorAfter(gathers, [](Plan &, LaunchPlan &l) { l.collective->overlap.strides[0] = 0; }),
        "rows of argument 0 are 0 bytes apart");
    expectSays(
        errorAfter(gathers, [](Plan &, LaunchPlan &l) { l.collective->overlap.strides[1] = 64; }),
        "argument 1 is no buffer and has a stride");
    expectSays(errorAfter(gathers,
                          [](Plan &, LaunchPlan &l) { l.collective->overlap.strides.pop_back(); }),
               "or 2 strides are given for 3 arguments");
    expectSays(
        errorAfter(gathers, [](Plan &, LaunchPlan &l) { l.collective->overlap.strides.clear(); }),
        "or 0 strides are given for 3 arguments");
    // The buffers of one chip alone are too small.
    expectSays(errorAfter(gathers,
                          [](Plan &p, LaunchPlan &) { p.chips[1].buffers[2].size.perToken = 128; }),
               "those of buffer 'x' of chip 1 have 128");
  }
}

TEST(LaunchCheck, refusesBlocksOfNoRowsAndTooSmallSteps) {
  for (const bool gathers : {true, false}) {
    expectSays(errorAfter(gathers, [](Plan &, LaunchPlan &l) { l.collective->overlap.block = 0; }),
               "in blocks of 0 rows");
    expectSays(
        errorAfter(gathers, [](Plan &, LaunchPlan &l) { l.collective->overlap.block = 1u << 20; }),
        "in blocks of 1048576 rows");
    expectSays(errorAfter(gathers, [](Plan &, LaunchPlan &l) { l.collective->overlap.from = 7; }),
               "from 7 rows on, and chips have rows of their own from 8 on");
    expectSays(errorAfter(gathers, [](Plan &, LaunchPlan &l) { l.collective->overlap.from = 0; }),
               "from 0 rows on");
  }
  expectSays(errorAfter(false, [](Plan &, LaunchPlan &l) { l.ownRows = 0; }),
             "have rows of their own from 0 on");
}

TEST(LaunchCheck, refusesProductsThatAreNotThere) {
  expectSays(errorAfter(true, [](Plan &p, LaunchPlan &) { p.functions[0].launches.resize(1); }),
             "no product stands behind it");
  expectSays(errorAfter(false,
                        [](Plan &p, LaunchPlan &) {
                          p.functions[0].launches.erase(p.functions[0].launches.begin(),
                                                        p.functions[0].launches.begin() + 3);
                        }),
             "no product stands before it");
  expectSays(errorAfter(true, [](Plan &p, LaunchPlan &) { p.functions[0].launches[1].kernel = 1; }),
             "no product stands behind it");
  expectSays(
      errorAfter(true, [](Plan &p, LaunchPlan &) { p.functions[0].launches[1].kernel = 99; }),
      "no product stands behind it");
  expectSays(
      errorAfter(true, [](Plan &p, LaunchPlan &) { p.functions[0].launches[1].args[0].index = 1; }),
      "'first' does not work on its rows");
  expectSays(errorAfter(false, [](Plan &p,
                                  LaunchPlan &) { p.functions[0].launches[2].args[2].index = 0; }),
             "'second' does not work on its rows");
  expectSays(
      errorAfter(true, [](Plan &p, LaunchPlan &) { p.functions[0].launches[1].args.clear(); }),
      "'first' does not work on its rows");
  // One product between two.
  expectSays(errorAfter(false,
                        [](Plan &p, LaunchPlan &) {
                          p.functions[0].launches[1].args[2].index = 1;
                          p.functions[0].launches.erase(p.functions[0].launches.begin() + 2);
                        }),
             "overlaps with another one already");
  // A collective of another kind.
  expectSays(errorAfter(false,
                        [](Plan &, LaunchPlan &l) {
                          l.collective->kind = CollectiveKind::GatherColumns;
                          l.collective->columns = {0, 32, 64};
                          l.ownRows = 0;
                        }),
             "only sums and gathered rows can");
}

} // namespace
