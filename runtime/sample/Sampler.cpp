//===- Sampler.cpp - From logits to the next token ------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/sample/Sampler.h"

#include "runtime/sample/Philox.h"
#include "runtime/sample/Softmax.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace tenon::sample {

namespace {

/// Buckets of the top-p search: width 1/16 in units of temperature, the last takes the rest.
constexpr size_t kBuckets = 512;
constexpr float kBucketsPerUnit = 16;

size_t bucketOf(float below) {
  const float at = below * kBucketsPerUnit;
  return at < float(kBuckets - 1) ? static_cast<size_t>(at) : kBuckets - 1;
}

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

float maximum(std::span<const float> values) {
  constexpr size_t lanes = 16;
  const float lowest = -std::numeric_limits<float>::infinity();
  float best[lanes];
  std::fill(best, best + lanes, lowest);
  size_t i = 0;
  for (; i + lanes <= values.size(); i += lanes)
    for (size_t lane = 0; lane < lanes; ++lane)
      best[lane] = values[i + lane] > best[lane] ? values[i + lane] : best[lane];
  float most = lowest;
  for (float b : best)
    most = std::max(most, b);
  for (; i < values.size(); ++i)
    most = values[i] > most ? values[i] : most;
  return most;
}

int32_t argmax(std::span<const float> logits) {
  const float most = maximum(logits);
  for (size_t i = 0; i < logits.size(); ++i)
    if (logits[i] == most)
      return static_cast<int32_t>(i);
  return 0;
}

SoftmaxBase softmaxBase(std::span<const float> logits) {
  const float max = maximum(logits);
  double sum = 0;
  for (size_t i = 0; i < logits.size(); i += kSumBlock)
    sum += expSum(logits.subspan(i, std::min(kSumBlock, logits.size() - i)), max, 1);
  return {max, double(max) + std::log(sum)};
}

Sampler::Sampler(uint32_t vocabulary) : bucketMass(std::max(kBuckets, vocabulary / kSumBlock + 1)) {
  adjusted.reserve(vocabulary);
  candidates.reserve(vocabulary);
}

float Sampler::logprob(std::span<const float> logits, int32_t token) {
  return static_cast<float>(double(logits[static_cast<size_t>(token)]) -
                            softmaxBase(logits).logSum);
}

void Sampler::keepTopK(std::span<const float> logits, uint32_t k) {
  const auto better = [](const Candidate &a, const Candidate &b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
  };
  // A heap whose front is the worst kept: almost every token loses against it in one comparison.
  candidates.clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    const Candidate c{logits[i], static_cast<int32_t>(i)};
    if (candidates.size() < k) {
      if (c.logit != c.logit)
        continue;
      candidates.push_back(c);
      std::push_heap(candidates.begin(), candidates.end(), better);
    } else if (c.logit > candidates.front().logit) {
      std::pop_heap(candidates.begin(), candidates.end(), better);
      candidates.back() = c;
      std::push_heap(candidates.begin(), candidates.end(), better);
    }
  }
  std::sort_heap(candidates.begin(), candidates.end(), better);
}

void Sampler::topLogprobs(std::span<const float> logits, uint32_t count,
                          std::vector<TokenLogprob> &into) {
  into.clear();
  keepTopK(logits, count);
  const double logSum = softmaxBase(logits).logSum;
  for (const Candidate &c : candidates)
    into.push_back({c.id, static_cast<float>(double(c.logit) - logSum)});
}

/// Keeps the candidates, sorted best first, until their share of all reaches p.
template <typename Candidates>
static void cutTopP(Candidates &candidates, float max, float inverseTemperature, double mass,
                    size_t sortedFrom, double before) {
  double sum = before;
  for (size_t i = sortedFrom; i < candidates.size(); ++i) {
    sum += double(expNegative((candidates[i].logit - max) * inverseTemperature));
    if (sum >= mass) {
      candidates.resize(i + 1);
      return;
    }
  }
}

int32_t Sampler::draw(std::span<const float> logits, const SamplingParams &params, uint64_t index) {
  const float max = maximum(logits);
  const float inverse = 1 / params.temperature;
  if (!(std::fabs(max) <= std::numeric_limits<float>::max()) || !(inverse < 1e30f))
    return argmax(logits);
  const double u = uniformDraw(params.seed, index);
  const bool cutsK = params.topK > 0 && params.topK < logits.size();
  const bool cutsP = params.topP < 1;

  if (!cutsK && !cutsP && params.minP <= 0) {
    // The whole vocabulary, in order of ids: sums of blocks first, then only one block in detail.
    const size_t blocks = (logits.size() + kSumBlock - 1) / kSumBlock;
    double total = 0;
    for (size_t b = 0; b < blocks; ++b) {
      const size_t at = b * kSumBlock;
      bucketMass[b] =
          expSum(logits.subspan(at, std::min(kSumBlock, logits.size() - at)), max, inverse);
      total += bucketMass[b];
    }
    double rest = u * total;
    size_t b = 0;
    while (b + 1 < blocks && rest >= bucketMass[b])
      rest -= bucketMass[b++];
    int32_t last = argmax(logits);
    for (size_t i = b * kSumBlock; i < std::min((b + 1) * kSumBlock, logits.size()); ++i) {
      const double weight = double(expNegative((logits[i] - max) * inverse));
      if (weight <= 0)
        continue;
      last = static_cast<int32_t>(i);
      if (rest < weight)
        break;
      rest -= weight;
    }
    return last;
  }

  const auto better = [](const Candidate &a, const Candidate &b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
  };
  if (cutsK) {
    keepTopK(logits, params.topK);
    if (cutsP) {
      double total = 0;
      for (const Candidate &c : candidates)
        total += double(expNegative((c.logit - max) * inverse));
      cutTopP(candidates, max, inverse, params.topP * total, 0, 0);
    }
  } else if (cutsP) {
    // Which bucket holds the boundary? Only that one is sorted.
    std::fill(bucketMass.begin(), bucketMass.begin() + kBuckets, 0.0);
    double total = 0;
    for (float l : logits) {
      const float below = (max - l) * inverse;
      if (!(below <= 87))
        continue;
      const double weight = double(expNegative(-below));
      bucketMass[bucketOf(below)] += weight;
      total += weight;
    }
    const double mass = params.topP * total;
    size_t boundary = 0;
    double before = 0;
    while (boundary + 1 < kBuckets && before + bucketMass[boundary] < mass)
      before += bucketMass[boundary++];
    candidates.clear();
    for (int pass = 0; pass < 2; ++pass) // surely in, then the boundary's
      for (size_t i = 0; i < logits.size(); ++i) {
        const float below = (max - logits[i]) * inverse;
        if (!(below <= 87))
          continue;
        const size_t bucket = bucketOf(below);
        if (pass == 0 ? bucket < boundary : bucket == boundary)
          candidates.push_back({logits[i], static_cast<int32_t>(i)});
      }
    size_t sure = 0;
    while (sure < candidates.size() &&
           bucketOf((max - candidates[sure].logit) * inverse) < boundary)
      ++sure;
    std::sort(candidates.begin() + static_cast<ptrdiff_t>(sure), candidates.end(), better);
    cutTopP(candidates, max, inverse, mass, sure, before);
  } else {
    candidates.clear();
    for (size_t i = 0; i < logits.size(); ++i)
      if (logits[i] >= max + params.temperature * std::log(params.minP))
        candidates.push_back({logits[i], static_cast<int32_t>(i)});
  }
  if (params.minP > 0) {
    const float least = max + params.temperature * std::log(params.minP);
    std::erase_if(candidates, [&](const Candidate &c) { return !(c.logit >= least); });
  }

  double total = 0;
  for (const Candidate &c : candidates)
    total += double(expNegative((c.logit - max) * inverse));
  double rest = u * total;
  int32_t chosen = candidates.empty() ? argmax(logits) : candidates.front().id;
  for (const Candidate &c : candidates) {
    const double weight = double(expNegative((c.logit - max) * inverse));
    if (weight <= 0)
      continue;
    chosen = c.id;
    if (rest < weight)
      break;
    rest -= weight;
  }
  return chosen;
}

Sampled Sampler::sample(std::span<const float> logits, const SamplingParams &params,
                        const TokenHistory &history, uint64_t index,
                        std::vector<TokenLogprob> *alternatives) {
  std::span<const float> used = logits;
  if (params.changesLogits()) {
    adjusted.assign(logits.begin(), logits.end());
    for (const auto &[id, bias] : params.logitBias)
      adjusted[static_cast<size_t>(id)] += bias;
    for (const TokenHistory::Entry &e : history.seen()) {
      float &l = adjusted[static_cast<size_t>(e.id)];
      l = l > 0 ? l / params.repetitionPenalty : l * params.repetitionPenalty;
      if (e.generated)
        l -= params.frequencyPenalty * float(e.generated) + params.presencePenalty;
    }
    used = adjusted;
  }
  Sampled result;
  result.token = params.temperature > 0 ? draw(used, params, index) : argmax(used);
  if (params.logprobs || params.topLogprobs)
    result.logprob = logprob(logits, result.token);
  if (alternatives)
    topLogprobs(logits, params.topLogprobs, *alternatives);
  return result;
}

} // namespace tenon::sample
