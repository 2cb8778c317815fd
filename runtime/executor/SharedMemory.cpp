//===- SharedMemory.cpp - What chips of one process share -----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/executor/SharedMemory.h"

#include <algorithm>

namespace tenon::executor {

namespace {

/// The first format whose kernels take strides and shares from their step (KernelAbi.h).
constexpr uint32_t kFirstMinor = 5;

struct Stage {
  uint32_t first, end;
};

/// The stage of a chip, if kernels can share and the process has all of its chips and more than
/// one.
std::optional<Stage> stageHere(const engine::Plan &plan, const Capacity &capacity, uint32_t chip) {
  const uint32_t size = plan.chipsPerStage(), first = chip / size * size;
  if (plan.formatMinor < kFirstMinor || size == 1 || !capacity.chips.holds(first) ||
      !capacity.chips.holds(first + size - 1))
    return std::nullopt;
  return Stage{first, first + size};
}

/// When a chip writes and reads which layer of its cache, in order of its step.
std::vector<uint64_t> cacheOrder(const engine::Plan &plan, const engine::ChipPlan &chip) {
  std::vector<uint64_t> order;
  for (const engine::CallPlan &call : plan.calls) {
    if (call.program != chip.program)
      continue;
    for (const engine::LaunchPlan &launch : plan.functions[call.function].launches) {
      if (launch.collective)
        order.push_back(0);
      else if (plan.kernels[launch.kernel].kind == engine::KernelKind::LinearQkv)
        order.push_back(2 * uint64_t(call.kvLayer) + 1);
      else if (plan.kernels[launch.kernel].kind == engine::KernelKind::Attention)
        order.push_back(2 * uint64_t(call.kvLayer) + 2);
    }
  }
  return order;
}

/// Whether chips of the stage can meet where they read each other's keys: they go through the same
/// layers in the same order, and each has as many heads as the next, or heads behind those.
bool canShare(const engine::Plan &plan, Stage stage) {
  const engine::ChipPlan &first = plan.chips[stage.first];
  const std::vector<uint64_t> order = cacheOrder(plan, first);
  for (uint32_t c = stage.first + 1; c < stage.end; ++c) {
    const engine::ChipPlan &chip = plan.chips[c], &before = plan.chips[c - 1];
    if (chip.kvLayers != first.kvLayers || chip.firstKvHead < before.firstKvHead ||
        chip.firstKvHead + chip.kvHeads < before.firstKvHead + before.kvHeads ||
        (chip.program != first.program && cacheOrder(plan, chip) != order))
      return false;
  }
  return true;
}

uint32_t endOfHeads(const engine::ChipPlan &chip) { return chip.firstKvHead + chip.kvHeads; }

} // namespace

PoolShare poolOf(const engine::Plan &plan, const Capacity &capacity, uint32_t chip) {
  const engine::ChipPlan &own = plan.chips[chip];
  PoolShare pool{chip, own.kvHeads, 0, false, 0, 0};
  const std::optional<Stage> stage = stageHere(plan, capacity, chip);
  if (!stage || !canShare(plan, *stage))
    return pool;
  // Chips are in order of their heads: neighbours that have one in common share a pool.
  const auto overlap = [&](uint32_t a, uint32_t b) {
    return plan.chips[b].firstKvHead < endOfHeads(plan.chips[a]);
  };
  uint32_t last = chip;
  while (pool.owner > stage->first && overlap(pool.owner - 1, pool.owner))
    --pool.owner;
  while (last + 1 < stage->end && overlap(last, last + 1))
    ++last;
  if (pool.owner == last)
    return pool;
  pool.shared = true;
  pool.heads = endOfHeads(plan.chips[last]) - plan.chips[pool.owner].firstKvHead;
  pool.firstHead = own.firstKvHead - plan.chips[pool.owner].firstKvHead;
  if (chip > pool.owner)
    pool.skippedKeys = std::min(
        own.kvHeads, std::max(endOfHeads(plan.chips[chip - 1]), own.firstKvHead) - own.firstKvHead);
  if (chip < last)
    pool.skippedValues = endOfHeads(own) - std::clamp(plan.chips[chip + 1].firstKvHead,
                                                      own.firstKvHead, endOfHeads(own));
  return pool;
}

bool stageSharesPools(const engine::Plan &plan, const Capacity &capacity, uint32_t chip) {
  const std::optional<Stage> stage = stageHere(plan, capacity, chip);
  for (uint32_t c = stage ? stage->first : 0; stage && c < stage->end; ++c)
    if (poolOf(plan, capacity, c).shared)
      return true;
  return false;
}

/// The part of a chip that ends its step with a gather of logits which a product right before it
/// has made.
static std::optional<LogitsPart> partOf(const engine::Plan &plan, const engine::ChipPlan &chip) {
  LogitsPart part;
  for (const engine::CallPlan &call : plan.calls) {
    if (call.program != chip.program)
      continue;
    const std::vector<engine::LaunchPlan> &launches = plan.functions[call.function].launches;
    for (size_t l = 0; l < launches.size(); ++l) {
      const std::optional<engine::CollectivePlan> &c = launches[l].collective;
      if (!c || c->kind != engine::CollectiveKind::GatherColumns)
        continue;
      const bool made = l > 0 && !launches[l - 1].collective &&
                        plan.kernels[launches[l - 1].kernel].kind == engine::KernelKind::Linear &&
                        launches[l - 1].args.back().kind == engine::ArgKind::Buffer &&
                        launches[l - 1].args.back().index == launches[l].args.front().index;
      if (part.gather || !made || !c->logitRows ||
          launches[l].args.back().index != plan.logitsBuffer ||
          c->columns.back() != plan.model.vocabulary)
        return std::nullopt;
      part = {&launches[l - 1], &launches[l], c->columns[chip.id % plan.chipsPerStage()]};
    }
  }
  return part.gather ? std::optional(part) : std::nullopt;
}

std::optional<LogitsPart> logitsInPlace(const engine::Plan &plan, const Capacity &capacity,
                                        uint32_t chip) {
  const std::optional<Stage> stage = stageHere(plan, capacity, chip);
  if (!stage || stage->first != plan.logitsChip() || !logitsStandApart(plan, capacity))
    return std::nullopt;
  for (uint32_t c = stage->first; c < stage->end; ++c)
    if (!partOf(plan, plan.chips[c]))
      return std::nullopt;
  return partOf(plan, plan.chips[chip]);
}

} // namespace tenon::executor
