//===- ExecutorTest.cpp - Steps, batches, preemption ----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/executor/Executor.h"
#include "runtime/base/ProcessMemory.h"
#include "runtime/executor/LaunchObserver.h"
#include "runtime/executor/MemoryCheck.h"
#include "runtime/generate/Generator.h"
#include "test/runtime/TinyEngine.h"

#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <unistd.h>

using namespace tenon;
using namespace tenon::test;

namespace {

std::unique_ptr<engine::Engine> open(const TinyEngine &tiny) {
  const std::string path = testing::TempDir() + "/executor-" + std::to_string(getpid()) + ".tenon";
  writeFile(path, tiny.write());
  auto opened = engine::Engine::open(path, {});
  EXPECT_TRUE(opened.isOk()) << opened.status().message();
  unlink(path.c_str()); // It stays mapped.
  return std::move(*opened);
}

std::unique_ptr<engine::Engine> tinyEngine() { return open(TinyEngine::make(TENON_TINY_KERNELS)); }

executor::CapacityRequest request(uint32_t stepTokens, uint32_t sequences, uint64_t blocks,
                                  uint32_t workers) {
  executor::CapacityRequest r;
  r.stepTokens = stepTokens;
  r.sequences = sequences;
  r.kvBytes = blocks * 128;
  r.workers = workers;
  return r;
}

std::unique_ptr<executor::Executor>
tinyExecutor(const engine::Engine &e, const executor::CapacityRequest &r, bool timed = false) {
  auto capacity = executor::chooseCapacity(e.plan(), r);
  EXPECT_TRUE(capacity.isOk()) << capacity.status().message();
  executor::ExecutorOptions options;
  options.pin = false;
  options.timeLaunches = timed;
  auto made = executor::Executor::create(e, *capacity, options);
  EXPECT_TRUE(made.isOk()) << made.status().message();
  return std::move(*made);
}

/// What the toy model says, computed without it.
std::vector<int32_t> expected(const std::vector<int32_t> &prompt, size_t count) {
  std::vector<int32_t> tokens = prompt;
  for (size_t i = 0; i < count; ++i)
    tokens.push_back(std::accumulate(tokens.begin(), tokens.end(), 0) % int32_t(kTinyVocabulary));
  return {tokens.begin() + static_cast<ptrdiff_t>(prompt.size()), tokens.end()};
}

class Collect : public generate::Listener {
public:
  void onToken(const generate::TokenEvent &event) override {
    answers[event.request].push_back(event.token);
    if (event.finish != generate::FinishReason::None)
      reasons[event.request] = event.finish;
  }
  void onPromptLogits(uint64_t, uint32_t position, std::span<const float> logits) override {
    scored[position] = sample::argmax(logits);
  }
  std::map<uint64_t, std::vector<int32_t>> answers;
  std::map<uint64_t, generate::FinishReason> reasons;
  std::map<uint32_t, int32_t> scored;
};

generate::Request ask(std::vector<int32_t> prompt, uint32_t count) {
  generate::Request r;
  r.prompt = std::move(prompt);
  r.maxNewTokens = count;
  return r;
}

std::vector<int32_t> promptOf(uint32_t length, int32_t salt) {
  std::vector<int32_t> prompt(length);
  for (uint32_t i = 0; i < length; ++i)
    prompt[i] = int32_t((i * 7 + uint32_t(salt) * 5 + 1) % kTinyVocabulary);
  return prompt;
}

TEST(Executor, computesTheSameInEveryChunkSizeAndWithAnyWorkers) {
  const auto engine = tinyEngine();
  const std::vector<int32_t> prompt = promptOf(45, 3);
  for (uint32_t workers : {1u, 2u, 5u})
    for (uint32_t chunk : {1u, 3u, 16u, 64u}) {
      const auto executor = tinyExecutor(*engine, request(chunk, 1, 8, workers));
      generate::Generator generator(*executor, engine->plan());
      ASSERT_TRUE(generator.add(ask(prompt, 20)).isOk());
      Collect collect;
      while (generator.hasWork())
        ASSERT_TRUE(generator.step(collect));
      EXPECT_EQ(collect.answers[0], expected(prompt, 20))
          << workers << " workers, chunks of " << chunk;
    }
}

TEST(Executor, chipsOfOneProcessStoreAHeadOnce) {
  TinyEngine tiny = TinyEngine::makePair(TENON_TINY_KERNELS);
  const auto engine = open(tiny);
  // Kernels of older engines do not know that they may leave anything to others.
  tiny.changeHeader = [](engine::FileHeader &header) { header.formatMinor = 2; };
  const auto older = open(tiny);
  const std::vector<int32_t> prompt = promptOf(45, 3);
  for (uint32_t workers : {2u, 5u})
    for (uint32_t chunk : {1u, 16u, 64u}) {
      const auto executor = tinyExecutor(*engine, request(chunk, 4, 20, workers)),
                 apart = tinyExecutor(*older, request(chunk, 4, 20, workers));
      EXPECT_EQ(executor->memory().kv, 20u * 128);
      EXPECT_EQ(apart->memory().kv, 2 * executor->memory().kv);
      for (executor::Executor *each : {executor.get(), apart.get()}) {
        generate::Generator generator(
            *each, each == executor.get() ? engine->plan() : older->plan(), /*prefixTree=*/true);
        Collect collect;
        for (int32_t s = 0; s < 4; ++s)
          ASSERT_TRUE(generator.add(ask(prompt, 20 + uint32_t(s))).isOk());
        while (generator.hasWork())
          ASSERT_TRUE(generator.step(collect));
        for (int32_t s = 0; s < 4; ++s)
          EXPECT_EQ(collect.answers[uint64_t(s)], expected(prompt, 20 + uint32_t(s)))
              << workers << " workers, chunks of " << chunk;
      }
    }
}

TEST(Executor, chipsThatDoNotGoThroughTheirCacheAlikeKeepTheirOwn) {
  TinyEngine tiny = TinyEngine::makePair(TENON_TINY_KERNELS);
  std::swap(tiny.plan.calls[5].kvLayer, tiny.plan.calls[6].kvLayer); // of chip 1
  const auto engine = open(tiny);
  const auto executor = tinyExecutor(*engine, request(16, 1, 8, 2));
  EXPECT_EQ(executor->memory().kv, 2u * 8 * 128);
  generate::Generator generator(*executor, engine->plan());
  ASSERT_TRUE(generator.add(ask(promptOf(45, 3), 20)).isOk());
  Collect collect;
  while (generator.hasWork())
    ASSERT_TRUE(generator.step(collect));
  EXPECT_EQ(collect.answers[0], expected(promptOf(45, 3), 20));
}

TEST(Executor, refusesMoreMemoryThanTheMachineHasBeforeTakingAny) {
  const auto engine = tinyEngine();
  auto capacity = executor::chooseCapacity(engine->plan(), request(32, 4, 8, 1));
  ASSERT_TRUE(capacity.isOk());
  const executor::MemoryPlan plan = executor::planMemory(engine->plan(), *capacity);
  const uint64_t made = plan.total() - plan.storedWeights;
  EXPECT_TRUE(executor::checkFits(plan, made));
  EXPECT_TRUE(executor::checkFits(plan, std::nullopt));
  for (uint64_t available : {made - 1, uint64_t(0)})
    EXPECT_EQ(executor::checkFits(plan, available).code(), StatusCode::ResourceExhausted);

  if (availableBytes().value_or(0) > uint64_t(200) << 30)
    GTEST_SKIP() << "this machine has room for more blocks than a pool may have";
  const uint64_t before = residentBytes();
  capacity = executor::chooseCapacity(
      engine->plan(), request(32, 4, uint64_t(1) << 37, 1)); // Cut to 2^31 blocks, 256 GiB.
  ASSERT_TRUE(capacity.isOk());
  auto refused = executor::Executor::create(*engine, *capacity, {.pin = false});
  ASSERT_FALSE(refused.isOk());
  EXPECT_EQ(refused.status().code(), StatusCode::ResourceExhausted);
  EXPECT_NE(refused.status().message().find("--kv-memory"), std::string::npos)
      << refused.status().message();
  EXPECT_LT(residentBytes(), before + (uint64_t(64) << 20));
}

TEST(Executor, batchesSequencesOfDifferentLengths) {
  const auto engine = tinyEngine();
  const auto executor = tinyExecutor(*engine, request(20, 6, 48, 2));
  generate::Generator generator(*executor, engine->plan());
  for (int32_t s = 0; s < 6; ++s)
    ASSERT_TRUE(generator.add(ask(promptOf(5 + uint32_t(s) * 9, s), 10 + uint32_t(s))).isOk());
  Collect collect;
  while (generator.hasWork()) {
    ASSERT_TRUE(generator.step(collect));
    ASSERT_TRUE(generator.state().checkIntegrity());
  }
  for (int32_t s = 0; s < 6; ++s)
    EXPECT_EQ(collect.answers[uint64_t(s)],
              expected(promptOf(5 + uint32_t(s) * 9, s), 10 + uint32_t(s)));
  EXPECT_EQ(generator.state().pool().freeBlocks(), generator.state().pool().size());
}

TEST(Executor, preemptsWhenBlocksRunOutAndStillAnswersTheSame) {
  const auto engine = tinyEngine();
  // Four sequences grow to 4 blocks each; the pool has 7.
  const auto executor = tinyExecutor(*engine, request(32, 4, 7, 2));
  generate::Generator generator(*executor, engine->plan());
  for (int32_t s = 0; s < 4; ++s)
    ASSERT_TRUE(generator.add(ask(promptOf(14, s), 40)).isOk());
  Collect collect;
  for (int steps = 0; generator.hasWork(); ++steps) {
    ASSERT_LT(steps, 2000) << "no progress";
    ASSERT_TRUE(generator.step(collect));
    ASSERT_TRUE(generator.state().checkIntegrity());
  }
  EXPECT_GT(generator.state().preemptions(), 0u);
  for (int32_t s = 0; s < 4; ++s)
    EXPECT_EQ(collect.answers[uint64_t(s)], expected(promptOf(14, s), 40));
}

TEST(Executor, answersTheSameFromThePrefixTree) {
  const auto engine = tinyEngine();
  const auto executor = tinyExecutor(*engine, request(32, 3, 12, 2));
  generate::Generator generator(*executor, engine->plan(), /*prefixTree=*/true);
  Collect collect;
  uint64_t number = 0;
  // Equal beginnings, and more of them than the pool holds: some are evicted on the way.
  for (int32_t salt = 0; salt < 4; ++salt)
    for (uint32_t length : {40u, 40u, 52u, 33u, 16u, 90u}) {
      ASSERT_TRUE(generator.add(ask(promptOf(length, salt), 9)).isOk());
      while (generator.hasWork()) {
        ASSERT_TRUE(generator.step(collect));
        const Status books = generator.state().checkIntegrity();
        ASSERT_TRUE(books) << books.message();
      }
      EXPECT_EQ(collect.answers[number++], expected(promptOf(length, salt), 9))
          << length << " " << salt;
    }
  // 40 tokens again: 32 come from the tree; then 48 of 52, 32 of 33, none of 16, and 48 or more
  // of 90.
  EXPECT_GE(generator.state().cachedTokens(), 4u * (32 + 32 + 32 + 0 + 32));
}

TEST(Executor, sharesABeginningAmongSequencesThatRunTogether) {
  const auto engine = tinyEngine();
  const auto executor = tinyExecutor(*engine, request(64, 3, 16, 2));
  generate::Generator generator(*executor, engine->plan(), /*prefixTree=*/true);
  Collect collect;
  ASSERT_TRUE(generator.add(ask(promptOf(40, 1), 30)).isOk());
  ASSERT_TRUE(generator.step(collect));
  ASSERT_TRUE(generator.add(ask(promptOf(40, 1), 30)).isOk());
  ASSERT_TRUE(generator.add(ask(promptOf(37, 1), 30)).isOk());
  while (generator.hasWork()) {
    ASSERT_TRUE(generator.step(collect));
    ASSERT_TRUE(generator.state().checkIntegrity());
  }
  EXPECT_EQ(generator.state().cachedTokens(), 64u);
  EXPECT_EQ(collect.answers[0], expected(promptOf(40, 1), 30));
  EXPECT_EQ(collect.answers[1], expected(promptOf(40, 1), 30));
  EXPECT_EQ(collect.answers[2], expected(promptOf(37, 1), 30));
}

TEST(Executor, stopsAtStopTokensAndAtLimits) {
  const auto engine = tinyEngine();
  const auto executor = tinyExecutor(*engine, request(32, 2, 16, 1));
  generate::Generator generator(*executor, engine->plan());
  const std::vector<int32_t> prompt = {1, 2};
  const std::vector<int32_t> all = expected(prompt, 10);
  generate::Request stopped = ask(prompt, 10);
  stopped.stopTokens = {all[3]};
  ASSERT_TRUE(generator.add(stopped).isOk());
  ASSERT_TRUE(generator.add(ask(promptOf(120, 1), 100)).isOk()); // the context holds 128
  Collect collect;
  while (generator.hasWork())
    ASSERT_TRUE(generator.step(collect));
  EXPECT_EQ(collect.reasons[0], generate::FinishReason::Stop);
  EXPECT_EQ(collect.answers[0].size(), 4u);
  EXPECT_EQ(collect.reasons[1], generate::FinishReason::Length);
  EXPECT_EQ(collect.answers[1],
            expected(promptOf(120, 1), 9)); // the last one drawn is never computed
}

TEST(Executor, scoresEveryPromptPosition) {
  const auto engine = tinyEngine();
  const std::vector<int32_t> prompt = promptOf(50, 2);
  for (uint32_t chunk : {7u, 64u}) {
    executor::CapacityRequest r = request(chunk, 1, 8, 2);
    r.logitRows = 64;
    const auto executor = tinyExecutor(*engine, r);
    generate::Generator generator(*executor, engine->plan());
    generate::Request score = ask(prompt, 0);
    score.scoreOnly = true;
    ASSERT_TRUE(generator.add(score).isOk());
    Collect collect;
    while (generator.hasWork())
      ASSERT_TRUE(generator.step(collect));
    ASSERT_EQ(collect.scored.size(), prompt.size());
    int32_t sum = 0;
    for (uint32_t i = 0; i < prompt.size(); ++i) {
      sum += prompt[i];
      EXPECT_EQ(collect.scored[i], sum % int32_t(kTinyVocabulary)) << i;
    }
  }
}

TEST(Executor, refusesStepsBeyondItsCapacity) {
  const auto engine = tinyEngine();
  const auto executor = tinyExecutor(*engine, request(8, 2, 4, 1));
  const std::vector<int32_t> tokens(9, 1);
  const std::vector<int32_t> blocks = {0, 1, 2, 3};
  using Rows = executor::StepRows;
  const std::span<const int32_t> t(tokens), b(blocks);
  const auto refused = [&](std::vector<Rows> rows, const char *part) {
    const Status status = executor->run(rows);
    EXPECT_EQ(status.code(), StatusCode::InvalidArgument);
    EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
  };
  refused({}, "0 sequences");
  refused({{t, 0, b, 1}}, "more than 8 tokens");
  refused({{t.first(1), 0, b, 1}, {t.first(1), 0, b, 1}, {t.first(1), 0, b, 1}}, "3 sequences");
  refused({{t.first(1), 128, b, 1}}, "positions to 129");
  refused({{t.first(2), 15, b.first(1), 1}}, "positions to 17");
  refused({{t.first(4), 0, b, 3}}, "logits for more than 2 rows");
  const std::vector<int32_t> bad = {32}, negative = {-1}, outside = {4};
  refused({{std::span<const int32_t>(bad), 0, b, 1}}, "token 32");
  refused({{std::span<const int32_t>(negative), 0, b, 1}}, "token -1");
  refused({{t.first(1), 0, std::span<const int32_t>(outside), 1}}, "KV block 4 of 4");
}

TEST(Executor, findsTheMaximaBehindTheLogitsOfTheStep) {
  TinyEngine tiny = TinyEngine::make(TENON_TINY_KERNELS);
  tiny.plan.logitsBlock = cpu::kLogitsBlock;
  tiny.plan.kernels[3].symbol = "tiny_logits_and_maxima";
  tiny.plan.chips[0].buffers[3].size.perLogitRow += sizeof(float);
  tiny.plan.chips[0].arena.perLogitRow += sizeof(float);
  const auto engine = open(tiny);
  const auto executor = tinyExecutor(*engine, request(16, 4, 4, 2));
  const std::vector<int32_t> tokens = {3, 9, 30};
  for (uint32_t sequences : {1u, 3u, 2u}) {
    std::vector<int32_t> blocks = {0, 1, 2};
    std::vector<executor::StepRows> rows;
    for (uint32_t s = 0; s < sequences; ++s)
      rows.push_back({std::span<const int32_t>(tokens).subspan(s, 1), 0,
                      std::span<const int32_t>(blocks).subspan(s, 1), 1});
    ASSERT_TRUE(executor->run(rows));
    for (uint32_t s = 0; s < sequences; ++s) {
      ASSERT_EQ(executor->logitMaxima(s).size(), 1u);
      EXPECT_EQ(executor->logitMaxima(s)[0], 4.0f);
      EXPECT_EQ(sample::argmax(executor->logits(s)), tokens[s]);
    }
  }
  EXPECT_TRUE(tinyExecutor(*tinyEngine(), request(16, 1, 4, 1))->logitMaxima(0).empty());
}

TEST(Executor, copiesABlockInEveryLayer) {
  const auto engine = tinyEngine();
  const auto executor = tinyExecutor(*engine, request(16, 1, 4, 1));
  const std::vector<int32_t> prompt = promptOf(10, 1);
  const std::vector<int32_t> first = {0}, second = {2};
  const std::span<const int32_t> p(prompt);
  const executor::StepRows write[] = {{p, 0, first, 1}};
  ASSERT_TRUE(executor->run(write));
  executor->copyBlock(0, 2);
  const std::vector<int32_t> next = {5};
  const executor::StepRows read[] = {{next, 10, second, 1}};
  ASSERT_TRUE(executor->run(read));
  const int32_t sum = std::accumulate(prompt.begin(), prompt.end(), 5);
  EXPECT_EQ(sample::argmax(executor->logits(0)), sum % int32_t(kTinyVocabulary));
}

TEST(Executor, timesEachLaunchAndCountsItsWork) {
  const auto engine = tinyEngine();
  const auto executor = tinyExecutor(*engine, request(16, 1, 4, 2), /*timed=*/true);
  const std::vector<int32_t> prompt = promptOf(10, 1), blocks = {0};
  const executor::StepRows rows[] = {{prompt, 0, blocks, 1}};
  ASSERT_TRUE(executor->run(rows));
  ASSERT_EQ(executor->timings().size(), 6u);
  EXPECT_EQ(executor->timings()[0].bytes, 64 + 8 * 10);
  EXPECT_EQ(executor->timings()[2].macs, 55); // positions attended: 1 + 2 + ... + 10
  EXPECT_GT(executor->timings()[0].nanos, 0u);
  executor->resetTimings();
  EXPECT_EQ(executor->timings()[2].macs, 0);
}

TEST(Executor, showsAnObserverWhatEveryLaunchReads) {
  struct Observer : executor::LaunchObserver {
    explicit Observer(const engine::Plan &plan) : plan(plan) {}
    void beforeLaunch(const engine::CallPlan &, const engine::LaunchPlan &launch,
                      void *const *arguments, const cpu::StepView &step) override {
      ++launches;
      if (plan.kernels[launch.kernel].kind == engine::KernelKind::LinearQkv)
        for (uint32_t i = 0; i < step.numTokens; ++i) // What the embedding wrote, by all workers.
          entered.push_back(static_cast<const float *>(arguments[0])[16 * i]);
    }
    const engine::Plan &plan;
    uint32_t launches = 0;
    std::vector<float> entered;
  };
  const auto engine = tinyEngine();
  const auto capacity = executor::chooseCapacity(engine->plan(), request(16, 2, 4, 3));
  ASSERT_TRUE(capacity.isOk());
  Observer observer(engine->plan());
  executor::ExecutorOptions options;
  options.pin = false;
  options.observer = &observer;
  auto made = executor::Executor::create(*engine, *capacity, options);
  ASSERT_TRUE(made.isOk()) << made.status().message();
  const std::vector<int32_t> tokens = {3, 1, 4, 1, 5, 9, 2, 6}, blocks = {0};
  executor::StepRows rows;
  rows.tokens = tokens;
  rows.blocks = blocks;
  ASSERT_TRUE((*made)->run({&rows, 1}).isOk());
  EXPECT_EQ(observer.launches, (*made)->launchesPerStep());
  ASSERT_EQ(observer.entered.size() % tokens.size(), 0u);
  ASSERT_FALSE(observer.entered.empty());
  for (size_t i = 0; i < tokens.size(); ++i)
    EXPECT_EQ(observer.entered[i], float(tokens[i]));
  EXPECT_EQ(sample::argmax((*made)->logits(0)), 31); // The answer is the usual one.
}

TEST(MemoryPlan, addsUpAndRespectsLimits) {
  const auto engine = tinyEngine();
  executor::CapacityRequest r = request(20, 3, 5, 2);
  r.context = 100;
  const auto c = executor::chooseCapacity(engine->plan(), r);
  ASSERT_TRUE(c.isOk());
  EXPECT_EQ(c->limits().tokens, 32u);
  EXPECT_EQ(c->limits().logitRows, 16u);
  EXPECT_EQ(c->blockTableStride, 7u);
  const executor::MemoryPlan m = executor::planMemory(engine->plan(), *c);
  EXPECT_EQ(m.arena, 32u * 192 + 16 * 128);
  EXPECT_EQ(m.kv, 5u * 128);
  EXPECT_EQ(m.scratch, 2u * 128);
  EXPECT_EQ(m.storedWeights, engine->plan().chips[0].weightsBytes);

  const auto says = [&](executor::CapacityRequest asked, const char *part) {
    const auto refused = executor::chooseCapacity(engine->plan(), asked);
    ASSERT_FALSE(refused.isOk());
    EXPECT_NE(refused.status().message().find(part), std::string::npos)
        << refused.status().message();
  };
  says(request(65, 1, 4, 1), "--step-tokens 65: the engine allows 1 to 64");
  says(request(8, 17, 4, 1), "--max-sequences 17: the engine allows 1 to 16");
  says(request(8, 1, 0, 1), "one block of 16 tokens takes 128 bytes");
  says(request(8, 1, 4, 0), "--threads 0");
  r.context = 129;
  says(r, "--max-context 129");
}

TEST(Generator, refusesRequestsThatCannotRun) {
  const auto engine = tinyEngine();
  const auto executor = tinyExecutor(*engine, request(16, 2, 3, 1));
  generate::Generator generator(*executor, engine->plan());
  const auto says = [&](generate::Request r, const char *part) {
    const auto refused = generator.add(std::move(r));
    ASSERT_FALSE(refused.isOk());
    EXPECT_NE(refused.status().message().find(part), std::string::npos)
        << refused.status().message();
  };
  says(ask({}, 1), "no tokens");
  says(ask({1, 99}, 1), "prompt token 99");
  says(ask({1}, 0), "at least one new token");
  says(ask(promptOf(129, 0), 1), "129 tokens");
  says(ask(promptOf(30, 0), 30), "need 4 KV blocks and the pool has 3");
  EXPECT_FALSE(generator.hasWork());
}

TEST(Generator, cancelsInTheMiddle) {
  const auto engine = tinyEngine();
  const auto executor = tinyExecutor(*engine, request(16, 2, 8, 1));
  generate::Generator generator(*executor, engine->plan());
  ASSERT_TRUE(generator.add(ask(promptOf(8, 1), 50)).isOk());
  ASSERT_TRUE(generator.add(ask(promptOf(8, 2), 10)).isOk());
  Collect collect;
  ASSERT_TRUE(generator.step(collect));
  generator.cancel(0);
  generator.cancel(0);
  while (generator.hasWork())
    ASSERT_TRUE(generator.step(collect));
  EXPECT_EQ(collect.answers[0].size(), 1u);
  EXPECT_EQ(collect.answers[1], expected(promptOf(8, 2), 10));
  EXPECT_EQ(generator.state().pool().freeBlocks(), 8u);
}

} // namespace
