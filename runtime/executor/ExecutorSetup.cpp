//===- ExecutorSetup.cpp - From a plan and limits to chips that stand ready -===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/executor/Executor.h"

#include "runtime/base/ProcessMemory.h"
#include "runtime/collective/Local.h"
#include "runtime/collective/RemoteGroup.h"
#include "runtime/device/cpu/Topology.h"
#include "runtime/executor/MemoryCheck.h"
#include "runtime/executor/MicroBatches.h"

#include <fmt/core.h>

#include <algorithm>

namespace tenon::executor {

Executor::Executor(const engine::Engine &e, const Capacity &c, const ExecutorOptions &o)
    : engine(e), limits(c), options(o), memoryPlan(planMemory(e.plan(), c)),
      vocabulary(e.plan().model.vocabulary) {}

StatusOr<std::unique_ptr<Executor>> Executor::create(const engine::Engine &engine,
                                                     const Capacity &capacity,
                                                     const ExecutorOptions &options) {
  const engine::ChipRange chips = capacity.chips;
  if (capacity.workers < chips.count)
    return Status::invalidArgument(fmt::format("{}: {} workers for {} chips; each needs one",
                                               engine.name(), capacity.workers, chips.count));
  if (chips.first != engine.chips().first || chips.count != engine.chips().count)
    return Status::invalidArgument(fmt::format("{}: chips {} to {} are wanted and {} to {} loaded",
                                               engine.name(), chips.first, chips.end(),
                                               engine.chips().first, engine.chips().end()));
  std::unique_ptr<Executor> executor(new Executor(engine, capacity, options));
  collective::Cluster *cluster = options.cluster;
  if (cluster)
    executor->memoryPlan.messages += cluster->libraryBytes();
  if (cluster && cluster->rank() == 0) {
    executor->commands = std::make_unique<CommandSender>(*cluster);
    TENON_RETURN_IF_ERROR(executor->commands->prepare(capacity, options.timeLaunches, options.trace,
                                                      options.microBatchRows));
  }
  Status status = checkFits(executor->memoryPlan, availableBytes());
  if (status)
    status = executor->allocate();
  if (status)
    status = executor->startWorkers();
  if (cluster)
    status = agree(*cluster, Outcome::of(status));
  if (!status)
    return status;
  if (executor->commands && options.trace) {
    auto gathered = TraceGather::create(*cluster, *executor->commands,
                                        static_cast<uint32_t>(engine.plan().chips.size()));
    if (!gathered)
      return gathered.status();
    executor->gathered = std::make_unique<TraceGather>(std::move(*gathered));
  }
  return executor;
}

uint32_t Executor::rankOf(uint32_t chip) const {
  const uint32_t processes = options.cluster ? options.cluster->size() : 1;
  for (uint32_t rank = 0; rank < processes; ++rank)
    if (engine::chipsOfProcess(static_cast<uint32_t>(engine.plan().chips.size()), rank, processes)
            .holds(chip))
      return rank;
  return 0;
}

Status Executor::allocate() {
  auto made = Arena::map(memoryPlan.stepTables, {.hugePages = true, .populate = options.populate},
                         "the step's tables");
  if (!made)
    return made.status();
  tables = std::move(*made);

  const engine::Plan &plan = engine.plan();
  if (stagesOf(plan) > 1 && logitsStandApart(plan, limits))
    mostMicro =
        options.microBatchRows == 0
            ? mostMicroBatches(limits.stepTokens, stagesOf(plan))
            : std::clamp(limits.stepTokens / options.microBatchRows + 1, 1u, kMostMicroBatches);
  for (uint32_t slot = 0; slot < limits.stepsInFlight; ++slot) {
    steps.push_back({StepTables(limits, vocabulary, mostMicro, plan.keepsRows(),
                                tables.data() + slot * StepTables::bytes(limits)),
                     {},
                     this,
                     slot,
                     nullptr});
    if (options.cluster)
      steps.back().message = std::make_unique<collective::MessageBatch>(*options.cluster, 4);
  }
  return Status::ok();
}

Status Executor::startWorkers() {
  WorkerGroup::Options group;
  group.workers = limits.workers;
  group.depth = limits.stepsInFlight;
  group.firstNumber = options.workersBefore;
  const cpu::Topology &topology = cpu::readTopology();
  // Processes of one host that may use the same processors share them out.
  uint32_t sharers = 1, place = 0;
  if (collective::Cluster *cluster = options.cluster) {
    sharers = cluster->peer(cluster->rank()).sharers;
    place = cluster->peer(cluster->rank()).place;
  }
  const uint64_t together = uint64_t(std::max(options.workersOfProcess, limits.workers)) * sharers;
  if (together > topology.processors.size()) {
    // Somebody always waits for a thread that does not run: give the processor away at once.
    group.barrierPolicy.spins = 0;
    group.idlePolicy.spins = 0;
  } else if (options.pin && together > 1) {
    const auto first = topology.processors.begin() + place * limits.workers + options.workersBefore;
    group.processors.assign(first, first + limits.workers);
  }
  const SpinPolicy policy = group.barrierPolicy;
  auto started = WorkerGroup::start(std::move(group));
  if (!started)
    return started.status();
  workers = std::move(*started);
  TENON_RETURN_IF_ERROR(makeGroups(policy));
  return makeChips(policy);
}

/// The widest operand that another process may send in a collective along an axis, in bytes.
static uint64_t widestOperand(const engine::Plan &plan, const Capacity &limits, uint32_t axis) {
  uint64_t most = 0;
  for (const engine::FunctionPlan &function : plan.functions)
    for (const engine::LaunchPlan &launch : function.launches) {
      if (!launch.collective || launch.collective->axis != axis)
        continue;
      const engine::CollectivePlan &c = *launch.collective;
      const bool keeps = c.kind == engine::CollectiveKind::GatherRows || (c.gives() && c.gets());
      if (keeps) // The others arrive where they are wanted.
        most = std::max<uint64_t>(most, (c.logitRows ? limits.logitRows : limits.stepTokens) *
                                            c.columns.back() * c.givenBytes());
    }
  return most;
}

/// Messages of a collective that overlaps with compute, at most; 0 if none does.
static uint64_t overlappingMessages(const engine::Plan &plan, const Capacity &limits,
                                    uint32_t axis) {
  uint64_t most = 0;
  const uint32_t chips = plan.grid[axis];
  for (const engine::FunctionPlan &function : plan.functions)
    for (const engine::LaunchPlan &launch : function.launches)
      if (launch.collective && launch.collective->axis == axis && launch.collective->overlap.from)
        most = std::max(most, (chips + 1) *
                                  collective::RowBlocks::most(
                                      limits.stepTokens, launch.collective->overlap.block, chips));
  return most;
}

/// The group of the line of chips that begins with `first`; null if none of them is here. Every
/// process makes all groups in the same order, so that they agree about `tag`.
StatusOr<std::unique_ptr<collective::Group>>
Executor::makeGroup(uint32_t axis, uint32_t first, uint32_t stride, SpinPolicy policy, int &tag) {
  const engine::Plan &plan = engine.plan();
  const uint32_t size = plan.grid[axis];
  collective::RemoteGroup::Setup setup;
  for (uint32_t member = 0; member < size; ++member) {
    const uint32_t chip = first + member * stride;
    setup.ranks.push_back(rankOf(chip));
    if (limits.chips.holds(chip))
      setup.workers.push_back(chipWorkers(plan, limits, chip));
  }
  setup.tag = tag;
  tag += collective::RemoteGroup::tagsOf(size);
  if (setup.workers.empty())
    return std::unique_ptr<collective::Group>();
  if (setup.workers.size() == size) {
    auto group = collective::LocalGroup::create(std::move(setup.workers), policy);
    if (!group)
      return group.status();
    return std::unique_ptr<collective::Group>(std::move(*group));
  }
  setup.mostBytes = widestOperand(plan, limits, axis);
  setup.policy = policy;
  setup.overlappingMessages = overlappingMessages(plan, limits, axis);
  memoryPlan.messages += collective::RemoteGroup::bufferBytes(*options.cluster, setup);
  auto group = collective::RemoteGroup::create(*options.cluster, std::move(setup));
  if (!group)
    return group.status();
  return std::unique_ptr<collective::Group>(std::move(*group));
}

/// A group for every line of chips along every axis that has more than one.
Status Executor::makeGroups(SpinPolicy policy) {
  const engine::Plan &plan = engine.plan();
  groups.resize(plan.grid.size());
  int tag = collective::Tag::Groups;
  uint32_t stride = 1;
  for (size_t axis = plan.grid.size(); axis-- > 0; stride *= plan.grid[axis]) {
    const uint32_t size = plan.grid[axis];
    if (size == 1)
      continue;
    for (uint32_t first = 0; first < plan.chips.size(); ++first) {
      if (first / stride % size != 0)
        continue;
      auto group = makeGroup(static_cast<uint32_t>(axis), first, stride, policy, tag);
      if (!group)
        return group.status();
      groups[axis].push_back(std::move(*group));
    }
  }
  return Status::ok();
}

Status Executor::makeChips(SpinPolicy policy) {
  const engine::Plan &plan = engine.plan();
  for (uint32_t chip = limits.chips.first; chip < limits.chips.end(); ++chip) {
    ChipRunner::Setup setup;
    setup.chip = chip;
    setup.workers = chipWorkers(plan, limits, chip);
    setup.barrierPolicy = policy;
    setup.populate = options.populate;
    setup.trace = options.trace;
    setup.slots = limits.stepsInFlight;
    setup.microBatches = mostMicro;
    if (options.cluster)
      setup.progress = &options.cluster->health.progress;
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
    if (const PoolShare pool = poolOf(plan, limits, chip); pool.owner != chip)
      setup.poolOwner = chips[pool.owner - limits.chips.first].get();
    if (chip != plan.logitsChip() && logitsInPlace(plan, limits, chip))
      setup.logitsOwner = chips[plan.logitsChip() - limits.chips.first].get();
    for (uint32_t worker = 0; worker < setup.workers; ++worker)
      places.push_back({chip - limits.chips.first, worker});
    auto runner = ChipRunner::create(engine, limits, std::move(setup));
    if (!runner)
      return runner.status();
    chips.push_back(std::move(*runner));
  }
  if (limits.chips.holds(plan.logitsChip())) {
    logitsBase = reinterpret_cast<float *>(
        chips[plan.logitsChip() - limits.chips.first]->buffer(plan.logitsBuffer));
    hasMaxima = plan.logitsBlock != 0;
  } else if (commands) {
    const uint64_t bytes = uint64_t(limits.logitRows) * vocabulary * sizeof(float);
    auto made = Arena::map(bytes, {.hugePages = true, .populate = options.populate},
                           "the logits of another process");
    if (!made)
      return made.status();
    farLogits = std::move(*made);
    memoryPlan.messages += bytes;
    logitsBase = reinterpret_cast<float *>(farLogits.data());
  }
  return Status::ok();
}

} // namespace tenon::executor
