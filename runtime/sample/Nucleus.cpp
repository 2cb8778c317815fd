//===- Nucleus.cpp - Draws that few blocks of logits decide ---------------===//
// SPDX-License-Identifier: Apache-2.0
//
// Top-p, and draws by temperature where the heaviest blocks and bounds of the others decide. What they do not decide
// is summed whole, in the order of Sampler.cpp.
//
#include "runtime/sample/Sampler.h"

#include "runtime/sample/Softmax.h"
#include "runtime/sample/VocabularyPass.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace tenon::sample {

namespace {

/// Of the boundary of top-p, in temperatures: narrower takes more passes, wider more sorting.
constexpr float kBoundaryWidth = 0.1f;

/// Distances from the maximum, in temperatures, within which top-p looks for few tokens that suffice.
constexpr float kNearTokens[] = {4, 8, 12};

/// blockExpSums() adds sixteen numbers to each lane of a sum, expSumsOf() two: what they round differs by less than this.
constexpr double kRounding = 2e-6;

/// So many candidates are sorted rather than searched for a boundary.
constexpr size_t kFewCandidates = 256;

} // namespace

/// Keeps the candidates, sorted best first from `sortedFrom` on, until their share of all reaches
/// p.
void Sampler::cutAtMass(float max, float inverse, double mass, size_t sortedFrom, double before) {
  double sum = before;
  for (size_t i = sortedFrom; i < candidates.size(); ++i) {
    sum += double(expNegative((candidates[i].logit - max) * inverse));
    if (sum >= mass) {
      candidates.resize(i + 1);
      return;
    }
  }
}

/// What the blocks weigh that weigh more than `lightest`, and what the others weigh at most, all of them together. Not if
/// the former are more than half of them (then all, in order, are as quick) or the latter may weigh so much that little
/// would be decided.
std::optional<Sampler::Share> Sampler::weighFew(const Scan &scan, float inverse, float lightest) {
  exponentials(scan.maxima, scan.max, inverse, order.data());
  const std::span<const float> all = std::span(order).first(scan.maxima.size());
  const HeavyValues heavy = heavyValues(all, lightest);
  if (heavy.count > all.size() / 2 || heavy.restSum * kMaximaBlock > heavy.sum * 2)
    return std::nullopt;
  which.resize(all.size());
  size_t count = 0;
  for (size_t b = 0; b < all.size(); ++b) { // without a branch, which would be guessed wrong
    which[count] = static_cast<uint32_t>(b);
    count += all[b] >= lightest;
  }
  which.resize(count);
  expSumsOf(scan.logits, scan.max, inverse, which, weighed.data());
  std::fill(least.begin(), least.end(), 0);
  std::fill(most.begin(), most.end(), 0);
  for (size_t b = 0, next = 0; b < scan.maxima.size(); ++b) {
    const size_t of = b * kMaximaBlock / kLogitBlock;
    if (next < which.size() && which[next] == b) {
      least[of] += weighed[next] * (1 - kRounding);
      most[of] += weighed[next++] * (1 + kRounding);
    } else {
      most[of] += double(order[b]) * kMaximaBlock * (1 + kRounding);
    }
  }
  const auto blocks = ptrdiff_t(logitBlocks(scan.logits.size()));
  const double low = std::accumulate(least.begin(), least.begin() + blocks, 0.0),
               high = std::accumulate(most.begin(), most.begin() + blocks, 0.0);
  return Share{low, high, 1e-12 * high};
}

/// As keepTopP() says where few tokens suffice; false where bounds do not decide that.
bool Sampler::keepFewTopP(const Scan &scan, float inverse, float p) {
  const WeighedLogits all{scan.logits, nullptr, scan.maxima.data()};
  found.resize(scan.logits.size());
  weights.resize(scan.logits.size());
  for (float lightest : {1.2e-5f, 8e-7f}) { // e^-11.3, and e^-14 where that does not decide.
    const std::optional<Share> share = weighFew(scan, inverse, lightest);
    if (!share)
      continue;
    const double low = p * share->least - share->margin, high = p * share->most + share->margin;
    for (float below : kNearTokens) {
      const size_t count = findBetween(all, scan.max - below / inverse, std::numeric_limits<float>::infinity(),
                                       found.data(), kFewCandidates);
      if (count > kFewCandidates)
        return false;
      candidates.clear();
      double reached = 0;
      for (size_t i = 0; i < count; ++i) {
        const auto id = size_t(found[i]);
        candidates.push_back({scan.logits[id], found[i]});
        weights[id] = expNegative((scan.logits[id] - scan.max) * inverse);
        reached += double(weights[id]);
      }
      if (reached < low)
        continue;
      if (reached < high)
        break;
      std::sort(candidates.begin(), candidates.end(), isBetter);
      double sum = 0;
      size_t kept = 0;
      while (kept < candidates.size() && sum < low)
        sum += double(weights[size_t(candidates[kept++].id)]);
      if (sum < high)
        break;
      candidates.resize(kept);
      return true;
    }
  }
  return false;
}

Sampler::Nucleus Sampler::keepTopP(const Scan &scan, float inverse, float p) {
  if (keepFewTopP(scan, inverse, p))
    return {};
  const float max = scan.max;
  weights.resize(scan.logits.size());
  const double mass = p * blockExpSums(scan.logits, max, inverse, sums.data(), weights.data());
  const WeighedLogits all{scan.logits, weights.data(), scan.maxima.data()};
  found.resize(scan.logits.size());
  const auto collect = [&](float low, float above, size_t most) {
    const size_t count = findBetween(all, low, above, found.data(), most);
    candidates.clear();
    for (size_t i = 0; i < count && count <= most; ++i)
      candidates.push_back({scan.logits[size_t(found[i])], found[i]});
    return count <= most;
  };
  // Mostly few tokens near the maximum suffice.
  for (float below : kNearTokens) {
    if (!collect(max - below / inverse, std::numeric_limits<float>::infinity(), kFewCandidates))
      break;
    double reached = 0;
    for (const Candidate &c : candidates)
      reached += double(weights[size_t(c.id)]);
    if (reached < mass)
      continue;
    std::sort(candidates.begin(), candidates.end(), isBetter);
    cutAtMass(max, inverse, mass, 0, 0);
    return {};
  }
  // Logits from `above` on weigh less than `mass` together, those from `low` on at least as much: the boundary lies
  // between. Distances from the maximum, in temperatures, narrow it down to few logits, and only those are sorted.
  float near = 0, far = 87;
  Nucleus nucleus;
  float low = max - far / inverse;
  float distances[kThresholds] = {2, 6, 12, 24};
  double masses[kThresholds];
  const auto weigh = [&](const float (&at)[kThresholds]) {
    float thresholds[kThresholds];
    for (size_t t = 0; t < kThresholds; ++t)
      thresholds[t] = max - at[t] / inverse;
    massesAtLeast(all, thresholds, masses);
  };
  // Farther ones pass many more blocks, and mostly the boundary is nearer: what reaches the mass at 9 does so at 12.
  const bool isNear = heavyValues(scan.maxima, max - 9 / inverse).count < scan.maxima.size() / 2;
  if (isNear)
    weigh({2, 6, 9, 9});
  if (!isNear || masses[2] < mass)
    weigh(distances);
  while (true) {
    for (size_t t = kThresholds; t-- > 0;)
      if (masses[t] >= mass) {
        low = max - distances[t] / inverse;
        far = distances[t];
      }
    for (size_t t = 0; t < kThresholds && masses[t] < mass; ++t) {
      nucleus = {max - distances[t] / inverse, masses[t]};
      near = distances[t];
    }
    if (far - near <= kBoundaryWidth)
      break;
    for (size_t t = 0; t < kThresholds; ++t)
      distances[t] = near + (far - near) * float(t + 1) / float(kThresholds + 1);
    weigh(distances);
  }
  collect(low, nucleus.above, scan.logits.size());
  std::sort(candidates.begin(), candidates.end(), isBetter);
  cutAtMass(max, inverse, mass, 0, nucleus.mass);
  return nucleus;
}

int32_t Sampler::drawFromNucleus(const Scan &scan, Nucleus nucleus, float inverse, float least, double u) {
  const WeighedLogits all{scan.logits, weights.data(), scan.maxima.data()};
  if (least > nucleus.above) { // All that min-p leaves is far from the boundary.
    candidates.clear();
    nucleus = {least, blockMassesAtLeast(all, least, sums.data())};
  }
  double total = nucleus.mass;
  std::erase_if(candidates, [&](const Candidate &c) { return !(c.logit >= least); });
  for (const Candidate &c : candidates)
    total += double(weights[size_t(c.id)]);
  double rest = u * total;
  if (rest >= nucleus.mass && !candidates.empty()) {
    rest -= nucleus.mass;
    for (const Candidate &c : candidates) {
      if (rest < double(weights[size_t(c.id)]))
        return c.id;
      rest -= double(weights[size_t(c.id)]);
    }
    return candidates.back().id;
  }
  // In order of ids: sums of blocks first, then only one block in detail.
  blockMassesAtLeast(all, nucleus.above, sums.data());
  const size_t blocks = logitBlocks(scan.logits.size());
  int32_t last = -1;
  for (size_t b = 0; b < blocks; ++b) {
    if (rest >= sums[b] && b + 1 < blocks) {
      rest -= sums[b];
      continue;
    }
    for (size_t i = b * kLogitBlock; i < std::min((b + 1) * kLogitBlock, scan.logits.size()); ++i) {
      if (!(scan.logits[i] >= nucleus.above))
        continue;
      last = static_cast<int32_t>(i);
      if (rest < double(weights[i]))
        return last;
      rest -= double(weights[i]);
    }
    if (last >= 0)
      break;
  }
  return last >= 0 ? last : first(scan);
}

/// As drawFromAll() says, by the blocks that weigh most and bounds of what the others weigh; -1 where that does not decide.
int32_t Sampler::drawFromFew(const Scan &scan, float inverse, double u) {
  // Of e^-9 and e^-14: the second where the first does not decide.
  for (float lightest : {1.2e-4f, 8e-7f}) {
    const std::optional<Share> share = weighFew(scan, inverse, lightest);
    if (!share)
      continue;
    const size_t blocks = logitBlocks(scan.logits.size());
    // What is left of u's share of all weights, at least and at most.
    double low = u * share->least - share->margin, high = u * share->most + share->margin;
    double leastBefore = 0, mostBefore = 0;
    size_t block = 0;
    while (block < blocks && high >= leastBefore + least[block]) {
      leastBefore += least[block];
      mostBefore += most[block++];
    }
    if (block == blocks || (block > 0 && low < mostBefore))
      continue;
    low -= mostBefore;
    high -= leastBefore;
    double before = 0;
    for (size_t i = block * kLogitBlock; i < std::min((block + 1) * kLogitBlock, scan.logits.size()); ++i) {
      const double weight = double(expNegative((scan.logits[i] - scan.max) * inverse));
      if (high < before + weight) {
        if (before == 0 || low >= before)
          return static_cast<int32_t>(i);
        break;
      }
      before += weight;
    }
  }
  return -1;
}

} // namespace tenon::sample
