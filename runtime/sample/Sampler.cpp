//===- Sampler.cpp - From logits to the next token ------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/sample/Sampler.h"

#include "runtime/sample/Softmax.h"
#include "runtime/sample/VocabularyPass.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace tenon::sample {

namespace {

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
  const size_t at = findFirst(logits, maximum(logits));
  return at < logits.size() ? static_cast<int32_t>(at) : 0;
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
    : ownMaxima(maximaBlocks(vocabulary)), order(ownMaxima.size()), sums(logitBlocks(vocabulary)),
      which(ownMaxima.size() + 1) {
  adjusted.reserve(vocabulary);
  changed.reserve(2 * size_t(vocabulary));
  lowered.reserve(2 * size_t(vocabulary));
  candidates.reserve(vocabulary);
  groupEnds.reserve(ownMaxima.size());
}

float Sampler::logprob(std::span<const float> logits, int32_t token) {
  return static_cast<float>(double(logits[static_cast<size_t>(token)]) -
                            softmaxBase(logits).logSum);
}

/// Without `maxima` they are found first, and stay valid until the next call.
Sampler::Scan Sampler::scanOf(std::span<const float> logits, std::span<const float> maxima) {
  if (maxima.empty()) {
    blockMaxima(logits, ownMaxima.data());
    maxima = std::span(ownMaxima).first(maximaBlocks(logits.size()));
  }
  return {logits, maxima, maximum(maxima)};
}

int32_t Sampler::first(const Scan &scan) const {
  const size_t from = findFirst(scan.maxima, scan.max) * kMaximaBlock;
  for (size_t i = from; i < scan.logits.size(); ++i)
    if (scan.logits[i] == scan.max)
      return static_cast<int32_t>(i);
  return 0; // no logit is a number
}

/// Calls visit(id, logit) for every logit that is at least `least`, in order of ids; never for NaN.
template <typename Visitor>
void Sampler::forAtLeast(const Scan &scan, float least, Visitor &&visit) const {
  for (size_t b = 0; b < scan.maxima.size(); ++b) {
    if (!(scan.maxima[b] >= least))
      continue;
    const size_t end = std::min((b + 1) * kMaximaBlock, scan.logits.size());
    for (size_t i = b * kMaximaBlock; i < end; ++i)
      if (scan.logits[i] >= least)
        visit(static_cast<int32_t>(i), scan.logits[i]);
  }
}

/// Replaces a logit in place, keeping its block's maximum true unless that must be looked for
/// again.
template <typename Change>
void Sampler::change(std::span<float> logits, int32_t id, Change &&change) {
  float &logit = logits[static_cast<size_t>(id)];
  const uint32_t block = static_cast<uint32_t>(id) / kMaximaBlock;
  const float was = logit;
  changed.push_back({was, id});
  logit = change(was);
  if (logit > ownMaxima[block])
    ownMaxima[block] = logit;
  else if (was == ownMaxima[block])
    lowered.push_back(block);
}

void Sampler::changeBack(std::span<float> logits) {
  for (size_t i = changed.size(); i-- > 0;)
    logits[static_cast<size_t>(changed[i].id)] = changed[i].logit;
  changed.clear();
}

/// Applies bias, penalties and limits: to a copy under a mask, which concerns every logit, else to
/// the few logits in their place, until changeBack().
Sampler::Scan Sampler::adjust(std::span<float> logits, const SamplingParams &params,
                              const TokenHistory &history, const DrawLimits &limits,
                              std::span<const float> maxima) {
  std::span<float> used = logits;
  changed.clear();
  lowered.clear();
  if (!limits.allowed.empty()) {
    adjusted.resize(logits.size());
    keepAllowed(logits, limits.allowed, adjusted.data());
    used = adjusted;
    maxima = {};
  }
  std::copy(maxima.begin(), maxima.end(), ownMaxima.begin());
  for (const TokenHistory::Entry &e : history.seen())
    __builtin_prefetch(&used[static_cast<size_t>(e.id)]);
  for (const auto &[id, bias] : params.logitBias)
    change(used, id, [bias = bias](float l) { return l + bias; });
  for (const TokenHistory::Entry &e : history.seen())
    change(used, e.id, [&](float l) {
      l = l > 0 ? l / params.repetitionPenalty : l * params.repetitionPenalty;
      if (e.generated)
        l -= params.frequencyPenalty * float(e.generated) + params.presencePenalty;
      return l;
    });
  for (int32_t id : limits.banned)
    change(used, id, [](float) { return -std::numeric_limits<float>::infinity(); });
  if (used.data() != logits.data())
    changed.clear(); // The copy is nobody's.
  if (maxima.empty())
    return scanOf(used, {});
  for (uint32_t block : lowered) {
    const size_t at = block * kMaximaBlock;
    ownMaxima[block] = maximum(used.subspan(at, std::min(kMaximaBlock, used.size() - at)));
  }
  return scanOf(used, std::span(ownMaxima).first(maxima.size()));
}

/// A bound that at least `k` logits reach, close to the k-th largest: the k-th largest of the
/// blocks' maxima.
float Sampler::atLeastInTopK(const Scan &scan, uint32_t k) {
  const auto kthLargest = [&](size_t count) {
    std::nth_element(order.begin(), order.begin() + (k - 1), order.begin() + ptrdiff_t(count),
                     std::greater<>());
    return order[k - 1];
  };
  if (k >= scan.maxima.size())
    return -std::numeric_limits<float>::infinity();
  // Of groups of blocks first: then few blocks are left to select from.
  constexpr size_t group = kLogitBlock / kMaximaBlock;
  const size_t groups = logitBlocks(scan.logits.size());
  float least = -std::numeric_limits<float>::infinity();
  if (k < groups) {
    for (size_t g = 0; g < groups; ++g) {
      const size_t at = g * group;
      float most = scan.maxima[at];
      for (size_t b = at + 1; b < std::min(at + group, scan.maxima.size()); ++b)
        most = scan.maxima[b] > most ? scan.maxima[b] : most;
      order[g] = most;
    }
    least = kthLargest(groups);
  }
  size_t count = 0;
  for (float maximum : scan.maxima) {
    order[count] = maximum;
    count += maximum >= least;
  }
  return kthLargest(count);
}

void Sampler::keepTopK(const Scan &scan, uint32_t k) {
  candidates.clear();
  if (k == 0)
    return;
  const float least = atLeastInTopK(scan, k);
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
  topLogprobs(scanOf(logits, {}), count, softmaxBase(logits).logSum, into);
}

void Sampler::topLogprobs(const Scan &scan, uint32_t count, double logSum,
                          std::vector<TokenLogprob> &into) {
  into.clear();
  keepTopK(scan, count);
  for (const Candidate &c : candidates)
    into.push_back({c.id, static_cast<float>(double(c.logit) - logSum)});
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

/// Keeps the candidates, sorted best first, until they weigh `mass`.
void Sampler::cutAtMass(float max, float inverse, double mass) {
  double sum = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    sum += double(expNegative((candidates[i].logit - max) * inverse));
    if (sum >= mass) {
      candidates.resize(i + 1);
      return;
    }
  }
}

int32_t Sampler::draw(const Scan &scan, const SamplingParams &params, uint64_t index,
                      uint32_t attempt) {
  const float inverse = 1 / params.temperature;
  if (!(std::fabs(scan.max) <= std::numeric_limits<float>::max()) || !(inverse < 1e30f))
    return first(scan);
  DrawWords random(params.seed, index, attempt);
  const bool cutsK = params.topK > 0 && params.topK < scan.logits.size(), cutsP = params.topP < 1;
  if (!cutsK && !cutsP && params.minP <= 0)
    return drawByTemperature(scan, inverse, random);
  const float least =
      scan.max + params.temperature * std::log(params.minP); // -infinity without min-p
  if (cutsK) {
    keepTopK(scan, params.topK);
    if (cutsP) {
      double total = 0;
      for (const Candidate &c : candidates)
        total += double(expNegative((c.logit - scan.max) * inverse));
      cutAtMass(scan.max, inverse, params.topP * total);
    }
  } else if (cutsP) {
    return drawFromNucleus(scan, inverse, params.topP, least, random);
  } else {
    candidates.clear();
    forAtLeast(scan, least, [&](int32_t id, float logit) { candidates.push_back({logit, id}); });
  }
  if (params.minP > 0)
    std::erase_if(candidates, [&](const Candidate &c) { return !(c.logit >= least); });
  return drawFromCandidates(scan, inverse, random.first());
}

Sampled Sampler::sample(std::span<float> logits, const SamplingParams &params,
                        const TokenHistory &history, uint64_t index,
                        std::vector<TokenLogprob> *alternatives, const DrawLimits &limits,
                        std::span<const float> maxima) {
  const bool changes = params.changesLogits() || !limits.allowed.empty() || !limits.banned.empty();
  Scan scan = changes ? adjust(logits, params, history, limits, maxima) : scanOf(logits, maxima);
  Sampled result;
  result.token = params.temperature > 0 ? draw(scan, params, index, limits.refusals) : first(scan);
  if (changes)
    changeBack(logits);
  if (!params.logprobs && !params.topLogprobs && !alternatives)
    return result;
  if (changes)
    scan = scanOf(logits, maxima);
  const double logSum = double(scan.max) + std::log(blockExpSums(logits, scan.max, 1, sums.data()));
  result.logprob = static_cast<float>(double(logits[static_cast<size_t>(result.token)]) - logSum);
  if (alternatives)
    topLogprobs(scan, params.topLogprobs, logSum, *alternatives);
  return result;
}

} // namespace tenon::sample
