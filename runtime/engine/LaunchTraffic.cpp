//===- LaunchTraffic.cpp - Which bytes a launch reads and writes ----------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/engine/LaunchTraffic.h"

#include "runtime/engine/KernelOperands.h"

#include <algorithm>

namespace tenon::engine {

namespace {

/// What a launch does with its argument `index`, a buffer.
struct Use {
  bool reads, writes;
};

Use useOf(const Plan &plan, const LaunchPlan &launch, size_t index) {
  constexpr Use in = {true, false}, out = {false, true}, both = {true, true};
  if (launch.collective) {
    const CollectivePlan &c = *launch.collective;
    const bool gets = c.gets() && index + 1 == launch.args.size();
    return !gets ? in : c.accumulate || c.kind == CollectiveKind::GatherRows ? both : out;
  }
  const KernelPlan &kernel = plan.kernels[launch.kernel];
  const Operand &operand = operandsOf(kernel.kind).list[index];
  const bool adds = kernel.kind == KernelKind::Linear && operand.writes &&
                    kernel.spec.find("residual") != std::string::npos;
  return {operand.reads || adds, operand.writes};
}

uint64_t bytesOf(const LinearForm &size, const StepSize &step) {
  return size.fixed + size.perToken * step.tokens + size.perLogitRow * step.logitRows;
}

} // namespace

Traffic trafficOf(const Plan &plan, const ChipPlan &chip, const LaunchPlan &launch,
                  const StepSize &whole) {
  Traffic traffic;
  const uint32_t chips = plan.chipsPerStage();
  const bool gathersRows =
      launch.collective && launch.collective->kind == CollectiveKind::GatherRows;
  if (gathersRows && !launch.ofOwnRows(whole.tokens))
    return traffic; // Chips do not meet.
  StepSize step = whole;
  // A step that generates keeps the rows with logits.
  step.tokens = launch.kept ? whole.logitRows : launch.rowsOf(whole.tokens, chips);
  const double all = launch.cost.bytes(step.tokens, step.logitRows, step.context);
  for (size_t a = 0; a < launch.args.size(); ++a)
    if (launch.args[a].kind == ArgKind::Buffer && useOf(plan, launch, a).writes)
      traffic.written += double(bytesOf(chip.buffers[launch.args[a].index].size, step));
  if (!launch.collective && plan.kernels[launch.kernel].kind == KernelKind::LinearQkv)
    traffic.written +=
        2.0 * double(step.tokens) * chip.kvHeads * plan.kv.headDim * plan.kv.elementBytes;
  traffic.written = std::min(traffic.written, all);
  traffic.read = all - traffic.written;
  if (launch.collective) {
    const CollectivePlan &c = *launch.collective;
    const double rows = double(c.logitRows ? step.logitRows : step.tokens) * double(c.givenBytes());
    const uint32_t members = plan.grid[c.axis], rank = chip.id % plan.chipsPerStage();
    switch (c.kind) {
    case CollectiveKind::AllReduce:  // Of own rows each other chip gets that one's rows,
    case CollectiveKind::GatherRows: // and each other its own.
      traffic.sent = rows * double(c.columns.back()) * (members - 1);
      break;
    case CollectiveKind::GatherColumns: // To the first chip.
      traffic.sent = rank == 0 ? 0 : rows * double(c.columns[rank + 1] - c.columns[rank]);
      break;
    case CollectiveKind::Send:
      traffic.sent = rows * double(c.columns.back());
      break;
    case CollectiveKind::Receive:
      break;
    }
  }
  return traffic;
}

std::vector<const LaunchPlan *> launchesOf(const Plan &plan, const ChipPlan &chip) {
  std::vector<const LaunchPlan *> launches;
  for (const CallPlan &call : plan.calls)
    if (call.program == chip.program)
      for (const LaunchPlan &launch : plan.functions[call.function].launches)
        launches.push_back(&launch);
  return launches;
}

std::vector<uint64_t> arenaInUse(const Plan &plan, const ChipPlan &chip, const StepSize &step) {
  const std::vector<const LaunchPlan *> launches = launchesOf(plan, chip);
  std::vector<uint64_t> inUse(launches.size(), 0);
  std::vector<bool> needed(chip.buffers.size(), false); // After the launch.
  if (chip.id == plan.logitsChip())
    needed[plan.logitsBuffer] = true;
  if (plan.pooling && chip.id == plan.logitsChip())
    needed[plan.pooling->hiddenBuffer] = true;
  for (size_t i = launches.size(); i-- > 0;) {
    const LaunchPlan &launch = *launches[i];
    std::vector<bool> touched = needed;
    for (size_t a = 0; a < launch.args.size(); ++a) {
      if (launch.args[a].kind != ArgKind::Buffer)
        continue;
      touched[launch.args[a].index] = true;
      if (const Use use = useOf(plan, launch, a); use.writes && !use.reads)
        needed[launch.args[a].index] = false;
    }
    for (size_t a = 0; a < launch.args.size(); ++a)
      if (launch.args[a].kind == ArgKind::Buffer && useOf(plan, launch, a).reads)
        needed[launch.args[a].index] = true;
    for (size_t b = 0; b < touched.size(); ++b)
      if (touched[b])
        inUse[i] += bytesOf(chip.buffers[b].size, step);
  }
  return inUse;
}

} // namespace tenon::engine
