//===- CollectiveProbe.h - How fast chips talk ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TOOLS_TENON_COLLECTIVEPROBE_H
#define TENON_TOOLS_TENON_COLLECTIVEPROBE_H

#include "runtime/base/WorkerGroup.h"
#include "runtime/collective/Collective.h"

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace tenon::tool {

/// What is timed. Sizes are as nccl-tests count them (PERFORMANCE.md there): of a gather or scatter
/// all members' columns together.
enum class ProbedCollective : uint8_t {
  AllReduce,
  AllGather,     ///< Every member gets all columns.
  Gather,        ///< Only member 0 does.
  ReduceScatter, ///< By columns.
  Broadcast,
  SendReceive, ///< From member 0 to 1.
  Barrier,
};
inline constexpr ProbedCollective kProbedCollectives[] = {
    ProbedCollective::AllReduce,     ProbedCollective::AllGather, ProbedCollective::Gather,
    ProbedCollective::ReduceScatter, ProbedCollective::Broadcast, ProbedCollective::SendReceive,
    ProbedCollective::Barrier};

/// "all_reduce".
std::string_view collectiveName(ProbedCollective collective);

/// Bytes that cross to the busiest member, by each byte of the size: busbw over algbw.
double busFactor(ProbedCollective collective, uint32_t members);

/// Of many rounds; each counts from when all are ready to when the last member is done.
struct CollectiveTime {
  double median = 0, best = 0, p99 = 0; ///< Seconds.
  uint32_t rounds = 0;
};

/// Chips of one process, joined by the local collectives, each with as many workers.
class CollectiveProbe {
public:
  /// `pin`: bind workers to processors where there are enough.
  static StatusOr<std::unique_ptr<CollectiveProbe>> create(uint32_t chips, uint32_t workersEach,
                                                           bool pin);

  /// Times rounds of [rows, columns] f32 for about `seconds`. Before each round every member has
  /// written its input, as a launch before the collective would have.
  StatusOr<CollectiveTime> measure(ProbedCollective collective, uint64_t rows, uint64_t columns,
                                   double seconds);
  uint32_t members() const { return group->size(); }

private:
  CollectiveProbe() = default;
  uint32_t workersEach = 1;
  std::unique_ptr<WorkerGroup> workers;
  std::unique_ptr<collective::Group> group;
};

} // namespace tenon::tool

#endif // TENON_TOOLS_TENON_COLLECTIVEPROBE_H
