//===- Dispatcher.cpp - One front before all replicas ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/Dispatcher.h"

#include "runtime/server/ReplicaChoice.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace tenon::server {

bool Dispatcher::submit(std::shared_ptr<Job> job) {
  if (replicas.size() == 1)
    return replicas.front().loop->submit(std::move(job));
  const std::vector<uint64_t> paths = kv::pathsOf(job->entries.front().request.prompt, blockTokens);
  std::vector<ReplicaState> states;
  for (const Replica &replica : replicas)
    states.push_back({replica.loop->inFlight(), replica.cached->cachedBlocks(paths) * blockTokens});
  std::vector<uint32_t> order(replicas.size());
  std::iota(order.begin(), order.end(), 0);
  const uint32_t chosen = chooseReplica(states, slack);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return std::tuple(a != chosen, states[a].sequences, a) <
           std::tuple(b != chosen, states[b].sequences, b);
  });
  for (uint32_t replica : order) {
    job->replica = replica; // Before the loop has it: an answer may come at once.
    if (replicas[replica].loop->submit(job))
      return true;
  }
  return false;
}

void Dispatcher::cancel(std::shared_ptr<Job> job, uint32_t entry) {
  EngineLoop &loop = *replicas[job->replica].loop;
  loop.cancel(std::move(job), entry);
}

void Dispatcher::cancelAll(std::shared_ptr<Job> job) {
  EngineLoop &loop = *replicas[job->replica].loop;
  loop.cancelAll(std::move(job));
}

void Dispatcher::stop() {
  for (const Replica &replica : replicas)
    replica.loop->stop();
}

Load Dispatcher::load() const {
  Load sum;
  for (const Replica &replica : replicas)
    sum += replica.loop->load();
  return sum;
}

std::vector<Load> Dispatcher::loads() const {
  std::vector<Load> loads;
  for (const Replica &replica : replicas)
    loads.push_back(replica.loop->load());
  return loads;
}

Load Dispatcher::leastLoad() const {
  return std::min_element(replicas.begin(), replicas.end(),
                          [](const Replica &a, const Replica &b) {
                            return a.loop->inFlight() < b.loop->inFlight();
                          })
      ->loop->load();
}

uint32_t Dispatcher::inFlight() const {
  uint32_t sum = 0;
  for (const Replica &replica : replicas)
    sum += replica.loop->inFlight();
  return sum;
}

} // namespace tenon::server
