//===- VocabularyPass.h - Reductions over blocks of logits ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The two passes over a whole vocabulary that sampling needs. Each is compiled for several instruction
// sets and picked once per process; lanes and order of sums are fixed and products are not contracted,
// so the bits are the same on all. What comes after looks at the few blocks that matter.
//
#ifndef TENON_RUNTIME_SAMPLE_VOCABULARYPASS_H
#define TENON_RUNTIME_SAMPLE_VOCABULARYPASS_H

#include <cstddef>
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
/// as 0. Returns their sum in order.
double blockExpSums(std::span<const float> logits, float max, float inverseTemperature, double *sums);

} // namespace tenon::sample

#endif // TENON_RUNTIME_SAMPLE_VOCABULARYPASS_H
