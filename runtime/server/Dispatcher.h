//===- Dispatcher.h - One front before all replicas -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Routes see one engine; behind it every replica has a loop, a scheduler and a prefix tree of its
// own. A job goes to one replica as a whole, and stays there.
//
#ifndef TENON_RUNTIME_SERVER_DISPATCHER_H
#define TENON_RUNTIME_SERVER_DISPATCHER_H

#include "runtime/kv/PrefixDirectory.h"
#include "runtime/server/EngineLoop.h"

#include <memory>
#include <vector>

namespace tenon::server {

/// Any thread may call anything.
class Dispatcher {
public:
  /// Both outlive the dispatcher.
  struct Replica {
    EngineLoop *loop = nullptr;
    const kv::PrefixDirectory *cached = nullptr; ///< Of its prefix tree.
  };

  /// `blockTokens`: of the prefix trees. `slack`: chooseReplica()'s.
  Dispatcher(std::vector<Replica> replicas, uint32_t blockTokens, uint32_t slack)
      : replicas(std::move(replicas)), blockTokens(blockTokens), slack(slack) {}

  /// As EngineLoop::submit(), on the replica that chooseReplica() names for the job's first prompt;
  /// where that has no room, on the others, least loaded first.
  [[nodiscard]] bool submit(std::shared_ptr<Job> job);

  /// As EngineLoop's, of a job that was submitted.
  void cancel(std::shared_ptr<Job> job, uint32_t entry);
  void cancelAll(std::shared_ptr<Job> job);

  /// Ends run() of all loops.
  void stop();

  Load load() const; ///< Of all replicas together.
  std::vector<Load> loads() const;
  /// Of the replica with the fewest sequences: where a job can go at worst.
  Load leastLoad() const;
  uint32_t inFlight() const; ///< Sequences.

private:
  const std::vector<Replica> replicas;
  const uint32_t blockTokens, slack;
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_DISPATCHER_H
