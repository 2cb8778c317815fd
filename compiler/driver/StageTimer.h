//===- StageTimer.h - Time and memory of the compiler itself ----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_STAGETIMER_H
#define TENON_COMPILER_DRIVER_STAGETIMER_H

#include <chrono>
#include <cstdint>
#include <string>
#include <sys/resource.h>
#include <utility>
#include <vector>

namespace tenon::compiler {

/// Seconds by stage, in the order of the stages. Stages that run beside others are recorded by
/// them.
class StageTimer {
public:
  /// Ends the stage that is running and names it.
  void finish(std::string stage) {
    const auto now = std::chrono::steady_clock::now();
    stages.emplace_back(std::move(stage), std::chrono::duration<double>(now - last).count());
    last = now;
  }
  /// A stage that ran on another thread.
  void record(std::string stage, double seconds) { stages.emplace_back(std::move(stage), seconds); }

  const std::vector<std::pair<std::string, double>> &all() const { return stages; }
  double total() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

private:
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now(), last = start;
  std::vector<std::pair<std::string, double>> stages;
};

/// Most memory that this process has had resident, mapped files included.
inline uint64_t peakResidentBytes() {
  struct rusage usage;
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_STAGETIMER_H
