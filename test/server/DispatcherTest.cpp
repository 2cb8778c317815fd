//===- DispatcherTest.cpp - Which replica, and all of them as one ---------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/Dispatcher.h"

#include "runtime/executor/Replicas.h"
#include "runtime/server/ReplicaChoice.h"
#include "test/runtime/TinyEngine.h"
#include "test/server/TinyAnswers.h"

#include <gtest/gtest.h>

#include <thread>

using namespace tenon;
using namespace tenon::server;
using namespace tenon::test;

namespace {

uint32_t choose(std::vector<ReplicaState> replicas, uint32_t slack) {
  return chooseReplica(replicas, slack);
}

TEST(ReplicaChoice, isTheLeastLoadedWhereNothingIsCached) {
  EXPECT_EQ(choose({{3, 0}}, 0), 0u);
  EXPECT_EQ(choose({{3, 0}, {2, 0}, {7, 0}}, 100), 1u);
  EXPECT_EQ(choose({{3, 0}, {2, 0}, {2, 0}}, 0), 1u); // The first of equals.
}

TEST(ReplicaChoice, isTheOneWithTheLongestBeginning) {
  EXPECT_EQ(choose({{0, 16}, {2, 32}, {1, 0}}, 4), 1u);
  EXPECT_EQ(choose({{2, 32}, {1, 32}, {0, 16}}, 4), 1u); // Of equals the less loaded.
  EXPECT_EQ(choose({{1, 32}, {1, 32}, {0, 16}}, 4), 0u); // And the first.
}

TEST(ReplicaChoice, isAnotherWhereTheQueueIsLonger) {
  EXPECT_EQ(choose({{4, 64}, {0, 0}}, 4), 0u); // As many more as are allowed.
  EXPECT_EQ(choose({{5, 64}, {0, 0}}, 4), 1u);
  EXPECT_EQ(choose({{9, 64}, {5, 32}, {4, 0}}, 4), 1u); // The next best that is not too long.
  EXPECT_EQ(choose({{1, 64}, {0, 0}}, 0), 1u);
  EXPECT_EQ(choose({{0, 64}, {0, 0}}, 0), 0u);
}

/// Replicas of the toy engine, each loop on its thread and audited after every step.
class DispatcherTest : public testing::Test {
protected:
  void start(uint32_t count, EngineLoop::Options options = {}, uint32_t slack = 4,
             bool running = true) {
    options.audit = true;
    const std::string path = testing::TempDir() + "/dispatcher.tenon";
    writeFile(path, TinyEngine::make(TENON_TINY_KERNELS).write());
    auto opened = engine::Engine::open(path, {});
    ASSERT_TRUE(opened.isOk()) << opened.status().message();
    engine = std::move(*opened);
    executor::CapacityRequest wanted;
    wanted.stepTokens = 32;
    wanted.sequences = 4;
    wanted.kvBytes = 32 * 128;
    auto capacity = executor::chooseCapacity(engine->plan(), wanted);
    ASSERT_TRUE(capacity.isOk()) << capacity.status().message();
    // The set belongs to the thread that makes it, as in the server.
    thread = std::thread([=, this] {
      auto made = executor::Replicas::create(*engine, *capacity, {.pin = false}, count);
      EXPECT_TRUE(made.isOk()) << made.status().message();
      std::vector<Dispatcher::Replica> fronts;
      for (uint32_t r = 0; made && r < count; ++r) {
        generators.push_back(
            std::make_unique<generate::Generator>((**made)[r], engine->plan(), true, &cached[r]));
        loops.push_back(std::make_unique<EngineLoop>(*generators.back(), options, nullptr));
        fronts.push_back({loops.back().get(), &cached[r]});
      }
      if (made)
        dispatcher.emplace(std::move(fronts), engine->plan().kv.blockTokens, slack);
      {
        std::unique_lock lock(mutex);
        ready = true;
        changed.notify_all();
        changed.wait(lock, [&] { return go; });
      }
      if (!made)
        return;
      outcome = (*made)->onEach([&](uint32_t r) { return loops[r]->run(); });
      for (const auto &loop : loops) {
        const Load load = loop->load();
        EXPECT_EQ(load.kvFree + load.kvCached, load.kvBlocks);
      }
      generators.clear();
    });
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return ready; });
    ASSERT_TRUE(dispatcher.has_value());
    go = running;
    changed.notify_all();
  }
  void run() {
    const std::lock_guard lock(mutex);
    go = true;
    changed.notify_all();
  }

  void TearDown() override {
    if (!thread.joinable())
      return;
    if (dispatcher)
      dispatcher->stop();
    run();
    thread.join();
    if (!dispatcher)
      return;
    EXPECT_TRUE(outcome.isOk()) << outcome.message();
    EXPECT_EQ(dispatcher->inFlight(), 0u);
  }

  std::shared_ptr<Job> job(std::vector<int32_t> prompt, uint32_t count,
                           const std::shared_ptr<Collect> &collect, size_t choices = 1) {
    auto made = std::make_shared<Job>();
    for (size_t i = 0; i < choices; ++i) {
      Job::Entry &entry = made->entries.emplace_back();
      entry.leader = 0;
      entry.request.prompt = prompt;
      entry.request.maxNewTokens = count;
    }
    made->receiver = collect;
    made->mailbox = &mailbox;
    return made;
  }
  std::vector<uint64_t> accepted() const {
    std::vector<uint64_t> counts;
    for (const Load &load : dispatcher->loads())
      counts.push_back(load.accepted);
    return counts;
  }

  std::unique_ptr<engine::Engine> engine;
  kv::PrefixDirectory cached[3];
  std::vector<std::unique_ptr<generate::Generator>> generators;
  std::vector<std::unique_ptr<EngineLoop>> loops;
  std::mutex draining;
  Mailbox mailbox{[this] { // No I/O thread: drained at once, by whichever replica it was.
    const std::lock_guard lock(draining);
    mailbox.drain();
  }};
  std::optional<Dispatcher> dispatcher;
  std::thread thread;
  std::mutex mutex;
  std::condition_variable changed;
  bool ready = false, go = false;
  Status outcome;
};

TEST_F(DispatcherTest, everyReplicaGivesTheSameAnswers) {
  start(3);
  std::vector<std::shared_ptr<Collect>> all;
  for (int32_t s = 0; s < 24; ++s) {
    all.push_back(std::make_shared<Collect>(1));
    ASSERT_TRUE(dispatcher->submit(job(promptOf(5 + uint32_t(s) * 2, s), 12, all.back())));
  }
  for (int32_t s = 0; s < 24; ++s) {
    ASSERT_TRUE(all[size_t(s)]->waitOver(1));
    EXPECT_EQ(all[size_t(s)]->answers[0], expected(promptOf(5 + uint32_t(s) * 2, s), 12));
  }
  EXPECT_EQ(dispatcher->load().accepted, 24u);
}

TEST_F(DispatcherTest, sharesOutWhatArrivesTogether) {
  start(3, {}, 4, /*running=*/false);
  const auto collect = std::make_shared<Collect>(1);
  for (int32_t s = 0; s < 9; ++s)
    ASSERT_TRUE(dispatcher->submit(job(promptOf(8, s), 3, collect)));
  EXPECT_EQ(accepted(), (std::vector<uint64_t>{3, 3, 3}));
  EXPECT_EQ(dispatcher->inFlight(), 9u);
  run();
  EXPECT_TRUE(collect->waitOver(9));
}

TEST_F(DispatcherTest, goesWhereTheBeginningIsCached) {
  start(2, {}, 4, /*running=*/false);
  const std::vector<int32_t> prompt = promptOf(40, 7);
  const auto first = std::make_shared<Collect>(1), filler = std::make_shared<Collect>(1),
             again = std::make_shared<Collect>(1);
  // The second replica computes the prompt, because the first has something else.
  ASSERT_TRUE(dispatcher->submit(job(promptOf(4, 1), 90, filler)));
  ASSERT_TRUE(dispatcher->submit(job(prompt, 2, first)));
  run();
  ASSERT_TRUE(first->waitOver(1));
  ASSERT_TRUE(filler->waitOver(1));
  while (dispatcher->inFlight() != 0)
    std::this_thread::yield();
  const std::vector<uint64_t> before = accepted();
  ASSERT_EQ(before, (std::vector<uint64_t>{1, 1}));
  // Both are idle now: without the tree the first would have it.
  ASSERT_TRUE(dispatcher->submit(job(prompt, 6, again)));
  ASSERT_TRUE(again->waitOver(1));
  EXPECT_EQ(accepted(), (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(again->cached, 32u);
  EXPECT_EQ(again->answers[0], expected(prompt, 6));
}

TEST_F(DispatcherTest, aJobStaysTogetherAndEndsTogether) {
  start(2, {}, 4, /*running=*/false); // The first may not be over before the second comes.
  const auto kept = std::make_shared<Collect>(3), ended = std::make_shared<Collect>(2);
  const auto long1 = job(promptOf(20, 2), 100, ended, 2);
  ASSERT_TRUE(dispatcher->submit(long1));
  ASSERT_TRUE(dispatcher->submit(job(promptOf(20, 3), 10, kept, 3)));
  EXPECT_EQ(accepted(), (std::vector<uint64_t>{2, 3}));
  run();
  dispatcher->cancelAll(long1);
  ASSERT_TRUE(kept->waitOver(3));
  for (const auto &answer : kept->answers)
    EXPECT_EQ(answer, expected(promptOf(20, 3), 10));
  // What was cancelled holds nothing, on the replica where it ran.
  const auto next = std::make_shared<Collect>(1);
  while (dispatcher->inFlight() != 0)
    std::this_thread::yield();
  ASSERT_TRUE(dispatcher->submit(job(promptOf(100, 2), 28, next)));
  ASSERT_TRUE(next->waitOver(1));
  EXPECT_EQ(next->answers[0], expected(promptOf(100, 2), 28));
}

TEST_F(DispatcherTest, aFullReplicaLeavesItToTheOthers) {
  start(2, {.queue = 2}, /*slack=*/100, /*running=*/false);
  const auto collect = std::make_shared<Collect>(1);
  const std::vector<int32_t> prompt = promptOf(20, 1);
  cached[1].add(kv::pathsOf(prompt, 16).front()); // Everybody wants the second.
  for (int i = 0; i < 4; ++i)
    ASSERT_TRUE(dispatcher->submit(job(prompt, 5, collect)));
  EXPECT_EQ(accepted(), (std::vector<uint64_t>{2, 2}));
  EXPECT_FALSE(dispatcher->submit(job(prompt, 5, collect)));
  EXPECT_EQ(dispatcher->inFlight(), 4u);
  cached[1].remove(kv::pathsOf(prompt, 16).front());
  run();
  EXPECT_TRUE(collect->waitOver(4));
}

TEST_F(DispatcherTest, loadsAddUp) {
  start(3);
  std::vector<std::shared_ptr<Collect>> all;
  for (int32_t s = 0; s < 12; ++s) {
    all.push_back(std::make_shared<Collect>(1));
    ASSERT_TRUE(dispatcher->submit(job(promptOf(33, s % 4), 8, all.back())));
  }
  for (const auto &collect : all)
    ASSERT_TRUE(collect->waitOver(1));
  while (dispatcher->inFlight() != 0)
    std::this_thread::yield();
  Load sum;
  for (const Load &load : dispatcher->loads()) {
    EXPECT_EQ(load.kvBlocks, 32u);
    sum += load;
  }
  const Load load = dispatcher->load();
  EXPECT_EQ(load.kvBlocks, 3 * 32u);
  EXPECT_EQ(load.accepted, 12u);
  EXPECT_EQ(sum.prefixQueries, load.prefixQueries);
  EXPECT_EQ(load.prefixQueries, 12 * 33u);
}

} // namespace
