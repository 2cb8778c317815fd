//===- VocabularyPass.h - Reductions over blocks of logits ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The passes over a whole vocabulary that sampling needs. Each is compiled for several instruction
// sets and picked once per process; lanes and order of sums are fixed and products are not contracted,
// so the bits are the same on all. What comes after looks at the few blocks that matter.
//
#ifndef TENON_RUNTIME_SAMPLE_VOCABULARYPASS_H
#define TENON_RUNTIME_SAMPLE_VOCABULARYPASS_H

#include <cstddef>
#include <cstdint>
#include <span>

namespace tenon::sample {

/// Logits of one block; the last of a vocabulary may be shorter.
inline constexpr size_t kLogitBlock = 256;

constexpr size_t logitBlocks(size_t vocabulary) { return (vocabulary + kLogitBlock - 1) / kLogitBlock; }

/// maxima[b] = largest logit of block b that is not NaN, -infinity if there is none. Returns the largest of all.
float blockMaxima(std::span<const float> logits, float *maxima);

/// The largest logit that is not NaN; -infinity if there is none.
float maximum(std::span<const float> logits);

/// sums[b] = sum over block b of exp((logit - max) * inverseTemperature), by expNegative (Softmax.h), NaN counting
/// as 0. Returns their sum in order. `weights`, if not null, receives the exponentials themselves.
double blockExpSums(std::span<const float> logits, float max, float inverseTemperature, double *sums,
                    float *weights = nullptr);

/// What the next three look at: logits, their exponentials and their blocks' maxima.
struct WeighedLogits {
  std::span<const float> logits;
  const float *weights, *maxima;
};

inline constexpr size_t kThresholds = 4;

/// masses[t] = sum of the weights of logits that are at least thresholds[t].
void massesAtLeast(const WeighedLogits &all, const float (&thresholds)[kThresholds], double (&masses)[kThresholds]);

/// sums[b] = sum of the weights of block b's logits that are at least `threshold`. Returns their sum in order.
double blockMassesAtLeast(const WeighedLogits &all, float threshold, double *sums);

/// Writes the ids of logits in [low, high), ascending, into `ids`, which has room for all, and returns how many. More than
/// `most`: it has given up, and not all are there.
size_t findBetween(const WeighedLogits &all, float low, float high, int32_t *ids, size_t most);

} // namespace tenon::sample

#endif // TENON_RUNTIME_SAMPLE_VOCABULARYPASS_H
