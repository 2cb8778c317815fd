//===- BenchLedger.h - What launches take and cannot take less --*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TOOLS_TENON_BENCHLEDGER_H
#define TENON_TOOLS_TENON_BENCHLEDGER_H

#include "runtime/engine/EngineFormat.h"
#include "runtime/engine/Plan.h"
#include "runtime/executor/Executor.h"
#include "tools/tenon/BenchChip.h"

#include <span>
#include <string>
#include <vector>

namespace tenon::tool {

/// What a step's attention looks at through a window.
struct StepContext {
  uint64_t rowPositions = 0; ///< Positions that each row attends to, summed over rows.
  uint64_t positions = 0;    ///< Positions that any row of a sequence attends to, over sequences.
};
/// `window`: how far back a row looks at most; 0: to the beginning.
StepContext contextOf(const cpu::StepView &step, uint64_t window);
/// The window of a kernel; 0 where there is none.
uint64_t windowOf(const engine::KernelPlan &kernel);

/// Launches of one kind and name, summed over steps.
struct LaunchKind {
  std::string kind, name;
  cpu::MacUnit unit = cpu::MacUnit::F32; ///< What its multiply-accumulates run on.
  uint32_t launches = 0;                 ///< In a step.
  double seconds = 0;                    ///< 0 unless steps were timed launch by launch.
  double memoryBytes =
      0;            ///< Weights once a micro-batch, and each sequence's K and V once a launch.
  double bytes = 0; ///< Those and the activations.
  double macs = 0;
};

/// Adds up steps of one engine by kind of launch: work from the plan's costs, time from a timing
/// executor.
class Ledger {
public:
  /// `replicas` share the machine, and the ledger has the steps of one: its limit is that part of
  /// the machine's.
  Ledger(const engine::Plan &plan, engine::Variant variant, uint32_t replicas = 1);

  /// One step: its micro-batches, and the times of its launches alone (zeros if they were not
  /// measured). It counts with the next if it is one of several under way (`more`) that give each
  /// sequence a token.
  void add(std::span<const executor::MicroBatch> step,
           std::span<const executor::LaunchTiming> timings, bool more = false);

  std::span<const LaunchKind> kinds() const { return sums; }
  /// Seconds of a step that launches of `kind` take, each counted with its median over the steps: a
  /// launch that lost its processor to somebody else does not count.
  double typicalSeconds(const LaunchKind &kind) const;
  uint64_t steps() const { return count; }
  double seconds() const;     ///< Of all launches.
  double memoryBytes() const; ///< Of all launches.

  /// Seconds that the steps' launches of a kind cannot take less than on this chip, one after the
  /// other: memory at its bandwidth, activations at the inner cache's, products at their unit's
  /// peak, whichever takes longest.
  double leastSeconds(const LaunchKind &kind, const ChipLimits &chip) const;
  double leastSeconds(const ChipLimits &chip) const;

private:
  void addWork(const cpu::StepView &view);

  /// A launch of a function, with all its calls.
  struct Launch {
    engine::CostForm cost;
    uint32_t kind = 0, times = 0;
    uint64_t window = 0; ///< Positions that attention looks back at most; 0: all.
  };
  double sharers = 1; ///< Replicas.
  std::vector<Launch> launches;
  std::vector<uint32_t> kindOfTiming;       ///< By position in the executor's list.
  std::vector<std::vector<uint64_t>> nanos; ///< [position in the executor's list][step]
  std::vector<LaunchKind> sums;
  uint64_t count = 0;
};

} // namespace tenon::tool

#endif // TENON_TOOLS_TENON_BENCHLEDGER_H
