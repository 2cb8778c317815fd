//===- VocabularyPass.cpp - Reductions over blocks of logits --------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/sample/VocabularyPass.h"

#include "runtime/device/cpu/CpuFeatures.h"
#include "runtime/sample/Softmax.h"

#include <algorithm>
#include <limits>

namespace tenon::sample {

namespace {

/// Sums and maxima go over this many lanes, whatever the registers hold.
constexpr size_t kLanes = 16;

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

[[gnu::always_inline]] inline double blockExpSum(const float *block, size_t count, float max, float inverse) {
  float sums[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane)
      sums[lane] += expNegative((block[i + lane] - max) * inverse);
  for (; i < count; ++i)
    sums[i % kLanes] += expNegative((block[i] - max) * inverse);
  // In halves: sixteen additions one after the other would take as long as the block.
  double halves[kLanes];
  for (size_t lane = 0; lane < kLanes; ++lane)
    halves[lane] = double(sums[lane]);
  for (size_t half = kLanes / 2; half; half /= 2)
    for (size_t lane = 0; lane < half; ++lane)
      halves[lane] += halves[lane + half];
  return halves[0];
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

[[gnu::always_inline]] inline double allExpSums(std::span<const float> logits, float max, float inverse, double *sums) {
  double total = 0;
  for (size_t at = 0, b = 0; at < logits.size(); at += kLogitBlock, ++b) {
    sums[b] = blockExpSum(logits.data() + at, std::min(kLogitBlock, logits.size() - at), max, inverse);
    total += sums[b];
  }
  return total;
}

struct Passes {
  float (*maxima)(std::span<const float>, float *);
  double (*expSums)(std::span<const float>, float, float, double *);
};

constexpr Passes kBaseline{
    [](std::span<const float> logits, float *maxima) { return allMaxima(logits, maxima); },
    [](std::span<const float> logits, float max, float inverse, double *sums) {
      return allExpSums(logits, max, inverse, sums);
    }};

#if defined(__x86_64__)
// The instruction sets of runtime/device/cpu/CpuFeatures; without FMA, which would change bits.
[[gnu::target("avx2")]] float maximaAvx2(std::span<const float> logits, float *maxima) {
  return allMaxima(logits, maxima);
}
[[gnu::target("avx2")]] double expSumsAvx2(std::span<const float> logits, float max, float inverse, double *sums) {
  return allExpSums(logits, max, inverse, sums);
}
[[gnu::target("avx512f,avx512dq,avx512bw,avx512vl")]] float maximaAvx512(std::span<const float> logits,
                                                                                        float *maxima) {
  return allMaxima(logits, maxima);
}
[[gnu::target("avx512f,avx512dq,avx512bw,avx512vl")]] double expSumsAvx512(std::span<const float> logits, float max,
                                                                           float inverse, double *sums) {
  return allExpSums(logits, max, inverse, sums);
}
#endif

Passes choosePasses() {
#if defined(__x86_64__)
  if (cpu::cpuFeatures().avx512)
    return {maximaAvx512, expSumsAvx512};
  if (cpu::cpuFeatures().avx2)
    return {maximaAvx2, expSumsAvx2};
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

double blockExpSums(std::span<const float> logits, float max, float inverseTemperature, double *sums) {
  return passes().expSums(logits, max, inverseTemperature, sums);
}

} // namespace tenon::sample
