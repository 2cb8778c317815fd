//===- Executor.h - Runs steps of a plan ------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Binds a plan to memory once: the arena for the chosen limits, the KV pool, each worker's scratch,
// and one flat list of (kernel, pointers, barrier). A step then only fills the tables that say
// which tokens it has, and every worker walks the list. The step path allocates nothing.
//
#ifndef TENON_RUNTIME_EXECUTOR_EXECUTOR_H
#define TENON_RUNTIME_EXECUTOR_EXECUTOR_H

#include "runtime/base/Arena.h"
#include "runtime/base/WorkerGroup.h"
#include "runtime/device/cpu/KernelAbi.h"
#include "runtime/engine/Engine.h"
#include "runtime/executor/MemoryPlan.h"

#include <memory>
#include <span>
#include <vector>

namespace tenon::executor {

/// The rows of one sequence in a step: consecutive tokens from `firstPosition`.
struct StepRows {
  std::span<const int32_t> tokens;
  uint32_t firstPosition = 0;
  std::span<const int32_t> blocks; ///< Covers positions 0 .. firstPosition + tokens.size() - 1.
  uint32_t logitRows = 1;          ///< How many of the last rows need logits (0: none).
};

/// Time and work of one launch, summed over steps since resetTimings().
struct LaunchTiming {
  uint32_t call = 0;   ///< Index in Plan::calls.
  uint32_t launch = 0; ///< Index in the call's function.
  uint64_t nanos = 0;
  double bytes = 0, macs = 0;
};

struct ExecutorOptions {
  bool pin = true; ///< Bind workers to processors where there are enough.
  bool populate =
      true; ///< Take all planned pages now, so that a later step cannot fail for memory.
  /// Measure each launch; costs a barrier per launch.
  bool timeLaunches = false;
};

/// One chip running one engine. Not thread-safe: one thread calls run(), and that thread is worker
/// 0.
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

  /// The last step's tables, as the kernels saw them.
  const cpu::StepView &stepView() const { return view; }

  /// Copies the K and V of a block in all layers (copy on write).
  void copyBlock(int32_t from, int32_t to);

  const Capacity &capacity() const { return limits; }
  const MemoryPlan &memory() const { return memoryPlan; }
  uint32_t launchesPerStep() const { return static_cast<uint32_t>(launches.size()); }

  /// One entry per launch of a step, in order; all zero unless `timeLaunches`.
  std::span<const LaunchTiming> timings() const { return launchTimings; }
  void resetTimings();

private:
  struct BoundLaunch {
    cpu::KernelFn kernel;
    void *const *arguments;
    bool barrierBefore;
    uint32_t *claimed; ///< The launch's word in `claims`.
  };

  Executor(const engine::Engine &engine, const Capacity &capacity, const ExecutorOptions &options);
  Status allocate();
  Status startWorkers();
  void bind();
  Status fillStep(std::span<const StepRows> rows);
  void work(uint32_t worker);
  void workTimed(uint32_t worker);
  std::byte *scratchOf(uint32_t worker) const { return scratch.data() + worker * scratchStride; }

  const engine::Engine &engine;
  const Capacity limits;
  const ExecutorOptions options;
  const MemoryPlan memoryPlan;
  const uint32_t vocabulary;

  Arena arena, kvPool, scratch, tables;
  uint64_t scratchStride = 0;
  std::unique_ptr<WorkerGroup> workers;
  std::vector<void *> pointers; ///< All launches' pointer lists, one after the other.
  std::vector<BoundLaunch> launches;
  std::vector<LaunchTiming> launchTimings;
  std::vector<uint32_t> claims; ///< One word a launch, zeroed before each step.
  const float *logitsBase = nullptr;

  // The step's tables, in `tables`.
  cpu::StepView view{};
  int32_t *tokenIds = nullptr, *positions = nullptr, *rowSequence = nullptr, *blockTables = nullptr,
          *logitRowIds = nullptr;
  cpu::AttentionTile *tiles = nullptr;
};

} // namespace tenon::executor

#endif // TENON_RUNTIME_EXECUTOR_EXECUTOR_H
