//===- VocabularyPass.h - Reductions over blocks of logits ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The passes over a whole vocabulary that sampling needs. Each is compiled for several instruction
// sets and picked once per process; lanes and order of sums are fixed and products are not
// contracted, so the bits are the same on all. What comes after looks at the few blocks that
// matter.
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

constexpr size_t logitBlocks(size_t vocabulary) {
  return (vocabulary + kLogitBlock - 1) / kLogitBlock;
}

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

/// out[i] = logits[i] if bit i % 32 of words[i / 32] is set, else -infinity, and so beyond the
/// words.
void keepAllowed(std::span<const float> logits, std::span<const uint32_t> words, float *out);

/// Values whose weights are summed up together by weighGroups(), so that one is found in few looks.
inline constexpr size_t kWeightGroup = 16;

/// weights[i] = exp((values[i] - max) * inverseTemperature), by expNegative (Softmax.h), 0 for NaN;
/// ends[g] = sum of the weights of groups 0 to g. Within a group
/// they are added in halves.
void weighGroups(std::span<const float> values, float max, float inverseTemperature, float *weights,
                 double *ends);

/// sums[b] = sum over block b of a sum of exp((logit - max) * inverseTemperature), by expNegative,
/// NaN counting as 0. Returns their sum in order.
double blockExpSums(std::span<const float> logits, float max, float inverseTemperature,
                    double *sums);

/// What the logits weigh together, and those of them that are at least `least`: sums of exp((logit
/// - max) * inverseTemperature), by expNegative, NaN counting as 0. Blocks of a sum, then their
/// sums, in order.
struct WeightsFrom {
  double sum, least;
};
WeightsFrom weightsFrom(std::span<const float> logits, float max, float inverseTemperature,
                        float least);

/// About the same of some blocks of a maximum only: each weight within kRoughly of its own size
/// (and 1e-37).
WeightsFrom roughWeightsOfBlocks(std::span<const float> logits, float max, float inverseTemperature,
                                 float least, std::span<const uint32_t> blocks);

/// How far a rough exponential is from the true one, as a share of it.
inline constexpr double kRoughly = 0.002;

/// Writes the places of the values that are at least `least` to `places`, in order, which has room
/// for one more than there are values. Returns how many they are, and the sum of the `weights` of
/// the others.
struct Parted {
  size_t count;
  double others;
};
Parted partAt(std::span<const float> values, const float *weights, float least, uint32_t *places);

} // namespace tenon::sample

#endif // TENON_RUNTIME_SAMPLE_VOCABULARYPASS_H
