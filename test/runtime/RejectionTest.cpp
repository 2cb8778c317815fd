//===- RejectionTest.cpp - Chances of draws from whole vocabularies --------===//
// SPDX-License-Identifier: Apache-2.0
//
// Draws by temperature and top-p of every shape of row, against shares that are summed up in double
// by the definition: Pearson's chi-square over cells that are each expected often enough. Cells are
// the likeliest tokens, ranges of the other tokens by likelihood, and ranges of ids, so that a
// wrong share shows by value and by place.
//
#include "runtime/sample/Sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <tuple>
#include <utility>

using namespace tenon;
using namespace tenon::sample;

namespace {

struct Row {
  std::string name;
  std::vector<float> logits;
};

std::vector<Row> rowsOf(size_t n) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 1);
  std::vector<Row> rows = {{"flat", {}},
                           {"usual", {}},
                           {"steep", {}},
                           {"sparse", {}},
                           {"equal", std::vector<float>(n, -3.0f)},
                           {"text", {}}};
  for (size_t i = 0; i < n; ++i) {
    const float x = normal(random);
    rows[0].logits.push_back(0.4f * x);
    rows[1].logits.push_back(2.5f * x);
    rows[2].logits.push_back(9 * x);
    rows[3].logits.push_back(i % 64 == 7 ? x : -std::numeric_limits<float>::infinity());
    rows[5].logits.push_back(2 * x);
  }
  for (size_t i = 0; i < 30 && i * 131 < n; ++i)
    rows[5].logits[i * 131] = 12 + normal(random);
  return rows;
}

/// Every token's share, by the definition.
std::vector<double> sharesOf(const std::vector<float> &logits, const SamplingParams &params) {
  std::vector<size_t> ids(logits.size());
  for (size_t i = 0; i < ids.size(); ++i)
    ids[i] = i;
  std::sort(ids.begin(), ids.end(), [&](size_t a, size_t b) {
    return std::pair(-logits[a], a) < std::pair(-logits[b], b);
  });
  std::vector<double> shares(logits.size());
  double all = 0, kept = 0, before = 0;
  for (size_t id : ids)
    all += shares[id] =
        std::exp((double(logits[id]) - double(logits[ids[0]])) / double(params.temperature));
  for (size_t id : ids) {
    const double weight = shares[id];
    if (before >= double(params.topP) * all || weight < double(params.minP))
      shares[id] = 0;
    before += weight;
    kept += shares[id];
  }
  for (double &share : shares)
    share /= kept;
  return shares;
}

/// Chi-square of counts in cells; each is a sum over `members` tokens in `order`, as long as it is
/// expected ten times.
void expectShares(const std::vector<double> &shares, const std::vector<int> &counts,
                  std::vector<size_t> order, int draws) {
  double chi = 0, expected = 0, seen = 0;
  int cells = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    expected += shares[order[i]] * draws;
    seen += counts[order[i]];
    if (expected >= 10) {
      chi += (seen - expected) * (seen - expected) / expected;
      ++cells;
      expected = seen = 0;
    }
  }
  // The chi-square distribution's upper 1e-6, by Wilson and Hilferty's approximation.
  const double degrees = std::max(1, cells), root = std::sqrt(2 / (9 * degrees));
  EXPECT_LT(chi, degrees * std::pow(1 - 2 / (9 * degrees) + 4.753 * root, 3)) << cells << " cells";
}

void check(size_t n, int draws) {
  Sampler sampler{uint32_t(n)};
  for (const Row &row : rowsOf(n)) {
    std::vector<float> logits = row.logits, maxima(maximaBlocks(n));
    blockMaxima(logits, maxima.data());
    for (const auto &[temperature, topP, minP] : {std::tuple{1.0f, 1.0f, 0.0f},
                                                  {0.6f, 1.0f, 0.0f},
                                                  {2.0f, 1.0f, 0.0f},
                                                  {0.9f, 0.95f, 0.0f},
                                                  {0.9f, 0.4f, 0.0f},
                                                  {1.2f, 0.9f, 0.02f}}) {
      SCOPED_TRACE(row.name + " of " + std::to_string(n) + ", temperature " +
                   std::to_string(temperature) + ", top-p " + std::to_string(topP) + ", min-p " +
                   std::to_string(minP));
      SamplingParams params;
      params.temperature = temperature;
      params.topP = topP;
      params.minP = minP;
      params.seed = 99;
      const std::vector<double> shares = sharesOf(logits, params);
      std::vector<int> counts(n);
      int outside = 0;
      for (int i = 0; i < draws; ++i) {
        const auto token =
            size_t(sampler.sample(logits, params, {}, uint64_t(i), nullptr, {}, maxima).token);
        ++counts[token];
        outside += shares[token] <= 0;
      }
      EXPECT_EQ(outside, 0) << "tokens that are cut";
      std::vector<size_t> byId(n), byLogit;
      for (size_t i = 0; i < n; ++i)
        byId[i] = i;
      byLogit = byId;
      std::sort(byLogit.begin(), byLogit.end(), [&](size_t a, size_t b) {
        return std::pair(-logits[a], a) < std::pair(-logits[b], b);
      });
      expectShares(shares, counts, byId, draws);
      expectShares(shares, counts, byLogit, draws);
    }
  }
}

TEST(Rejection, tokensComeAsOftenAsTheyWeigh) {
  check(1000, 12'000);
  check(5003, 8'000);
}

TEST(Rejection, tokensOfAWholeVocabularyComeAsOftenAsTheyWeigh) { check(49'152, 3'000); }

TEST(Rejection, aDrawDoesNotDependOnThoseBefore) {
  std::vector<float> logits = rowsOf(5003)[1].logits;
  Sampler one(5003), other(5003);
  SamplingParams params;
  params.temperature = 1.1f;
  for (uint64_t i = 0; i < 50; ++i) {
    params.topP = i % 3 ? 1 : 0.97f;
    const int32_t token = one.sample(logits, params, {}, i).token;
    for (uint64_t before = 0; before < i % 4; ++before)
      other.sample(logits, params, {}, 1000 + before);
    ASSERT_EQ(other.sample(logits, params, {}, i).token, token);
  }
}

} // namespace
