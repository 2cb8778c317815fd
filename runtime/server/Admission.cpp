//===- Admission.cpp - Whom the server can serve in time ------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/Admission.h"

#include <algorithm>
#include <cmath>

namespace tenon::server {

/// Weight of the latest measurement.
static constexpr double kFresh = 1.0 / 16;

/// Steps with fewer prompt rows say more of decoding than of prompts.
static constexpr uint32_t kRowsWorthMeasuring = 16;

static void follow(std::atomic<double> &average, double sample) {
  double old = average.load(std::memory_order_relaxed);
  while (!average.compare_exchange_weak(old, old == 0 ? sample : old + (sample - old) * kFresh,
                                        std::memory_order_relaxed)) {
  }
}

void Admission::onStep(uint32_t promptRows, uint64_t nanos) {
  if (promptRows >= kRowsWorthMeasuring)
    follow(nanosPerPromptRow, double(nanos) / promptRows);
}

void Admission::onSequenceOver(uint64_t nanos) { follow(sequenceNanos, double(nanos)); }

double Admission::predictTtft(const Load &load, uint64_t promptTokens) const {
  const double prompts = double(load.queuedPromptTokens + promptTokens) *
                         nanosPerPromptRow.load(std::memory_order_relaxed);
  double turn = 0;
  if (load.running + load.waiting >= sequences) {
    const double ahead = double(load.running + load.waiting - sequences + 1);
    turn = ahead * sequenceNanos.load(std::memory_order_relaxed) / sequences;
  }
  return (prompts + turn) * 1e-9;
}

std::optional<uint32_t> Admission::retryAfter(const Load &load, uint64_t promptTokens) const {
  if (maxTtftMs == 0)
    return std::nullopt;
  const double late = predictTtft(load, promptTokens) - maxTtftMs * 1e-3;
  // An idle server takes anything: waiting would not make it faster.
  if (late <= 0 || load.running + load.waiting == 0)
    return std::nullopt;
  return static_cast<uint32_t>(std::clamp(std::ceil(late), 1.0, 3600.0));
}

uint32_t Admission::retryAfterFull(const Load &load) const {
  return static_cast<uint32_t>(
      std::clamp(std::ceil(sequenceNanos.load(std::memory_order_relaxed) * 1e-9 *
                           std::max(1u, load.waiting) / (2.0 * sequences)),
                 1.0, 3600.0));
}

} // namespace tenon::server
