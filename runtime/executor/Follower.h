//===- Follower.h - A process that runs chips for rank 0 --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_EXECUTOR_FOLLOWER_H
#define TENON_RUNTIME_EXECUTOR_FOLLOWER_H

#include "runtime/collective/Cluster.h"
#include "runtime/engine/Engine.h"
#include "runtime/executor/Executor.h"

#include <functional>
#include <memory>

namespace tenon::executor {

/// Does what rank 0 commands until it says stop. `open` opens this process's copy of the engine.
/// `options` are those of its executors, the cluster included. An error is the job's: what fails
/// here and leaves the job whole is reported to rank 0, which decides.
Status follow(collective::Cluster &cluster,
              const std::function<StatusOr<std::unique_ptr<engine::Engine>>()> &open,
              uint32_t workers, ExecutorOptions options);

} // namespace tenon::executor

#endif // TENON_RUNTIME_EXECUTOR_FOLLOWER_H
