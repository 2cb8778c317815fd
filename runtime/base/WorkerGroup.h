//===- WorkerGroup.h - The threads of one chip ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_BASE_WORKERGROUP_H
#define TENON_RUNTIME_BASE_WORKERGROUP_H

#include "runtime/base/SpinBarrier.h"
#include "runtime/base/Status.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace tenon {

/// A fixed set of threads that run the same task with their worker number. Worker 0 is the thread
/// that calls run(), so a group of one starts no thread. Between runs the others spin briefly and
/// then sleep: an idle group uses no processor time.
class WorkerGroup {
public:
  struct Options {
    uint32_t workers = 1;
    /// Processor of each worker; empty: not pinned. Worker 0's entry pins the caller of start().
    std::vector<int> processors;
    SpinPolicy barrierPolicy;
    /// Longer: a decode loop comes back within a sampling time.
    SpinPolicy idlePolicy = {.spins = 8192, .yields = 16};
    /// Tasks that may be under way at once: begin() calls without their end().
    uint32_t depth = 1;
    uint32_t firstNumber =
        0; ///< What worker 0 is called among the workers of the process, in threads' names.
  };

  static StatusOr<std::unique_ptr<WorkerGroup>> start(Options options);
  ~WorkerGroup();

  uint32_t size() const { return count; }

  /// Calls task(context, worker) on every worker and returns when all have finished. One caller at
  /// a time, and not from within a task.
  void run(void (*task)(void *context, uint32_t worker), void *context) {
    begin(task, context);
    end();
  }

  /// The halves of run(): begin() returns when worker 0, the caller, has done its part; end() when
  /// all workers have finished the oldest task begun. Every worker does tasks in the order of their
  /// beginning, and only a task's own waits hold workers together: one may be a task ahead of
  /// another. At most Options::depth are under way.
  void begin(void (*task)(void *context, uint32_t worker), void *context);
  void end();
  /// Whether end() would return at once. A task must be under way.
  bool hasEnded() const {
    const Task &task = tasks[ended % slots];
    return task.finished.load() != task.ended;
  }

  /// run() for a callable that takes the worker number. Allocates nothing.
  template <typename Callable> void runEach(Callable &&callable) {
    run([](void *context, uint32_t worker) { (*static_cast<Callable *>(context))(worker); },
        &callable);
  }

  /// A barrier of all workers, for use within a task.
  SpinBarrier &barrier() { return workersBarrier; }

private:
  explicit WorkerGroup(Options options);
  void serve(uint32_t worker);

  /// A task under way.
  struct alignas(64) Task {
    void (*function)(void *, uint32_t) = nullptr;
    void *context = nullptr;
    std::atomic<uint32_t> arrived{0};
    uint32_t ended = 0;            ///< How often end() has seen a task in this slot off.
    alignas(64) WaitWord finished; ///< How often all workers have finished one.
  };
  void finish(Task &task);

  const uint32_t count;
  const Options options;
  SpinBarrier workersBarrier;
  const uint32_t slots;          ///< Power of two, at least the depth: counters may wrap around.
  std::unique_ptr<Task[]> tasks; ///< [slots], used in turn.
  uint32_t ended = 0;            ///< Tasks that end() has seen off.
  alignas(64) WaitWord round;    ///< Tasks begun; one more to stop.
  bool stopping = false;
  std::vector<std::thread> threads;
};

} // namespace tenon

#endif // TENON_RUNTIME_BASE_WORKERGROUP_H
