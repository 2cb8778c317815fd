//===- Executor.h - Runs steps of a plan ------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Binds a plan to memory once: every chip's arena, KV pool, scratch and launches (ChipRunner.h),
// and the groups by which chips talk. A step then only fills the tables that say which tokens it
// has, and every worker of every chip walks its chip's list. The step path allocates nothing.
//
// On a pipeline a step is cut into micro-batches (MicroBatches.h), and further steps may begin
// before the first has ended, so that no stage waits for the drawing of tokens.
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
#include "runtime/executor/HiddenState.h"
#include "runtime/executor/MemoryPlan.h"
#include "runtime/executor/StallWatch.h"
#include "runtime/executor/StepRows.h"
#include "runtime/executor/StepTables.h"
#include "runtime/executor/TraceGather.h"

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tenon::executor {

class LaunchObserver;

struct ExecutorOptions {
  bool pin = true; ///< Bind workers to processors where there are enough.
  bool populate =
      true; ///< Take all planned pages now, so that a later step cannot fail for memory.
  /// Measure each launch; costs a barrier per launch.
  bool timeLaunches = false;
  /// Write down what every worker does when; costs a look at the clock per launch. Not together
  /// with `timeLaunches`.
  bool trace = false;
  /// Sees the operands of every launch, at a barrier for each; outlives the executor. Goes before
  /// the two above.
  LaunchObserver *observer = nullptr;
  /// Rows of a micro-batch; 0: as MicroBatches.h says. No matter on a grid of one stage.
  uint32_t microBatchRows = 0;
  /// Other processes run the engine's other chips (Engine::chips()); outlives the executor. On rank
  /// 0 the executor tells them what to do; on others it is told (Follower.h).
  collective::Cluster *cluster = nullptr;
  /// Workers of all executors of the process, 0: this one's; and of those that have the processors
  /// before its own (Replicas.h).
  uint32_t workersOfProcess = 0, workersBefore = 0;
  /// Which of several executors of the process this is; errors name it.
  std::optional<uint32_t> replica = std::nullopt;
};

/// The chips of one engine: all, or those of this process. Not thread-safe: one thread calls run(),
/// and that thread is worker 0 of the first chip.
class Executor {
public:
  ~Executor();
  /// `engine` is runnable and outlives the executor. With a cluster, every process makes one at the
  /// same time (rank 0's tells the others to), and all get an error if one of them does.
  static StatusOr<std::unique_ptr<Executor>>
  create(const engine::Engine &engine, const Capacity &capacity, const ExecutorOptions &options);

  /// Several chips in this process, of this executor or of replicas: from now on a step in which
  /// none of the executor's threads does a launch for `seconds` ends with an error that names the
  /// chip (and the replica). Where the thread that hangs does not come back within two seconds
  /// after that, so that the step cannot end, `stuck` is called on another thread: it should end
  /// the process. Not while steps are under way. Nothing for the only chip, or with an observer,
  /// which may look as long as it likes.
  void watchForStalls(double seconds, std::function<void(const Status &)> stuck);

  /// Computes one step. InvalidArgument, and nothing computed, if the rows exceed the capacity or
  /// name a token, position or block that does not exist. Rows of one sequence must be one entry.
  /// After any other error, which names the chip or the process, the executor is of no use any
  /// more.
  Status run(std::span<const StepRows> rows);

  /// The halves of run(), for pipelines: start() returns when the calling thread has done its part,
  /// finish() when the oldest step under way has ended. At most maxInFlight() are under way; a step
  /// has at most freeLogitRows() rows with logits, and no sequence whose tokens depend on a step
  /// that is under way. All steps compute in the order of their starts, so that a prompt's next
  /// chunk may follow at once. The errors are those of run().
  Status start(std::span<const StepRows> rows);
  Status finish();
  uint32_t maxInFlight() const {
    return options.timeLaunches || options.trace || options.observer ? 1 : limits.stepsInFlight;
  }
  /// Whether this process's chips are done with the oldest step under way: finish() then waits for
  /// no worker.
  bool oldestIsComputed() const { return workers->hasEnded(); }
  uint32_t inFlight() const { return static_cast<uint32_t>(started - finished); }
  uint32_t freeLogitRows() const { return logitRoom().count; }

  /// Logits of the last finished step's rows that asked for them, in order of rows; valid until the
  /// next start(). [vocabulary] f32. With a cluster they are on rank 0.
  std::span<const float> logits(uint32_t row) const {
    return {logitsBase + size_t(lastLogits.first + row) * vocabulary, vocabulary};
  }

  /// The same row for whoever draws from it: written to meanwhile, and put back as it was.
  std::span<float> logitsToDraw(uint32_t row) {
    return {logitsBase + size_t(lastLogits.first + row) * vocabulary, vocabulary};
  }

  /// The largest of each cpu::kLogitsBlock of such a row; empty where the engine's kernels do not
  /// leave them, or another process has them.
  std::span<const float> logitMaxima(uint32_t row) const {
    if (!hasMaxima)
      return {};
    const size_t blocks = cpu::logitsBlocks(vocabulary);
    return {logitsBase + size_t(lastLogits.count) * vocabulary + row * blocks, blocks};
  }

  /// The hidden states of the last step's tokens, rows in order, valid until the next start().
  /// Nothing where they cannot be read, and then `why` says why not.
  std::optional<HiddenState> hiddenState(std::string *why = nullptr) const;

  /// What the last finished step was cut into, as kernels saw it; a chip that holds part of the
  /// vocabulary sees ids counted from its part. Valid until the next start().
  std::span<const MicroBatch> microBatches() const { return steps[lastSlot].tables.microBatches(); }

  /// Calls task(worker) on every worker of every chip and returns when all have finished: host work
  /// that would leave the others idle. Not while steps are under way. Allocates nothing.
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

  /// What a worker of a chip did in the last step; empty unless `trace`. On rank 0 of a cluster of
  /// any chip, in the step at which collectTrace() was called.
  std::span<const TraceEvent> trace(uint32_t chip, uint32_t worker) const {
    return limits.chips.holds(chip) ? chips[chip - limits.chips.first]->trace(worker)
                                    : gathered->trace(chip, worker);
  }
  uint32_t workersOf(uint32_t chip) const {
    return limits.chips.holds(chip) ? chips[chip - limits.chips.first]->workers()
                                    : gathered->workersOf(chip);
  }
  /// With `trace`: fetches what chips of other processes did in the last step. Rank 0 calls it.
  Status collectTrace() { return gathered ? gathered->collect() : Status::ok(); }

private:
  Executor(const engine::Engine &engine, const Capacity &capacity, const ExecutorOptions &options);
  Status allocate();
  Status startWorkers();
  Status makeGroups(SpinPolicy policy);
  Status makeChips(SpinPolicy policy);
  /// Rows of the logits' buffer.
  struct LogitRange {
    uint32_t first = 0, count = 0;
  };
  /// A step under way, or room for one.
  struct Step {
    StepTables tables;
    LogitRange logits;
    Executor *executor = nullptr;
    uint32_t slot = 0;
    /// Of a cluster: what carries the logits to rank 0.
    std::unique_ptr<collective::MessageBatch> message;
  };
  /// The longest range that no step under way has.
  LogitRange logitRoom() const;
  void compute(Step &step);
  static void work(void *step, uint32_t worker);
  void expectLogits(Step &step);
  Status moveLogits(Step &step);
  StatusOr<std::unique_ptr<collective::Group>>
  makeGroup(uint32_t axis, uint32_t first, uint32_t stride, SpinPolicy policy, int &tag);
  uint32_t rankOf(uint32_t chip) const;
  void stopChips(uint32_t chip, const Status &status);
  std::string whose() const; ///< "replica 1, ", or nothing where there is one.

  const engine::Engine &engine;
  const Capacity limits;
  const ExecutorOptions options;
  MemoryPlan memoryPlan;
  const uint32_t vocabulary;

  Arena tables;
  std::unique_ptr<WorkerGroup> workers;
  std::unique_ptr<CommandSender> commands; ///< Rank 0 of a cluster.
  std::unique_ptr<TraceGather> gathered;   ///< Rank 0 of a cluster that traces.
  Arena farLogits;                         ///< On rank 0, if another process computes them.
  Status broken;                           ///< Of the step that failed.
  /// By axis of the grid: the groups along it, in order of the first member's chip; null where this
  /// process has no member.
  std::vector<std::vector<std::unique_ptr<collective::Group>>> groups;
  std::vector<std::unique_ptr<ChipRunner>> chips; ///< From limits.chips.first on.
  struct Place {
    uint32_t chip, worker;
  };
  std::vector<Place> places; ///< Of each worker of the group.
  std::mutex stopping;
  Status stoppedBy; ///< Guarded by `stopping` within a step: the first worker's error.
  float *logitsBase = nullptr;
  bool hasMaxima = false; ///< Behind the logits.

  uint32_t mostMicro = 1;  ///< Micro-batches of a step.
  std::vector<Step> steps; ///< By slot; step n has slot n % slots. Their tables are in `tables`.
  uint64_t started = 0, finished = 0;
  size_t lastSlot = 0;
  LogitRange lastLogits; ///< Of the last finished step.
  std::unique_ptr<StallWatch>
      stalls; ///< Null for one chip. The first to go: it looks at the others.
};

} // namespace tenon::executor

#endif // TENON_RUNTIME_EXECUTOR_EXECUTOR_H
