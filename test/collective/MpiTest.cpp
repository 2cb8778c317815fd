//===- MpiTest.cpp - Collectives between processes ------------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// Run by mpirun with any number of processes, each of which runs all tests for its own members.
//
#include "runtime/collective/RemoteGroup.h"
#include "runtime/collective/TransportLoader.h"
#include "test/collective/Conformance.h"
#include "test/collective/JoinedCluster.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <unistd.h>

using namespace tenon;
using namespace tenon::collective;
using namespace tenon::test;

namespace {
std::unique_ptr<Cluster> joinedCluster;
} // namespace

Cluster &tenon::test::cluster() { return *joinedCluster; }

namespace {

int nextTag = Tag::Groups;

/// Members in runs: the first ranks have more of them.
RemoteGroup::Setup setupOf(const std::vector<uint32_t> &workers, std::vector<uint32_t> &here,
                           uint64_t overlappingMessages = 0) {
  RemoteGroup::Setup setup;
  setup.tag = nextTag;
  setup.mostBytes = kMostBytes;
  setup.overlappingMessages = overlappingMessages;
  setup.policy = {.spins = 64, .yields = 4};
  for (uint32_t m = 0; m < workers.size(); ++m) {
    setup.ranks.push_back(static_cast<uint32_t>(m * cluster().size() / workers.size()));
    if (setup.ranks.back() == cluster().rank()) {
      here.push_back(m);
      setup.workers.push_back(workers[m]);
    }
  }
  nextTag += RemoteGroup::tagsOf(workers.size());
  return setup;
}

template <uint64_t overlappingMessages>
std::unique_ptr<Group> makeRemote(const std::vector<uint32_t> &workers,
                                  std::vector<uint32_t> &here) {
  RemoteGroup::Setup setup = setupOf(workers, here, overlappingMessages);
  if (here.empty())
    return nullptr; // More ranks than members.
  auto group = RemoteGroup::create(cluster(), std::move(setup));
  EXPECT_TRUE(group.isOk()) << group.status().message();
  return std::move(*group);
}

class RemoteConformance : public testing::TestWithParam<Check> {};
TEST_P(RemoteConformance, holds) {
  GetParam().run(makeRemote<0>);
  GetParam().run(makeRemote<400>); // One whose rows may travel while members compute.
  // Nobody begins the next check while others are in this one.
  std::vector<std::byte> all(cluster().size());
  const std::byte own{1};
  ASSERT_TRUE(cluster().gatherAll({&own, 1}, all.data()).isOk());
}
INSTANTIATE_TEST_SUITE_P(RemoteGroup, RemoteConformance, testing::ValuesIn(conformanceChecks()),
                         [](const auto &info) { return std::string(info.param.name); });

TEST(RemoteGroup, refusesImpossibleGroups) {
  std::vector<uint32_t> here;
  RemoteGroup::Setup sound = setupOf({1, 1, 1, 1}, here);
  RemoteGroup::Setup setup = sound;
  setup.workers.push_back(1);
  EXPECT_FALSE(RemoteGroup::create(cluster(), setup).isOk());
  setup = sound;
  setup.ranks.back() = cluster().size();
  EXPECT_FALSE(RemoteGroup::create(cluster(), setup).isOk());
  setup = sound;
  std::swap(setup.ranks.front(), setup.ranks.back());
  if (cluster().size() > 1)
    EXPECT_FALSE(RemoteGroup::create(cluster(), setup).isOk());
}

TEST(RemoteGroup, refusesMoreRowsThanItWasMadeFor) {
  std::vector<uint32_t> here;
  const auto group = makeRemote<0>({1, 1}, here);
  if (!group)
    return;
  float value = 0;
  const Status status = group->allReduce({here[0], 0, 1}, &value, &value, kMostBytes / 4 + 1, 1);
  EXPECT_EQ(status.code(), StatusCode::InvalidArgument);
}

TEST(Cluster, knowsItsRanks) {
  for (uint32_t r = 0; r < cluster().size(); ++r) {
    EXPECT_FALSE(cluster().peer(r).host.empty());
    EXPECT_NE(cluster().nameOf(r).find("rank " + std::to_string(r)), std::string::npos);
    EXPECT_LT(cluster().peer(r).place, cluster().peer(r).sharers);
  }
  EXPECT_EQ(cluster().peer(cluster().rank()).process, uint32_t(getpid()));
}

TEST(Cluster, gathersFromEveryRankInOrder) {
  const uint32_t own = 100 + cluster().rank();
  std::vector<uint32_t> all(cluster().size());
  ASSERT_TRUE(
      cluster()
          .gatherAll(std::as_bytes(std::span(&own, 1)), reinterpret_cast<std::byte *>(all.data()))
          .isOk());
  for (uint32_t r = 0; r < cluster().size(); ++r)
    EXPECT_EQ(all[r], 100 + r);
}

TEST(MessageBatch, carriesMessagesOfAllSizes) {
  // Around the sizes at which libraries change how they send; the whole ring at once.
  const uint32_t next = (cluster().rank() + 1) % cluster().size(),
                 before = (cluster().rank() + cluster().size() - 1) % cluster().size();
  MessageBatch batch(cluster(), 2);
  for (const size_t count : {0u, 1u, 4095u, 4097u, 70000u, 3000001u}) {
    std::vector<uint8_t> out(count, uint8_t(cluster().rank() + 7)), in(count);
    batch.receive(before, Tag::Gather, in.data(), count);
    batch.send(next, Tag::Gather, out.data(), count);
    ASSERT_TRUE(batch.wait().isOk());
    EXPECT_EQ(in, std::vector<uint8_t>(count, uint8_t(before + 7)));
  }
}

} // namespace

int main(int argc, char **argv) {
  testing::InitGoogleTest(&argc, argv);
  auto joined = Cluster::join({});
  if (!joined) {
    std::fprintf(stderr, "%s\n", joined.status().message().c_str());
    return 1;
  }
  joinedCluster = std::move(*joined);
  const int result = RUN_ALL_TESTS();
  return cluster().leave().isOk() ? result : 1;
}
