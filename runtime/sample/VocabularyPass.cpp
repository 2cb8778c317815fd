//===- VocabularyPass.cpp - Reductions over blocks of logits --------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/sample/VocabularyPass.h"

#include "runtime/device/cpu/CpuFeatures.h"
#include "runtime/sample/Softmax.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace tenon::sample {

namespace {

/// Sums and maxima go over this many lanes, whatever the registers hold.
constexpr size_t kLanes = 16;
using Lanes [[gnu::vector_size(kLanes * sizeof(float))]] = float;

/// Floats ahead of the block being read. The logits come from the outer cache or from memory, where
/// the processor's own prefetching stops at each page.
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

[[gnu::always_inline]] inline double blockExpSum(const float *block, size_t count, float max,
                                                 float inverse) {
  float sums[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane)
      sums[lane] += expNegative((block[i + lane] - max) * inverse);
  for (; i < count; ++i)
    sums[i % kLanes] += expNegative((block[i] - max) * inverse);
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

[[gnu::always_inline]] inline void allowedOnly(std::span<const float> logits,
                                               std::span<const uint32_t> words, float *out) {
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

[[gnu::always_inline]] inline void allExponentials(std::span<const float> values, float max,
                                                   float inverse, float *out) {
  for (size_t i = 0; i < values.size(); ++i)
    out[i] = expNegative((values[i] - max) * inverse);
}

template <size_t Half, typename Vector>
[[gnu::always_inline]] inline auto halved(const Vector &values) {
  using Halved [[gnu::vector_size(Half * sizeof(float))]] = float;
  Halved low, high;
  std::memcpy(&low, &values, sizeof(low));
  std::memcpy(&high, reinterpret_cast<const float *>(&values) + Half, sizeof(high));
  return low + high;
}

[[gnu::always_inline]] inline void allGroupsWeighed(std::span<const float> values, float max,
                                                    float inverse, float *weights, double *ends) {
  static_assert(kWeightGroup == kLanes);
  allExponentials(values, max, inverse, weights);
  double end = 0;
  for (size_t at = 0; at < values.size(); at += kLanes) {
    Lanes lanes{};
    if (at + kLanes <= values.size())
      std::memcpy(&lanes, weights + at, sizeof(lanes));
    else
      std::memcpy(&lanes, weights + at, (values.size() - at) * sizeof(float));
    const auto two = halved<2>(halved<4>(halved<8>(lanes)));
    *ends++ = end += double(two[0] + two[1]);
  }
}

[[gnu::always_inline]] inline double allExpSums(std::span<const float> logits, float max,
                                                float inverse, double *sums) {
  double total = 0;
  for (size_t at = 0, b = 0; at < logits.size(); at += kLogitBlock, ++b) {
    const size_t count = std::min(kLogitBlock, logits.size() - at);
    prefetchAhead(logits.data() + at, kLogitBlock);
    sums[b] = blockExpSum(logits.data() + at, count, max, inverse);
    total += sums[b];
  }
  return total;
}

[[gnu::always_inline]] inline WeightsFrom allWeightsFrom(std::span<const float> logits, float max,
                                                         float inverse, float least) {
  WeightsFrom total{};
  for (size_t at = 0; at < logits.size(); at += kLogitBlock) {
    prefetchAhead(logits.data() + at, kLogitBlock);
    const size_t end = std::min(at + kLogitBlock, logits.size());
    float sums[kLanes] = {}, from[kLanes] = {};
    size_t i = at;
    for (; i + kLanes <= end; i += kLanes)
      for (size_t lane = 0; lane < kLanes; ++lane) {
        const float weight = expNegative((logits[i + lane] - max) * inverse);
        sums[lane] += weight;
        from[lane] += logits[i + lane] >= least ? weight : 0.0f;
      }
    for (; i < end; ++i) {
      const float weight = expNegative((logits[i] - max) * inverse);
      sums[i % kLanes] += weight;
      from[i % kLanes] += logits[i] >= least ? weight : 0.0f;
    }
    total.sum += sumOf(sums);
    total.least += sumOf(from);
  }
  return total;
}

using IntLanes [[gnu::vector_size(kLanes * sizeof(int32_t))]] = int32_t;

/// exp(x) for x <= 0 within kRoughly: the exponent's bits by a product, as N. Schraudolph does it
/// ("A fast, compact approximation of the exponential function", 1999), the fraction's by the
/// quadratic that is nearest to 2^f.
[[gnu::always_inline]] inline Lanes roughExp(Lanes x) {
  constexpr float perBit = 8388608.0f, bias = 127 * perBit;
  const Lanes place = x * (1.44269504088896341f * perBit) + bias;
  const IntLanes isThere =
      place > perBit; // False for NaN, and for less than the least normal number.
  const IntLanes bits = __builtin_convertvector((Lanes)((IntLanes)place & isThere), IntLanes);
  const Lanes power = (Lanes)(bits & 0x7f800000), g = (Lanes)((bits & 0x007fffff) | 0x3f800000);
  return power * (g * (g * 0.3371894f - 0.0167424f) + 0.6812777f);
}

[[gnu::always_inline]] inline WeightsFrom
allRoughWeightsOfBlocks(std::span<const float> logits, float max, float inverse, float least,
                        std::span<const uint32_t> blocks) {
  constexpr size_t ahead = 16, group = kLogitBlock / kMaximaBlock; // blocks
  const auto fetch = [&](size_t n) {
    for (size_t line = 0; line < kMaximaBlock; line += 16)
      __builtin_prefetch(logits.data() + blocks[n] * kMaximaBlock + line);
  };
  for (size_t n = 0; n < std::min(ahead, blocks.size()); ++n)
    fetch(n);
  double sum = 0, from = 0;
  for (size_t first = 0; first < blocks.size(); first += group) {
    Lanes sums{}, froms{};
    for (size_t n = first; n < std::min(first + group, blocks.size()); ++n) {
      if (n + ahead < blocks.size())
        fetch(n + ahead);
      const size_t at = blocks[n] * kMaximaBlock;
      const float *block = logits.data() + at;
      float padded[kMaximaBlock];
      if (at + kMaximaBlock > logits.size()) { // The vocabulary's last.
        std::fill(padded, padded + kMaximaBlock, -std::numeric_limits<float>::infinity());
        std::copy(block, logits.data() + logits.size(), padded);
        block = padded;
      }
      for (size_t i = 0; i < kMaximaBlock; i += kLanes) {
        Lanes values;
        std::memcpy(&values, block + i, sizeof(values));
        const Lanes weights = roughExp((values - max) * inverse);
        sums += weights;
        froms += (Lanes)((IntLanes)weights & (IntLanes)(values >= least));
      }
    }
    float lanes[kLanes];
    std::memcpy(lanes, &sums, sizeof(lanes));
    sum += sumOf(lanes);
    std::memcpy(lanes, &froms, sizeof(lanes));
    from += sumOf(lanes);
  }
  return {sum, from};
}

[[gnu::always_inline]] inline Parted allParted(std::span<const float> values, const float *weights,
                                               float least, uint32_t *places) {
  Lanes others{};
  size_t count = 0;
  for (size_t i = 0; i < values.size(); i += kLanes) {
    const size_t here = std::min(kLanes, values.size() - i);
    Lanes value = Lanes{} - std::numeric_limits<float>::infinity(), weight{};
    std::memcpy(&value, values.data() + i, here * sizeof(float));
    std::memcpy(&weight, weights + i, here * sizeof(float));
    const IntLanes is = value >= least; // -1 or 0
    others += (Lanes)((IntLanes)weight & ~is);
    uint64_t pairs[kLanes / 2], any = 0;
    std::memcpy(pairs, &is, sizeof(pairs));
    for (const uint64_t pair : pairs)
      any |= pair;
    if (!any)
      continue;
    int32_t each[kLanes];
    std::memcpy(each, &is, sizeof(each));
    for (size_t lane = 0; lane < here; ++lane) { // Without branches, which would be guessed wrong.
      places[count] = static_cast<uint32_t>(i + lane);
      count += each[lane] & 1;
    }
  }
  float lanes[kLanes];
  std::memcpy(lanes, &others, sizeof(lanes));
  return {count, sumOf(lanes)};
}

struct Passes {
  void (*maxima)(std::span<const float>, float *);
  float (*maximum)(std::span<const float>);
  size_t (*first)(std::span<const float>, float);
  void (*allowed)(std::span<const float>, std::span<const uint32_t>, float *);
  void (*weighed)(std::span<const float>, float, float, float *, double *);
  double (*expSums)(std::span<const float>, float, float, double *);
  WeightsFrom (*weightsFrom)(std::span<const float>, float, float, float);
  WeightsFrom (*roughOfBlocks)(std::span<const float>, float, float, float,
                               std::span<const uint32_t>);
  Parted (*parted)(std::span<const float>, const float *, float, uint32_t *);
};

/// The passes of one instruction set.
#define TENON_PASSES(NAME, ...)                                                                    \
  __VA_ARGS__ void maxima##NAME(std::span<const float> logits, float *maxima) {                    \
    allMaxima(logits, maxima);                                                                     \
  }                                                                                                \
  __VA_ARGS__ float maximum##NAME(std::span<const float> values) {                                 \
    return maximumOf(values.data(), values.size());                                                \
  }                                                                                                \
  __VA_ARGS__ size_t first##NAME(std::span<const float> values, float value) {                     \
    return firstEqual(values, value);                                                              \
  }                                                                                                \
  __VA_ARGS__ void allowed##NAME(std::span<const float> logits, std::span<const uint32_t> words,   \
                                 float *out) {                                                     \
    allowedOnly(logits, words, out);                                                               \
  }                                                                                                \
  __VA_ARGS__ void weighed##NAME(std::span<const float> values, float max, float inverse,          \
                                 float *weights, double *ends) {                                   \
    allGroupsWeighed(values, max, inverse, weights, ends);                                         \
  }                                                                                                \
  __VA_ARGS__ double expSums##NAME(std::span<const float> logits, float max, float inverse,        \
                                   double *sums) {                                                 \
    return allExpSums(logits, max, inverse, sums);                                                 \
  }                                                                                                \
  __VA_ARGS__ WeightsFrom weightsFrom##NAME(std::span<const float> logits, float max,              \
                                            float inverse, float least) {                          \
    return allWeightsFrom(logits, max, inverse, least);                                            \
  }                                                                                                \
  __VA_ARGS__ WeightsFrom rough##NAME(std::span<const float> logits, float max, float inverse,     \
                                      float least, std::span<const uint32_t> blocks) {             \
    return allRoughWeightsOfBlocks(logits, max, inverse, least, blocks);                           \
  }                                                                                                \
  __VA_ARGS__ Parted parted##NAME(std::span<const float> values, const float *weights,             \
                                  float least, uint32_t *places) {                                 \
    return allParted(values, weights, least, places);                                              \
  }                                                                                                \
  constexpr Passes k##NAME{maxima##NAME,      maximum##NAME, first##NAME,                          \
                           allowed##NAME,     weighed##NAME, expSums##NAME,                        \
                           weightsFrom##NAME, rough##NAME,   parted##NAME};

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

size_t findFirst(std::span<const float> values, float value) {
  return passes().first(values, value);
}

void keepAllowed(std::span<const float> logits, std::span<const uint32_t> words, float *out) {
  passes().allowed(logits, words, out);
}

void weighGroups(std::span<const float> values, float max, float inverseTemperature, float *weights,
                 double *ends) {
  passes().weighed(values, max, inverseTemperature, weights, ends);
}

double blockExpSums(std::span<const float> logits, float max, float inverseTemperature,
                    double *sums) {
  return passes().expSums(logits, max, inverseTemperature, sums);
}

WeightsFrom weightsFrom(std::span<const float> logits, float max, float inverseTemperature,
                        float least) {
  return passes().weightsFrom(logits, max, inverseTemperature, least);
}

WeightsFrom roughWeightsOfBlocks(std::span<const float> logits, float max, float inverseTemperature,
                                 float least, std::span<const uint32_t> blocks) {
  return passes().roughOfBlocks(logits, max, inverseTemperature, least, blocks);
}

Parted partAt(std::span<const float> values, const float *weights, float least, uint32_t *places) {
  return passes().parted(values, weights, least, places);
}

} // namespace tenon::sample
