//===- TraceGather.h - Traced steps of several processes --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// What workers of other processes did in a step, on rank 0 and by its clock. Hosts have clocks of
// their own: how far one is ahead is found as NTP does (RFC 5905, section 8), from the exchange of
// messages that took the shortest, and is known to half of the time that it took. Clocks that
// differ by no more than that are taken for one and the same, which those of a host are.
//
#ifndef TENON_RUNTIME_EXECUTOR_TRACEGATHER_H
#define TENON_RUNTIME_EXECUTOR_TRACEGATHER_H

#include "runtime/executor/ChipRunner.h"
#include "runtime/executor/Commands.h"

#include <span>
#include <vector>

namespace tenon::executor {

/// Nanoseconds to add to times of another clock: its own said `theirs` between `asked` and
/// `answered`. 0 where that may be one clock.
int64_t clockOffset(uint64_t asked, uint64_t answered, uint64_t theirs);

class TraceGather {
public:
  /// On rank 0, once every process has its executor: learns their clocks and workers. Both outlive
  /// it.
  static StatusOr<TraceGather> create(collective::Cluster &cluster, CommandSender &commands,
                                      uint32_t chips);

  /// On rank 0, after a step: fetches what all others' workers did in it.
  Status collect();

  /// Of a chip of another process, in the step that was collected last.
  std::span<const TraceEvent> trace(uint32_t chip, uint32_t worker) const {
    return events[chip][worker];
  }
  uint32_t workersOf(uint32_t chip) const { return static_cast<uint32_t>(events[chip].size()); }

  /// The parts of the other ranks. `events` is by chip from `firstChip` on, then by worker.
  static Status answerClock(collective::Cluster &cluster);
  static Status send(collective::Cluster &cluster, uint32_t firstChip,
                     const std::vector<std::vector<std::span<const TraceEvent>>> &events);

private:
  TraceGather(collective::Cluster &cluster, CommandSender &commands, uint32_t chips)
      : cluster(&cluster), commands(&commands), offsets(cluster.size()), events(chips) {}
  Status askClocks();
  Status receiveFrom(uint32_t rank);

  collective::Cluster *cluster;
  CommandSender *commands;
  std::vector<int64_t> offsets;                             ///< By rank.
  std::vector<std::vector<std::vector<TraceEvent>>> events; ///< [chip][worker]
};

} // namespace tenon::executor

#endif // TENON_RUNTIME_EXECUTOR_TRACEGATHER_H
