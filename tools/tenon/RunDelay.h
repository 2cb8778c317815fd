//===- RunDelay.h - How long threads waited for a processor -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TOOLS_TENON_RUNDELAY_H
#define TENON_TOOLS_TENON_RUNDELAY_H

#include <cstdint>
#include <vector>

namespace tenon::tool {

/// How long the threads that the process has when this is made were ready to run and did not,
/// because somebody else had the processor: the kernel's own account
/// (/proc/self/task/ID/schedstat). Tells samples that say something about this process from those
/// that say something about others.
class RunDelay {
public:
  RunDelay();
  ~RunDelay();
  RunDelay(const RunDelay &) = delete;
  RunDelay &operator=(const RunDelay &) = delete;

  /// Nanoseconds so far, of all these threads together; 0 where the kernel keeps no account.
  uint64_t nanos() const;

private:
  std::vector<int> files;
};

} // namespace tenon::tool

#endif // TENON_TOOLS_TENON_RUNDELAY_H
