//===- VocabularyPass.h - Reductions over blocks of logits ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The passes over a whole vocabulary that sampling needs. Each is compiled for several instruction
// sets and picked once per process; lanes and order of sums are fixed and products are not contracted,
// so the bits are the same on all. What comes after looks at the few blocks that matter.
//
#ifndef TENON_RUNTIME_SAMPLE_VOCABULARYPASS_H
#define TENON_RUNTIME_SAMPLE_VOCABULARYPASS_H

#include "runtime/device/cpu/KernelAbi.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tenon::sample {

/// Logits of one block of a sum; the last of a vocabulary may be shorter.
inline constexpr size_t kLogitBlock = 256;

constexpr size_t logitBlocks(size_t vocabulary) { return (vocabulary + kLogitBlock - 1) / kLogitBlock; }

/// Logits of one block of a maximum: those that kernels leave (KernelAbi.h).
inline constexpr size_t kMaximaBlock = cpu::kLogitsBlock;
static_assert(kLogitBlock % kMaximaBlock == 0);

constexpr size_t maximaBlocks(size_t vocabulary) { return cpu::logitsBlocks(vocabulary); }

/// maxima[b] = largest logit of block b that is not NaN, -infinity if there is none.
void blockMaxima(std::span<const float> logits, float *maxima);

/// The largest value that is not NaN; -infinity if there is none.
float maximum(std::span<const float> values);

/// The first place of `value`; the number of values if there is none.
size_t findFirst(std::span<const float> values, float value);

/// out[i] = logits[i] if bit i % 32 of words[i / 32] is set, else -infinity, and so beyond the words.
void keepAllowed(std::span<const float> logits, std::span<const uint32_t> words, float *out);

/// out[i] = exp((values[i] - max) * inverseTemperature), by expNegative (Softmax.h); 0 for NaN.
void exponentials(std::span<const float> values, float max, float inverseTemperature, float *out);

/// sums[b] = sum over block b of a sum of exp((logit - max) * inverseTemperature), by expNegative, NaN counting
/// as 0. Returns their sum in order. `weights`, if not null, receives the exponentials themselves.
double blockExpSums(std::span<const float> logits, float max, float inverseTemperature, double *sums,
                    float *weights = nullptr);

/// The same over the blocks of a maximum that are named in `which`: sums[i] of block which[i].
void expSumsOf(std::span<const float> logits, float max, float inverseTemperature, std::span<const uint32_t> which,
               double *sums);

/// How many values are at least `least`, their sum, and the sum of the others; sums in no stated order.
struct HeavyValues {
  size_t count;
  float sum, restSum;
};
HeavyValues heavyValues(std::span<const float> values, float least);

/// What the next three look at: logits, their exponentials and their blocks' maxima.
struct WeighedLogits {
  std::span<const float> logits;
  const float *weights, *maxima;
};

inline constexpr size_t kThresholds = 4;

/// masses[t] = sum of the weights of logits that are at least thresholds[t].
void massesAtLeast(const WeighedLogits &all, const float (&thresholds)[kThresholds], double (&masses)[kThresholds]);

/// sums[b] = sum of the weights of those logits of block b of a sum that are at least `threshold`. Returns their sum in order.
double blockMassesAtLeast(const WeighedLogits &all, float threshold, double *sums);

/// Writes the ids of logits in [low, high), ascending, into `ids`, which has room for all, and returns how many. More than
/// `most`: it has given up, and not all are there.
size_t findBetween(const WeighedLogits &all, float low, float high, int32_t *ids, size_t most);

} // namespace tenon::sample

#endif // TENON_RUNTIME_SAMPLE_VOCABULARYPASS_H
