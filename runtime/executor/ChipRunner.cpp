//===- ChipRunner.cpp - One chip's share of a step ------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/executor/ChipRunner.h"

#include "runtime/base/Clock.h"

#include <algorithm>
#include <cstring>

namespace tenon::executor {

ChipRunner::ChipRunner(const engine::Engine &e, const Capacity &c, Setup s)
    : engine(e), limits(c), setup(std::move(s)), sizes(c.limits()),
      barrier(setup.workers, setup.barrierPolicy) {
  sizes.workers = setup.workers;
}

StatusOr<std::unique_ptr<ChipRunner>> ChipRunner::create(const engine::Engine &engine,
                                                         const Capacity &capacity, Setup setup) {
  std::unique_ptr<ChipRunner> runner(new ChipRunner(engine, capacity, std::move(setup)));
  TENON_RETURN_IF_ERROR(runner->allocate());
  runner->bind();
  return runner;
}

Status ChipRunner::allocate() {
  scratchStride = engine.plan().scratchBytes();
  const MemoryPlan memory = planMemory(engine.plan(), limits, setup.chip);
  const auto map = [&](Arena &into, uint64_t bytes, const char *purpose) -> Status {
    auto made = Arena::map(bytes, {.hugePages = true, .populate = setup.populate}, purpose);
    if (!made)
      return made.status();
    into = std::move(*made);
    return Status::ok();
  };
  TENON_RETURN_IF_ERROR(map(arena, memory.arena, "activations"));
  TENON_RETURN_IF_ERROR(map(kvPool, memory.kv, "the KV pool"));
  TENON_RETURN_IF_ERROR(map(scratch, memory.scratch, "the workers' scratch"));
  if (chip().firstToken)
    TENON_RETURN_IF_ERROR(map(ids, uint64_t(limits.stepTokens) * sizeof(int32_t), "token ids"));
  return Status::ok();
}

void ChipRunner::bind() {
  const engine::Plan &plan = engine.plan();
  // Layer l has its K blocks, then its V blocks (KernelAbi.h).
  const uint64_t poolBytes = uint64_t(limits.kvBlocks) * plan.kvLayerBlockBytes(chip());

  const auto resolve = [&](const engine::ArgPlan &arg, const engine::CallPlan &call) -> void * {
    switch (arg.kind) {
    case engine::ArgKind::Buffer:
      return arena.data() + chip().buffers[arg.index].offset.at(sizes);
    case engine::ArgKind::Weight:
      return const_cast<std::byte *>(engine.weight(arg.index, setup.chip));
    case engine::ArgKind::LayerWeight:
      return const_cast<std::byte *>(engine.weight(call.weights[arg.index], setup.chip));
    case engine::ArgKind::KPool:
      return kvPool.data() + 2 * call.kvLayer * poolBytes;
    case engine::ArgKind::VPool:
      return kvPool.data() + (2 * call.kvLayer + 1) * poolBytes;
    }
    return nullptr;
  };

  size_t count = 0, arguments = 0;
  for (const engine::CallPlan &call : plan.calls)
    if (call.program == chip().program)
      for (const engine::LaunchPlan &launch : plan.functions[call.function].launches) {
        ++count;
        arguments += launch.args.size();
      }
  pointers.reserve(arguments); // BoundLaunch points into it: it must not move.
  launches.reserve(count);
  claims.resize(count); // Launches point into it.
  launchTimings.reserve(count);
  for (uint32_t c = 0; c < plan.calls.size(); ++c) {
    const engine::CallPlan &call = plan.calls[c];
    if (call.program != chip().program)
      continue;
    const engine::FunctionPlan &function = plan.functions[call.function];
    for (uint32_t l = 0; l < function.launches.size(); ++l) {
      const engine::LaunchPlan &launch = function.launches[l];
      void *const *list = pointers.data() + pointers.size();
      for (const engine::ArgPlan &arg : launch.args)
        pointers.push_back(resolve(arg, call));
      // Entering the step is a barrier already.
      launches.push_back({launch.collective ? nullptr : engine.kernel(launch.kernel),
                          launch.collective ? &*launch.collective : nullptr, list,
                          launch.barrierBefore && !launches.empty(), &claims[launches.size()]});
      launchTimings.push_back({c, l});
    }
  }
  traces.resize(setup.workers);
  for (WorkerTrace &trace : traces)
    if (setup.trace)
      trace.events.reserve(2 * launches.size());
}

const std::byte *ChipRunner::buffer(uint32_t index) const {
  return arena.data() + chip().buffers[index].offset.at(sizes);
}

void ChipRunner::prepare(const cpu::StepView &shared) {
  view = shared;
  std::fill(claims.begin(), claims.end(), 0);
  const int32_t first = static_cast<int32_t>(chip().firstToken);
  if (first == 0)
    return;
  // Rows of the chip's part count from its first; the kernel knows its number of rows.
  auto *own = reinterpret_cast<int32_t *>(ids.data());
  for (uint32_t i = 0; i < shared.numTokens; ++i)
    own[i] = shared.tokenIds[i] < first ? -1 : shared.tokenIds[i] - first;
  view.tokenIds = own;
}

Status ChipRunner::exchange(const BoundLaunch &launch, uint32_t worker) {
  const engine::CollectivePlan &c = *launch.collective;
  const Membership &membership = setup.groups[c.axis];
  const collective::Caller who = {membership.member, worker, setup.workers};
  const uint64_t rows = c.logitRows ? view.numLogitRows : view.numTokens;
  const uint64_t columns = c.columns.back();
  auto *in = static_cast<float *>(launch.arguments[0]);
  auto *out = static_cast<float *>(launch.arguments[c.gives() && c.gets() ? 1 : 0]);
  collective::Group &group = *membership.group;
  switch (c.kind) {
  case engine::CollectiveKind::AllReduce:
    TENON_RETURN_IF_ERROR(group.allReduce(who, in, out, rows, columns, c.accumulate));
    break;
  case engine::CollectiveKind::GatherColumns:
    TENON_RETURN_IF_ERROR(group.gatherColumns(who, in, out, rows, c.columns, /*root=*/0));
    break;
  case engine::CollectiveKind::Send:
    return group.send(who, in, rows * columns * sizeof(float), membership.member + 1);
  case engine::CollectiveKind::Receive:
    return group.receive(who, out, rows * columns * sizeof(float), membership.member - 1);
  }
  return c.fence ? group.barrier(who) : Status::ok();
}

Status ChipRunner::run(const BoundLaunch &launch, uint32_t worker) {
  if (launch.collective)
    return exchange(launch, worker);
  launch.kernel(launch.arguments, &view, worker, setup.workers, scratchOf(worker), launch.claimed);
  return Status::ok();
}

/// What a worker says that another's failure has sent home.
static Status stopped() { return {StatusCode::Cancelled, "another worker failed"}; }

void ChipRunner::stop(const Status &why) {
  barrier.breakUp();
  for (const Membership &membership : setup.groups)
    if (membership.group)
      membership.group->abort(why);
}

Status ChipRunner::work(uint32_t worker) {
  for (const BoundLaunch &launch : launches) {
    if (launch.barrierBefore && !barrier.arriveAndWait())
      return stopped();
    TENON_RETURN_IF_ERROR(run(launch, worker));
    if (setup.progress && worker == 0)
      setup.progress->fetch_add(1, std::memory_order_relaxed);
  }
  return Status::ok();
}

Status ChipRunner::workTimed(uint32_t worker) {
  uint64_t began = nowNanos();
  for (size_t i = 0; i < launches.size(); ++i) {
    TENON_RETURN_IF_ERROR(run(launches[i], worker));
    if (!barrier.arriveAndWait())
      return stopped();
    if (worker == 0) {
      if (setup.progress)
        setup.progress->fetch_add(1, std::memory_order_relaxed);
      const uint64_t now = nowNanos();
      launchTimings[i].nanos += now - began;
      began = now;
    }
  }
  return Status::ok();
}

Status ChipRunner::workTraced(uint32_t worker) {
  std::vector<TraceEvent> &events = traces[worker].events;
  events.clear();
  uint64_t began = nowNanos();
  for (uint32_t i = 0; i < launches.size(); ++i) {
    if (launches[i].barrierBefore) {
      if (!barrier.arriveAndWait())
        return stopped();
      const uint64_t now = nowNanos();
      events.push_back({began, now, i, true});
      began = now;
    }
    TENON_RETURN_IF_ERROR(run(launches[i], worker));
    const uint64_t now = nowNanos();
    events.push_back({began, now, i, false});
    began = now;
  }
  return Status::ok();
}

void ChipRunner::countWork(uint64_t context) {
  for (LaunchTiming &t : launchTimings) {
    const engine::CallPlan &call = engine.plan().calls[t.call];
    const engine::CostForm &cost = engine.plan().functions[call.function].launches[t.launch].cost;
    t.bytes += cost.bytes(view.numTokens, view.numLogitRows, context);
    t.macs += cost.macs(view.numTokens, view.numLogitRows, context);
  }
}

void ChipRunner::copyBlock(int32_t from, int32_t to) {
  const uint64_t bytes = engine.plan().kvLayerBlockBytes(chip()),
                 poolBytes = bytes * limits.kvBlocks;
  for (uint32_t pool = 0; pool < 2 * chip().kvLayers; ++pool) {
    std::byte *base = kvPool.data() + pool * poolBytes;
    std::memcpy(base + uint64_t(to) * bytes, base + uint64_t(from) * bytes, bytes);
  }
}

void ChipRunner::resetTimings() {
  for (LaunchTiming &t : launchTimings)
    t = {t.call, t.launch};
}

} // namespace tenon::executor
