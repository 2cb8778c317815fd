//===- Replicas.h - Executors side by side ----------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Data parallelism within a process: several executors of one engine, each with chips, an arena and
// a KV pool of its own, all reading the same mapped weights. Nothing crosses from one to another;
// who has sequences deals them out.
//
#ifndef TENON_RUNTIME_EXECUTOR_REPLICAS_H
#define TENON_RUNTIME_EXECUTOR_REPLICAS_H

#include "runtime/executor/Executor.h"

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace tenon::executor {

/// An executor wants one thread for life, its worker 0. Replica 0 has the thread that called
/// create(), the others have threads of the set.
class Replicas {
public:
  /// `count` executors of the capacity, but for its workers: those are shared out, each chip has at
  /// least one, and no two have a processor in common while there are enough. `engine` outlives the
  /// set. Errors are those of Executor::create(); InvalidArgument if there are several and
  /// options.cluster is not null.
  static StatusOr<std::unique_ptr<Replicas>> create(const engine::Engine &engine,
                                                    const Capacity &capacity,
                                                    const ExecutorOptions &options, uint32_t count);
  /// On the thread that called create().
  ~Replicas();

  uint32_t size() const { return static_cast<uint32_t>(executors.size()); }
  Executor &operator[](uint32_t replica) { return *executors[replica]; }
  const Executor &operator[](uint32_t replica) const { return *executors[replica]; }

  /// Calls body(replica) on every replica's thread at the same time, 0's being the caller, and
  /// returns when all have ended: the first error in order of replica. One caller at a time, the
  /// one of create(), and not from within a body.
  Status onEach(const std::function<Status(uint32_t replica)> &body);

  /// What all of them occupy: the weights once, all else for each.
  MemoryPlan memory() const;

private:
  Replicas() = default;
  void serve(uint32_t replica);

  std::vector<std::unique_ptr<Executor>>
      executors;                    ///< By replica; each made and ended on its thread.
  std::vector<std::thread> threads; ///< Of replicas from 1 on.
  std::mutex mutex;
  std::condition_variable changed;
  const std::function<Status(uint32_t)> *task =
      nullptr;          ///< Guarded by `mutex`, as is what follows.
  uint64_t round = 0;   ///< Tasks begun.
  uint32_t working = 0; ///< Threads that have not ended the task.
  bool stopping = false;
  std::vector<Status> outcomes; ///< By replica, of the task.
};

} // namespace tenon::executor

#endif // TENON_RUNTIME_EXECUTOR_REPLICAS_H
