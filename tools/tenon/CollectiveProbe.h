//===- CollectiveProbe.h - How fast chips talk ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TOOLS_TENON_COLLECTIVEPROBE_H
#define TENON_TOOLS_TENON_COLLECTIVEPROBE_H

#include "runtime/base/WorkerGroup.h"
#include "runtime/collective/Cluster.h"
#include "runtime/collective/Collective.h"
#include "runtime/engine/Plan.h"

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

/// What is known of a collective among `members`; shares are of the size.
struct CollectiveFacts {
  std::string_view name; ///< "all_reduce".
  double busFactor = 0;  ///< What crosses to the busiest member: busbw over algbw.
  double incoming = 0;   ///< What each member reads of others' rows.
  bool alone = false;    ///< One member reads alone.
};
CollectiveFacts factsOf(ProbedCollective collective, uint32_t members);

/// Of many rounds; each counts from when all are ready to when the last member is done.
struct CollectiveTime {
  double median = 0, best = 0, p99 = 0; ///< Seconds.
  uint32_t rounds = 0;
};

/// Chips with as many workers each: of this process, joined by the local collectives, or of all
/// processes of a cluster, each of which makes a probe and measures at the same time.
class CollectiveProbe {
public:
  struct Setup {
    uint32_t chips = 2, workersEach = 1;
    bool pin = true;                        ///< Bind workers to processors where there are enough.
    uint64_t mostBytes = 0;                 ///< Of the largest operand to come; with a cluster.
    collective::Cluster *cluster = nullptr; ///< Null for one process. Outlives the probe.
  };
  static StatusOr<std::unique_ptr<CollectiveProbe>> create(const Setup &setup);

  /// Times rounds of [rows, columns] of `element` for about `seconds`. Before each round every
  /// member has written its input, as a launch before the collective would have. With a cluster
  /// rank 0 says how many rounds, and every rank gets the same answer.
  StatusOr<CollectiveTime> measure(ProbedCollective collective, uint64_t rows, uint64_t columns,
                                   double seconds,
                                   collective::Element element = collective::Element::F32);
  uint32_t members() const { return group->size(); }

private:
  struct Member;
  explicit CollectiveProbe(const Setup &setup) : setup(setup) {}
  Status rounds(ProbedCollective what, uint64_t rows, uint64_t columns, collective::Element element,
                uint32_t count, std::vector<Member> &mine);
  StatusOr<uint32_t> agreeOn(uint32_t rounds);

  const Setup setup;
  engine::ChipRange own; ///< Members of this process.
  std::unique_ptr<WorkerGroup> workers;
  std::unique_ptr<collective::Group> group;
};

} // namespace tenon::tool

#endif // TENON_TOOLS_TENON_COLLECTIVEPROBE_H
