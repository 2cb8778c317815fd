//===- EngineLoopTest.cpp - Jobs, cancelling, limits ----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/EngineLoop.h"

#include "runtime/base/Clock.h"
#include "test/runtime/TinyEngine.h"
#include "test/server/TinyAnswers.h"

#include <gtest/gtest.h>

#include <thread>

using namespace tenon;
using namespace tenon::server;
using namespace tenon::test;

namespace {

/// A loop over the toy engine on its own thread, audited after every step.
class EngineLoopTest : public testing::Test {
protected:
  void startLoop(uint32_t stepTokens, uint32_t sequences, uint64_t blocks,
                 EngineLoop::Options options = {}, bool start = true) {
    options.audit = true;
    const std::string path = testing::TempDir() + "/loop.tenon";
    TinyEngine tiny = TinyEngine::make(TENON_TINY_KERNELS);
    tiny.addPooling();
    writeFile(path, tiny.write());
    auto opened = engine::Engine::open(path, {});
    ASSERT_TRUE(opened.isOk()) << opened.status().message();
    engine = std::move(*opened);
    executor::CapacityRequest wanted;
    wanted.stepTokens = stepTokens;
    wanted.sequences = sequences;
    wanted.kvBytes = blocks * 128;
    auto capacity = executor::chooseCapacity(engine->plan(), wanted);
    ASSERT_TRUE(capacity.isOk()) << capacity.status().message();
    auto made = executor::Executor::create(*engine, *capacity, {.pin = false});
    ASSERT_TRUE(made.isOk());
    executor = std::move(*made);
    generator.emplace(*executor, engine->plan(), options.prefixTree);
    loop.emplace(*generator, options, nullptr);
    if (start)
      run();
  }
  void run() {
    thread = std::thread([this] { outcome = loop->run(); });
  }

  void TearDown() override {
    if (!thread.joinable())
      return;
    loop->stop();
    thread.join();
    EXPECT_TRUE(outcome.isOk()) << outcome.message();
    EXPECT_EQ(loop->inFlight(), 0u);
    const Load load = loop->load();
    EXPECT_EQ(load.kvFree + load.kvCached, load.kvBlocks);
  }

  std::shared_ptr<Job> job(std::vector<std::pair<std::vector<int32_t>, uint32_t>> requests,
                           const std::shared_ptr<Collect> &collect) {
    auto made = std::make_shared<Job>();
    for (auto &[prompt, count] : requests) {
      Job::Entry &entry = made->entries.emplace_back();
      entry.leader = uint32_t(made->entries.size() - 1);
      entry.request.prompt = prompt;
      entry.request.maxNewTokens = count;
    }
    made->receiver = collect;
    made->mailbox = &mailbox;
    return made;
  }

  std::unique_ptr<engine::Engine> engine;
  std::unique_ptr<executor::Executor> executor;
  std::optional<generate::Generator> generator;
  Mailbox mailbox{[this] { mailbox.drain(); }}; // The test has no I/O thread: drained at once.
  std::optional<EngineLoop> loop;
  std::thread thread;
  Status outcome;
};

TEST_F(EngineLoopTest, answersAreTheSameAloneAndAmongNeighbours) {
  startLoop(24, 6, 64);
  std::vector<std::shared_ptr<Collect>> all;
  for (int32_t s = 0; s < 20; ++s) {
    all.push_back(std::make_shared<Collect>(1));
    ASSERT_TRUE(loop->submit(job({{promptOf(5 + uint32_t(s) * 2, s), 12}}, all.back())));
  }
  for (int32_t s = 0; s < 20; ++s) {
    ASSERT_TRUE(all[size_t(s)]->waitOver(1));
    EXPECT_EQ(all[size_t(s)]->answers[0], expected(promptOf(5 + uint32_t(s) * 2, s), 12));
  }
}

TEST_F(EngineLoopTest, pacedStepsSayTheSame) {
  startLoop(64, 6, 96, {}, false);
  generator->paceSteps(1); // No step has time for more than the least.
  std::vector<std::shared_ptr<Collect>> all;
  for (int32_t s = 0; s < 6; ++s) {
    all.push_back(std::make_shared<Collect>(1));
    ASSERT_TRUE(loop->submit(job({{promptOf(70 + uint32_t(s) * 7, s), 12}}, all.back())));
  }
  run();
  for (int32_t s = 0; s < 6; ++s) {
    ASSERT_TRUE(all[size_t(s)]->waitOver(1));
    EXPECT_EQ(all[size_t(s)]->answers[0], expected(promptOf(70 + uint32_t(s) * 7, s), 12));
  }
}

TEST_F(EngineLoopTest, poolsBesideAnswersAndClosesTheBooks) {
  startLoop(24, 4, 64);
  const auto writes = std::make_shared<Collect>(1), pools = std::make_shared<Collect>(6);
  ASSERT_TRUE(loop->submit(job({{promptOf(9, 1), 40}}, writes)));
  auto made = job({{promptOf(20, 1), 0},
                   {promptOf(33, 2), 0},
                   {promptOf(33, 2), 0},
                   {promptOf(5, 3), 0},
                   {promptOf(60, 4), 0},
                   {promptOf(60, 4), 0}},
                  pools);
  for (uint32_t i = 0; i < 6; ++i)
    made->entries[i].request.pooling = i % 2 ? generate::Pooling::Mean : generate::Pooling::Last;
  ASSERT_TRUE(loop->submit(made));
  ASSERT_TRUE(pools->waitOver(6));
  ASSERT_TRUE(writes->waitOver(1));
  EXPECT_EQ(writes->answers[0], expected(promptOf(9, 1), 40));
  for (const SequenceEvent &event : pools->last) {
    EXPECT_EQ(event.kind, SequenceEvent::Kind::Pooled);
    EXPECT_EQ(event.vector.size(), 16u);
    EXPECT_GT(event.startedNanos, 0u);
  }
  EXPECT_EQ(pools->events, 6u); // Nothing was drawn.
}

TEST_F(EngineLoopTest, preemptedSequencesSayTheSame) {
  startLoop(16, 4, 8); // Four sequences want 4 blocks each.
  std::vector<std::shared_ptr<Collect>> all;
  for (int32_t s = 0; s < 4; ++s) {
    all.push_back(std::make_shared<Collect>(1));
    ASSERT_TRUE(loop->submit(job({{promptOf(9, s), 50}}, all.back())));
  }
  for (int32_t s = 0; s < 4; ++s) {
    ASSERT_TRUE(all[size_t(s)]->waitOver(1));
    EXPECT_EQ(all[size_t(s)]->answers[0], expected(promptOf(9, s), 50));
  }
  EXPECT_GT(loop->load().preemptions, 0u);
}

TEST_F(EngineLoopTest, choicesOfOnePromptShareItsBlocks) {
  startLoop(64, 4, 32);
  const auto collect = std::make_shared<Collect>(3);
  const std::vector<int32_t> prompt = promptOf(40, 1);
  auto made = job({{prompt, 5}, {prompt, 5}, {prompt, 5}}, collect);
  made->entries[1].leader = made->entries[2].leader = 0;
  ASSERT_TRUE(loop->submit(made));
  ASSERT_TRUE(collect->waitOver(3));
  for (const auto &answer : collect->answers)
    EXPECT_EQ(answer, expected(prompt, 5));
  EXPECT_EQ(collect->cached, 32u); // Two whole blocks of 16.
}

TEST_F(EngineLoopTest, aHitInThePrefixTreeSaysTheSame) {
  startLoop(64, 4, 32);
  const std::vector<int32_t> prompt = promptOf(48, 2);
  for (uint32_t cached : {0u, 32u}) { // The last token is always computed.
    const auto collect = std::make_shared<Collect>(1);
    ASSERT_TRUE(loop->submit(job({{prompt, 9}}, collect)));
    ASSERT_TRUE(collect->waitOver(1));
    EXPECT_EQ(collect->answers[0], expected(prompt, 9));
    EXPECT_EQ(collect->cached, cached);
  }
}

TEST_F(EngineLoopTest, cancellingGivesTheBlocksBack) {
  startLoop(16, 2, 8);
  const auto collect = std::make_shared<Collect>(2);
  const auto made = job({{promptOf(20, 1), 100}, {promptOf(20, 2), 100}}, collect);
  ASSERT_TRUE(loop->submit(made));
  loop->cancelAll(made); // At whatever point it arrives.
  // What was cancelled holds nothing: another that needs every block runs.
  const auto next = std::make_shared<Collect>(1);
  ASSERT_TRUE(loop->submit(job({{promptOf(100, 2), 28}}, next)));
  ASSERT_TRUE(next->waitOver(1));
  EXPECT_EQ(next->answers[0], expected(promptOf(100, 2), 28));
  const auto unknown = job({{promptOf(20, 1), 100}}, collect);
  loop->cancelAll(unknown); // Was never submitted: nothing happens.
}

TEST_F(EngineLoopTest, aFullQueueRefuses) {
  startLoop(16, 1, 16, {.queue = 2}, /*start=*/false);
  const auto collect = std::make_shared<Collect>(1);
  for (bool fits : {true, true, false, false})
    EXPECT_EQ(loop->submit(job({{promptOf(20, 1), 5}}, collect)), fits);
  run();
  ASSERT_TRUE(collect->waitOver(2));
  // An empty queue takes any job, however many sequences it has.
  const auto wide = std::make_shared<Collect>(5);
  std::vector<std::pair<std::vector<int32_t>, uint32_t>> many(5, {promptOf(20, 1), 5});
  while (loop->inFlight() != 0)
    std::this_thread::yield();
  EXPECT_TRUE(loop->submit(job(many, wide)));
  EXPECT_TRUE(wide->waitOver(5));
}

TEST_F(EngineLoopTest, lateRequestsFailWithTheirDeadline) {
  startLoop(16, 1, 16);
  const auto slow = std::make_shared<Collect>(1), late = std::make_shared<Collect>(1);
  const auto first = job({{promptOf(20, 1), 100}}, slow);
  ASSERT_TRUE(loop->submit(first));
  auto second = job({{promptOf(20, 2), 10}}, late);
  second->deadlineNanos = nowNanos(); // Over before its first step.
  ASSERT_TRUE(loop->submit(second));
  ASSERT_TRUE(late->waitOver(1));
  EXPECT_EQ(late->last[0].kind, SequenceEvent::Kind::Failed);
  EXPECT_EQ(late->last[0].status.code(), StatusCode::DeadlineExceeded);
  ASSERT_TRUE(slow->waitOver(1));
  EXPECT_EQ(slow->answers[0], expected(promptOf(20, 1), 100));
}

TEST_F(EngineLoopTest, aRequestThatCanNeverRunFails) {
  startLoop(16, 1, 4);
  const auto collect = std::make_shared<Collect>(1);
  ASSERT_TRUE(loop->submit(job({{promptOf(60, 1), 60}}, collect)));
  ASSERT_TRUE(collect->waitOver(1));
  EXPECT_EQ(collect->last[0].status.code(), StatusCode::InvalidArgument);
  EXPECT_NE(collect->last[0].status.message().find("KV blocks"), std::string::npos);
}

TEST_F(EngineLoopTest, promptTokensAreReportedInOrderThoughPreempted) {
  startLoop(8, 2, 8);
  const auto scored = std::make_shared<Collect>(1), other = std::make_shared<Collect>(1);
  const std::vector<int32_t> prompt = promptOf(40, 3);
  ASSERT_TRUE(loop->submit(job({{promptOf(4, 1), 100}}, other))); // Comes first, so it may preempt.
  auto made = job({{prompt, 4}}, scored);
  made->entries[0].request.promptLogits = true;
  ASSERT_TRUE(loop->submit(made));
  ASSERT_TRUE(scored->waitOver(1));
  ASSERT_TRUE(other->waitOver(1));
  EXPECT_EQ(scored->prompt, std::vector<int32_t>(prompt.begin() + 1, prompt.end()));
  EXPECT_EQ(scored->answers[0], expected(prompt, 4));
  EXPECT_EQ(other->answers[0], expected(promptOf(4, 1), 100));
}

TEST_F(EngineLoopTest, noStopTokenComesBeforeTheLeastLength) {
  startLoop(16, 1, 16);
  const std::vector<int32_t> prompt = promptOf(10, 1);
  const int32_t first = expected(prompt, 1)[0];
  const auto collect = std::make_shared<Collect>(1);
  auto made = job({{prompt, 12}}, collect);
  made->entries[0].request.stopTokens = {first};
  made->entries[0].request.minNewTokens = 4;
  ASSERT_TRUE(loop->submit(made));
  ASSERT_TRUE(collect->waitOver(1));
  const std::vector<int32_t> &answer = collect->answers[0];
  ASSERT_GE(answer.size(), 4u);
  EXPECT_EQ(std::count(answer.begin(), answer.begin() + 4, first), 0);
}

TEST_F(EngineLoopTest, stoppingFailsWhatIsLeft) {
  startLoop(16, 1, 16, {}, /*start=*/false);
  const auto collect = std::make_shared<Collect>(2);
  ASSERT_TRUE(loop->submit(job({{promptOf(20, 1), 100}, {promptOf(20, 2), 100}}, collect)));
  loop->stop();
  run();
  ASSERT_TRUE(collect->waitOver(2));
  for (const SequenceEvent &event : collect->last)
    EXPECT_EQ(event.status.code(), StatusCode::Cancelled);
  EXPECT_FALSE(loop->submit(job({{promptOf(5, 1), 5}}, collect)));
}

TEST(Scheduler, lowerPriorityValuesRunFirst) {
  schedule::Scheduler scheduler({.stepTokens = 16,
                                 .logitRows = 1,
                                 .sequences = 1,
                                 .context = 64,
                                 .blockTokens = 16,
                                 .blocks = 4,
                                 .prefixTree = false});
  const std::vector<int32_t> prompt = promptOf(8, 1);
  schedule::Sequence *late =
      *scheduler.add({.id = 1, .prompt = prompt, .maxNewTokens = 1, .priority = 5});
  schedule::Sequence *early =
      *scheduler.add({.id = 2, .prompt = prompt, .maxNewTokens = 1, .priority = -1});
  std::vector<schedule::ScheduledRows> rows;
  std::vector<uint64_t> order;
  while (scheduler.hasWork()) {
    scheduler.planStep(rows);
    ASSERT_EQ(rows.size(), 1u);
    order.push_back(rows[0].sequence->id);
    scheduler.stepDone(rows);
    scheduler.append(*rows[0].sequence, 3, false);
    ASSERT_TRUE(scheduler.checkIntegrity());
  }
  EXPECT_EQ(order, (std::vector<uint64_t>{2, 1}));
  scheduler.remove(*late);
  scheduler.remove(*early);
}

} // namespace
