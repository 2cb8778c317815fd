//===- Admission.h - Whom the server can serve in time ----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_ADMISSION_H
#define TENON_RUNTIME_SERVER_ADMISSION_H

#include "runtime/server/EngineLoop.h"

#include <atomic>
#include <cstdint>
#include <optional>

namespace tenon::server {

/// Predicts the time to first token from what waits and from measured speed. Thread-safe.
class Admission {
public:
  /// `sequences`: how many run together at most. `maxTtftMs` 0: never refuses by time.
  Admission(uint32_t sequences, uint32_t maxTtftMs) : sequences(sequences), maxTtftMs(maxTtftMs) {}

  /// A step computed `promptRows` prompt rows in `nanos`. Engine's thread.
  void onStep(uint32_t promptRows, uint64_t nanos);
  /// A sequence ran this long from its first row to its last token.
  void onSequenceOver(uint64_t nanos);

  /// Seconds until a prompt of `promptTokens` that arrives now has its first token: the prompts
  /// before it and its own at the measured rate, and, when all places are taken, the time until its
  /// turn, at the rate at which sequences have been ending. 0 while nothing has been measured.
  double predictTtft(const Load &load, uint64_t promptTokens) const;

  /// Nothing if the request should be let in, else the seconds after which it would have been.
  std::optional<uint32_t> retryAfter(const Load &load, uint64_t promptTokens) const;
  /// Seconds until the queue has shrunk by about one sequence; at least 1.
  uint32_t retryAfterFull(const Load &load) const;

private:
  const uint32_t sequences, maxTtftMs;
  std::atomic<double> nanosPerPromptRow{0}, sequenceNanos{0}; ///< Moving averages.
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_ADMISSION_H
