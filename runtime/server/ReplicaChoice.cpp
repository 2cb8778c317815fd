//===- ReplicaChoice.cpp - Which replica computes a request ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/ReplicaChoice.h"

namespace tenon::server {

uint32_t chooseReplica(std::span<const ReplicaState> replicas, uint32_t slack) {
  uint32_t least = 0;
  for (uint32_t r = 1; r < replicas.size(); ++r)
    if (replicas[r].sequences < replicas[least].sequences)
      least = r;
  uint32_t best = least;
  for (uint32_t r = 0; r < replicas.size(); ++r) {
    const ReplicaState &replica = replicas[r];
    if (replica.sequences - replicas[least].sequences > slack)
      continue;
    if (replica.cachedTokens > replicas[best].cachedTokens ||
        (replica.cachedTokens == replicas[best].cachedTokens &&
         replica.sequences < replicas[best].sequences))
      best = r;
  }
  return best;
}

} // namespace tenon::server
