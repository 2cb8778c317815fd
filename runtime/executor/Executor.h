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
#include "runtime/executor/Commands.h"
#include "runtime/executor/MemoryPlan.h"
#include "runtime/executor/StepRows.h"

#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace tenon::executor {

struct ExecutorOptions {
  bool pin = true; ///< Bind workers to processors where there are enough.
  bool populate =
      true; ///< Take all planned pages now, so that a later step cannot fail for memory.
  /// Measure each launch; costs a barrier per launch.
  bool timeLaunches = false;
  /// Write down what every worker does when; costs a look at the clock per launch. Not together with
  /// `timeLaunches`.
  bool trace = false;
  /// Other processes run the engine's other chips (Engine::chips()); outlives the executor. On rank 0 the
  /// executor tells them what to do; on others it is told (Follower.h).
  collective::Cluster *cluster = nullptr;
};

/// The chips of one engine: all, or those of this process. Not thread-safe: one thread calls run(), and
/// that thread is worker 0 of the first chip.
class Executor {
public:
  ~Executor();
  /// `engine` is runnable and outlives the executor. With a cluster, every process makes one at the same
  /// time (rank 0's tells the others to), and all get an error if one of them does.
  static StatusOr<std::unique_ptr<Executor>>
  create(const engine::Engine &engine, const Capacity &capacity, const ExecutorOptions &options);

  /// Computes one step. InvalidArgument, and nothing computed, if the rows exceed the capacity or
  /// name a token, position or block that does not exist. Rows of one sequence must be one entry. After any
  /// other error, which names the chip or the process, the executor is of no use any more.
  Status run(std::span<const StepRows> rows);

  /// Logits of the last step's rows that asked for them, in order of rows. [vocabulary] f32. With a
  /// cluster they are on rank 0.
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
  /// Chips of this process.
  uint32_t numChips() const { return static_cast<uint32_t>(chips.size()); }
  uint32_t launchesPerStep() const { return chips.front()->launchesPerStep(); }

  /// Figures of this process.
  ProcessReport report() const;
  /// Of every process, in order of rank; this one's alone without a cluster. Rank 0 calls it.
  StatusOr<std::vector<ProcessReport>> reports();

  /// One entry per launch of a step of one of this process's chips, in order; all zero unless
  /// `timeLaunches`.
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
  Status compute();
  Status moveLogits();
  StatusOr<std::unique_ptr<collective::Group>> makeGroup(uint32_t axis, uint32_t first,
                                                         uint32_t stride, SpinPolicy policy,
                                                         int &tag);
  uint32_t rankOf(uint32_t chip) const;
  void stopChips(uint32_t chip, const Status &status);

  const engine::Engine &engine;
  const Capacity limits;
  const ExecutorOptions options;
  MemoryPlan memoryPlan;
  const uint32_t vocabulary;

  Arena tables;
  std::unique_ptr<WorkerGroup> workers;
  std::unique_ptr<CommandSender> commands; ///< Rank 0 of a cluster.
  std::unique_ptr<collective::MessageBatch> messages; ///< Of a cluster.
  Arena farLogits; ///< On rank 0, if another process computes them.
  Status broken;   ///< Of the step that failed.
  /// By axis of the grid: the groups along it, in order of the first member's chip; null where this
  /// process has no member.
  std::vector<std::vector<std::unique_ptr<collective::Group>>> groups;
  std::vector<std::unique_ptr<ChipRunner>> chips; ///< From limits.chips.first on.
  struct Place {
    uint32_t chip, worker;
  };
  std::vector<Place> places; ///< Of each worker of the group.
  std::vector<Status> results; ///< Of each worker in the last step.
  std::mutex stopping;
  Status stoppedBy; ///< Guarded by `stopping` within a step: the first worker's error.
  const float *logitsBase = nullptr;

  // The step's tables, in `tables`.
  cpu::StepView view{};
  int32_t *tokenIds = nullptr, *positions = nullptr, *rowSequence = nullptr, *blockTables = nullptr,
          *logitRowIds = nullptr;
  cpu::AttentionTile *tiles = nullptr;
};

} // namespace tenon::executor

#endif // TENON_RUNTIME_EXECUTOR_EXECUTOR_H
