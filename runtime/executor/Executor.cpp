//===- Executor.cpp - Runs steps of a plan --------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/executor/Executor.h"

#include "runtime/collective/Local.h"
#include "runtime/device/cpu/Topology.h"

#include <fmt/core.h>

#include <algorithm>

namespace tenon::executor {

Executor::Executor(const engine::Engine &e, const Capacity &c, const ExecutorOptions &o)
    : engine(e), limits(c), options(o), memoryPlan(planMemory(e.plan(), c)),
      vocabulary(e.plan().model.vocabulary) {}

StatusOr<std::unique_ptr<Executor>> Executor::create(const engine::Engine &engine,
                                                     const Capacity &capacity,
                                                     const ExecutorOptions &options) {
  const size_t chips = engine.plan().chips.size();
  if (capacity.workers < chips)
    return Status::invalidArgument(fmt::format("{}: {} workers for {} chips; each needs one",
                                               engine.name(), capacity.workers, chips));
  std::unique_ptr<Executor> executor(new Executor(engine, capacity, options));
  TENON_RETURN_IF_ERROR(executor->allocate());
  TENON_RETURN_IF_ERROR(executor->startWorkers());
  return executor;
}

Status Executor::allocate() {
  auto made =
      Arena::map(memoryPlan.stepTables, {.hugePages = true, .populate = options.populate},
                 "the step's tables");
  if (!made)
    return made.status();
  tables = std::move(*made);

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
  const SpinPolicy policy = group.barrierPolicy;
  auto started = WorkerGroup::start(std::move(group));
  if (!started)
    return started.status();
  workers = std::move(*started);
  results.resize(limits.workers);
  TENON_RETURN_IF_ERROR(makeGroups(policy));
  return makeChips(policy);
}

/// A group for every line of chips along every axis that has more than one.
Status Executor::makeGroups(SpinPolicy policy) {
  const engine::Plan &plan = engine.plan();
  groups.resize(plan.grid.size());
  uint32_t stride = 1;
  for (size_t axis = plan.grid.size(); axis-- > 0; stride *= plan.grid[axis]) {
    const uint32_t size = plan.grid[axis];
    if (size == 1)
      continue;
    for (uint32_t first = 0; first < plan.chips.size(); ++first) {
      if (first / stride % size != 0)
        continue;
      std::vector<uint32_t> threads;
      for (uint32_t member = 0; member < size; ++member)
        threads.push_back(chipWorkers(plan, limits, first + member * stride));
      auto group = collective::LocalGroup::create(std::move(threads), policy);
      if (!group)
        return group.status();
      groups[axis].push_back(std::move(*group));
    }
  }
  return Status::ok();
}

Status Executor::makeChips(SpinPolicy policy) {
  const engine::Plan &plan = engine.plan();
  for (uint32_t chip = 0; chip < plan.chips.size(); ++chip) {
    ChipRunner::Setup setup;
    setup.chip = chip;
    setup.workers = chipWorkers(plan, limits, chip);
    setup.barrierPolicy = policy;
    setup.populate = options.populate;
    setup.trace = options.trace;
    setup.groups.resize(plan.grid.size());
    uint32_t stride = 1;
    for (size_t axis = plan.grid.size(); axis-- > 0; stride *= plan.grid[axis]) {
      if (plan.grid[axis] == 1)
        continue;
      const uint32_t member = chip / stride % plan.grid[axis];
      // Groups are in order of their first chip: those of lower lines, then of the same.
      const uint32_t line = chip / (stride * plan.grid[axis]) * stride + chip % stride;
      setup.groups[axis] = {groups[axis][line].get(), member};
    }
    for (uint32_t worker = 0; worker < setup.workers; ++worker)
      places.push_back({chip, worker});
    auto runner = ChipRunner::create(engine, limits, std::move(setup));
    if (!runner)
      return runner.status();
    chips.push_back(std::move(*runner));
  }
  logitsBase = reinterpret_cast<const float *>(chips[plan.logitsChip()]->buffer(plan.logitsBuffer));
  return Status::ok();
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
  for (const auto &chip : chips)
    chip->prepare(view);
  if (options.timeLaunches) {
    uint64_t context = 0;
    for (uint32_t i = 0; i < view.numTokens; ++i)
      context += uint64_t(positions[i]) + 1;
    for (const auto &chip : chips)
      chip->countWork(context);
  }
  workers->runEach([this](uint32_t worker) {
    const Place place = places[worker];
    ChipRunner &chip = *chips[place.chip];
    results[worker] = options.timeLaunches ? chip.workTimed(place.worker)
                      : options.trace      ? chip.workTraced(place.worker)
                                           : chip.work(place.worker);
  });
  for (Status &result : results)
    TENON_RETURN_IF_ERROR(result);
  return Status::ok();
}

void Executor::copyBlock(int32_t from, int32_t to) {
  for (const auto &chip : chips)
    chip->copyBlock(from, to);
}

void Executor::resetTimings() {
  for (const auto &chip : chips)
    chip->resetTimings();
}

} // namespace tenon::executor
