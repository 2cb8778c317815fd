//===- CollectiveCheck.cpp - Do the chips of a plan meet? -----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/engine/CollectiveCheck.h"
#include "runtime/engine/PlanError.h"

#include "runtime/device/cpu/KernelAbi.h"

#include <fmt/core.h>

namespace tenon::engine {

namespace {

using Sequence = std::vector<const LaunchPlan *>;

/// The collectives of a chip's step in order.
Sequence collectivesOf(const Plan &plan, const ChipPlan &chip) {
  Sequence list;
  for (const CallPlan &call : plan.calls)
    if (call.program == chip.program)
      for (const LaunchPlan &launch : plan.functions[call.function].launches)
        if (launch.collective)
          list.push_back(&launch);
  return list;
}

/// Rows of `row` bytes fit into the buffer for every T and S.
bool holds(const BufferPlan &buffer, const CollectivePlan &c, uint64_t row) {
  return (c.logitRows ? buffer.size.perLogitRow : buffer.size.perToken) >= row;
}

Status checkBuffers(const Plan &plan, const ChipPlan &chip, const Sequence &list) {
  for (const LaunchPlan *launch : list) {
    const CollectivePlan &c = *launch->collective;
    const uint32_t rank =
        c.axis + 1 == plan.grid.size() ? chip.id % plan.grid.back() : chip.id / plan.grid.back();
    const uint64_t gives = c.kind == CollectiveKind::GatherColumns
                               ? c.columns[rank + 1] - c.columns[rank]
                               : c.columns.back();
    uint64_t more = 0, moreAll = 0; // maxima behind logits
    if (plan.logitsBlock && c.kind == CollectiveKind::GatherColumns &&
        launch->args.back().index == plan.logitsBuffer) {
      if (c.columns.size() > kMaxWorkers + 1)
        return bad("collective '{}' gathers from {} chips; at most {} can share logits",
                   launch->name, c.columns.size() - 1, kMaxWorkers);
      for (size_t i = 0; i + 1 < c.columns.size(); ++i)
        if (c.columns[i] % plan.logitsBlock)
          return bad(
              "collective '{}' cuts logits at column {}, within a block of {} with one maximum",
              launch->name, c.columns[i], plan.logitsBlock);
      more = cpu::logitsBlocks(gives);
      moreAll = cpu::logitsBlocks(c.columns.back());
    }
    if (c.gives() &&
        !holds(chip.buffers[launch->args.front().index], c, (gives + more) * c.givenBytes()))
      return bad("chip {} collective '{}': buffer '{}' has no {} columns", chip.id, launch->name,
                 chip.buffers[launch->args.front().index].name, gives + more);
    if (c.gets() && !holds(chip.buffers[launch->args.back().index], c,
                           (c.columns.back() + moreAll) * sizeof(float)))
      return bad("chip {} collective '{}': buffer '{}' has no {} columns", chip.id, launch->name,
                 chip.buffers[launch->args.back().index].name, c.columns.back() + moreAll);
  }
  return Status::ok();
}

/// Chips of one stage enter the same collectives among themselves.
Status checkStage(const Plan &plan, uint32_t first, const std::vector<Sequence> &lists) {
  const auto inner = [&](const Sequence &list) {
    Sequence own;
    for (const LaunchPlan *launch : list)
      if (launch->collective->axis + 1 == plan.grid.size())
        own.push_back(launch);
    return own;
  };
  const Sequence wanted = inner(lists[first]);
  for (uint32_t chip = first + 1; chip < first + plan.chipsPerStage(); ++chip) {
    const Sequence found = inner(lists[chip]);
    if (found.size() != wanted.size())
      return bad("chip {} enters {} collectives and chip {} enters {}; one would wait for ever",
                 first, wanted.size(), chip, found.size());
    for (size_t i = 0; i < found.size(); ++i) {
      const CollectivePlan &a = *wanted[i]->collective, &b = *found[i]->collective;
      if (a.kind != b.kind || a.columns != b.columns || a.logitRows != b.logitRows ||
          a.fence != b.fence || a.given != b.given || wanted[i]->ownRows != found[i]->ownRows ||
          wanted[i]->kept != found[i]->kept || a.overlap.from != b.overlap.from ||
          a.overlap.block != b.overlap.block)
        return bad(
            "collective {} of a step is '{}' on chip {} and '{}' on chip {}, and they differ", i,
            wanted[i]->name, first, found[i]->name, chip);
    }
  }
  return Status::ok();
}

/// What a chip sends is what the chip a stage later receives, in order.
Status checkPassing(const Plan &plan, uint32_t chip, const std::vector<Sequence> &lists) {
  const auto of = [&](uint32_t number, CollectiveKind kind) {
    Sequence found;
    if (number < lists.size())
      for (const LaunchPlan *launch : lists[number])
        if (launch->collective->kind == kind)
          found.push_back(launch);
    return found;
  };
  const uint32_t next = chip + plan.chipsPerStage();
  const Sequence sent = of(chip, CollectiveKind::Send), got = of(next, CollectiveKind::Receive);
  bool equal = sent.size() == got.size();
  for (size_t i = 0; equal && i < sent.size(); ++i)
    equal = sent[i]->collective->columns == got[i]->collective->columns &&
            sent[i]->collective->axis == got[i]->collective->axis;
  if (!equal)
    return bad("chip {} sends {} times and chip {}, a stage later, receives {} times or other rows",
               chip, sent.size(), next, got.size());
  if (chip < plan.chipsPerStage() && !of(chip, CollectiveKind::Receive).empty())
    return bad("chip {} is of the first stage and receives from one before", chip);
  return Status::ok();
}

} // namespace

Status checkCollectives(const Plan &plan) {
  std::vector<Sequence> lists;
  for (const ChipPlan &chip : plan.chips) {
    lists.push_back(collectivesOf(plan, chip));
    for (const LaunchPlan *launch : lists.back()) {
      const CollectivePlan &c = *launch->collective;
      const bool passes = c.kind == CollectiveKind::Send || c.kind == CollectiveKind::Receive;
      if (plan.grid.size() != 2 || c.axis != (passes ? 0u : 1u))
        return bad("collective '{}' is along axis {} of a grid of {}; chips of a stage talk along "
                   "axis 1 of 2, stages along axis 0",
                   launch->name, c.axis, plan.grid.size());
    }
    TENON_RETURN_IF_ERROR(checkBuffers(plan, chip, lists.back()));
  }
  for (uint32_t first = 0; first < plan.chips.size(); first += plan.chipsPerStage())
    TENON_RETURN_IF_ERROR(checkStage(plan, first, lists));
  for (uint32_t chip = 0; chip < plan.chips.size(); ++chip)
    TENON_RETURN_IF_ERROR(checkPassing(plan, chip, lists));
  return Status::ok();
}

} // namespace tenon::engine
