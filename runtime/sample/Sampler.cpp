//===- Sampler.cpp - From logits to the next token ------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/sample/Sampler.h"

#include "runtime/sample/Philox.h"
#include "runtime/sample/Softmax.h"
#include "runtime/sample/VocabularyPass.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace tenon::sample {

namespace {

/// Of the boundary of top-p, in temperatures: narrower takes more passes, wider more sorting.
constexpr float kBoundaryWidth = 0.1f;

/// So many candidates are sorted rather than searched for a boundary.
constexpr size_t kFewCandidates = 256;

Status outside(const char *name, double value, const char *range) {
  return Status::invalidArgument(fmt::format("{} is {}; it must be {}", name, value, range));
}

} // namespace

Status SamplingParams::validate(uint32_t vocabulary) const {
  // Written so that NaN fails.
  if (!(temperature >= 0 && temperature <= 100))
    return outside("temperature", temperature, "from 0 to 100");
  if (!(topP > 0 && topP <= 1))
    return outside("top-p", topP, "above 0 and at most 1");
  if (!(minP >= 0 && minP <= 1))
    return outside("min-p", minP, "from 0 to 1");
  if (!(repetitionPenalty > 0 && repetitionPenalty <= 100))
    return outside("repetition penalty", repetitionPenalty, "above 0 and at most 100");
  if (!(std::fabs(frequencyPenalty) <= 100))
    return outside("frequency penalty", frequencyPenalty, "from -100 to 100");
  if (!(std::fabs(presencePenalty) <= 100))
    return outside("presence penalty", presencePenalty, "from -100 to 100");
  for (const auto &[id, bias] : logitBias) {
    if (id < 0 || uint32_t(id) >= vocabulary)
      return outside("a logit bias's token", id, "in the vocabulary");
    if (!(std::fabs(bias) <= 1e6f))
      return outside("a logit bias", bias, "a number");
  }
  if (topLogprobs > vocabulary)
    return outside("top logprobs", topLogprobs, "at most the vocabulary");
  return Status::ok();
}

bool SamplingParams::changesLogits() const {
  return !logitBias.empty() || repetitionPenalty != 1 || frequencyPenalty != 0 ||
         presencePenalty != 0;
}

TokenHistory::Entry &TokenHistory::entryOf(int32_t token) {
  auto at = std::lower_bound(entries.begin(), entries.end(), token,
                             [](const Entry &e, int32_t id) { return e.id < id; });
  if (at == entries.end() || at->id != token)
    at = entries.insert(at, {token, 0});
  return *at;
}

void TokenHistory::addPrompt(std::span<const int32_t> tokens) {
  for (int32_t t : tokens)
    entries.push_back({t, 0});
  std::sort(entries.begin(), entries.end(),
            [](const Entry &a, const Entry &b) { return a.id < b.id; });
  size_t kept = 0;
  for (const Entry &e : entries) {
    if (kept && entries[kept - 1].id == e.id)
      entries[kept - 1].generated += e.generated;
    else
      entries[kept++] = e;
  }
  entries.resize(kept);
}

void TokenHistory::addGenerated(int32_t token) { ++entryOf(token).generated; }

int32_t argmax(std::span<const float> logits) {
  // In pieces, so that no memory for a vocabulary's maxima is needed.
  constexpr size_t pieceBlocks = 64;
  float maxima[pieceBlocks], most = -std::numeric_limits<float>::infinity();
  size_t from = 0;
  for (size_t at = 0; at < logits.size(); at += pieceBlocks * kLogitBlock) {
    const auto piece = logits.subspan(at, std::min(pieceBlocks * kLogitBlock, logits.size() - at));
    const float best = blockMaxima(piece, maxima);
    if (best > most) {
      most = best;
      from = at + kLogitBlock *
                      size_t(std::find(maxima, maxima + logitBlocks(piece.size()), best) - maxima);
    }
  }
  for (size_t i = from; i < logits.size(); ++i)
    if (logits[i] == most)
      return static_cast<int32_t>(i);
  return 0;
}

SoftmaxBase softmaxBase(std::span<const float> logits) {
  constexpr size_t piece = 64 * kLogitBlock;
  double sums[piece / kLogitBlock], sum = 0;
  const float max = maximum(logits);
  for (size_t at = 0; at < logits.size(); at += piece) {
    const auto part = logits.subspan(at, std::min(piece, logits.size() - at));
    blockExpSums(part, max, 1, sums);
    for (size_t b = 0; b < logitBlocks(part.size()); ++b)
      sum += sums[b];
  }
  return {max, double(max) + std::log(sum)};
}

Sampler::Sampler(uint32_t vocabulary)
    : maxima(logitBlocks(vocabulary)), order(maxima.size()),
      sums(maxima.size()) {
  adjusted.reserve(vocabulary);
  candidates.reserve(vocabulary);
  weights.reserve(vocabulary);
  found.reserve(vocabulary);
}

float Sampler::logprob(std::span<const float> logits, int32_t token) {
  return static_cast<float>(double(logits[static_cast<size_t>(token)]) -
                            softmaxBase(logits).logSum);
}

int32_t Sampler::first(const Scan &scan) const {
  const size_t block = size_t(std::find(maxima.begin(), maxima.end(), scan.max) - maxima.begin());
  for (size_t i = block * kLogitBlock; i < scan.logits.size(); ++i)
    if (scan.logits[i] == scan.max)
      return static_cast<int32_t>(i);
  return 0; // no logit is a number
}

/// Calls visit(id, logit) for every logit that is at least `least`, in order of ids; never for NaN.
template <typename Visitor>
void Sampler::forAtLeast(const Scan &scan, float least, Visitor &&visit) const {
  for (size_t b = 0; b < logitBlocks(scan.logits.size()); ++b) {
    if (!(maxima[b] >= least))
      continue;
    const size_t end = std::min((b + 1) * kLogitBlock, scan.logits.size());
    for (size_t i = b * kLogitBlock; i < end; ++i)
      if (scan.logits[i] >= least)
        visit(static_cast<int32_t>(i), scan.logits[i]);
  }
}

static bool isBetter(const Sampler::Candidate &a, const Sampler::Candidate &b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

void Sampler::keepTopK(const Scan &scan, uint32_t k) {
  candidates.clear();
  if (k == 0)
    return;
  // The k-th largest of the blocks' maxima: k logits are at least as large, so no smaller one is
  // kept.
  float least = -std::numeric_limits<float>::infinity();
  const size_t blocks = logitBlocks(scan.logits.size());
  if (k < blocks) {
    std::copy_n(maxima.begin(), blocks, order.begin());
    std::nth_element(order.begin(), order.begin() + (k - 1), order.begin() + ptrdiff_t(blocks),
                     std::greater<>());
    least = order[k - 1];
  }
  // A heap whose front is the worst kept; ids ascend, so among equals the first stay.
  forAtLeast(scan, least, [&](int32_t id, float logit) {
    const Candidate c{logit, id};
    if (candidates.size() < k) {
      candidates.push_back(c);
      std::push_heap(candidates.begin(), candidates.end(), isBetter);
    } else if (logit > candidates.front().logit) {
      std::pop_heap(candidates.begin(), candidates.end(), isBetter);
      candidates.back() = c;
      std::push_heap(candidates.begin(), candidates.end(), isBetter);
    }
  });
  std::sort_heap(candidates.begin(), candidates.end(), isBetter);
}

void Sampler::topLogprobs(std::span<const float> logits, uint32_t count,
                          std::vector<TokenLogprob> &into) {
  topLogprobs(scanOf(logits), count, softmaxBase(logits).logSum, into);
}

void Sampler::topLogprobs(const Scan &scan, uint32_t count, double logSum,
                          std::vector<TokenLogprob> &into) {
  into.clear();
  keepTopK(scan, count);
  for (const Candidate &c : candidates)
    into.push_back({c.id, static_cast<float>(double(c.logit) - logSum)});
}

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

Sampler::Nucleus Sampler::keepTopP(const Scan &scan, float inverse, float p) {
  const float max = scan.max;
  weights.resize(scan.logits.size());
  const double mass = p * blockExpSums(scan.logits, max, inverse, sums.data(), weights.data());
  const WeighedLogits all{scan.logits, weights.data(), maxima.data()};
  found.resize(scan.logits.size());
  const auto collect = [&](float low, float above, size_t most) {
    const size_t count = findBetween(all, low, above, found.data(), most);
    candidates.clear();
    for (size_t i = 0; i < count && count <= most; ++i)
      candidates.push_back({scan.logits[size_t(found[i])], found[i]});
    return count <= most;
  };
  // Mostly few tokens near the maximum suffice.
  for (float below : {4.0f, 8.0f, 12.0f}) {
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
  while (far - near > kBoundaryWidth) {
    float thresholds[kThresholds];
    double masses[kThresholds];
    for (size_t t = 0; t < kThresholds; ++t)
      thresholds[t] = max - distances[t] / inverse;
    massesAtLeast(all, thresholds, masses);
    for (size_t t = kThresholds; t-- > 0;)
      if (masses[t] >= mass) {
        low = thresholds[t];
        far = distances[t];
      }
    for (size_t t = 0; t < kThresholds && masses[t] < mass; ++t) {
      nucleus = {thresholds[t], masses[t]};
      near = distances[t];
    }
    for (size_t t = 0; t < kThresholds; ++t)
      distances[t] = near + (far - near) * float(t + 1) / float(kThresholds + 1);
  }
  collect(low, nucleus.above, scan.logits.size());
  std::sort(candidates.begin(), candidates.end(), isBetter);
  cutAtMass(max, inverse, mass, 0, nucleus.mass);
  return nucleus;
}

int32_t Sampler::drawFromNucleus(const Scan &scan, Nucleus nucleus, float inverse, float least, double u) {
  const WeighedLogits all{scan.logits, weights.data(), maxima.data()};
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

int32_t Sampler::drawFromAll(const Scan &scan, float inverse, double u) {
  // In order of ids: sums of blocks first, then only one block in detail.
  const size_t blocks = logitBlocks(scan.logits.size());
  double rest = u * blockExpSums(scan.logits, scan.max, inverse, sums.data());
  size_t b = 0;
  while (b + 1 < blocks && rest >= sums[b])
    rest -= sums[b++];
  int32_t last = -1;
  for (size_t i = b * kLogitBlock; i < std::min((b + 1) * kLogitBlock, scan.logits.size()); ++i) {
    const double weight = double(expNegative((scan.logits[i] - scan.max) * inverse));
    if (weight <= 0)
      continue;
    last = static_cast<int32_t>(i);
    if (rest < weight)
      break;
    rest -= weight;
  }
  return last >= 0 ? last : first(scan);
}

int32_t Sampler::drawFromCandidates(const Scan &scan, float inverse, double u) const {
  const auto weigh = [&](const Candidate &c) {
    return double(expNegative((c.logit - scan.max) * inverse));
  };
  double total = 0;
  for (const Candidate &c : candidates)
    total += weigh(c);
  double rest = u * total;
  int32_t chosen = candidates.empty() ? first(scan) : candidates.front().id;
  for (const Candidate &c : candidates) {
    const double weight = weigh(c);
    if (weight <= 0)
      continue;
    chosen = c.id;
    if (rest < weight)
      break;
    rest -= weight;
  }
  return chosen;
}

int32_t Sampler::draw(const Scan &scan, const SamplingParams &params, uint64_t index) {
  const float inverse = 1 / params.temperature;
  if (!(std::fabs(scan.max) <= std::numeric_limits<float>::max()) || !(inverse < 1e30f))
    return first(scan);
  const double u = uniformDraw(params.seed, index);
  const bool cutsK = params.topK > 0 && params.topK < scan.logits.size(), cutsP = params.topP < 1;
  if (!cutsK && !cutsP && params.minP <= 0)
    return drawFromAll(scan, inverse, u);
  const float least =
      scan.max + params.temperature * std::log(params.minP); // -infinity without min-p
  if (cutsK) {
    keepTopK(scan, params.topK);
    if (cutsP) {
      double total = 0;
      for (const Candidate &c : candidates)
        total += double(expNegative((c.logit - scan.max) * inverse));
      cutAtMass(scan.max, inverse, params.topP * total, 0, 0);
    }
  } else if (cutsP) {
    const Nucleus nucleus = keepTopP(scan, inverse, params.topP);
    return drawFromNucleus(scan, nucleus, inverse, least, u);
  } else {
    candidates.clear();
    forAtLeast(scan, least, [&](int32_t id, float logit) { candidates.push_back({logit, id}); });
  }
  if (params.minP > 0)
    std::erase_if(candidates, [&](const Candidate &c) { return !(c.logit >= least); });
  return drawFromCandidates(scan, inverse, u);
}

Sampled Sampler::sample(std::span<const float> logits, const SamplingParams &params,
                        const TokenHistory &history, uint64_t index,
                        std::vector<TokenLogprob> *alternatives, const DrawLimits &limits) {
  std::span<const float> used = logits;
  if (params.changesLogits() || limits.mask || !limits.banned.empty()) {
    adjusted.assign(logits.begin(), logits.end());
    for (const auto &[id, bias] : params.logitBias)
      adjusted[static_cast<size_t>(id)] += bias;
    for (const TokenHistory::Entry &e : history.seen()) {
      float &l = adjusted[static_cast<size_t>(e.id)];
      l = l > 0 ? l / params.repetitionPenalty : l * params.repetitionPenalty;
      if (e.generated)
        l -= params.frequencyPenalty * float(e.generated) + params.presencePenalty;
    }
    for (int32_t id : limits.banned)
      adjusted[static_cast<size_t>(id)] = -std::numeric_limits<float>::infinity();
    if (limits.mask)
      limits.mask->apply(adjusted);
    used = adjusted;
  }
  Scan scan = scanOf(used);
  Sampled result;
  result.token = params.temperature > 0 ? draw(scan, params, index) : first(scan);
  if (!params.logprobs && !params.topLogprobs && !alternatives)
    return result;
  if (used.data() != logits.data())
    scan = scanOf(logits);
  const double logSum = double(scan.max) + std::log(blockExpSums(logits, scan.max, 1, sums.data()));
  result.logprob = static_cast<float>(double(logits[static_cast<size_t>(result.token)]) - logSum);
  if (alternatives)
    topLogprobs(scan, params.topLogprobs, logSum, *alternatives);
  return result;
}

} // namespace tenon::sample
