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
    TENON_RETURN_IF_ERROR(
        map(ids, setup.slots * uint64_t(limits.stepTokens) * sizeof(int32_t), "token ids"));
  return Status::ok();
}

void ChipRunner::bind() {
  const engine::Plan &plan = engine.plan();
  // Layer l has its K blocks, then its V blocks (KernelAbi.h).
  const uint64_t headBytes = plan.kvLayerBlockBytes(chip()) / chip().kvHeads;
  const uint64_t poolBytes = uint64_t(limits.kvBlocks) * headBytes * pool.heads;
  std::byte *const firstHead =
      (setup.poolOwner ? setup.poolOwner->kvPool : kvPool).data() + pool.firstHead * headBytes;
  const bool meets = stageSharesPools(plan, limits, setup.chip);

  const auto resolve = [&](const engine::ArgPlan &arg, const engine::CallPlan &call) -> void * {
    switch (arg.kind) {
    case engine::ArgKind::Buffer:
      return arena.data() + chip().buffers[arg.index].offset.at(sizes);
    case engine::ArgKind::Weight:
      return const_cast<std::byte *>(engine.weight(arg.index, setup.chip));
    case engine::ArgKind::LayerWeight:
      return const_cast<std::byte *>(engine.weight(call.weights[arg.index], setup.chip));
    case engine::ArgKind::KPool:
      return firstHead + 2 * call.kvLayer * poolBytes;
    case engine::ArgKind::VPool:
      return firstHead + (2 * call.kvLayer + 1) * poolBytes;
    }
    return nullptr;
  };

  /// The column of the step's logits that an argument points to, if it does.
  const auto columnOf = [&](const engine::LaunchPlan &launch,
                            const engine::ArgPlan &arg) -> std::optional<uint64_t> {
    if (inPlace && &launch == inPlace->launch && &arg == &launch.args.back())
      return inPlace->firstColumn;
    if (setup.chip == plan.logitsChip() && arg.kind == engine::ArgKind::Buffer &&
        arg.index == plan.logitsBuffer)
      return 0;
    return std::nullopt;
  };
  const uint32_t stage = plan.chipsPerStage();
  uint32_t blockClaims = 0;
  /// Whether rows may travel beside launch `l` of a function; then which of its neighbours they
  /// belong to.
  const auto besideOf = [&](const engine::FunctionPlan &function,
                            size_t l) -> std::optional<size_t> {
    const auto is = [&](size_t at, engine::CollectiveKind kind) {
      const auto *c = at < function.launches.size() && function.launches[at].collective
                          ? &*function.launches[at].collective
                          : nullptr;
      return c && c->kind == kind && c->overlap.from && setup.groups[c->axis].group &&
             setup.groups[c->axis].group->overlapping();
    };
    if (function.launches[l].collective)
      return std::nullopt;
    if (l > 0 && is(l - 1, engine::CollectiveKind::GatherRows))
      return l - 1;
    return is(l + 1, engine::CollectiveKind::AllReduce) ? std::optional(l + 1) : std::nullopt;
  };
  const auto touchesLogits = [&](const engine::LaunchPlan &launch) {
    return std::any_of(launch.args.begin(), launch.args.end(), [&](const engine::ArgPlan &arg) {
      return columnOf(launch, arg).has_value();
    });
  };
  slots.resize(setup.slots);
  for (Slot &slot : slots)
    slot.micro.resize(setup.microBatches);
  std::vector<void *> lists; // Of launches that touch the logits.
  size_t count = 0, arguments = 0;
  for (const engine::CallPlan &call : plan.calls)
    if (call.program == chip().program)
      for (const engine::LaunchPlan &launch : plan.functions[call.function].launches) {
        ++count;
        arguments += launch.args.size();
      }
  pointers.reserve(arguments); // BoundLaunch points into it: it must not move.
  launches.reserve(count);
  launchTimings.reserve(count);
  for (uint32_t c = 0; c < plan.calls.size(); ++c) {
    const engine::CallPlan &call = plan.calls[c];
    if (call.program != chip().program)
      continue;
    const engine::FunctionPlan &function = plan.functions[call.function];
    for (uint32_t l = 0; l < function.launches.size(); ++l) {
      const engine::LaunchPlan &launch = function.launches[l];
      void *const *list = pointers.data() + pointers.size();
      const bool shifts = touchesLogits(launch);
      const auto shifted = static_cast<int32_t>(lists.size());
      for (const engine::ArgPlan &arg : launch.args) {
        pointers.push_back(resolve(arg, call));
        if (!shifts)
          continue;
        if (const std::optional<uint64_t> column = columnOf(launch, arg))
          logitPointers.push_back({lists.size(), *column});
        lists.push_back(pointers.back());
      }
      // Entering the step is a barrier already.
      const bool readsPool =
          !launch.collective && plan.kernels[launch.kernel].kind == engine::KernelKind::Attention;
      const Meeting before = launches.empty()       ? Meeting::Nobody
                             : meets && readsPool   ? Meeting::Stage
                             : launch.barrierBefore ? Meeting::Chip
                                                    : Meeting::Nobody;
      launches.push_back({.kernel = launch.collective ? nullptr : engine.kernel(launch.kernel),
                          .collective = launch.collective ? &*launch.collective : nullptr,
                          .arguments = list,
                          .before = before,
                          .ownRows = launch.ownRows,
                          .shifted = shifts ? shifted : -1});
      if (const std::optional<size_t> beside = besideOf(function, l)) {
        launches.back().beside = static_cast<int32_t>(launches.size() - 1 + *beside - l);
        launches.back().blockClaims = blockClaims;
        blockClaims += collective::RowBlocks::most(
            limits.stepTokens, function.launches[*beside].collective->overlap.block, stage);
      }
      launchTimings.push_back({c, l});
    }
  }
  for (Slot &slot : slots)
    for (Micro &micro : slot.micro) {
      micro.claims.resize(launches.size());
      micro.blockClaims.resize(blockClaims);
      micro.shifted = lists;
    }
  traces.resize(setup.workers);
  for (WorkerTrace &trace : traces)
    if (setup.trace)
      trace.events.reserve((2 * launches.size() + 1 + 2 * blockClaims) * setup.microBatches);
}

std::byte *ChipRunner::buffer(uint32_t index) const {
  return arena.data() + chip().buffers[index].offset.at(sizes);
}

} // namespace tenon::executor
