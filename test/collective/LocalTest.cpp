//===- LocalTest.cpp - Collectives of one process -------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/collective/Local.h"
#include "test/collective/Conformance.h"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <string>
#include <thread>

using namespace tenon;
using namespace tenon::collective;
using namespace tenon::test;

namespace {

std::unique_ptr<Group> makeLocal(const std::vector<uint32_t> &workers,
                                 std::vector<uint32_t> &here) {
  here.resize(workers.size());
  std::iota(here.begin(), here.end(), 0);
  auto group = LocalGroup::create(workers, {.spins = 64, .yields = 4});
  EXPECT_TRUE(group.isOk()) << group.status().message();
  return std::move(*group);
}

class LocalConformance : public testing::TestWithParam<Check> {};
TEST_P(LocalConformance, holds) { GetParam().run(makeLocal); }
INSTANTIATE_TEST_SUITE_P(LocalGroup, LocalConformance, testing::ValuesIn(conformanceChecks()),
                         [](const auto &info) { return std::string(info.param.name); });

TEST(LocalGroup, refusesImpossibleGroups) {
  EXPECT_FALSE(LocalGroup::create({}).isOk());
  EXPECT_FALSE(LocalGroup::create({1, 0}).isOk());
}

/// All workers but those of member 1 enter `wait`; then member 1 fails. Everybody must come back
/// with its reason, and nobody may wait again.
void failsWhileOthersWait(const std::vector<uint32_t> &workers,
                          const std::function<Status(Group &, Caller)> &wait) {
  std::vector<uint32_t> here;
  const auto group = makeLocal(workers, here);
  const auto began = std::chrono::steady_clock::now();
  onWorkers(workers, here, [&](Caller who) {
    if (who.member == 1) {
      if (who.worker == 0) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        group->abort(Status::internal("chip 1: it broke"));
      }
      return;
    }
    const Status status = wait(*group, who);
    EXPECT_EQ(status.message(), "chip 1: it broke");
    EXPECT_EQ(group->barrier(who).message(), "chip 1: it broke");
  });
  group->abort(Status::internal("later"));
  EXPECT_EQ(group->barrier({0, 0, workers[0]}).message(), "chip 1: it broke");
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
}

TEST(LocalGroup, endsEveryWaitWhenAMemberFails) {
  float in[2][4] = {}, out[2][4] = {};
  for (int trial = 0; trial < 5; ++trial) {
    failsWhileOthersWait({2, 1, 2}, [&](Group &group, Caller who) {
      return group.allReduce(who, in[who.member / 2], out[who.member / 2], 2, 2);
    });
    failsWhileOthersWait(
        {1, 1}, [&](Group &group, Caller who) { return group.send(who, in[0], sizeof(in[0]), 1); });
    failsWhileOthersWait({2, 1}, [&](Group &group, Caller who) {
      return group.receive(who, out[0], sizeof(out[0]), 1);
    });
  }
}

} // namespace
