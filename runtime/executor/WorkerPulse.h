//===- WorkerPulse.h - Where a worker is --------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_EXECUTOR_WORKERPULSE_H
#define TENON_RUNTIME_EXECUTOR_WORKERPULSE_H

#include <atomic>
#include <cstdint>

namespace tenon::executor {

/// What a worker says of itself, for StallWatch; it alone writes. One cache line.
struct alignas(64) WorkerPulse {
  static constexpr int32_t Idle = -1;    ///< In no step.
  static constexpr int32_t Between = -2; ///< Between launches, or waiting for its chip's workers.
  static constexpr int32_t Meeting =
      -3; ///< This less a launch's number: with other chips, in that collective.
  std::atomic<int32_t> at{Idle}; ///< One of these, or the number of the launch that it computes.
  std::atomic<uint64_t> done{0}; ///< Grows with every launch and every step.

  void set(int32_t place) { at.store(place, std::memory_order_relaxed); }
  void moved(int32_t place) {
    set(place);
    done.store(done.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
};

} // namespace tenon::executor

#endif // TENON_RUNTIME_EXECUTOR_WORKERPULSE_H
