//===- ChipSetup.cpp - What one chip's share of a plan stands on ----------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/executor/ChipRunner.h"

#include "runtime/collective/Overlapping.h"

#include <algorithm>
#include <utility>

namespace tenon::executor {

ChipRunner::ChipRunner(const engine::Engine &e, const Capacity &c, Setup s)
    : engine(e), limits(c), setup(std::move(s)), sizes(c.limits()),
      pool(poolOf(e.plan(), c, setup.chip)), inPlace(logitsInPlace(e.plan(), c, setup.chip)),
      barrier(setup.workers, setup.barrierPolicy),
      workerPulses(std::make_unique<WorkerPulse[]>(setup.workers)) {
  sizes.workers = setup.workers;
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
    TENON_RETURN_IF_ERROR(
        map(ids, setup.slots * uint64_t(limits.stepTokens) * sizeof(int32_t), "token ids"));
  return Status::ok();
}

/// Writes the plan's launches down as what a worker needs of them: functions and pointers.
class ChipRunner::Binder {
public:
  explicit Binder(ChipRunner &r)
      : runner(r), plan(r.engine.plan()), meets(stageSharesPools(plan, r.limits, r.setup.chip)) {
    // Layer l has its K blocks, then its V blocks (KernelAbi.h).
    const uint64_t headBytes = plan.kvLayerBlockBytes(r.chip()) / r.chip().kvHeads;
    poolBytes = uint64_t(r.limits.kvBlocks) * headBytes * r.pool.heads;
    firstHead = (r.setup.poolOwner ? r.setup.poolOwner->kvPool : r.kvPool).data() +
                r.pool.firstHead * headBytes;
  }

  void bind() {
    reserve();
    for (uint32_t c = 0; c < plan.calls.size(); ++c)
      if (plan.calls[c].program == runner.chip().program)
        for (uint32_t l = 0; l < functionOf(plan.calls[c]).launches.size(); ++l) {
          bindLaunch(plan.calls[c], l);
          runner.launchTimings.push_back({c, l});
        }
    makeRoom();
  }

private:
  const engine::FunctionPlan &functionOf(const engine::CallPlan &call) const {
    return plan.functions[call.function];
  }
  void reserve();
  void bindLaunch(const engine::CallPlan &call, uint32_t number);
  void bindArguments(const engine::CallPlan &call, const engine::LaunchPlan &launch);
  void makeRoom();
  void *pointerTo(const engine::ArgPlan &arg, const engine::CallPlan &call) const;
  std::optional<uint64_t> columnOf(const engine::LaunchPlan &launch,
                                   const engine::ArgPlan &arg) const;
  bool travels(const engine::FunctionPlan &function, size_t number,
               engine::CollectiveKind kind) const;
  std::optional<size_t> besideOf(const engine::FunctionPlan &function, size_t number) const;
  Meeting meetingBefore(const engine::LaunchPlan &launch) const;

  ChipRunner &runner;
  const engine::Plan &plan;
  const bool meets; ///< Chips of the stage that share pools.
  std::byte *firstHead = nullptr;
  uint64_t poolBytes = 0; ///< Of K or V of a layer.
  uint32_t blockClaims = 0;
  std::vector<void *> lists; ///< Of launches that touch the logits.
};

/// BoundLaunch points into the pointers: these must not move.
void ChipRunner::Binder::reserve() {
  size_t launches = 0, arguments = 0;
  for (const engine::CallPlan &call : plan.calls)
    if (call.program == runner.chip().program)
      for (const engine::LaunchPlan &launch : functionOf(call).launches) {
        ++launches;
        arguments += launch.args.size();
      }
  runner.pointers.reserve(arguments);
  runner.launches.reserve(launches);
  runner.launchTimings.reserve(launches);
}

void *ChipRunner::Binder::pointerTo(const engine::ArgPlan &arg,
                                    const engine::CallPlan &call) const {
  const uint32_t chip = runner.setup.chip;
  switch (arg.kind) {
  case engine::ArgKind::Buffer:
    return runner.buffer(arg.index);
  case engine::ArgKind::Weight:
    return const_cast<std::byte *>(runner.engine.weight(arg.index, chip));
  case engine::ArgKind::LayerWeight:
    return const_cast<std::byte *>(runner.engine.weight(call.weights[arg.index], chip));
  case engine::ArgKind::KPool:
    return firstHead + 2 * call.kvLayer * poolBytes;
  case engine::ArgKind::VPool:
    return firstHead + (2 * call.kvLayer + 1) * poolBytes;
  }
  return nullptr;
}

/// The column of the step's logits that an argument points to, if it does.
std::optional<uint64_t> ChipRunner::Binder::columnOf(const engine::LaunchPlan &launch,
                                                     const engine::ArgPlan &arg) const {
  if (runner.inPlace && &launch == runner.inPlace->launch && &arg == &launch.args.back())
    return runner.inPlace->firstColumn;
  if (runner.setup.chip == plan.logitsChip() && arg.kind == engine::ArgKind::Buffer &&
      arg.index == plan.logitsBuffer)
    return 0;
  return std::nullopt;
}

/// Whether launch `number` is a collective of `kind` whose rows may travel while chips compute.
bool ChipRunner::Binder::travels(const engine::FunctionPlan &function, size_t number,
                                 engine::CollectiveKind kind) const {
  if (number >= function.launches.size() || !function.launches[number].collective)
    return false;
  const engine::CollectivePlan &c = *function.launches[number].collective;
  collective::Group *group = runner.setup.groups[c.axis].group;
  return c.kind == kind && c.overlap.from && group && group->overlapping();
}

/// Whether rows may travel beside launch `number` of a function; then which of its neighbours they
/// belong to.
std::optional<size_t> ChipRunner::Binder::besideOf(const engine::FunctionPlan &function,
                                                   size_t number) const {
  if (function.launches[number].collective)
    return std::nullopt;
  if (number > 0 && travels(function, number - 1, engine::CollectiveKind::GatherRows))
    return number - 1;
  return travels(function, number + 1, engine::CollectiveKind::AllReduce)
             ? std::optional(number + 1)
             : std::nullopt;
}

ChipRunner::Meeting ChipRunner::Binder::meetingBefore(const engine::LaunchPlan &launch) const {
  if (runner.launches.empty()) // Entering the step is a barrier already.
    return Meeting::Nobody;
  const bool readsPool =
      !launch.collective && plan.kernels[launch.kernel].kind == engine::KernelKind::Attention;
  if (meets && readsPool)
    return Meeting::Stage;
  return launch.barrierBefore ? Meeting::Chip : Meeting::Nobody;
}

void ChipRunner::Binder::bindArguments(const engine::CallPlan &call,
                                       const engine::LaunchPlan &launch) {
  const bool shifts =
      std::any_of(launch.args.begin(), launch.args.end(),
                  [&](const engine::ArgPlan &arg) { return columnOf(launch, arg).has_value(); });
  runner.launches.back().arguments = runner.pointers.data() + runner.pointers.size();
  if (shifts)
    runner.launches.back().shifted = static_cast<int32_t>(lists.size());
  for (const engine::ArgPlan &arg : launch.args) {
    runner.pointers.push_back(pointerTo(arg, call));
    if (!shifts)
      continue;
    if (const std::optional<uint64_t> column = columnOf(launch, arg))
      runner.logitPointers.push_back({lists.size(), *column});
    lists.push_back(runner.pointers.back());
  }
}

void ChipRunner::Binder::bindLaunch(const engine::CallPlan &call, uint32_t number) {
  const engine::FunctionPlan &function = functionOf(call);
  const engine::LaunchPlan &launch = function.launches[number];
  const Meeting before = meetingBefore(launch);
  BoundLaunch &bound = runner.launches.emplace_back(
      BoundLaunch{.kernel = launch.collective ? nullptr : runner.engine.kernel(launch.kernel),
                  .collective = launch.collective ? &*launch.collective : nullptr,
                  .arguments = nullptr,
                  .before = before,
                  .ownRows = launch.ownRows,
                  .kept = launch.kept});
  bindArguments(call, launch);
  if (const std::optional<size_t> beside = besideOf(function, number)) {
    bound.beside = static_cast<int32_t>(runner.launches.size() - 1 + *beside - number);
    bound.blockClaims = blockClaims;
    blockClaims += collective::RowBlocks::most(runner.limits.stepTokens,
                                               function.launches[*beside].collective->overlap.block,
                                               plan.chipsPerStage());
  }
}

/// For what steps write down.
void ChipRunner::Binder::makeRoom() {
  const size_t launches = runner.launches.size();
  runner.slots.resize(runner.setup.slots);
  for (Slot &slot : runner.slots) {
    slot.micro.resize(runner.setup.microBatches);
    for (Micro &micro : slot.micro) {
      micro.claims.resize(launches);
      micro.blockClaims.resize(blockClaims);
      micro.shifted = lists;
    }
  }
  runner.traces.resize(runner.setup.workers);
  for (WorkerTrace &trace : runner.traces)
    if (runner.setup.trace)
      trace.events.reserve((2 * launches + 1 + 2 * blockClaims) * runner.setup.microBatches);
}

StatusOr<std::unique_ptr<ChipRunner>> ChipRunner::create(const engine::Engine &engine,
                                                         const Capacity &capacity, Setup setup) {
  std::unique_ptr<ChipRunner> runner(new ChipRunner(engine, capacity, std::move(setup)));
  TENON_RETURN_IF_ERROR(runner->allocate());
  Binder(*runner).bind();
  return runner;
}

std::byte *ChipRunner::buffer(uint32_t index) const {
  return arena.data() + chip().buffers[index].offset.at(sizes);
}

} // namespace tenon::executor
