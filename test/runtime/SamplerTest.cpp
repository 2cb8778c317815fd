//===- SamplerTest.cpp - From logits to the next token --------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/sample/Sampler.h"
#include "runtime/sample/Philox.h"
#include "runtime/sample/Softmax.h"
#include "runtime/sample/VocabularyPass.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>

using namespace tenon;
using namespace tenon::sample;

namespace {

std::vector<float> randomLogits(size_t n, unsigned seed, float deviation = 3) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> logits(n);
  for (float &l : logits)
    l = normal(random);
  return logits;
}

/// Shares of `draws` tokens.
std::map<int32_t, double> frequencies(const std::vector<float> &logits,
                                      const SamplingParams &params, int draws) {
  Sampler sampler(uint32_t(logits.size()));
  std::vector<float> row = logits;
  std::map<int32_t, double> counts;
  for (int i = 0; i < draws; ++i)
    counts[sampler.sample(row, params, {}, uint64_t(i)).token] += 1.0 / draws;
  return counts;
}

/// Probabilities by the definition: sorted whole, in double.
std::map<int32_t, double> reference(const std::vector<float> &logits, const SamplingParams &p) {
  std::vector<int32_t> order(logits.size());
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = int32_t(i);
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return std::pair(-logits[size_t(a)], a) < std::pair(-logits[size_t(b)], b);
  });
  if (p.topK && p.topK < order.size())
    order.resize(p.topK);
  std::vector<double> weight;
  double total = 0;
  for (int32_t id : order) {
    weight.push_back(
        std::exp((double(logits[size_t(id)]) - logits[size_t(order[0])]) / p.temperature));
    total += weight.back();
  }
  size_t keep = 0;
  for (double sum = 0; keep < order.size() && (keep == 0 || sum < p.topP * total); ++keep)
    sum += weight[keep];
  if (p.topP == 1)
    keep = order.size();
  std::map<int32_t, double> kept;
  double mass = 0;
  for (size_t i = 0; i < keep; ++i)
    if (weight[i] >= p.minP) {
      kept[order[i]] = weight[i];
      mass += weight[i];
    }
  for (auto &[id, w] : kept)
    w /= mass;
  return kept;
}

TEST(Philox, givesThePublishedNumbers) {
  // Known answers of the Random123 distribution, philox4x32-10.
  const std::array<uint32_t, 4> zero = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), zero);
  const uint32_t f = 0xffffffff;
  const std::array<uint32_t, 4> ones = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
  EXPECT_EQ(philox4x32({f, f, f, f}, {f, f}), ones);
  const std::array<uint32_t, 4> pi = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            pi);
}

TEST(Softmax, exponentialIsWithinTwoUlp) {
  for (float x = -86.9f; x <= 0; x += 0.00137f) {
    const double exact = std::exp(double(x));
    EXPECT_NEAR(double(expNegative(x)), exact, exact * 2.4e-7) << x;
  }
  EXPECT_EQ(expNegative(0), 1.0f);
  EXPECT_EQ(expNegative(-200), 0.0f);
  EXPECT_EQ(expNegative(std::numeric_limits<float>::quiet_NaN()), 0.0f);
}

TEST(Sampler, greedyTakesTheLowestIdOfEquals) {
  std::vector<float> logits = randomLogits(1000, 1);
  logits[700] = logits[300] = 50;
  EXPECT_EQ(argmax(logits), 300);
  Sampler sampler(1000);
  EXPECT_EQ(sampler.sample(logits, {}, {}, 0).token, 300);
  logits[10] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(argmax(logits), 300);
}

TEST(Sampler, logprobsEqualTheDefinition) {
  const std::vector<float> logits = randomLogits(50'001, 2);
  double sum = 0;
  for (float l : logits)
    sum += std::exp(double(l));
  Sampler sampler(uint32_t(logits.size()));
  for (int32_t id : {0, 77, 50'000})
    EXPECT_NEAR(Sampler::logprob(logits, id), double(logits[size_t(id)]) - std::log(sum), 1e-5);
  std::vector<TokenLogprob> top;
  sampler.topLogprobs(logits, 5, top);
  ASSERT_EQ(top.size(), 5u);
  EXPECT_EQ(top[0].id, argmax(logits));
  for (size_t i = 1; i < 5; ++i)
    EXPECT_GE(top[i - 1].logprob, top[i].logprob);
}

TEST(Sampler, drawsWhatTheDefinitionsSay) {
  const std::vector<float> logits = randomLogits(400, 3, 2);
  std::vector<SamplingParams> cases(7);
  cases[0].temperature = 1;
  cases[1].temperature = 0.7f;
  cases[1].topK = 20;
  cases[2].temperature = 1.3f;
  cases[2].topP = 0.8f;
  cases[3].temperature = 1;
  cases[3].minP = 0.1f;
  cases[4].temperature = 1;
  cases[4].topK = 40;
  cases[4].topP = 0.9f;
  cases[4].minP = 0.05f;
  cases[5].temperature = 5;
  cases[5].topP = 0.99f;
  cases[6].temperature = 1;
  cases[6].topP = 0.01f;
  for (size_t c = 0; c < cases.size(); ++c) {
    const auto expected = reference(logits, cases[c]);
    const auto got = frequencies(logits, cases[c], 40'000);
    for (const auto &[id, share] : got)
      EXPECT_TRUE(expected.count(id)) << "case " << c << " drew token " << id;
    for (const auto &[id, share] : expected)
      EXPECT_NEAR(got.count(id) ? got.at(id) : 0, share, 4 * std::sqrt(share / 40'000) + 2e-4)
          << "case " << c;
  }
}

/// The tokens that `params` leave of a whole vocabulary, as the reference says, hold all of many
/// draws.
TEST(Sampler, cutsAWholeVocabularyAtTheRightToken) {
  std::vector<float> peaked = randomLogits(100'000, 6, 1.5f);
  for (uint32_t i = 0; i < 30; ++i)
    peaked[(i * 8191u) % peaked.size()] = 9 + 0.1f * float(i);
  const std::vector<float> flat = randomLogits(20'003, 7, 0.3f);
  for (const auto *logits : {&std::as_const(peaked), &flat}) {
    std::vector<SamplingParams> cases(5);
    cases[0].topK = 7;
    cases[1].topK = 1500; // more than blocks
    cases[2].topP = 0.6f;
    cases[3].topP = 0.995f;
    cases[4].minP = 0.3f;
    for (SamplingParams &params : cases) {
      params.temperature = 0.9f;
      const auto kept = reference(*logits, params);
      const auto drawn = frequencies(*logits, params, 400);
      double expected = 0, found = 0; // of the likelier half of the tokens
      std::vector<double> shares;
      for (const auto &[id, share] : kept)
        shares.push_back(share);
      std::nth_element(shares.begin(), shares.begin() + ptrdiff_t(shares.size() / 2), shares.end());
      const double median = shares[shares.size() / 2];
      for (const auto &[id, share] : kept)
        if (share >= median) {
          expected += share;
          found += drawn.count(id) ? drawn.at(id) : 0;
        }
      for (const auto &[id, share] : drawn)
        EXPECT_TRUE(kept.count(id)) << "token " << id << " of " << kept.size();
      EXPECT_NEAR(found, expected, 0.13) << kept.size() << " tokens kept";
    }
  }
}

TEST(VocabularyPass, givesTheBitsOfPlainLoops) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (size_t count : {size_t(1), size_t(255), size_t(256), size_t(5000), size_t(49'152)}) {
    std::vector<float> logits = randomLogits(count, unsigned(count));
    logits[count / 2] = nan;
    std::vector<float> maxima(maximaBlocks(count));
    std::vector<double> sums(logitBlocks(count));
    blockMaxima(logits, maxima.data());
    const double total = blockExpSums(logits, 9, 0.7f, sums.data());
    float expectedMost = -std::numeric_limits<float>::infinity();
    double expectedTotal = 0;
    for (size_t b = 0; b < maxima.size(); ++b) {
      float best = -std::numeric_limits<float>::infinity();
      for (size_t i = b * kMaximaBlock; i < std::min(count, (b + 1) * kMaximaBlock); ++i)
        best = logits[i] > best ? logits[i] : best;
      EXPECT_EQ(maxima[b], best);
      expectedMost = std::max(expectedMost, best);
    }
    for (size_t b = 0; b < sums.size(); ++b) {
      float lanes[16] = {};
      for (size_t i = b * kLogitBlock; i < std::min(count, (b + 1) * kLogitBlock); ++i)
        lanes[i % 16] += expNegative((logits[i] - 9) * 0.7f);
      double sum = 0;
      for (float lane : lanes)
        sum += double(lane);
      EXPECT_EQ(sums[b], sum) << "block " << b;
      expectedTotal += sum;
    }
    EXPECT_EQ(maximum(logits), expectedMost);
    EXPECT_EQ(maximum(maxima), expectedMost);
    EXPECT_EQ(findFirst(logits, logits[count - 1]),
              size_t(std::find(logits.begin(), logits.end(), logits[count - 1]) - logits.begin()));
    EXPECT_EQ(findFirst(logits, 12345), count);
    EXPECT_EQ(total, expectedTotal);
  }
}

TEST(VocabularyPass, weighsWhatIsAtLeast) {
  for (size_t count : {size_t(0), size_t(1), size_t(255), size_t(300), size_t(49'155)}) {
    std::vector<float> logits = randomLogits(count, unsigned(count));
    if (count > 1)
      logits[count / 2] = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> maxima(maximaBlocks(count));
    blockMaxima(logits, maxima.data());
    const float most = count ? maximum(maxima) : 0;
    for (float least : {most, 5.0f, 0.0f, -8.0f}) {
      double sum = 0, from = 0, thirdsSum = 0, thirdsFrom = 0;
      for (size_t i = 0; i < count; ++i) {
        if (std::isnan(logits[i]))
          continue;
        const double weight = std::exp((double(logits[i]) - double(most)) * 0.7);
        sum += weight;
        from += logits[i] >= least ? weight : 0;
        const double ofThird = i / kMaximaBlock % 3 == 1 ? weight : 0;
        thirdsSum += ofThird;
        thirdsFrom += logits[i] >= least ? ofThird : 0;
      }
      const WeightsFrom got = weightsFrom(logits, most, 0.7f, least);
      EXPECT_NEAR(got.sum, sum, 1e-5 * sum) << count;
      EXPECT_NEAR(got.least, from, 1e-5 * sum) << count << ", from " << least;
      std::vector<uint32_t> thirds;
      for (uint32_t b = 1; b < maxima.size(); b += 3)
        thirds.push_back(b);
      const WeightsFrom some = roughWeightsOfBlocks(logits, most, 0.7f, least, thirds);
      EXPECT_NEAR(some.sum, thirdsSum, kRoughly * thirdsSum) << count;
      EXPECT_NEAR(some.least, thirdsFrom, kRoughly * thirdsFrom) << count << ", from " << least;
    }
  }
}

TEST(VocabularyPass, aRoughWeightIsWithinItsBound) {
  std::vector<float> logits(kMaximaBlock, -std::numeric_limits<float>::infinity());
  const uint32_t block = 0;
  double worst = 0;
  for (float x = 0; x > -86; x -= 0.00037f) {
    logits[3] = x;
    const WeightsFrom got = roughWeightsOfBlocks(logits, 0, 1, -40, {&block, 1});
    worst = std::max(worst, std::fabs(got.sum / std::exp(double(x)) - 1));
    ASSERT_EQ(got.least, x >= -40 ? got.sum : 0) << x;
  }
  EXPECT_LT(worst, kRoughly);
  for (float x : {-90.0f, -1e30f, std::numeric_limits<float>::quiet_NaN()}) {
    logits[3] = x;
    const WeightsFrom got = roughWeightsOfBlocks(logits, 0, 1, -40, {&block, 1});
    EXPECT_GE(got.sum, 0) << x;
    EXPECT_LT(got.sum, 1e-37) << x;
    EXPECT_EQ(got.least, 0) << x;
  }
}

TEST(VocabularyPass, partsPlacesAtAValue) {
  for (size_t count : {size_t(0), size_t(1), size_t(15), size_t(16), size_t(1537)}) {
    std::vector<float> values = randomLogits(count, unsigned(count) + 7), weights(count);
    for (size_t i = 0; i < count; ++i)
      weights[i] = float(i % 13);
    if (count > 2)
      values[1] = std::numeric_limits<float>::quiet_NaN(),
      values[2] = -std::numeric_limits<float>::infinity();
    for (float least : {-std::numeric_limits<float>::infinity(), -1.0f, 2.0f, 1e9f}) {
      std::vector<uint32_t> places(count + 1), expected;
      double others = 0;
      for (size_t i = 0; i < count; ++i)
        if (values[i] >= least)
          expected.push_back(uint32_t(i));
        else
          others += double(weights[i]);
      const Parted got = partAt(values, weights.data(), least, places.data());
      places.resize(got.count);
      EXPECT_EQ(places, expected) << count << " from " << least;
      EXPECT_EQ(got.others, others) << count << " from " << least;
    }
  }
}

TEST(Sampler, resolvesTiesAtTheBoundaryByLowerId) {
  const std::vector<float> logits(100, 1.0f);
  SamplingParams params;
  params.temperature = 1;
  params.topK = 3;
  std::set<int32_t> drawn;
  for (const auto &[id, share] : frequencies(logits, params, 1000))
    drawn.insert(id);
  EXPECT_EQ(drawn, (std::set<int32_t>{0, 1, 2}));
  params.topK = 0;
  params.topP = 0.045f;
  drawn.clear();
  for (const auto &[id, share] : frequencies(logits, params, 1000))
    drawn.insert(id);
  EXPECT_EQ(drawn, (std::set<int32_t>{0, 1, 2, 3, 4}));
}

TEST(Sampler, theSameSeedAndIndexDrawTheSame) {
  std::vector<float> logits = randomLogits(262'144, 4);
  SamplingParams params;
  params.temperature = 1;
  params.topP = 0.95f;
  params.seed = 42;
  Sampler one(262'144), other(262'144);
  SamplingParams different = params;
  different.seed = 43;
  std::vector<int32_t> a, b, c;
  for (uint64_t i = 0; i < 8; ++i) {
    a.push_back(one.sample(logits, params, {}, i).token);
    other.sample(logits, different, {}, 99 - i);
    b.push_back(other.sample(logits, params, {}, i).token);
    c.push_back(other.sample(logits, different, {}, i).token);
  }
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
}

TEST(Sampler, appliesBiasAndPenalties) {
  std::vector<float> logits(10, 0.0f);
  logits[3] = 2.0f;
  logits[4] = 1.9f;
  logits[5] = -1.0f;
  Sampler sampler(10);
  TokenHistory history;
  history.addPrompt(std::vector<int32_t>{3, 3, 5});
  SamplingParams params;
  params.repetitionPenalty = 1.2f;
  EXPECT_EQ(sampler.sample(logits, params, history, 0).token, 4); // 2 / 1.2 < 1.9
  params.repetitionPenalty = 1;
  params.presencePenalty = 0.3f;
  EXPECT_EQ(sampler.sample(logits, params, history, 0).token, 3); // only in the prompt
  history.addGenerated(3);
  EXPECT_EQ(sampler.sample(logits, params, history, 0).token, 4);
  params.presencePenalty = 0;
  params.frequencyPenalty = 0.06f;
  EXPECT_EQ(sampler.sample(logits, params, history, 0).token, 3);
  history.addGenerated(3);
  EXPECT_EQ(sampler.sample(logits, params, history, 0).token, 4);
  params = {};
  params.logitBias = {{7, 100}};
  const Sampled biased = sampler.sample(logits, params, {}, 0);
  EXPECT_EQ(biased.token, 7);
  params.logprobs = true;
  EXPECT_NEAR(sampler.sample(logits, params, {}, 0).logprob, Sampler::logprob(logits, 7), 1e-6);
}

TEST(Sampler, survivesLogitsThatAreNoNumbers) {
  const float inf = std::numeric_limits<float>::infinity(),
              nan = std::numeric_limits<float>::quiet_NaN();
  SamplingParams params;
  params.temperature = 1;
  for (std::vector<float> logits :
       {std::vector<float>(5, nan), std::vector<float>(5, inf), std::vector<float>(5, -inf),
        std::vector<float>{nan, 1, nan, inf, -inf}, std::vector<float>{nan, 1, -inf, 0, nan}})
    for (int mode = 0; mode < 4; ++mode) {
      SamplingParams p = params;
      p.topK = mode == 1 ? 2 : 0;
      p.topP = mode == 2 ? 0.5f : 1;
      p.minP = mode == 3 ? 0.5f : 0;
      Sampler sampler(5);
      const int32_t token = sampler.sample(logits, p, {}, 3).token;
      EXPECT_GE(token, 0);
      EXPECT_LT(token, 5);
    }
}

TEST(SamplingParams, nameWhatIsOutOfRange) {
  const auto says = [](SamplingParams p, const char *part) {
    const Status status = p.validate(100);
    EXPECT_EQ(status.code(), StatusCode::InvalidArgument);
    EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  SamplingParams p;
  EXPECT_TRUE(p.validate(100));
  p.temperature = -1;
  says(p, "temperature is -1");
  p.temperature = nan;
  says(p, "temperature");
  p = {};
  p.topP = 0;
  says(p, "top-p is 0");
  p = {};
  p.minP = 1.5f;
  says(p, "min-p is 1.5");
  p = {};
  p.repetitionPenalty = 0;
  says(p, "repetition penalty");
  p = {};
  p.logitBias = {{100, 1}};
  says(p, "a logit bias's token is 100");
  p.logitBias = {{1, nan}};
  says(p, "a logit bias is");
}

} // namespace
