//===- WorkerGroup.cpp - The threads of one chip --------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/base/WorkerGroup.h"

#include <bit>
#include <cstdio>
#include <pthread.h>
#include <sched.h>
#include <system_error>

namespace tenon {

/// Best effort: a container may forbid it, and an unpinned worker still computes the same.
static void pinThisThread(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (processor < 0 || processor >= CPU_SETSIZE)
    return;
  CPU_SET(processor, &set);
  (void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

WorkerGroup::WorkerGroup(Options o)
    : count(o.workers), options(std::move(o)), workersBarrier(count, options.barrierPolicy),
      slots(std::bit_ceil(options.depth)), tasks(new Task[slots]) {}

StatusOr<std::unique_ptr<WorkerGroup>> WorkerGroup::start(Options options) {
  if (options.workers == 0)
    return Status::invalidArgument("a worker group needs at least one thread");
  if (options.depth == 0)
    return Status::invalidArgument("a worker group has at least one task under way");
  if (!options.processors.empty() && options.processors.size() != options.workers)
    return Status::invalidArgument("a worker group needs one processor for each worker");
  std::unique_ptr<WorkerGroup> group(new WorkerGroup(std::move(options)));
  if (!group->options.processors.empty())
    pinThisThread(group->options.processors[0]);
  group->threads.reserve(group->count - 1);
  for (uint32_t worker = 1; worker < group->count; ++worker) {
    try {
      group->threads.emplace_back([g = group.get(), worker] { g->serve(worker); });
    } catch (const std::system_error &error) {
      return Status::resourceExhausted("cannot start worker thread " + std::to_string(worker) +
                                       ": " + error.what() + "; try fewer --threads");
    }
  }
  return group;
}

WorkerGroup::~WorkerGroup() {
  while (ended != round.load())
    end();
  stopping = true;
  round.publish(round.load() + 1);
  for (std::thread &thread : threads)
    thread.join();
}

/// What each worker does at the end of a task: the last one says so.
void WorkerGroup::finish(Task &task) {
  if (task.arrived.fetch_add(1, std::memory_order_acq_rel) + 1 != count)
    return;
  task.arrived.store(0, std::memory_order_relaxed);
  task.finished.publish(task.finished.load() + 1);
}

void WorkerGroup::begin(void (*function)(void *, uint32_t), void *context) {
  const uint32_t number = round.load();
  Task &task = tasks[number % slots];
  task.function = function;
  task.context = context;
  round.publish(number + 1);
  function(context, 0);
  finish(task);
}

void WorkerGroup::end() {
  Task &task = tasks[ended++ % slots];
  task.finished.waitWhile(task.ended++, options.barrierPolicy);
}

void WorkerGroup::serve(uint32_t worker) {
  char name[16];
  std::snprintf(name, sizeof(name), "tenon-w%u", options.firstNumber + worker);
  pthread_setname_np(pthread_self(), name);
  if (!options.processors.empty())
    pinThisThread(options.processors[worker]);
  for (uint32_t seen = 0;;) {
    round.waitWhile(seen, options.idlePolicy);
    if (stopping) // Set when no task is under way.
      return;
    Task &task = tasks[seen++ % slots];
    task.function(task.context, worker);
    finish(task);
  }
}

} // namespace tenon
