//===- WorkerGroup.h - The threads of one chip ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_BASE_WORKERGROUP_H
#define TENON_RUNTIME_BASE_WORKERGROUP_H

#include "runtime/base/SpinBarrier.h"
#include "runtime/base/Status.h"

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
  };

  static StatusOr<std::unique_ptr<WorkerGroup>> start(Options options);
  ~WorkerGroup();

  uint32_t size() const { return count; }

  /// Calls task(context, worker) on every worker and returns when all have finished. One caller at
  /// a time, and not from within a task.
  void run(void (*task)(void *context, uint32_t worker), void *context);

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

  const uint32_t count;
  const Options options;
  SpinBarrier workersBarrier;
  SpinBarrier finished;
  alignas(64) WaitWord round; ///< Incremented by run() once `task` and `context` are set.
  void (*task)(void *, uint32_t) = nullptr;
  void *context = nullptr;
  bool stopping = false;
  std::vector<std::thread> threads;
};

} // namespace tenon

#endif // TENON_RUNTIME_BASE_WORKERGROUP_H
