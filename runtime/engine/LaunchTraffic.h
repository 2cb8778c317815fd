//===- LaunchTraffic.h - Which bytes a launch reads and writes --*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The plan states what a launch moves in all (CostForm). Which of its buffers are read and which
// are written follows from the kernel's kind; from both follow the parts of the sum, and how much
// of the arena a step needs at a time.
//
#ifndef TENON_RUNTIME_ENGINE_LAUNCHTRAFFIC_H
#define TENON_RUNTIME_ENGINE_LAUNCHTRAFFIC_H

#include "runtime/engine/Plan.h"

#include <cstdint>
#include <vector>

namespace tenon::engine {

/// The rows of one step.
struct StepSize {
  uint64_t tokens = 0, logitRows = 0;
  uint64_t context = 0; ///< See CostForm.
};

/// Bytes of one launch on one chip in one step.
struct Traffic {
  double read = 0, written = 0;
  double sent = 0; ///< Its rows that other chips take; within `read` they are the others'.
};

/// What `launch` moves on `chip`, which runs it. The plan is checked.
Traffic trafficOf(const Plan &plan, const ChipPlan &chip, const LaunchPlan &launch,
                  const StepSize &step);

/// The launches of a step of `chip` in order.
std::vector<const LaunchPlan *> launchesOf(const Plan &plan, const ChipPlan &chip);

/// Bytes of the arena that hold something still needed while launch i of launchesOf() runs, what
/// it writes included.
std::vector<uint64_t> arenaInUse(const Plan &plan, const ChipPlan &chip, const StepSize &step);

} // namespace tenon::engine

#endif // TENON_RUNTIME_ENGINE_LAUNCHTRAFFIC_H
