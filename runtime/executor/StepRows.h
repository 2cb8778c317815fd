//===- StepRows.h - What a step computes ------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_EXECUTOR_STEPROWS_H
#define TENON_RUNTIME_EXECUTOR_STEPROWS_H

#include <cstdint>
#include <span>

namespace tenon::executor {

/// The rows of one sequence in a step: consecutive tokens from `firstPosition`.
struct StepRows {
  std::span<const int32_t> tokens;
  uint32_t firstPosition = 0;
  std::span<const int32_t> blocks; ///< Covers positions 0 .. firstPosition + tokens.size() - 1.
  uint32_t logitRows = 1;          ///< How many of the last rows need logits (0: none).
  bool keepsHidden = false;        ///< The last hidden states of all its rows are wanted.
};

} // namespace tenon::executor

#endif // TENON_RUNTIME_EXECUTOR_STEPROWS_H
