//===- SamplerEqualityTest.cpp - Short cuts draw what the long way draws ---===//
// SPDX-License-Identifier: Apache-2.0
//
// With the maxima of blocks at hand the sampler reads few logits, and it changes them in place.
// Neither may show: not in a token, not in a bit of a log-probability, not in the logits
// afterwards.
//
#include "runtime/sample/Philox.h"
#include "runtime/sample/Sampler.h"
#include "runtime/sample/Softmax.h"
#include "runtime/sample/VocabularyPass.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>

using namespace tenon;
using namespace tenon::sample;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(),
                kInf = std::numeric_limits<float>::infinity();

struct Row {
  std::string name;
  std::vector<float> logits;
};

std::vector<float> normal(size_t n, unsigned seed, float deviation) {
  std::mt19937 random(seed);
  std::normal_distribution<float> distribution(0, deviation);
  std::vector<float> logits(n);
  for (float &l : logits)
    l = distribution(random);
  return logits;
}

/// Rows of `n` logits, from usual ones to what no model should give.
std::vector<Row> rowsOf(size_t n) {
  std::vector<Row> rows = {
      {"flat", normal(n, 1, 0.5f)}, {"usual", normal(n, 2, 2.5f)}, {"steep", normal(n, 3, 12)}};
  Row peaked{"peaked", normal(n, 4, 2.5f)}, ties{"ties", normal(n, 5, 2)},
      masked{"masked", normal(n, 6, 3)}, numbers{"some are no numbers", normal(n, 7, 3)},
      infinite{"infinite", normal(n, 8, 3)};
  for (size_t i = 0; i < 20; ++i)
    peaked.logits[i * 7919 % n] = 14 + 0.3f * float(i % 7);
  for (float &l : ties.logits)
    l = std::round(l);
  for (size_t i = 0; i < n; ++i) {
    if (i % 97 != 3)
      masked.logits[i] = -kInf;
    if (i % 5 == 0)
      numbers.logits[i] = kNan;
    if (i % 64 >= 32)
      numbers.logits[i] = i % 2 ? kNan : -kInf;
  }
  infinite.logits[n / 2] = kInf;
  rows.insert(rows.end(), {peaked,
                           ties,
                           masked,
                           numbers,
                           infinite,
                           {"all equal", std::vector<float>(n, 1.5f)},
                           {"zeros of both signs", std::vector<float>(n, -0.0f)},
                           {"none is a number", std::vector<float>(n, kNan)},
                           {"all impossible", std::vector<float>(n, -kInf)}});
  for (size_t i = 0; i < n; i += 3)
    rows[rows.size() - 3].logits[i] = 0.0f;
  return rows;
}

struct Way {
  std::string name;
  SamplingParams params;
};

std::vector<Way> ways() {
  std::vector<Way> all = {{"greedy", {}}};
  for (float temperature : {0.1f, 0.8f, 1.0f, 3.0f})
    for (int cut = 0; cut < 6; ++cut) {
      SamplingParams p;
      p.temperature = temperature;
      p.topK = cut == 1 ? 1 : cut == 2 ? 40 : 0;
      p.topP = cut == 3 ? 0.95f : cut == 4 ? 0.3f : 1;
      p.minP = cut == 5 ? 0.05f : 0;
      all.push_back(
          {"temperature " + std::to_string(temperature) + ", cut " + std::to_string(cut), p});
    }
  SamplingParams p;
  p.temperature = 0.9f, p.topK = 60, p.topP = 0.9f, p.minP = 0.01f;
  all.push_back({"all cuts", p});
  return all;
}

/// What a sampler is to draw: parameters that change logits, and limits.
struct Changes {
  SamplingParams params;
  TokenHistory history;
  std::vector<int32_t> banned;
  std::vector<uint32_t> allowed;

  /// The same changes by their definition, to a copy.
  std::vector<float> apply(const std::vector<float> &logits) const {
    std::vector<float> out = logits;
    for (const auto &[id, bias] : params.logitBias)
      out[size_t(id)] += bias;
    for (const TokenHistory::Entry &e : history.seen()) {
      float &l = out[size_t(e.id)];
      l = l > 0 ? l / params.repetitionPenalty : l * params.repetitionPenalty;
      if (e.generated)
        l -= params.frequencyPenalty * float(e.generated) + params.presencePenalty;
    }
    for (int32_t id : banned)
      out[size_t(id)] = -kInf;
    for (size_t i = 0; i < out.size() && !allowed.empty(); ++i)
      if (i / 32 >= allowed.size() || !(allowed[i / 32] >> i % 32 & 1))
        out[i] = -kInf;
    return out;
  }
};

std::vector<Changes> changesOf(const std::vector<float> &logits) {
  const auto n = int32_t(logits.size());
  const int32_t best = argmax(logits);
  std::vector<Changes> all(4);
  all[0].params.logitBias = {
      {best, -30.0f}, {n / 3, 20.0f}, {n / 3, -3.0f}, {best, 1.0f}, {n - 1, 4.0f}};
  all[1].params.repetitionPenalty = 1.3f, all[1].params.frequencyPenalty = 0.4f,
  all[1].params.presencePenalty = -0.2f;
  std::vector<int32_t> prompt;
  for (int32_t i = 0; i < 300; ++i)
    prompt.push_back(int32_t(int64_t(i) * 131 % n));
  all[1].history.addPrompt(prompt);
  for (int32_t token : {best, best, n / 2, n - 1})
    all[1].history.addGenerated(token);
  all[2].banned = {best, best, 0};
  all[3] = all[1];
  all[3].params.logitBias = all[0].params.logitBias;
  all[3].banned = {best};
  all[3].allowed.assign(size_t(n + 40) / 48, 0); // The last third may not come.
  for (size_t w = 0; w < all[3].allowed.size(); ++w)
    all[3].allowed[w] = w % 4 == 0 ? ~0u : w % 4 == 1 ? 0 : 0x9e3779b9u * uint32_t(w);
  return all;
}

std::vector<float> maximaOf(const std::vector<float> &logits) {
  std::vector<float> maxima(maximaBlocks(logits.size()));
  blockMaxima(logits, maxima.data());
  return maxima;
}

bool same(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

/// Every row, way and change of a vocabulary of `n`, `draws` times each.
void compare(size_t n, int draws) {
  Sampler sampler{uint32_t(n)}, plain{uint32_t(n)};
  for (const Row &row : rowsOf(n)) {
    const std::vector<float> maxima = maximaOf(row.logits);
    std::vector<Changes> changes = changesOf(row.logits);
    changes.emplace_back();
    for (const Changes &change : changes)
      for (const Way &way : ways()) {
        SCOPED_TRACE(row.name + " of " + std::to_string(n) + ", " + way.name);
        Way changed = way;
        changed.params.logitBias = change.params.logitBias;
        changed.params.repetitionPenalty = change.params.repetitionPenalty;
        changed.params.frequencyPenalty = change.params.frequencyPenalty;
        changed.params.presencePenalty = change.params.presencePenalty;
        changed.params.logprobs = true;
        changed.params.topLogprobs = std::min<uint32_t>(5, uint32_t(n));
        std::vector<float> before = change.apply(row.logits), logits = row.logits;
        for (int i = 0; i < draws; ++i) {
          std::vector<TokenLogprob> alternatives, expectedAlternatives;
          const Sampled got =
              sampler.sample(logits, changed.params, change.history, uint64_t(i), &alternatives,
                             {change.allowed, change.banned}, maxima);
          const int32_t expected = plain.sample(before, way.params, {}, uint64_t(i)).token;
          ASSERT_EQ(got.token, expected) << "draw " << i;
          ASSERT_EQ(std::memcmp(logits.data(), row.logits.data(), n * sizeof(float)), 0)
              << "not put back";
          const SoftmaxBase base = softmaxBase(row.logits);
          ASSERT_TRUE(same(got.logprob, float(double(row.logits[size_t(expected)]) - base.logSum)));
          plain.topLogprobs(row.logits, changed.params.topLogprobs, expectedAlternatives);
          ASSERT_EQ(alternatives.size(), expectedAlternatives.size());
          for (size_t a = 0; a < alternatives.size(); ++a) {
            ASSERT_EQ(alternatives[a].id, expectedAlternatives[a].id);
            ASSERT_TRUE(same(alternatives[a].logprob, expectedAlternatives[a].logprob));
          }
        }
      }
  }
}

TEST(SamplerEquality, shortCutsDrawTheSame) {
  for (size_t n : {1, 2, 31, 32, 33, 255, 257, 1000, 5003})
    compare(n, n < 300 ? 8 : 4);
}

TEST(SamplerEquality, shortCutsDrawTheSameOfAWholeVocabulary) { compare(49'152, 1); }

TEST(SamplerEquality, masksKeepWhatTheirBitsSay) {
  const std::vector<float> logits = normal(333, 9, 3);
  std::mt19937 random(1);
  for (size_t words : {0, 1, 5, 10, 11}) {
    std::vector<uint32_t> bits(words);
    for (uint32_t &w : bits)
      w = random() % 3 ? random() : random() % 2 ? ~0u : 0;
    std::vector<float> out(logits.size());
    keepAllowed(logits, bits, out.data());
    for (size_t i = 0; i < logits.size(); ++i)
      EXPECT_EQ(out[i], i / 32 < words && bits[i / 32] >> i % 32 & 1 ? logits[i] : -kInf);
  }
}

} // namespace
