//===- StepPace.cpp - Rows that a step has time for -----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/schedule/StepPace.h"

#include <algorithm>

namespace tenon::schedule {

/// Of fewer rows the weights take a good part of the time, and of steps that mostly decode the
/// context does: what a row takes there says little of larger steps.
static constexpr uint32_t kRowsWorthMeasuring = 32;

void StepPace::observe(uint32_t rows, uint32_t promptRows, uint64_t nanos) {
  if (rows < kRowsWorthMeasuring || promptRows < rows / 2)
    return;
  nanosPerRow[seen++ % kSteps] = std::max<uint64_t>(nanos / rows, 1);
}

uint32_t StepPace::rows() const {
  if (target == 0)
    return UINT32_MAX;
  const size_t count = std::min(seen, kSteps);
  if (count == 0)
    return 1;
  // The median, and of two the smaller: a step that was interrupted, or the first, which also maps
  // the weights, says nothing of the next.
  std::array<uint64_t, kSteps> sorted = nanosPerRow;
  const auto middle = sorted.begin() + ptrdiff_t((count - 1) / 2);
  std::nth_element(sorted.begin(), middle, sorted.begin() + ptrdiff_t(count));
  return static_cast<uint32_t>(std::clamp<uint64_t>(target / *middle, 1, UINT32_MAX));
}

} // namespace tenon::schedule
