//===- Executor.cpp - Runs steps of a plan --------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/executor/Executor.h"

#include "runtime/base/Clock.h"
#include "runtime/device/cpu/Topology.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

namespace tenon::executor {

Executor::Executor(const engine::Engine &e, const Capacity &c, const ExecutorOptions &o)
    : engine(e), limits(c), options(o), memoryPlan(planMemory(e.plan(), c)),
      vocabulary(e.plan().model.vocabulary) {}

StatusOr<std::unique_ptr<Executor>> Executor::create(const engine::Engine &engine,
                                                     const Capacity &capacity,
                                                     const ExecutorOptions &options) {
  if (engine.plan().chips.size() != 1)
    return Status::unsupported(fmt::format("{}: the plan is for {} chips; this executor drives one",
                                           engine.name(), engine.plan().chips.size()));
  std::unique_ptr<Executor> executor(new Executor(engine, capacity, options));
  TENON_RETURN_IF_ERROR(executor->allocate());
  TENON_RETURN_IF_ERROR(executor->startWorkers());
  executor->bind();
  return executor;
}

Status Executor::allocate() {
  scratchStride = engine.plan().scratchBytes();
  const auto map = [&](Arena &into, uint64_t bytes, const char *purpose) -> Status {
    auto made = Arena::map(bytes, {.hugePages = true, .populate = options.populate}, purpose);
    if (!made)
      return made.status();
    into = std::move(*made);
    return Status::ok();
  };
  TENON_RETURN_IF_ERROR(map(arena, memoryPlan.arena, "activations"));
  TENON_RETURN_IF_ERROR(map(kvPool, memoryPlan.kv, "the KV pool"));
  TENON_RETURN_IF_ERROR(map(scratch, memoryPlan.scratch, "the workers' scratch"));
  TENON_RETURN_IF_ERROR(map(tables, memoryPlan.stepTables, "the step's tables"));

  auto *at = tables.data();
  const auto take = [&](auto *&array, uint64_t count) {
    array = reinterpret_cast<std::remove_reference_t<decltype(array)>>(at);
    at += count * sizeof(*array);
  };
  take(tiles, limits.stepTokens);
  take(tokenIds, limits.stepTokens);
  take(positions, limits.stepTokens);
  take(rowSequence, limits.stepTokens);
  take(logitRowIds, limits.logitRows);
  take(blockTables, uint64_t(limits.sequences) * limits.blockTableStride);
  view.blockTableStride = limits.blockTableStride;
  view.tokenIds = tokenIds;
  view.positions = positions;
  view.rowSequence = rowSequence;
  view.blockTables = blockTables;
  view.logitRows = logitRowIds;
  view.attentionTiles = tiles;
  return Status::ok();
}

Status Executor::startWorkers() {
  WorkerGroup::Options group;
  group.workers = limits.workers;
  const cpu::Topology &topology = cpu::readTopology();
  if (limits.workers > topology.processors.size()) {
    // Somebody always waits for a thread that does not run: give the processor away at once.
    group.barrierPolicy.spins = 0;
    group.idlePolicy.spins = 0;
  } else if (options.pin && limits.workers > 1) {
    group.processors.assign(topology.processors.begin(),
                            topology.processors.begin() + limits.workers);
  }
  auto started = WorkerGroup::start(std::move(group));
  if (!started)
    return started.status();
  workers = std::move(*started);
  return Status::ok();
}

void Executor::bind() {
  const engine::Plan &plan = engine.plan();
  const engine::ChipPlan &chip = plan.chips[0];
  const engine::StepLimits at = limits.limits();
  // Layer l has its K blocks, then its V blocks (KernelAbi.h).
  const uint64_t poolBytes = uint64_t(limits.kvBlocks) * plan.kv.layerBlockBytes();

  const auto resolve = [&](const engine::ArgPlan &arg, const engine::CallPlan &call) -> void * {
    switch (arg.kind) {
    case engine::ArgKind::Buffer:
      return arena.data() + chip.buffers[arg.index].offset.at(at);
    case engine::ArgKind::Weight:
      return const_cast<std::byte *>(engine.weight(arg.index));
    case engine::ArgKind::LayerWeight:
      return const_cast<std::byte *>(engine.weight(call.weights[arg.index]));
    case engine::ArgKind::KPool:
      return kvPool.data() + 2 * call.kvLayer * poolBytes;
    case engine::ArgKind::VPool:
      return kvPool.data() + (2 * call.kvLayer + 1) * poolBytes;
    }
    return nullptr;
  };

  size_t count = 0, arguments = 0;
  for (const engine::CallPlan &call : plan.calls)
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
    const engine::FunctionPlan &function = plan.functions[call.function];
    for (uint32_t l = 0; l < function.launches.size(); ++l) {
      const engine::LaunchPlan &launch = function.launches[l];
      void *const *list = pointers.data() + pointers.size();
      for (const engine::ArgPlan &arg : launch.args)
        pointers.push_back(resolve(arg, call));
      // Entering the step is a barrier already.
      launches.push_back(
          {engine.kernel(launch.kernel), list, launch.barrierBefore && !launches.empty(),
           &claims[launches.size()]});
      launchTimings.push_back({c, l});
    }
  }
  logitsBase =
      reinterpret_cast<const float *>(arena.data() + chip.buffers[plan.logitsBuffer].offset.at(at));
}

Status Executor::fillStep(std::span<const StepRows> rows) {
  if (rows.empty() || rows.size() > limits.sequences)
    return Status::invalidArgument(
        fmt::format("a step of {} sequences; 1 to {} are possible", rows.size(), limits.sequences));
  view.numTokens = view.numLogitRows = view.numAttentionTiles = 0;
  view.numSequences = static_cast<uint32_t>(rows.size());
  for (uint32_t s = 0; s < rows.size(); ++s) {
    const StepRows &r = rows[s];
    const uint64_t end = uint64_t(r.firstPosition) + r.tokens.size();
    if (r.tokens.empty() || r.tokens.size() > limits.stepTokens - view.numTokens)
      return Status::invalidArgument(fmt::format(
          "a step of more than {} tokens, or a sequence without any", limits.stepTokens));
    if (end > limits.context || end > r.blocks.size() * uint64_t(cpu::kBlockTokens) ||
        r.blocks.size() > limits.blockTableStride)
      return Status::invalidArgument(
          fmt::format("positions to {} with {} blocks: a sequence may have {} positions", end,
                      r.blocks.size(), limits.context));
    if (r.logitRows > r.tokens.size() || r.logitRows > limits.logitRows - view.numLogitRows)
      return Status::invalidArgument(
          fmt::format("a step with logits for more than {} rows", limits.logitRows));
    int32_t *table = blockTables + uint64_t(s) * limits.blockTableStride;
    for (size_t b = 0; b < r.blocks.size(); ++b) {
      if (uint32_t(r.blocks[b]) >= limits.kvBlocks)
        return Status::invalidArgument(
            fmt::format("KV block {} of {}", r.blocks[b], limits.kvBlocks));
      table[b] = r.blocks[b];
    }
    const uint32_t first = view.numTokens, count = static_cast<uint32_t>(r.tokens.size());
    for (uint32_t i = 0; i < count; ++i) {
      if (uint32_t(r.tokens[i]) >= vocabulary)
        return Status::invalidArgument(
            fmt::format("token {} lies outside the vocabulary of {}", r.tokens[i], vocabulary));
      tokenIds[first + i] = r.tokens[i];
      positions[first + i] = static_cast<int32_t>(r.firstPosition + i);
      rowSequence[first + i] = static_cast<int32_t>(s);
    }
    for (uint32_t i = 0; i < count; i += cpu::kAttentionTileRows)
      tiles[view.numAttentionTiles++] = {first + i, std::min(count - i, cpu::kAttentionTileRows)};
    for (uint32_t i = count - r.logitRows; i < count; ++i)
      logitRowIds[view.numLogitRows++] = static_cast<int32_t>(first + i);
    view.numTokens += count;
  }
  return Status::ok();
}

Status Executor::run(std::span<const StepRows> rows) {
  TENON_RETURN_IF_ERROR(fillStep(rows));
  std::fill(claims.begin(), claims.end(), 0);
  if (!options.timeLaunches) {
    workers->runEach([this](uint32_t worker) { work(worker); });
    return Status::ok();
  }
  uint64_t context = 0;
  for (uint32_t i = 0; i < view.numTokens; ++i)
    context += uint64_t(positions[i]) + 1;
  for (LaunchTiming &t : launchTimings) {
    const engine::CallPlan &call = engine.plan().calls[t.call];
    const engine::CostForm &cost = engine.plan().functions[call.function].launches[t.launch].cost;
    t.bytes += cost.bytes(view.numTokens, view.numLogitRows, context);
    t.macs += cost.macs(view.numTokens, view.numLogitRows, context);
  }
  workers->runEach([this](uint32_t worker) { workTimed(worker); });
  return Status::ok();
}

void Executor::work(uint32_t worker) {
  void *const mine = scratchOf(worker);
  for (const BoundLaunch &launch : launches) {
    if (launch.barrierBefore)
      workers->barrier().arriveAndWait();
    launch.kernel(launch.arguments, &view, worker, limits.workers, mine, launch.claimed);
  }
}

void Executor::workTimed(uint32_t worker) {
  void *const mine = scratchOf(worker);
  uint64_t began = nowNanos();
  for (size_t i = 0; i < launches.size(); ++i) {
    launches[i].kernel(launches[i].arguments, &view, worker, limits.workers, mine, launches[i].claimed);
    workers->barrier().arriveAndWait();
    if (worker == 0) {
      const uint64_t now = nowNanos();
      launchTimings[i].nanos += now - began;
      began = now;
    }
  }
}

void Executor::copyBlock(int32_t from, int32_t to) {
  const engine::KvPlan &kv = engine.plan().kv;
  const uint64_t bytes = kv.layerBlockBytes(), poolBytes = bytes * limits.kvBlocks;
  for (uint32_t pool = 0; pool < 2 * kv.layers; ++pool) {
    std::byte *base = kvPool.data() + pool * poolBytes;
    std::memcpy(base + uint64_t(to) * bytes, base + uint64_t(from) * bytes, bytes);
  }
}

void Executor::resetTimings() {
  for (LaunchTiming &t : launchTimings)
    t = {t.call, t.launch};
}

} // namespace tenon::executor
