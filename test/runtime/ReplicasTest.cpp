//===- ReplicasTest.cpp - Executors side by side --------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/executor/Replicas.h"
#include "runtime/generate/Generator.h"
#include "test/runtime/TinyEngine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <set>
#include <unistd.h>

using namespace tenon;
using namespace tenon::test;
using executor::Replicas;

namespace {

class ReplicasTest : public testing::Test {
protected:
  void SetUp() override {
    const std::string path =
        testing::TempDir() + "/replicas-" + std::to_string(getpid()) + ".tenon";
    writeFile(path, TinyEngine::make(TENON_TINY_KERNELS).write());
    auto opened = engine::Engine::open(path, {});
    ASSERT_TRUE(opened.isOk()) << opened.status().message();
    engine = std::move(*opened);
    unlink(path.c_str());
    executor::CapacityRequest wanted;
    wanted.stepTokens = 32;
    wanted.sequences = 4;
    wanted.kvBytes = 16 * 128;
    wanted.workers = 3;
    auto chosen = executor::chooseCapacity(engine->plan(), wanted);
    ASSERT_TRUE(chosen.isOk()) << chosen.status().message();
    capacity = *chosen;
  }

  std::unique_ptr<engine::Engine> engine;
  executor::Capacity capacity;
};

/// Keeps one request's answer.
class Answer : public generate::Listener {
public:
  void onToken(const generate::TokenEvent &event) override { tokens.push_back(event.token); }
  std::vector<int32_t> tokens;
};

TEST_F(ReplicasTest, computeAtTheSameTimeWhatOneWould) {
  auto made = Replicas::create(*engine, capacity, {.pin = false}, 3);
  ASSERT_TRUE(made.isOk()) << made.status().message();
  Replicas &replicas = **made;
  ASSERT_EQ(replicas.size(), 3u);
  std::vector<Answer> answers(3);
  std::vector<std::thread::id> threads(3);
  std::atomic<uint32_t> arrived{0};
  const Status status = replicas.onEach([&](uint32_t r) -> Status {
    threads[r] = std::this_thread::get_id();
    ++arrived;
    while (arrived < 3) // All are here at once, or this hangs.
      std::this_thread::yield();
    generate::Generator generator(replicas[r], engine->plan());
    generate::Request request;
    request.prompt = {int32_t(r) + 1, 2, 3};
    request.maxNewTokens = 20;
    if (auto added = generator.add(std::move(request)); !added)
      return added.status();
    while (generator.hasWork())
      TENON_RETURN_IF_ERROR(generator.step(answers[r]));
    return Status::ok();
  });
  ASSERT_TRUE(status.isOk()) << status.message();
  EXPECT_EQ(threads[0], std::this_thread::get_id());
  EXPECT_EQ(std::set(threads.begin(), threads.end()).size(), 3u);
  for (int32_t r = 0; r < 3; ++r) {
    std::vector<int32_t> tokens = {r + 1, 2, 3};
    for (int i = 0; i < 20; ++i)
      tokens.push_back(std::accumulate(tokens.begin(), tokens.end(), 0) % int32_t(kTinyVocabulary));
    EXPECT_EQ(answers[size_t(r)].tokens, std::vector<int32_t>(tokens.begin() + 3, tokens.end()));
  }
}

TEST_F(ReplicasTest, shareOutTheWorkersAndTheWeights) {
  for (uint32_t count : {1u, 2u, 5u}) {
    auto made = Replicas::create(*engine, capacity, {.pin = false}, count);
    ASSERT_TRUE(made.isOk()) << made.status().message();
    const Replicas &replicas = **made;
    uint32_t workers = 0;
    executor::MemoryPlan sum;
    for (uint32_t r = 0; r < count; ++r) {
      const uint32_t own = replicas[r].capacity().workers;
      EXPECT_GE(own, 1u);
      EXPECT_EQ(replicas[r].capacity().kvBlocks, capacity.kvBlocks);
      workers += own;
      sum.kv += replicas[r].memory().kv;
      sum.arena += replicas[r].memory().arena;
      sum.scratch += replicas[r].memory().scratch;
      sum.stepTables += replicas[r].memory().stepTables;
    }
    EXPECT_EQ(workers, std::max(3u, count)); // Each needs one.
    const executor::MemoryPlan all = replicas.memory();
    EXPECT_EQ(all.storedWeights, replicas[0].memory().storedWeights);
    EXPECT_EQ(all.madeWeights, replicas[0].memory().madeWeights);
    EXPECT_EQ(all.kv, sum.kv);
    EXPECT_EQ(all.total(), all.storedWeights + all.madeWeights + sum.total());
  }
}

TEST_F(ReplicasTest, oneThatFailsIsNamedAndTheOthersEnd) {
  auto made = Replicas::create(*engine, capacity, {.pin = false}, 3);
  ASSERT_TRUE(made.isOk()) << made.status().message();
  std::atomic<uint32_t> ended{0};
  for (uint32_t failing : {0u, 1u, 2u}) {
    const Status status = (*made)->onEach([&](uint32_t r) {
      ++ended;
      return r >= failing ? Status::internal("of " + std::to_string(r)) : Status::ok();
    });
    EXPECT_EQ(status.message(), "of " + std::to_string(failing));
  }
  EXPECT_EQ(ended, 9u);
  EXPECT_TRUE((*made)->onEach([](uint32_t) { return Status::ok(); })); // None is kept.

  capacity.chips.first = 1; // Not what was loaded.
  const auto wrong = Replicas::create(*engine, capacity, {.pin = false}, 2);
  ASSERT_FALSE(wrong.isOk());
  EXPECT_NE(wrong.status().message().find("replica 0: "), std::string::npos)
      << wrong.status().message();
  const auto none = Replicas::create(*engine, capacity, {.pin = false}, 0);
  ASSERT_FALSE(none.isOk());
  EXPECT_NE(none.status().message().find("0 replicas are wanted; 1 to 1024"), std::string::npos);
}

} // namespace
