//===- ReplicaChoice.h - Which replica computes a request -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_REPLICACHOICE_H
#define TENON_RUNTIME_SERVER_REPLICACHOICE_H

#include <cstdint>
#include <span>

namespace tenon::server {

/// What a replica is to a request that arrives.
struct ReplicaState {
  uint32_t sequences = 0;    ///< Running and waiting there.
  uint32_t cachedTokens = 0; ///< Of the request's prompt, in its prefix tree.
};

/// Of the replicas that have at most `slack` sequences more than the least loaded one, that with
/// the longest cached beginning; of equals the one with the fewest sequences, then the first.
/// `replicas` is not empty.
uint32_t chooseReplica(std::span<const ReplicaState> replicas, uint32_t slack);

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_REPLICACHOICE_H
