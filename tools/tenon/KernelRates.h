//===- KernelRates.h - What an engine's kernels reach here ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TOOLS_TENON_KERNELRATES_H
#define TENON_TOOLS_TENON_KERNELRATES_H

#include "runtime/base/Status.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tenon::tool {

/// Rates of one chip, as a chips file states them (docs/chips.md).
struct KernelRates {
  double read = 0;                                     ///< Bytes a second of weights.
  double context = 0;                                  ///< Of keys and values.
  double int8 = 0, bf16 = 0, f32 = 0;                  ///< Multiply-accumulates a second.
  std::vector<std::pair<uint32_t, double>> int8ByRows; ///< In steps of few rows; ascending.
  double launch = 0;                                   ///< Seconds that any launch costs.
};

/// Runs `engine`, compiled for one chip, with `threads` workers and looks at its launches: those of
/// a decode step stream weights, those of four sequences with a past read keys and values, those of
/// a prompt multiply. Every launch counts with its median over many steps, so that what others take
/// of the machine for a moment is left out. Kinds of rates that the engine does not show stay as in
/// `bounds`.
StatusOr<KernelRates> measureKernels(const std::string &engine, uint32_t threads,
                                     const KernelRates &bounds);

} // namespace tenon::tool

#endif // TENON_TOOLS_TENON_KERNELRATES_H
