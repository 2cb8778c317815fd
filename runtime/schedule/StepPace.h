//===- StepPace.h - Rows that a step has time for ---------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SCHEDULE_STEPPACE_H
#define TENON_RUNTIME_SCHEDULE_STEPPACE_H

#include <array>
#include <cstddef>
#include <cstdint>

namespace tenon::schedule {

/// How many rows a step may have so that it takes about a given time, by what a row took in the
/// latest steps with prompts. Rows cost about the same whether they are a prompt's or a next token,
/// once there are enough of them to share the reading of the weights.
class StepPace {
public:
  /// `target`: nanoseconds of a step; 0: steps may take any time.
  explicit StepPace(uint64_t target = 0) : target(target) {}

  /// A step computed `rows`, `promptRows` of them of prompts, in `nanos`.
  void observe(uint32_t rows, uint32_t promptRows, uint64_t nanos);

  /// Rows of a step; at least 1, and 1 while nothing is known. UINT32_MAX without a target.
  uint32_t rows() const;

private:
  static constexpr size_t kSteps = 8;

  uint64_t target;
  std::array<uint64_t, kSteps> nanosPerRow = {}; ///< Of the latest steps, in a ring.
  size_t seen = 0;
};

} // namespace tenon::schedule

#endif // TENON_RUNTIME_SCHEDULE_STEPPACE_H
