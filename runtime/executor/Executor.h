//===- Executor.h - Runs steps of a plan ------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Binds a plan to memory once: every chip's arena, KV pool, scratch and launches (ChipRunner.h), and
// the groups by which chips talk. A step then only fills the tables that say which tokens it has, and
// every worker of every chip walks its chip's list. The step path allocates nothing.
//
#ifndef TENON_RUNTIME_EXECUTOR_EXECUTOR_H
#define TENON_RUNTIME_EXECUTOR_EXECUTOR_H

#include "runtime/base/Arena.h"
#include "runtime/base/WorkerGroup.h"
#include "runtime/collective/Collective.h"
#include "runtime/device/cpu/KernelAbi.h"
#include "runtime/engine/Engine.h"
#include "runtime/executor/ChipRunner.h"
#include "runtime/executor/MemoryPlan.h"

#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace tenon::executor {

/// The rows of one sequence in a step: consecutive tokens from `firstPosition`.
struct StepRows {
  std::span<const int32_t> tokens;
  uint32_t firstPosition = 0;
  std::span<const int32_t> blocks; ///< Covers positions 0 .. firstPosition + tokens.size() - 1.
  uint32_t logitRows = 1;          ///< How many of the last rows need logits (0: none).
};

struct ExecutorOptions {
  bool pin = true; ///< Bind workers to processors where there are enough.
  bool populate =
      true; ///< Take all planned pages now, so that a later step cannot fail for memory.
  /// Measure each launch; costs a barrier per launch.
  bool timeLaunches = false;
  /// Write down what every worker does when; costs a look at the clock per launch. Not together with
  /// `timeLaunches`.
  bool trace = false;
};

/// The chips of one engine, all in this process. Not thread-safe: one thread calls run(), and that
/// thread is worker 0 of chip 0.
class Executor {
public:
  /// `engine` is runnable and outlives the executor.
  static StatusOr<std::unique_ptr<Executor>>
  create(const engine::Engine &engine, const Capacity &capacity, const ExecutorOptions &options);

  /// Computes one step. InvalidArgument, and nothing computed, if the rows exceed the capacity or
  /// name a token, position or block that does not exist. Rows of one sequence must be one entry.
  Status run(std::span<const StepRows> rows);

  /// Logits of the last step's rows that asked for them, in order of rows. [vocabulary] f32.
  std::span<const float> logits(uint32_t row) const {
    return {logitsBase + size_t(row) * vocabulary, vocabulary};
  }

  /// The last step's tables, as the kernels saw them; a chip that holds part of the vocabulary sees ids
  /// counted from its part.
  const cpu::StepView &stepView() const { return view; }

  /// Calls task(worker) on every worker of every chip, between steps, and returns when all have finished: host work
  /// that would leave the others idle. Allocates nothing.
  template <typename Callable> void onWorkers(Callable &&task) {
    workers->runEach(std::forward<Callable>(task));
  }
  uint32_t numWorkers() const { return workers->size(); }

  /// Copies the K and V of a block in all layers (copy on write).
  void copyBlock(int32_t from, int32_t to);

  const Capacity &capacity() const { return limits; }
  const MemoryPlan &memory() const { return memoryPlan; }
  uint32_t numChips() const { return static_cast<uint32_t>(chips.size()); }
  uint32_t launchesPerStep() const { return chips.front()->launchesPerStep(); }

  /// One entry per launch of a step of a chip, in order; all zero unless `timeLaunches`.
  std::span<const LaunchTiming> timings(uint32_t chip = 0) const { return chips[chip]->timings(); }
  void resetTimings();

  /// What a worker of a chip did in the last step; empty unless `trace`.
  std::span<const TraceEvent> trace(uint32_t chip, uint32_t worker) const {
    return chips[chip]->trace(worker);
  }
  uint32_t workersOf(uint32_t chip) const { return chips[chip]->workers(); }

private:

  Executor(const engine::Engine &engine, const Capacity &capacity, const ExecutorOptions &options);
  Status allocate();
  Status startWorkers();
  Status makeGroups(SpinPolicy policy);
  Status makeChips(SpinPolicy policy);
  Status fillStep(std::span<const StepRows> rows);

  const engine::Engine &engine;
  const Capacity limits;
  const ExecutorOptions options;
  const MemoryPlan memoryPlan;
  const uint32_t vocabulary;

  Arena tables;
  std::unique_ptr<WorkerGroup> workers;
  /// By axis of the grid: the groups along it, in order of the first member's chip.
  std::vector<std::vector<std::unique_ptr<collective::Group>>> groups;
  std::vector<std::unique_ptr<ChipRunner>> chips;
  struct Place {
    uint32_t chip, worker;
  };
  std::vector<Place> places; ///< Of each worker of the group.
  std::vector<Status> results; ///< Of each worker in the last step.
  const float *logitsBase = nullptr;

  // The step's tables, in `tables`.
  cpu::StepView view{};
  int32_t *tokenIds = nullptr, *positions = nullptr, *rowSequence = nullptr, *blockTables = nullptr,
          *logitRowIds = nullptr;
  cpu::AttentionTile *tiles = nullptr;
};

} // namespace tenon::executor

#endif // TENON_RUNTIME_EXECUTOR_EXECUTOR_H
