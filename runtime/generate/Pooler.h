//===- Pooler.h - One vector for a text -------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_GENERATE_POOLER_H
#define TENON_RUNTIME_GENERATE_POOLER_H

#include "runtime/executor/HiddenState.h"

#include <vector>

namespace tenon::generate {

/// What becomes of the hidden states of a prompt's tokens.
enum class Pooling : uint8_t {
  None, ///< Nothing: tokens are drawn.
  Last, ///< The last token's, which has seen all others.
  Mean, ///< Their mean.
};

/// Gathers the hidden states of one prompt, in order of position, whatever the chunks.
class Pooler {
public:
  /// `kind` is not None.
  Pooler(Pooling kind, uint32_t promptTokens, uint32_t width);

  /// Rows of the step from `row` on are the prompt's tokens from `position` on. Positions that were
  /// there before (computed again after a preemption) are passed over.
  void add(const executor::HiddenState &states, uint32_t row, uint32_t position, uint32_t count);

  /// The vector, not normalised; [width]. When the last token has been added.
  std::span<const float> finish();

private:
  const Pooling kind;
  const uint32_t promptTokens;
  uint32_t taken = 0;      ///< Positions before it have been added.
  std::vector<double> sum; ///< Of Mean.
  std::vector<float> state;
};

/// The first `dimensions` of a pooled vector (0: all of them), at length 1 if `normalise`; zeros
/// stay zeros.
std::vector<float> toEmbedding(std::span<const float> vector, uint32_t dimensions, bool normalise);

} // namespace tenon::generate

#endif // TENON_RUNTIME_GENERATE_POOLER_H
