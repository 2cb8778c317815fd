//===- StepDrawsTest.cpp - Tokens drawn by several workers ----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/generate/StepDraws.h"
#include "test/runtime/TinyEngine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <random>
#include <thread>
#include <unistd.h>

using namespace tenon;
using namespace tenon::generate;
using namespace tenon::test;

namespace {

constexpr uint32_t kVocabulary = 1000, kRows = 24;

/// Allows even tokens only, and notices if two threads ask at a time.
class EvenTokens : public sample::TokenMask {
public:
  EvenTokens() : words(kVocabulary / 32 + 1, 0x55555555u) {}
  std::span<const uint32_t> next() override {
    EXPECT_FALSE(busy.exchange(true));
    ++asked;
    std::this_thread::yield();
    busy = false;
    return words;
  }
  void accept(int32_t) override {}
  std::vector<uint32_t> words;
  std::atomic<bool> busy{false};
  int asked = 0;
};

class StepDrawsTest : public testing::Test {
protected:
  void SetUp() override {
    const std::string path = testing::TempDir() + "/draws-" + std::to_string(getpid()) + ".tenon";
    writeFile(path, TinyEngine::make(TENON_TINY_KERNELS).write());
    auto opened = engine::Engine::open(path, {});
    unlink(path.c_str()); // It stays mapped.
    ASSERT_TRUE(opened.isOk());
    engine = std::move(*opened);
    std::mt19937 random(7);
    std::normal_distribution<float> normal(0, 3);
    for (uint32_t r = 0; r < kRows; ++r) {
      logits[r].resize(kVocabulary);
      for (float &l : logits[r])
        l = normal(random);
      maxima[r].resize(sample::maximaBlocks(kVocabulary));
      sample::blockMaxima(logits[r], maxima[r].data());
      params[r].temperature = r % 3 ? 0.9f : 0;
      params[r].topP = r % 4 ? 1 : 0.8f;
      params[r].seed = r;
      params[r].topLogprobs = r % 5 == 0 ? 4 : 0;
    }
  }

  /// The tokens, and the ids of the alternatives, of all rows; rows with `mask` true have one.
  std::vector<std::vector<int32_t>> draw(uint32_t workers) {
    executor::CapacityRequest request;
    request.workers = workers;
    const auto capacity = executor::chooseCapacity(engine->plan(), request);
    EXPECT_TRUE(capacity.isOk());
    auto executor = executor::Executor::create(*engine, *capacity, {.pin = false});
    EXPECT_TRUE(executor.isOk());
    StepDraws draws(kVocabulary, workers, kRows);
    std::vector<std::vector<int32_t>> all;
    for (int step = 0; step < 3; ++step) {
      draws.clear();
      for (uint32_t r = 0; r < kRows; ++r) {
        StepDraws::Draw &d = draws.add();
        d.logits = logits[r];
        d.maxima = r % 2 ? std::span<const float>(maxima[r]) : std::span<const float>();
        d.mask = r % 6 == 1 ? &masks[r] : nullptr;
        d.params = &params[r];
        d.history = &history;
        d.index = uint64_t(step);
        d.limits = {};
      }
      draws.run(**executor);
      for (const StepDraws::Draw &d : draws.results()) {
        all.push_back({d.sampled.token});
        for (const sample::TokenLogprob &a : d.alternatives)
          all.back().push_back(a.id);
      }
    }
    return all;
  }

  std::unique_ptr<engine::Engine> engine;
  std::vector<float> logits[kRows], maxima[kRows];
  sample::SamplingParams params[kRows];
  sample::TokenHistory history;
  EvenTokens masks[kRows];
};

/// Allows every token, and refuses odd ones when they are drawn.
class LateEvenTokens : public sample::TokenMask {
public:
  std::span<const uint32_t> next() override {
    if (words.empty())
      words.assign(kVocabulary / 32 + 1, ~0u);
    return words;
  }
  bool admits(int32_t token) override {
    if (token % 2 == 0)
      return true;
    words[size_t(token) / 32] &= ~(1u << token % 32);
    ++refused;
    return false;
  }
  void accept(int32_t) override {}
  std::vector<uint32_t> words;
  int refused = 0;
};

TEST_F(StepDrawsTest, aRefusedTokenLeavesTheOthersTheirChances) {
  // Four tokens share nearly all: 0 and 2 as 1 to 3, whatever is refused before.
  std::vector<float> row(kVocabulary, -50);
  row[0] = std::log(0.1f), row[1] = std::log(0.35f), row[2] = std::log(0.3f),
  row[3] = std::log(0.25f);
  sample::SamplingParams warm;
  warm.temperature = 1;
  warm.seed = 5;
  executor::CapacityRequest request;
  const auto capacity = executor::chooseCapacity(engine->plan(), request);
  ASSERT_TRUE(capacity.isOk());
  auto executor = executor::Executor::create(*engine, *capacity, {.pin = false});
  ASSERT_TRUE(executor.isOk());
  StepDraws draws(kVocabulary, 1, 1);
  constexpr int kDraws = 4000;
  int twos = 0, refused = 0;
  for (int i = 0; i < kDraws; ++i) {
    LateEvenTokens mask;
    draws.clear();
    StepDraws::Draw &d = draws.add();
    d.logits = row;
    d.maxima = {};
    d.mask = &mask;
    d.params = &warm;
    d.history = &history;
    d.index = uint64_t(i);
    d.limits = {};
    draws.run(**executor);
    const int32_t token = draws.results()[0].sampled.token;
    ASSERT_TRUE(token == 0 || token == 2) << token;
    twos += token == 2;
    refused += mask.refused;
  }
  // Of an even token 3/4 of the time, within four standard deviations; 0.6 of the first draws are
  // refused.
  EXPECT_NEAR(twos, kDraws * 0.75, 4 * std::sqrt(kDraws * 0.75 * 0.25));
  EXPECT_GT(refused, kDraws / 2);
}

TEST_F(StepDrawsTest, giveTheSameWhoeverDraws) {
  const auto alone = draw(1);
  ASSERT_EQ(alone.size(), 3 * kRows);
  for (uint32_t r = 0; r < kRows; ++r) {
    EXPECT_EQ(alone[r].size(), r % 5 == 0 ? 5u : 1u);
    if (r % 6 == 1) {
      EXPECT_EQ(alone[r][0] % 2, 0);
    }
  }
  for (int again = 0; again < 20; ++again) {
    EXPECT_EQ(draw(3), alone);
  }
  EXPECT_EQ(masks[1].asked, 3 * 21) << "once a draw";
}

} // namespace
