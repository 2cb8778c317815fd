//===- StallWatch.h - Does every chip of a step move? -----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Chips of one process wait for each other without a bound: a collective costs well under a
// microsecond. So somebody else looks: a thread that wakes a few times in as long as a launch may
// take. Between processes a rank is judged by its messages (collective/ClusterMonitor.h); this says
// which chip of a process it is.
//
#ifndef TENON_RUNTIME_EXECUTOR_STALLWATCH_H
#define TENON_RUNTIME_EXECUTOR_STALLWATCH_H

#include "runtime/base/Status.h"
#include "runtime/executor/WorkerPulse.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace tenon::executor {

class StallWatch {
public:
  struct Setup {
    double seconds = 6;      ///< Without any worker's doing a launch: a stall.
    double graceSeconds = 2; ///< From a stall to `stuck`, if the step has not ended by then.
    uint32_t firstChip = 0;  ///< Of this process, for messages.
    std::string owner;       ///< "replica 1, ": goes before the chip in messages; may be empty.
    std::vector<std::span<const WorkerPulse>>
        chips;                  ///< The workers of each of this process. Outlive the watch.
    uint32_t chipsPerStage = 1; ///< Chips that meet in the same collectives are neighbours.
    /// "ffn_down": what launch `number` of chip `chip` (from 0 here) is called.
    std::function<std::string(uint32_t chip, uint32_t number)> nameOf;
    /// Called once, on a thread of the watch: chip `chip` (from 0 here) is to blame. Ends the
    /// others' waits.
    std::function<void(uint32_t chip, const Status &)> stalled;
    /// Called after that, if the thread that hangs holds the step up for ever. Ends the process;
    /// may be empty.
    std::function<void(const Status &)> stuck;
  };

  explicit StallWatch(Setup setup);
  ~StallWatch();
  StallWatch(const StallWatch &) = delete;
  StallWatch &operator=(const StallWatch &) = delete;

  /// Around every step, by the thread that runs steps.
  void begin() { underWay.fetch_add(1, std::memory_order_relaxed); }
  void end() { underWay.fetch_sub(1, std::memory_order_relaxed); }

private:
  void watch();
  uint64_t movement() const;
  /// Of chips that all wait for others, one that is behind those it should have met.
  bool behind(uint32_t &chip, uint32_t &worker) const;
  /// Nobody has moved: who should have. False if all of them have done their part.
  bool blame(uint32_t &chip, std::string &what) const;

  const Setup setup;
  std::atomic<uint32_t> underWay{0}; ///< Steps.
  std::mutex mutex;
  std::condition_variable wake;
  bool ending = false; ///< Guarded by `mutex`.
  std::thread thread;
};

} // namespace tenon::executor

#endif // TENON_RUNTIME_EXECUTOR_STALLWATCH_H
