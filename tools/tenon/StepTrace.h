//===- StepTrace.h - What every chip did, when ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TOOLS_TENON_STEPTRACE_H
#define TENON_TOOLS_TENON_STEPTRACE_H

#include "runtime/engine/LaunchTraffic.h"
#include "runtime/executor/Executor.h"
#include "runtime/generate/Generator.h"

#include <string>
#include <vector>

namespace tenon::tool {

/// Launches of one kind on a chip, summed over steps. Times are means over the chip's workers.
struct ChipKind {
  std::string kind;
  uint32_t launches = 0;     ///< In a step.
  double seconds = 0;        ///< Without the waiting below.
  double barrierSeconds = 0; ///< For the chip's other workers, before launches of the kind.
  double othersSeconds = 0;  ///< In a collective, until the last of the others had come.
  double read = 0, written = 0, sent = 0; ///< Bytes.
};

/// What a chip did in traced steps of one phase.
struct ChipLedger {
  uint32_t chip = 0, workers = 1;
  uint64_t steps = 0;
  double stepSeconds = 0; ///< From the first chip's beginning to the last one's end, over steps.
  double idleSeconds = 0; ///< Of that, before its first launch and after its last.
  uint64_t arenaPeak = 0; ///< Most bytes of the arena that were needed at once.
  uint64_t arenaPlanned = 0;
  std::vector<ChipKind> kinds; ///< In order of first launch.

  double seconds() const;
  double barrierSeconds() const;
  /// Waiting for other chips: in collectives, and while only they have work.
  double othersSeconds() const;
};

/// Follows the steps of one tracing executor.
class StepTrace {
public:
  /// `keepEvents`: for chromeTrace(). The plan outlives the trace.
  StepTrace(const engine::Plan &plan, const executor::Executor &executor, bool keepEvents);

  /// Takes the last step.
  void add(const executor::Executor &executor, const generate::StepTimes &times);

  /// Of the steps with prompt rows, or of those without. By chip.
  const std::vector<ChipLedger> &ledgers(bool prompts) const { return byPhase[prompts]; }

  /// The steps as JSON for Perfetto or chrome://tracing: a process for each chip with a lane for
  /// each worker (launches, collectives, waits) and the arena in use, and one for the host.
  std::string chromeTrace(const std::string &title) const;

private:
  /// A stretch of one worker's time.
  struct Slice {
    uint64_t began, ended;
    uint32_t chip, worker, launch;
    enum class Kind : uint8_t { Launch, Barrier, Others } kind;
  };
  struct Step {
    uint64_t began, ended;
    generate::StepTimes times;
    size_t firstSlice;                        ///< Of `slices`.
    std::vector<std::vector<uint64_t>> arena; ///< [chip][launch]
  };
  struct Chip {
    std::vector<const engine::LaunchPlan *> launches;
    std::vector<std::string> kinds; ///< By launch.
    std::vector<uint64_t> windows;  ///< By launch.
    std::vector<uint32_t> inner;    ///< Launches that are collectives among chips of a stage.
    std::vector<uint32_t> sends, receives;
  };
  uint64_t whenAllCame(uint32_t chip, uint32_t launch, uint32_t micro) const;
  uint64_t lastToCome(uint32_t chip, uint32_t launch, uint32_t micro) const;
  void addChip(const executor::Executor &executor, uint32_t chip, Step &step, ChipLedger &ledger);

  const engine::Plan &plan;
  const bool keepEvents;
  std::vector<Chip> chips;
  std::vector<ChipLedger> byPhase[2];
  std::vector<Step> steps;
  std::vector<Slice> slices;
  std::vector<std::vector<std::vector<uint64_t>>>
      came; ///< [chip][worker][micro-batch * launches + launch], of the last step.
};

} // namespace tenon::tool

#endif // TENON_TOOLS_TENON_STEPTRACE_H
