//===- PoolerTest.cpp - One vector for a text -----------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/generate/Generator.h"
#include "test/runtime/TinyEngine.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <unistd.h>

using namespace tenon;
using namespace tenon::test;
using generate::Pooling;

namespace {

std::unique_ptr<engine::Engine> open(const TinyEngine &tiny) {
  const std::string path = testing::TempDir() + "/pooler-" + std::to_string(getpid()) + ".tenon";
  writeFile(path, tiny.write());
  auto opened = engine::Engine::open(path, {});
  EXPECT_TRUE(opened.isOk()) << opened.status().message();
  unlink(path.c_str()); // It stays mapped.
  return std::move(*opened);
}

std::unique_ptr<engine::Engine> pooling() {
  TinyEngine tiny = TinyEngine::make(TENON_TINY_KERNELS);
  tiny.addPooling();
  return open(tiny);
}

std::unique_ptr<executor::Executor> executorOf(const engine::Engine &e, uint32_t stepTokens,
                                               uint32_t sequences, uint64_t blocks) {
  executor::CapacityRequest wanted;
  wanted.stepTokens = stepTokens;
  wanted.sequences = sequences;
  wanted.kvBytes = blocks * 128;
  auto capacity = executor::chooseCapacity(e.plan(), wanted);
  EXPECT_TRUE(capacity.isOk()) << capacity.status().message();
  auto made = executor::Executor::create(e, *capacity, {.pin = false});
  EXPECT_TRUE(made.isOk()) << made.status().message();
  return std::move(*made);
}

class Collect : public generate::Listener {
public:
  void onPooled(const generate::PooledEvent &event) override {
    vectors[event.request].assign(event.vector.begin(), event.vector.end());
    cached[event.request] = event.cachedTokens;
    preemptions += event.preemptions;
  }
  void onToken(const generate::TokenEvent &event) override {
    tokens[event.request].push_back(event.token);
  }
  std::map<uint64_t, std::vector<float>> vectors;
  std::map<uint64_t, std::vector<int32_t>> tokens;
  std::map<uint64_t, uint32_t> cached;
  uint32_t preemptions = 0;
};

std::vector<int32_t> promptOf(uint32_t length, int32_t salt) {
  std::vector<int32_t> prompt(length);
  for (uint32_t i = 0; i < length; ++i)
    prompt[i] = int32_t((i * 7 + uint32_t(salt) * 5 + 1) % kTinyVocabulary);
  return prompt;
}

generate::Request ask(std::vector<int32_t> prompt, Pooling kind) {
  generate::Request r;
  r.prompt = std::move(prompt);
  r.pooling = kind;
  return r;
}

/// The toy model's hidden state is the token's id, then zeros; the norm is that of addPooling().
float stateOf(int32_t token) {
  const double mean = double(token) * token / 16;
  return float(token / std::sqrt(mean + TinyEngine::kPoolingEps) * TinyEngine::kPoolingNorm);
}
float expected(const std::vector<int32_t> &prompt, Pooling kind) {
  if (kind == Pooling::Last)
    return stateOf(prompt.back());
  double sum = 0;
  for (int32_t token : prompt)
    sum += stateOf(token);
  return float(sum / double(prompt.size()));
}

void runAll(generate::Generator &generator, Collect &collect) {
  while (generator.hasWork()) {
    ASSERT_TRUE(generator.step(collect));
    ASSERT_TRUE(generator.state().checkIntegrity());
  }
}

TEST(Pooler, poolsWhatEveryChunkSizeComputes) {
  const auto engine = pooling();
  const std::vector<int32_t> prompt = promptOf(45, 3);
  for (Pooling kind : {Pooling::Last, Pooling::Mean}) {
    std::vector<float> first;
    for (uint32_t chunk : {1u, 3u, 16u, 64u}) {
      const auto executor = executorOf(*engine, chunk, 1, 8);
      generate::Generator generator(*executor, engine->plan());
      ASSERT_TRUE(generator.add(ask(prompt, kind)).isOk());
      Collect collect;
      runAll(generator, collect);
      ASSERT_EQ(collect.vectors[0].size(), 16u);
      EXPECT_FLOAT_EQ(collect.vectors[0][0], expected(prompt, kind)) << "chunks of " << chunk;
      EXPECT_EQ(collect.vectors[0][1], 0);
      if (first.empty())
        first = collect.vectors[0];
      EXPECT_EQ(collect.vectors[0], first); // To the bit.
      EXPECT_EQ(generator.state().pool().freeBlocks(), generator.state().pool().size());
    }
  }
}

TEST(Pooler, standsBesideRequestsThatGenerate) {
  const auto engine = pooling();
  const auto executor = executorOf(*engine, 20, 6, 48);
  generate::Generator generator(*executor, engine->plan());
  generate::Request writes;
  writes.prompt = promptOf(9, 1);
  writes.maxNewTokens = 30;
  ASSERT_TRUE(generator.add(writes).isOk());
  for (int32_t s = 1; s < 6; ++s)
    ASSERT_TRUE(
        generator.add(ask(promptOf(5 + uint32_t(s) * 9, s), s % 2 ? Pooling::Last : Pooling::Mean))
            .isOk());
  Collect collect;
  runAll(generator, collect);
  EXPECT_EQ(collect.tokens[0].size(), 30u);
  for (int32_t s = 1; s < 6; ++s)
    EXPECT_FLOAT_EQ(
        collect.vectors[uint64_t(s)][0],
        expected(promptOf(5 + uint32_t(s) * 9, s), s % 2 ? Pooling::Last : Pooling::Mean));
}

TEST(Pooler, takesTheLastTokenFromThePrefixTreeAndTheMeanFromEveryRow) {
  const auto engine = pooling();
  const auto executor = executorOf(*engine, 64, 2, 16);
  generate::Generator generator(*executor, engine->plan(), /*prefixTree=*/true);
  const std::vector<int32_t> prompt = promptOf(50, 2);
  Collect collect;
  for (Pooling kind : {Pooling::Last, Pooling::Last, Pooling::Mean}) {
    ASSERT_TRUE(generator.add(ask(prompt, kind)).isOk());
    runAll(generator, collect);
  }
  EXPECT_EQ(collect.cached[0], 0u);
  EXPECT_EQ(collect.cached[1], 48u);
  EXPECT_EQ(collect.vectors[1], collect.vectors[0]);
  EXPECT_EQ(collect.cached[2], 0u);
  EXPECT_FLOAT_EQ(collect.vectors[2][0], expected(prompt, Pooling::Mean));
}

TEST(Pooler, givesTheSameAfterAPreemption) {
  const auto engine = pooling();
  // The prompt, a row a step, takes the last three of eight blocks; the one that generates needs
  // one before it is done.
  const auto executor = executorOf(*engine, 2, 2, 8);
  generate::Generator generator(*executor, engine->plan());
  generate::Request writes;
  writes.prompt = promptOf(60, 1);
  writes.maxNewTokens = 60;
  writes.priority = -1;
  ASSERT_TRUE(generator.add(writes).isOk());
  Collect collect;
  for (int i = 0; i < 35; ++i)
    ASSERT_TRUE(generator.step(collect));
  const std::vector<int32_t> prompt = promptOf(40, 4);
  ASSERT_TRUE(generator.add(ask(prompt, Pooling::Mean)).isOk());
  runAll(generator, collect);
  EXPECT_GT(collect.preemptions, 0u);
  EXPECT_FLOAT_EQ(collect.vectors[1][0], expected(prompt, Pooling::Mean));
}

TEST(Pooler, saysWhyAnEngineHasNone) {
  const auto engine = open(TinyEngine::make(TENON_TINY_KERNELS));
  const auto executor = executorOf(*engine, 16, 1, 8);
  generate::Generator generator(*executor, engine->plan());
  const auto added = generator.add(ask(promptOf(5, 1), Pooling::Last));
  ASSERT_FALSE(added.isOk());
  EXPECT_EQ(added.status().code(), StatusCode::Unsupported);
  EXPECT_NE(added.status().message().find("compile it again"), std::string::npos);
}

TEST(Pooler, makesVectorsOfLengthOne) {
  const std::vector<float> vector = {3, 4, 12};
  EXPECT_EQ(generate::toEmbedding(vector, 2, true), (std::vector<float>{0.6f, 0.8f}));
  EXPECT_EQ(generate::toEmbedding(vector, 0, false), vector);
  EXPECT_EQ(generate::toEmbedding(vector, 1, false), std::vector<float>{3});
  const std::vector<float> whole = generate::toEmbedding(vector, 0, true);
  EXPECT_FLOAT_EQ(whole[2], 12.f / 13);
  EXPECT_EQ(generate::toEmbedding(std::vector<float>(3), 0, true), std::vector<float>(3));
}

} // namespace
