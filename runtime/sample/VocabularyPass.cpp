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

[[gnu::always_inline]] inline void prefetchAhead(const float *block) {
  for (size_t i = 0; i < kLogitBlock; i += 16)
    __builtin_prefetch(block + kAhead + i);
}

[[gnu::always_inline]] inline float blockMaximum(const float *block, size_t count) {
  float best[kLanes];
  std::fill(best, best + kLanes, -std::numeric_limits<float>::infinity());
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane)
      best[lane] = block[i + lane] > best[lane] ? block[i + lane] : best[lane];
  for (; i < count; ++i)
    best[i % kLanes] = block[i] > best[i % kLanes] ? block[i] : best[i % kLanes];
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

[[gnu::always_inline]] inline double blockMassAtLeast(const float *block, const float *weights, size_t count,
                                                      float threshold) {
  float sums[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane)
      sums[lane] += block[i + lane] >= threshold ? weights[i + lane] : 0.0f;
  for (; i < count; ++i)
    sums[i % kLanes] += block[i] >= threshold ? weights[i] : 0.0f;
  return sumOf(sums);
}

[[gnu::always_inline]] inline float allMaxima(std::span<const float> logits, float *maxima) {
  float most = -std::numeric_limits<float>::infinity();
  for (size_t at = 0, b = 0; at < logits.size(); at += kLogitBlock, ++b) {
    prefetchAhead(logits.data() + at);
    maxima[b] = blockMaximum(logits.data() + at, std::min(kLogitBlock, logits.size() - at));
    most = maxima[b] > most ? maxima[b] : most;
  }
  return most;
}

[[gnu::always_inline]] inline double allExpSums(std::span<const float> logits, float max, float inverse, double *sums,
                                                float *weights) {
  double total = 0;
  for (size_t at = 0, b = 0; at < logits.size(); at += kLogitBlock, ++b) {
    const size_t count = std::min(kLogitBlock, logits.size() - at);
    sums[b] = weights ? blockExpSum(logits.data() + at, count, max, inverse, weights + at)
                      : blockExpSum(logits.data() + at, count, max, inverse);
    total += sums[b];
  }
  return total;
}

[[gnu::always_inline]] inline void allMasses(const WeighedLogits &all, const float *thresholds, double *masses) {
  const float lowest = *std::min_element(thresholds, thresholds + kThresholds);
  double totals[kThresholds][kLanes] = {};
  for (size_t b = 0, at = 0; at < all.logits.size(); at += kLogitBlock, ++b) {
    if (!(all.maxima[b] >= lowest))
      continue;
    const float *block = all.logits.data() + at, *weights = all.weights + at;
    const size_t count = std::min(kLogitBlock, all.logits.size() - at);
    // Spelled as vectors: compilers leave the nest of loops scalar.
    Lanes vectors[kThresholds] = {};
    size_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
      Lanes logits, weight;
      std::memcpy(&logits, block + i, sizeof(logits));
      std::memcpy(&weight, weights + i, sizeof(weight));
      for (size_t t = 0; t < kThresholds; ++t)
        vectors[t] += logits >= thresholds[t] ? weight : Lanes{};
    }
    float sums[kThresholds][kLanes];
    std::memcpy(sums, vectors, sizeof(sums));
    for (; i < count; ++i)
      for (size_t t = 0; t < kThresholds; ++t)
        sums[t][i % kLanes] += block[i] >= thresholds[t] ? weights[i] : 0.0f;
    for (size_t t = 0; t < kThresholds; ++t)
      for (size_t lane = 0; lane < kLanes; ++lane)
        totals[t][lane] += double(sums[t][lane]);
  }
  for (size_t t = 0; t < kThresholds; ++t)
    masses[t] = std::accumulate(totals[t], totals[t] + kLanes, 0.0);
}

[[gnu::always_inline]] inline double allBlockMasses(const WeighedLogits &all, float threshold, double *sums) {
  double total = 0;
  for (size_t b = 0, at = 0; at < all.logits.size(); at += kLogitBlock, ++b) {
    sums[b] = all.maxima[b] >= threshold
                  ? blockMassAtLeast(all.logits.data() + at, all.weights + at,
                                     std::min(kLogitBlock, all.logits.size() - at), threshold)
                  : 0.0;
    total += sums[b];
  }
  return total;
}

[[gnu::always_inline]] inline size_t allBetween(const WeighedLogits &all, float low, float high, int32_t *ids, size_t most) {
  size_t found = 0;
  for (size_t b = 0, at = 0; at < all.logits.size(); at += kLogitBlock, ++b) {
    if (!(all.maxima[b] >= low))
      continue;
    if (found > most)
      break;
    const size_t end = std::min(at + kLogitBlock, all.logits.size());
    for (size_t i = at; i < end; i += kLanes) {
      const float *lanes = all.logits.data() + i;
      const size_t count = std::min(kLanes, end - i);
      int hits = 0; // Mostly none: found by vectors.
      for (size_t lane = 0; lane < count; ++lane)
        hits += lanes[lane] >= low && lanes[lane] < high;
      for (size_t lane = 0; hits && lane < count; ++lane)
        if (lanes[lane] >= low && lanes[lane] < high)
          ids[found++] = static_cast<int32_t>(i + lane);
    }
  }
  return found;
}

struct Passes {
  float (*maxima)(std::span<const float>, float *);
  double (*expSums)(std::span<const float>, float, float, double *, float *);
  void (*masses)(const WeighedLogits &, const float *, double *);
  double (*blockMasses)(const WeighedLogits &, float, double *);
  size_t (*between)(const WeighedLogits &, float, float, int32_t *, size_t);
};

/// The passes of one instruction set.
#define TENON_PASSES(NAME, ...)                                                                                        \
  __VA_ARGS__ float maxima##NAME(std::span<const float> logits, float *maxima) { return allMaxima(logits, maxima); }   \
  __VA_ARGS__ double expSums##NAME(std::span<const float> logits, float max, float inverse, double *sums,              \
                                   float *weights) {                                                                   \
    return allExpSums(logits, max, inverse, sums, weights);                                                            \
  }                                                                                                                    \
  __VA_ARGS__ void masses##NAME(const WeighedLogits &all, const float *thresholds, double *masses) {                   \
    allMasses(all, thresholds, masses);                                                                                \
  }                                                                                                                    \
  __VA_ARGS__ double blockMasses##NAME(const WeighedLogits &all, float threshold, double *sums) {                      \
    return allBlockMasses(all, threshold, sums);                                                                       \
  }                                                                                                                    \
  __VA_ARGS__ size_t between##NAME(const WeighedLogits &all, float low, float high, int32_t *ids, size_t most) {                    \
    return allBetween(all, low, high, ids, most);                                                                            \
  }                                                                                                                    \
  constexpr Passes k##NAME{maxima##NAME, expSums##NAME, masses##NAME, blockMasses##NAME, between##NAME};

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

float blockMaxima(std::span<const float> logits, float *maxima) { return passes().maxima(logits, maxima); }

float maximum(std::span<const float> logits) {
  constexpr size_t piece = 64 * kLogitBlock;
  float maxima[piece / kLogitBlock], most = -std::numeric_limits<float>::infinity();
  for (size_t at = 0; at < logits.size(); at += piece)
    most = std::max(most, blockMaxima(logits.subspan(at, std::min(piece, logits.size() - at)), maxima));
  return most;
}

double blockExpSums(std::span<const float> logits, float max, float inverseTemperature, double *sums, float *weights) {
  return passes().expSums(logits, max, inverseTemperature, sums, weights);
}

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
