//===- Divergence.h - How far two engines' answers are apart ----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_ACCURACY_DIVERGENCE_H
#define TENON_COMPILER_DRIVER_ACCURACY_DIVERGENCE_H

#include "runtime/base/Status.h"

#include <cstdint>
#include <span>
#include <string>

namespace tenon::compiler {

/// Next-token distributions of one engine against those of another over a text, in nats.
struct Divergence {
  uint64_t positions = 0; ///< Tokens of the text that were read.
  double meanKl = 0;      ///< Mean over positions of KL(reference || candidate).
  double maxKl = 0;
  double topAgreement = 0; ///< Share of positions with the same most likely token.
  double referencePerplexity = 0, perplexity = 0; ///< Of the text's own next tokens.
};

/// KL(softmax(reference) || softmax(candidate)) of two rows of logits of equal length.
double klDivergence(std::span<const float> reference, std::span<const float> candidate);

/// Opens both engines and reads `text` with both, in windows of at most 512 tokens that begin anew,
/// `maxTokens` in all. Both must have the same tokenizer, and this machine must run a variant of
/// each. Uses all useful processors. Errors name the engine.
StatusOr<Divergence> measureDivergence(const std::string &reference, const std::string &candidate,
                                       std::string_view text, uint64_t maxTokens);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_ACCURACY_DIVERGENCE_H
