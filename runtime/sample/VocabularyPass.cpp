//===- VocabularyPass.cpp - Reductions over blocks of logits --------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/sample/VocabularyPass.h"

#include "runtime/device/cpu/CpuFeatures.h"
#include "runtime/sample/Softmax.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

namespace tenon::sample {

namespace {

/// Sums and maxima go over this many lanes, whatever the registers hold.
constexpr size_t kLanes = 16;
using Lanes [[gnu::vector_size(kLanes * sizeof(float))]] = float;

/// Floats ahead of the block being read. The logits come from the outer cache or from memory, where the processor's own
/// prefetching stops at each page.
constexpr size_t kAhead = 2048;

[[gnu::always_inline]] inline void prefetchAhead(const float *block, size_t count) {
  for (size_t i = 0; i < count; i += 16)
    __builtin_prefetch(block + kAhead + i);
}

[[gnu::always_inline]] inline float maximumOf(const float *values, size_t count) {
  float best[kLanes];
  std::fill(best, best + kLanes, -std::numeric_limits<float>::infinity());
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane)
      best[lane] = values[i + lane] > best[lane] ? values[i + lane] : best[lane];
  for (; i < count; ++i)
    best[i % kLanes] = values[i] > best[i % kLanes] ? values[i] : best[i % kLanes];
  for (size_t half = kLanes / 2; half; half /= 2)
    for (size_t lane = 0; lane < half; ++lane)
      best[lane] = best[lane + half] > best[lane] ? best[lane + half] : best[lane];
  return best[0];
}

/// Of lanes, in halves: sixteen additions one after the other would take as long as a block.
[[gnu::always_inline]] inline double sumOf(const float *lanes) {
  double halves[kLanes];
  for (size_t lane = 0; lane < kLanes; ++lane)
    halves[lane] = double(lanes[lane]);
  for (size_t half = kLanes / 2; half; half /= 2)
    for (size_t lane = 0; lane < half; ++lane)
      halves[lane] += halves[lane + half];
  return halves[0];
}

[[gnu::always_inline]] inline double blockExpSum(const float *block, size_t count, float max, float inverse) {
  float sums[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane)
      sums[lane] += expNegative((block[i + lane] - max) * inverse);
  for (; i < count; ++i)
    sums[i % kLanes] += expNegative((block[i] - max) * inverse);
  return sumOf(sums);
}

/// The same sum; keeps what it adds.
[[gnu::always_inline]] inline double blockExpSum(const float *block, size_t count, float max, float inverse,
                                                 float *__restrict weights) {
  for (size_t i = 0; i < count; ++i)
    weights[i] = expNegative((block[i] - max) * inverse);
  float sums[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane)
      sums[lane] += weights[i + lane];
  for (; i < count; ++i)
    sums[i % kLanes] += weights[i];
  return sumOf(sums);
}

[[gnu::always_inline]] inline void allMaxima(std::span<const float> logits, float *maxima) {
  for (size_t at = 0, b = 0; at < logits.size(); at += kMaximaBlock, ++b) {
    prefetchAhead(logits.data() + at, kMaximaBlock);
    maxima[b] = maximumOf(logits.data() + at, std::min(kMaximaBlock, logits.size() - at));
  }
}

[[gnu::always_inline]] inline size_t firstEqual(std::span<const float> values, float value) {
  size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    int hits = 0;
    for (size_t lane = 0; lane < kLanes; ++lane)
      hits += values[i + lane] == value;
    if (hits)
      break;
  }
  while (i < values.size() && !(values[i] == value))
    ++i;
  return i;
}

[[gnu::always_inline]] inline void allowedOnly(std::span<const float> logits, std::span<const uint32_t> words, float *out) {
  constexpr float never = -std::numeric_limits<float>::infinity();
  for (size_t word = 0, at = 0; at < logits.size(); ++word, at += 32) {
    const uint32_t bits = word < words.size() ? words[word] : 0;
    if (at + 32 > logits.size()) {
      for (size_t i = at; i < logits.size(); ++i)
        out[i] = bits >> (i - at) & 1 ? logits[i] : never;
    } else if (bits == 0) {
      std::fill(out + at, out + at + 32, never);
    } else if (bits == ~0u) {
      std::memcpy(out + at, logits.data() + at, 32 * sizeof(float));
    } else {
      for (size_t i = 0; i < 32; ++i)
        out[at + i] = bits & uint32_t(1) << i ? logits[at + i] : never;
    }
  }
}

[[gnu::always_inline]] inline void allExponentials(std::span<const float> values, float max, float inverse, float *out) {
  for (size_t i = 0; i < values.size(); ++i)
    out[i] = expNegative((values[i] - max) * inverse);
}

[[gnu::always_inline]] inline double allExpSums(std::span<const float> logits, float max, float inverse, double *sums,
                                                float *weights) {
  double total = 0;
  for (size_t at = 0, b = 0; at < logits.size(); at += kLogitBlock, ++b) {
    const size_t count = std::min(kLogitBlock, logits.size() - at);
    prefetchAhead(logits.data() + at, kLogitBlock);
    sums[b] = weights ? blockExpSum(logits.data() + at, count, max, inverse, weights + at)
                      : blockExpSum(logits.data() + at, count, max, inverse);
    total += sums[b];
  }
  return total;
}

[[gnu::always_inline]] inline void someExpSums(std::span<const float> logits, float max, float inverse,
                                               std::span<const uint32_t> which, double *sums) {
  constexpr size_t ahead = 16; // blocks
  for (size_t i = 0; i < which.size(); ++i) {
    if (i + ahead < which.size())
      for (size_t line = 0; line < kMaximaBlock; line += 16)
        __builtin_prefetch(logits.data() + which[i + ahead] * kMaximaBlock + line);
    const size_t at = which[i] * kMaximaBlock;
    sums[i] = blockExpSum(logits.data() + at, std::min(kMaximaBlock, logits.size() - at), max, inverse);
  }
}

[[gnu::always_inline]] inline HeavyValues heavyOf(std::span<const float> values, float least) {
  float heavy[kLanes] = {}, rest[kLanes] = {};
  int counts[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const bool is = values[i + lane] >= least;
      counts[lane] += is;
      heavy[lane] += is ? values[i + lane] : 0.0f;
      rest[lane] += is ? 0.0f : values[i + lane];
    }
  for (; i < values.size(); ++i) {
    const bool is = values[i] >= least;
    counts[0] += is;
    (is ? heavy : rest)[0] += values[i];
  }
  return {size_t(std::accumulate(counts, counts + kLanes, 0)), std::accumulate(heavy, heavy + kLanes, 0.0f),
          std::accumulate(rest, rest + kLanes, 0.0f)};
}

/// Which blocks of a maximum hold nothing from `least` on is asked block by block only where that spares much: a processor
/// that guesses wrong half the time loses more than it skips.
[[gnu::always_inline]] inline bool areFewAtLeast(const WeighedLogits &all, float least) {
  const size_t blocks = maximaBlocks(all.logits.size());
  size_t some = 0;
  for (size_t b = 0; b < blocks; ++b)
    some += all.maxima[b] >= least;
  return some * 6 < blocks;
}

/// Calls `body(begin, end)` for what may hold something from `least` on within [at, at + kLogitBlock): for blocks of a maximum
/// if there are `few`, else for everything at once.
template <typename Body>
[[gnu::always_inline]] inline void forBlocksAtLeast(const WeighedLogits &all, size_t at, float least, bool few, Body &&body) {
  const size_t end = std::min(at + kLogitBlock, all.logits.size());
  int some = 0;
  for (size_t begin = at; begin < end; begin += kMaximaBlock)
    some += all.maxima[begin / kMaximaBlock] >= least;
  if (!some)
    return;
  if (!few)
    return body(at, end);
  for (size_t begin = at; begin < end; begin += kMaximaBlock)
    if (all.maxima[begin / kMaximaBlock] >= least)
      body(begin, std::min(begin + kMaximaBlock, end));
}

[[gnu::always_inline]] inline void allMasses(const WeighedLogits &all, const float *thresholds, double *masses) {
  const float lowest = *std::min_element(thresholds, thresholds + kThresholds);
  const bool few = areFewAtLeast(all, lowest);
  double totals[kThresholds][kLanes] = {};
  for (size_t at = 0; at < all.logits.size(); at += kLogitBlock) {
    // Spelled as vectors: compilers leave the nest of loops scalar. What a skipped block would add is zeros.
    Lanes vectors[kThresholds] = {};
    float rest[kThresholds][kLanes];
    bool some = false, hasRest = false;
    forBlocksAtLeast(all, at, lowest, few, [&](size_t begin, size_t end) __attribute__((always_inline)) {
      some = true;
      Lanes sums[kThresholds];
      for (size_t t = 0; t < kThresholds; ++t)
        sums[t] = vectors[t];
      size_t i = begin;
      for (; i + kLanes <= end; i += kLanes) {
        Lanes logits, weight;
        std::memcpy(&logits, all.logits.data() + i, sizeof(logits));
        std::memcpy(&weight, all.weights + i, sizeof(weight));
        for (size_t t = 0; t < kThresholds; ++t)
          sums[t] += logits >= thresholds[t] ? weight : Lanes{};
      }
      for (size_t t = 0; t < kThresholds; ++t)
        vectors[t] = sums[t];
      if (i == end)
        return;
      hasRest = true; // of the vocabulary
      std::memset(rest, 0, sizeof(rest));
      for (; i < end; ++i)
        for (size_t t = 0; t < kThresholds; ++t)
          rest[t][i % kLanes] = all.logits[i] >= thresholds[t] ? all.weights[i] : 0.0f;
    });
    if (!some)
      continue;
    float sums[kThresholds][kLanes];
    std::memcpy(sums, vectors, sizeof(sums));
    for (size_t t = 0; t < kThresholds; ++t)
      for (size_t lane = 0; lane < kLanes; ++lane)
        totals[t][lane] += double(hasRest ? sums[t][lane] + rest[t][lane] : sums[t][lane]);
  }
  for (size_t t = 0; t < kThresholds; ++t)
    masses[t] = std::accumulate(totals[t], totals[t] + kLanes, 0.0);
}

[[gnu::always_inline]] inline double allBlockMasses(const WeighedLogits &all, float threshold, double *sums) {
  const bool few = areFewAtLeast(all, threshold);
  double total = 0;
  for (size_t b = 0, at = 0; at < all.logits.size(); at += kLogitBlock, ++b) {
    float lanes[kLanes] = {};
    forBlocksAtLeast(all, at, threshold, few, [&](size_t begin, size_t end) __attribute__((always_inline)) {
      size_t i = begin;
      for (; i + kLanes <= end; i += kLanes)
        for (size_t lane = 0; lane < kLanes; ++lane)
          lanes[lane] += all.logits[i + lane] >= threshold ? all.weights[i + lane] : 0.0f;
      for (; i < end; ++i)
        lanes[i % kLanes] += all.logits[i] >= threshold ? all.weights[i] : 0.0f;
    });
    sums[b] = sumOf(lanes);
    total += sums[b];
  }
  return total;
}

[[gnu::always_inline]] inline size_t allBetween(const WeighedLogits &all, float low, float high, int32_t *ids, size_t most) {
  const bool few = areFewAtLeast(all, low);
  size_t found = 0;
  for (size_t at = 0; at < all.logits.size() && found <= most; at += kLogitBlock)
    forBlocksAtLeast(all, at, low, few, [&](size_t begin, size_t end) __attribute__((always_inline)) {
      for (size_t i = begin; i < end; i += kLanes) {
        const float *lanes = all.logits.data() + i;
        const size_t count = std::min(kLanes, end - i);
        int hits = 0; // Mostly none: found by vectors.
        for (size_t lane = 0; lane < count; ++lane)
          hits += lanes[lane] >= low && lanes[lane] < high;
        for (size_t lane = 0; hits && lane < count; ++lane)
          if (lanes[lane] >= low && lanes[lane] < high)
            ids[found++] = static_cast<int32_t>(i + lane);
      }
    });
  return found;
}

struct Passes {
  void (*maxima)(std::span<const float>, float *);
  float (*maximum)(std::span<const float>);
  size_t (*first)(std::span<const float>, float);
  void (*allowed)(std::span<const float>, std::span<const uint32_t>, float *);
  void (*exponentials)(std::span<const float>, float, float, float *);
  double (*expSums)(std::span<const float>, float, float, double *, float *);
  void (*someSums)(std::span<const float>, float, float, std::span<const uint32_t>, double *);
  HeavyValues (*heavy)(std::span<const float>, float);
  void (*masses)(const WeighedLogits &, const float *, double *);
  double (*blockMasses)(const WeighedLogits &, float, double *);
  size_t (*between)(const WeighedLogits &, float, float, int32_t *, size_t);
};

/// The passes of one instruction set.
#define TENON_PASSES(NAME, ...)                                                                                        \
  __VA_ARGS__ void maxima##NAME(std::span<const float> logits, float *maxima) { allMaxima(logits, maxima); }           \
  __VA_ARGS__ float maximum##NAME(std::span<const float> values) { return maximumOf(values.data(), values.size()); }   \
  __VA_ARGS__ size_t first##NAME(std::span<const float> values, float value) { return firstEqual(values, value); }     \
  __VA_ARGS__ void allowed##NAME(std::span<const float> logits, std::span<const uint32_t> words, float *out) {         \
    allowedOnly(logits, words, out);                                                                                   \
  }                                                                                                                    \
  __VA_ARGS__ void exponentials##NAME(std::span<const float> values, float max, float inverse, float *out) {           \
    allExponentials(values, max, inverse, out);                                                                        \
  }                                                                                                                    \
  __VA_ARGS__ double expSums##NAME(std::span<const float> logits, float max, float inverse, double *sums,              \
                                   float *weights) {                                                                   \
    return allExpSums(logits, max, inverse, sums, weights);                                                            \
  }                                                                                                                    \
  __VA_ARGS__ void someSums##NAME(std::span<const float> logits, float max, float inverse,                             \
                                  std::span<const uint32_t> which, double *sums) {                                     \
    someExpSums(logits, max, inverse, which, sums);                                                                    \
  }                                                                                                                    \
  __VA_ARGS__ HeavyValues heavy##NAME(std::span<const float> values, float least) { return heavyOf(values, least); }   \
  __VA_ARGS__ void masses##NAME(const WeighedLogits &all, const float *thresholds, double *masses) {                   \
    allMasses(all, thresholds, masses);                                                                                \
  }                                                                                                                    \
  __VA_ARGS__ double blockMasses##NAME(const WeighedLogits &all, float threshold, double *sums) {                      \
    return allBlockMasses(all, threshold, sums);                                                                       \
  }                                                                                                                    \
  __VA_ARGS__ size_t between##NAME(const WeighedLogits &all, float low, float high, int32_t *ids, size_t most) {       \
    return allBetween(all, low, high, ids, most);                                                                      \
  }                                                                                                                    \
  constexpr Passes k##NAME{maxima##NAME,  maximum##NAME,  first##NAME,  allowed##NAME,     exponentials##NAME,         \
                           expSums##NAME, someSums##NAME, heavy##NAME,  masses##NAME,      blockMasses##NAME,           \
                           between##NAME};

TENON_PASSES(Baseline, )
#if defined(__x86_64__)
// The instruction sets of runtime/device/cpu/CpuFeatures; without FMA, which would change bits.
TENON_PASSES(Avx2, [[gnu::target("avx2")]])
TENON_PASSES(Avx512, [[gnu::target("avx512f,avx512dq,avx512bw,avx512vl")]])
#endif
#undef TENON_PASSES

Passes choosePasses() {
#if defined(__x86_64__)
  if (cpu::cpuFeatures().avx512)
    return kAvx512;
  if (cpu::cpuFeatures().avx2)
    return kAvx2;
#endif
  return kBaseline;
}

const Passes &passes() {
  static const Passes chosen = choosePasses();
  return chosen;
}

} // namespace

void blockMaxima(std::span<const float> logits, float *maxima) { passes().maxima(logits, maxima); }

float maximum(std::span<const float> values) { return passes().maximum(values); }

size_t findFirst(std::span<const float> values, float value) { return passes().first(values, value); }

void keepAllowed(std::span<const float> logits, std::span<const uint32_t> words, float *out) {
  passes().allowed(logits, words, out);
}

void exponentials(std::span<const float> values, float max, float inverseTemperature, float *out) {
  passes().exponentials(values, max, inverseTemperature, out);
}

void expSumsOf(std::span<const float> logits, float max, float inverseTemperature, std::span<const uint32_t> which,
               double *sums) {
  passes().someSums(logits, max, inverseTemperature, which, sums);
}

double blockExpSums(std::span<const float> logits, float max, float inverseTemperature, double *sums, float *weights) {
  return passes().expSums(logits, max, inverseTemperature, sums, weights);
}

HeavyValues heavyValues(std::span<const float> values, float least) { return passes().heavy(values, least); }

void massesAtLeast(const WeighedLogits &all, const float (&thresholds)[kThresholds], double (&masses)[kThresholds]) {
  passes().masses(all, thresholds, masses);
}

double blockMassesAtLeast(const WeighedLogits &all, float threshold, double *sums) {
  return passes().blockMasses(all, threshold, sums);
}

size_t findBetween(const WeighedLogits &all, float low, float high, int32_t *ids, size_t most) {
  return passes().between(all, low, high, ids, most);
}

} // namespace tenon::sample
