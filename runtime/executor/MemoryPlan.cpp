//===- MemoryPlan.cpp - What running an engine will occupy ----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/executor/MemoryPlan.h"

#include "runtime/executor/SharedMemory.h"
#include "runtime/executor/StepTables.h"

#include <fmt/core.h>

#include <algorithm>

namespace tenon::executor {

engine::StepLimits Capacity::limits() const {
  return {(uint64_t(stepTokens) + 15) / 16 * 16, (uint64_t(logitRows) + 15) / 16 * 16, workers};
}

static Status outOfRange(const char *option, uint64_t asked, uint64_t most) {
  return Status::invalidArgument(
      fmt::format("{} {}: the engine allows 1 to {}", option, asked, most));
}

StatusOr<Capacity> chooseCapacity(const engine::Plan &plan, const CapacityRequest &request) {
  const engine::LimitsPlan &limits = plan.limits;
  Capacity c;
  c.stepTokens = request.stepTokens.value_or(limits.defaultStepTokens);
  if (c.stepTokens == 0 || c.stepTokens > limits.maxStepTokens)
    return outOfRange("--step-tokens", c.stepTokens, limits.maxStepTokens);
  c.sequences = request.sequences.value_or(limits.defaultSequences);
  if (c.sequences == 0 || c.sequences > limits.maxSequences)
    return outOfRange("--max-sequences", c.sequences, limits.maxSequences);
  c.context = request.context.value_or(limits.maxContext);
  if (c.context == 0 || c.context > limits.maxContext)
    return outOfRange("--max-context", c.context, limits.maxContext);
  c.chips = request.chips.value_or(engine::ChipRange{0, static_cast<uint32_t>(plan.chips.size())});
  c.workers = request.workers;
  if (c.workers != 0) // Every chip needs a worker.
    c.workers = std::max(c.workers, c.chips.count);
  if (c.workers == 0 || c.workers > engine::kMaxWorkers)
    return outOfRange("--threads", c.workers, engine::kMaxWorkers);
  // A step has no more rows with logits than rows.
  c.logitRows = std::min(request.logitRows.value_or(c.sequences), c.stepTokens);
  if (c.logitRows == 0)
    return outOfRange("rows with logits", c.logitRows, c.stepTokens);

  const uint64_t kvBytes = request.kvBytes.value_or(limits.defaultKvBytes);
  const uint64_t blocks = kvBytes / plan.kv.bytesPerBlock;
  if (blocks == 0)
    return Status::invalidArgument(
        fmt::format("--kv-memory {}: one block of {} tokens takes {} bytes", kvBytes,
                    plan.kv.blockTokens, plan.kv.bytesPerBlock));
  c.blockTableStride = (c.context + plan.kv.blockTokens - 1) / plan.kv.blockTokens;
  // By default no more blocks than all sequences can hold; who asks for a size gets it.
  const uint64_t holdable = uint64_t(c.sequences) * c.blockTableStride;
  c.kvBlocks = static_cast<uint32_t>(
      std::min<uint64_t>({blocks, request.kvBytes ? blocks : holdable, INT32_MAX}));
  const uint32_t most = logitsStandApart(plan, c) ? stagesOf(plan) : 1;
  c.stepsInFlight = std::clamp(request.stepsInFlight.value_or(most), 1u, most);
  return c;
}

bool logitsStandApart(const engine::Plan &plan, const Capacity &capacity) {
  const std::vector<engine::BufferPlan> &buffers = plan.chips[plan.logitsChip()].buffers;
  const engine::BufferPlan &logits = buffers[plan.logitsBuffer];
  // Every process must come to the same answer, with however many workers.
  for (uint64_t workers : {uint64_t(1), uint64_t(engine::kMaxWorkers)}) {
    engine::StepLimits sizes = capacity.limits();
    sizes.workers = workers;
    const uint64_t begin = logits.offset.at(sizes), end = begin + logits.size.at(sizes);
    for (const engine::BufferPlan &other : buffers) {
      const uint64_t otherBegin = other.offset.at(sizes);
      const uint64_t otherEnd = otherBegin + other.size.at(sizes);
      if (&other != &logits && otherEnd > otherBegin && otherBegin < end && begin < otherEnd)
        return false;
    }
  }
  return true;
}

uint32_t chipWorkers(const engine::Plan &plan, const Capacity &capacity, uint32_t chip) {
  const uint64_t chips = capacity.chips.count, place = chip - capacity.chips.first;
  return static_cast<uint32_t>(capacity.workers * (place + 1) / chips -
                               capacity.workers * place / chips);
}

MemoryPlan planMemory(const engine::Plan &plan, const Capacity &c, uint32_t chip) {
  const engine::ChipPlan &planned = plan.chips[chip];
  engine::StepLimits sizes = c.limits();
  sizes.workers = chipWorkers(plan, c, chip);
  MemoryPlan memory;
  memory.storedWeights = planned.weightsBytes;
  memory.madeWeights = plan.madeWeightBytes(planned);
  memory.arena = planned.arena.at(sizes);
  if (const PoolShare pool = poolOf(plan, c, chip); pool.owner == chip)
    memory.kv = uint64_t(c.kvBlocks) * plan.kvBytesPerBlock(planned) / planned.kvHeads * pool.heads;
  memory.scratch = sizes.workers * plan.scratchBytes();
  memory.stepTables =
      planned.firstToken ? c.stepsInFlight * uint64_t(c.stepTokens) * sizeof(int32_t) : 0;
  return memory;
}

MemoryPlan planMemory(const engine::Plan &plan, const Capacity &c) {
  MemoryPlan sum;
  for (uint32_t chip = c.chips.first; chip < c.chips.end(); ++chip) {
    const MemoryPlan memory = planMemory(plan, c, chip);
    sum.storedWeights += memory.storedWeights;
    sum.madeWeights += memory.madeWeights;
    sum.arena += memory.arena;
    sum.kv += memory.kv;
    sum.scratch += memory.scratch;
    sum.stepTables += memory.stepTables;
  }
  sum.stepTables += c.stepsInFlight * StepTables::bytes(c);
  return sum;
}

} // namespace tenon::executor
