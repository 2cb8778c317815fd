//===- HiddenState.h - What the model thinks of a token ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_EXECUTOR_HIDDENSTATE_H
#define TENON_RUNTIME_EXECUTOR_HIDDENSTATE_H

#include <cstdint>
#include <span>

namespace tenon::executor {

/// The last hidden states of a step's tokens, and the last norm, which is applied to those that
/// somebody wants.
struct HiddenState {
  const float *rows = nullptr; ///< [tokens of the step, width] row-major, before the norm.
  const float *norm = nullptr; ///< [width]
  float eps = 0;
  uint32_t width = 0;

  /// Writes the state of the step's token `row`, as the logits' matrix sees it: x / sqrt(mean(x^2)
  /// + eps) * norm. Sums in double and in one order, so a row gives the same bits whatever its
  /// place. `out` has `width` places.
  void read(uint32_t row, std::span<float> out) const;
};

} // namespace tenon::executor

#endif // TENON_RUNTIME_EXECUTOR_HIDDENSTATE_H
