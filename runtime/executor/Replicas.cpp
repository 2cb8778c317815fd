//===- Replicas.cpp - Executors side by side ------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/executor/Replicas.h"

#include <fmt/core.h>

#include <algorithm>
#include <pthread.h>
#include <system_error>

namespace tenon::executor {

StatusOr<std::unique_ptr<Replicas>> Replicas::create(const engine::Engine &engine,
                                                     const Capacity &capacity,
                                                     const ExecutorOptions &options,
                                                     uint32_t count) {
  if (count == 0 || count > engine::kMaxReplicas)
    return Status::invalidArgument(fmt::format("{}: {} replicas are wanted; 1 to {} are possible",
                                               engine.name(), count, engine::kMaxReplicas));
  if (count > 1 && options.cluster)
    return Status::invalidArgument(
        fmt::format("{}: {} replicas run in one process, not in several that share its chips",
                    engine.name(), count));
  std::unique_ptr<Replicas> replicas(new Replicas);
  replicas->executors.resize(count);
  replicas->outcomes.resize(count);
  // Before the caller is bound to a processor, which its threads would inherit.
  try {
    for (uint32_t replica = 1; replica < count; ++replica)
      replicas->threads.emplace_back([&set = *replicas, replica] { set.serve(replica); });
  } catch (const std::system_error &error) {
    return Status::resourceExhausted(fmt::format("{}: no thread for replica {} of {}: {}",
                                                 engine.name(), replicas->threads.size() + 1, count,
                                                 error.what()));
  }

  const uint64_t workers =
      std::max<uint64_t>(capacity.workers, uint64_t(count) * capacity.chips.count);
  TENON_RETURN_IF_ERROR(replicas->onEach([&](uint32_t replica) -> Status {
    Capacity own = capacity;
    ExecutorOptions placed = options;
    const uint64_t begin = workers * replica / count, end = workers * (replica + 1) / count;
    own.workers = static_cast<uint32_t>(end - begin);
    placed.workersBefore = static_cast<uint32_t>(begin);
    placed.workersOfProcess = static_cast<uint32_t>(workers);
    if (count > 1)
      placed.replica = replica;
    auto made = Executor::create(engine, own, placed);
    if (!made)
      return count == 1 ? made.status()
                        : Status(made.status().code(),
                                 fmt::format("replica {}: {}", replica, made.status().message()));
    replicas->executors[replica] = std::move(*made);
    return Status::ok();
  }));
  return replicas;
}

Replicas::~Replicas() {
  (void)onEach([&](uint32_t replica) {
    executors[replica].reset();
    return Status::ok();
  });
  {
    const std::lock_guard lock(mutex);
    stopping = true;
  }
  changed.notify_all();
  for (std::thread &thread : threads)
    thread.join();
}

void Replicas::serve(uint32_t replica) {
  pthread_setname_np(pthread_self(), fmt::format("tenon-rep{}", replica).c_str());
  std::unique_lock lock(mutex);
  for (uint64_t seen = 0;;) {
    changed.wait(lock, [&] { return stopping || round != seen; });
    if (stopping)
      return;
    seen = round;
    const auto &body = *task;
    lock.unlock();
    Status status = body(replica);
    lock.lock();
    outcomes[replica] = std::move(status);
    if (--working == 0)
      changed.notify_all();
  }
}

Status Replicas::onEach(const std::function<Status(uint32_t)> &body) {
  if (threads.empty())
    return body(0);
  {
    const std::lock_guard lock(mutex);
    task = &body;
    working = static_cast<uint32_t>(threads.size());
    ++round;
  }
  changed.notify_all();
  Status first = body(0);
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return working == 0; });
  outcomes[0] = std::move(first);
  for (const Status &status : outcomes)
    if (!status)
      return status;
  return Status::ok();
}

MemoryPlan Replicas::memory() const {
  MemoryPlan sum = executors.front()->memory();
  for (uint32_t replica = 1; replica < size(); ++replica) {
    const MemoryPlan &own = executors[replica]->memory();
    sum.arena += own.arena;
    sum.kv += own.kv;
    sum.scratch += own.scratch;
    sum.stepTables += own.stepTables;
    sum.messages += own.messages;
  }
  return sum;
}

} // namespace tenon::executor
