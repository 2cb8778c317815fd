//===- Health.h - Is the job well? ------------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_COLLECTIVE_HEALTH_H
#define TENON_RUNTIME_COLLECTIVE_HEALTH_H

#include "runtime/base/Status.h"

#include <atomic>
#include <cstdint>
#include <mutex>

namespace tenon::collective {

/// What a process does, as its monitor tells the others, and whether the job has failed. Any
/// thread.
class Health {
public:
  /// Activities below zero; from zero on: waits for that rank.
  static constexpr int32_t Idle = -1, Computing = -2;

  std::atomic<int32_t> activity{Idle};
  std::atomic<uint64_t> progress{0}; ///< Grows with every launch done.

  bool failed() const { return broken.load(std::memory_order_acquire); }
  /// Keeps the first reason.
  void fail(const Status &status) {
    const std::lock_guard lock(mutex);
    if (!why.isOk())
      return;
    why = status;
    broken.store(true, std::memory_order_release);
  }
  Status reason() const {
    const std::lock_guard lock(mutex);
    return why;
  }

private:
  std::atomic<bool> broken{false};
  mutable std::mutex mutex;
  Status why;
};

} // namespace tenon::collective

#endif // TENON_RUNTIME_COLLECTIVE_HEALTH_H
