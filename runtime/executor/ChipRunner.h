//===- ChipRunner.h - One chip's share of a step ----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// What one chip of the plan is in this process: its arena, KV pool and scratch, and one flat list
// of (kernel or collective, pointers, barrier) bound to them. Its workers walk the list, once for
// each micro-batch of a step; the tables that say which tokens a step has are the executor's.
//
// Several steps may be under way: their stages on other chips. A chip does them in order. What it
// needs to know of each lies in one of a few slots.
//
#ifndef TENON_RUNTIME_EXECUTOR_CHIPRUNNER_H
#define TENON_RUNTIME_EXECUTOR_CHIPRUNNER_H

#include "runtime/base/Arena.h"
#include "runtime/base/SpinBarrier.h"
#include "runtime/collective/Collective.h"
#include "runtime/device/cpu/KernelAbi.h"
#include "runtime/engine/Engine.h"
#include "runtime/executor/MemoryPlan.h"
#include "runtime/executor/SharedMemory.h"
#include "runtime/executor/StepTables.h"
#include "runtime/executor/WorkerPulse.h"

#include <atomic>
#include <memory>
#include <span>
#include <vector>

namespace tenon::executor {

class LaunchObserver;

/// Time and work of one launch, summed over steps since resetTimings().
struct LaunchTiming {
  uint32_t call = 0;   ///< Index in Plan::calls.
  uint32_t launch = 0; ///< Index in the call's function.
  uint64_t nanos = 0;
  double bytes = 0, macs = 0;
};

/// What a worker did for a while in a step, in nanoseconds of the monotonic clock.
struct TraceEvent {
  uint64_t began = 0, ended = 0;
  uint32_t launch = 0; ///< In the chip's list.
  uint32_t micro = 0;  ///< Micro-batch of the step.
  /// Barrier: it waited for the chip's other workers before the launch. Arrival: for rows that
  /// travel while the chip computes, of the collective `launch`. More: after that it went on with a
  /// launch.
  enum class Did : uint8_t { Launch, More, Barrier, Arrival } did = Did::Launch;
};

/// A group of chips that this one belongs to, and which member it is.
struct Membership {
  collective::Group *group = nullptr; ///< Null where the axis has one chip. Outlives the runner.
  uint32_t member = 0;
};

class ChipRunner {
public:
  struct Setup {
    uint32_t chip = 0;
    uint32_t workers = 1;
    SpinPolicy barrierPolicy;
    bool populate = true;
    bool trace = false;             ///< Make room for workTraced().
    uint32_t slots = 1;             ///< Steps that may be under way.
    uint32_t microBatches = 1;      ///< Of a step at most.
    std::vector<Membership> groups; ///< By axis of the grid.
    /// The chip before that owns the KV pool this one works in, null if it is its own; and the one
    /// with the step's logits if this one writes its part there, null if it is itself or gives its
    /// part to a gather. Both outlive it.
    ChipRunner *poolOwner = nullptr, *logitsOwner = nullptr;
    /// Counts launches done, for whoever watches over this process; may be null. Outlives the
    /// runner.
    std::atomic<uint64_t> *progress = nullptr;
  };

  /// `engine` is runnable and outlives the runner.
  static StatusOr<std::unique_ptr<ChipRunner>> create(const engine::Engine &engine,
                                                      const Capacity &capacity, Setup setup);

  /// Takes over the tables of a step, which stay valid through it. Its logits are to begin at row
  /// `firstLogit` of their buffer.
  void prepare(uint32_t slot, std::span<const MicroBatch> step, uint32_t firstLogit);
  /// Does the share of `worker` in the prepared step. All workers of the chip call it. Whoever gets
  /// an error calls stop() of every chip: others may be waiting. Cancelled: somebody has done so.
  Status work(uint32_t slot, uint32_t worker);
  /// Around work() and its like: whether `worker` is in a step, which pulses() say.
  void enters(uint32_t worker, bool step);
  /// As work(), with a barrier after every launch; adds its time.
  Status workTimed(uint32_t slot, uint32_t worker);
  /// As work(), and writes down when each launch and each wait for the chip's workers began and
  /// ended. Only if set up for it.
  Status workTraced(uint32_t slot, uint32_t worker);
  /// As work(), with a barrier before every launch, at which worker 0 shows it to `observer`.
  Status workObserved(uint32_t slot, uint32_t worker, LaunchObserver &observer);
  /// Of the last traced step of a worker, in order of time.
  std::span<const TraceEvent> trace(uint32_t worker) const { return traces[worker].events; }
  uint32_t workers() const { return setup.workers; }
  /// Where each worker is, for whoever watches over the chips.
  std::span<const WorkerPulse> pulses() const { return {workerPulses.get(), setup.workers}; }
  /// What launch `number` of the chip's list is called.
  const std::string &nameOf(uint32_t number) const;
  /// For good, by any thread: ends the chip's waits, and those of the chips in its groups with
  /// `why`.
  void stop(const Status &why);
  /// Adds a prepared step's bytes and operations to the timings.
  void countWork(uint32_t slot);

  /// First byte of a buffer of the plan.
  std::byte *buffer(uint32_t index) const;
  void copyBlock(int32_t from, int32_t to);
  uint32_t launchesPerStep() const { return static_cast<uint32_t>(launches.size()); }
  std::span<const LaunchTiming> timings() const { return launchTimings; }
  void resetTimings();

private:
  /// Whom a worker waits for before a launch.
  enum class Meeting : uint8_t { Nobody, Chip, Stage };
  struct BoundLaunch {
    cpu::KernelFn kernel;                     ///< Null for a collective.
    const engine::CollectivePlan *collective; ///< Null for a kernel.
    void *const *arguments;
    Meeting before;
    uint32_t ownRows; ///< LaunchPlan's, as what follows.
    bool kept;
    /// Of a product: where the collective is whose rows may travel beside it, and the first of its
    /// Micro::blockClaims.
    int32_t beside = -1;
    uint32_t blockClaims = 0;
    int32_t shifted =
        -1; ///< Where its pointers are in Micro::shifted; -1: they are the same in every step.
  };
  /// A micro-batch as this chip sees it.
  struct Micro {
    cpu::StepView view;
    cpu::StepView kept;  ///< Its kept rows as a step of their own; which they are say `logitRows`.
    uint32_t number = 0; ///< In its step.
    uint64_t context = 0;
    std::vector<uint32_t> claims; ///< One word a launch, zeroed before the step.
    std::vector<uint32_t>
        blockClaims;             ///< The same by block, of launches that go through rows in blocks.
    std::vector<void *> shifted; ///< Pointer lists of the launches that touch the logits.
  };
  /// A worker's looks at the clock in a traced step.
  struct Tracing {
    std::vector<TraceEvent> &events;
    uint64_t began;
    void note(size_t launch, uint32_t micro, TraceEvent::Did did);
  };
  struct Slot {
    std::vector<Micro> micro; ///< As many as a step may have.
    uint32_t count = 0;       ///< Of the prepared step.
  };

  ChipRunner(const engine::Engine &engine, const Capacity &capacity, Setup setup);
  Status allocate();
  class Binder;
  /// Before a micro-batch other than a lonely one: workers of the stage's chips may still be in the
  /// one before.
  Status follow(uint32_t worker);
  /// The meeting of the workers of all chips of the stage before launch `number`, or behind the
  /// last.
  Status meetStage(size_t number, uint32_t worker);
  /// Before launch `number`, unless `chipHasMet`.
  Status meet(size_t number, uint32_t worker, bool chipHasMet = false);
  bool follows(uint32_t micro) const { return micro > 0 || setup.slots > 1; }
  void *const *argumentsOf(size_t number, const Micro &micro) const;
  static const cpu::StepView &viewOf(const BoundLaunch &launch, const Micro &micro) {
    return launch.kept ? micro.kept : micro.view;
  }
  /// `trace`: where to note what it waits for within a launch; may be null.
  Status run(size_t launch, Micro &micro, uint32_t worker, Tracing *trace = nullptr);
  /// What goes on beside the launches of `collective` in a micro-batch; null if chips compute
  /// before it or after it.
  collective::OverlappingGroup *overlapping(const BoundLaunch &collective,
                                            const Micro &micro) const;
  /// A product in blocks of rows, beside the launch `beside`.
  Status computeBlocks(size_t number, size_t beside, Micro &micro, uint32_t worker, Tracing *trace);
  void compute(size_t number, Micro &micro, uint32_t worker, bool ownRows);
  Status exchange(const BoundLaunch &launch, void *const *arguments, const Micro &micro,
                  uint32_t worker, bool ownRows);
  const engine::ChipPlan &chip() const { return engine.plan().chips[setup.chip]; }
  std::byte *scratchOf(uint32_t worker) const { return scratch.data() + worker * scratchStride; }

  const engine::Engine &engine;
  const Capacity limits;
  const Setup setup;
  engine::StepLimits sizes; ///< What the plan's forms are evaluated at.

  Arena arena, kvPool, scratch, ids; ///< `kvPool`: unless another chip owns it.
  const PoolShare pool;
  const std::optional<LogitsPart> inPlace; ///< Where its logits are not gathered.
  uint64_t scratchStride = 0;
  SpinBarrier barrier;          ///< Of the chip's workers.
  std::vector<void *> pointers; ///< All launches' pointer lists, one after the other.
  std::vector<BoundLaunch> launches;
  std::vector<LaunchTiming> launchTimings;
  struct alignas(64) WorkerTrace {
    std::vector<TraceEvent> events; ///< Room for every launch of a step and its barrier.
  };
  std::vector<WorkerTrace> traces; ///< By worker.
  std::vector<Slot> slots;
  std::unique_ptr<WorkerPulse[]> workerPulses; ///< [workers]
  /// Of Micro::shifted: those into the step's logits, and at which column.
  std::vector<std::pair<size_t, uint64_t>> logitPointers;
};

} // namespace tenon::executor

#endif // TENON_RUNTIME_EXECUTOR_CHIPRUNNER_H
