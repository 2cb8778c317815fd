//===- MemoryPlan.h - What running an engine will occupy --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_EXECUTOR_MEMORYPLAN_H
#define TENON_RUNTIME_EXECUTOR_MEMORYPLAN_H

#include "runtime/base/Status.h"
#include "runtime/engine/Plan.h"

#include <cstdint>
#include <optional>

namespace tenon::executor {

/// What a caller asks for; absent values come from the plan's defaults.
struct CapacityRequest {
  std::optional<uint32_t> stepTokens;
  std::optional<uint32_t> sequences;
  std::optional<uint32_t> logitRows; ///< Rows with logits in a step; default: `sequences`.
  std::optional<uint32_t> context;   ///< Positions a sequence may have.
  std::optional<uint64_t> kvBytes;   ///< For the KV pool.
  uint32_t workers = 1;
  /// What this process runs; default: all chips. Workers and memory are theirs alone.
  std::optional<engine::ChipRange> chips;
  /// Most steps begun before the first has ended; default: one for each stage.
  std::optional<uint32_t> stepsInFlight;
};

/// What an executor is built for.
struct Capacity {
  uint32_t stepTokens = 0, sequences = 0, logitRows = 0, context = 0, kvBlocks = 0, workers = 1;
  uint32_t blockTableStride = 0; ///< Entries per sequence.
  uint32_t stepsInFlight =
      1;                   ///< That the stages of a pipeline work on at once, one behind the other.
  engine::ChipRange chips; ///< Of this process.

  /// T and S rounded up to 16, as the plan's forms want them.
  engine::StepLimits limits() const;
};

/// Bytes of one chip, or of all. The sum over chips is what the process occupies beyond a fixed
/// cost of its own.
struct MemoryPlan {
  uint64_t storedWeights = 0; ///< Mapped from the file.
  uint64_t madeWeights = 0;
  uint64_t arena = 0;
  uint64_t kv = 0;
  uint64_t scratch = 0;
  uint64_t stepTables = 0; ///< Token ids, positions, block tables and the like.
  uint64_t messages = 0;   ///< What other processes send, and the library that carries it.
  uint64_t total() const {
    return storedWeights + madeWeights + arena + kv + scratch + stepTables + messages;
  }
};

/// Applies the plan's limits. InvalidArgument names the option that asks too much and what is
/// possible.
StatusOr<Capacity> chooseCapacity(const engine::Plan &plan, const CapacityRequest &request);

/// Of all chips of the process; the step's tables are there once.
MemoryPlan planMemory(const engine::Plan &plan, const Capacity &capacity);
/// Of one chip; a KV pool that chips share (SharedMemory.h) is the first one's, its own tables are
/// the token ids that it renumbers.
MemoryPlan planMemory(const engine::Plan &plan, const Capacity &capacity, uint32_t chip);

/// Stages of a plan's grid.
inline uint32_t stagesOf(const engine::Plan &plan) {
  return plan.grid.size() > 1 ? plan.grid.front() : 1;
}

/// Whether nothing else of a step is ever kept where the logits are, so that those of one
/// micro-batch survive the next. The compiler sees to it for pipelines; a plan where it is not so
/// runs one step at a time, uncut.
bool logitsStandApart(const engine::Plan &plan, const Capacity &capacity);

/// Workers of a chip of the process: the capacity's shared out evenly, at least one each.
uint32_t chipWorkers(const engine::Plan &plan, const Capacity &capacity, uint32_t chip);

} // namespace tenon::executor

#endif // TENON_RUNTIME_EXECUTOR_MEMORYPLAN_H
