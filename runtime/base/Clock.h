//===- Clock.h - Time for measurements --------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_BASE_CLOCK_H
#define TENON_RUNTIME_BASE_CLOCK_H

#include <chrono>
#include <cstdint>

namespace tenon {

/// Nanoseconds of the monotonic clock.
inline uint64_t nowNanos() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                   std::chrono::steady_clock::now().time_since_epoch())
                                   .count());
}

/// Time since construction or the last restart().
class Stopwatch {
public:
  double milliseconds() const { return static_cast<double>(nowNanos() - began) * 1e-6; }
  double seconds() const { return static_cast<double>(nowNanos() - began) * 1e-9; }
  void restart() { began = nowNanos(); }

private:
  uint64_t began = nowNanos();
};

} // namespace tenon

#endif // TENON_RUNTIME_BASE_CLOCK_H
