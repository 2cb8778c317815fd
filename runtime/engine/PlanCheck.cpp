//===- PlanCheck.cpp - Does a plan hold together? -------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/engine/PlanCheck.h"

#include "runtime/engine/CollectiveCheck.h"
#include "runtime/engine/LaunchCheck.h"
#include "runtime/engine/PlanError.h"

#include "runtime/device/cpu/KernelAbi.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <vector>

namespace tenon::engine {

namespace {

class Checker {
public:
  Checker(const Plan &plan, std::span<const uint64_t> sections) : plan(plan), sections(sections) {}

  Status run() {
    TENON_RETURN_IF_ERROR(checkModelAndLimits());
    TENON_RETURN_IF_ERROR(checkKv());
    TENON_RETURN_IF_ERROR(checkChips());
    TENON_RETURN_IF_ERROR(checkWeights());
    TENON_RETURN_IF_ERROR(checkPooling());
    TENON_RETURN_IF_ERROR(checkKernels());
    TENON_RETURN_IF_ERROR(checkLaunches(plan));
    return checkCollectives(plan);
  }

private:
  Status checkModelAndLimits();
  Status checkKv();
  Status checkChips();
  Status checkBuffers(const ChipPlan &chip);
  Status checkWeights();
  Status checkPooling();
  Status checkKernels();

  /// The corners of the box of limits that the plan allows: a linear inequality that holds at all
  /// of them holds everywhere inside.
  std::array<StepLimits, 8> corners() const {
    std::array<StepLimits, 8> box;
    const uint64_t tokens = (plan.limits.maxStepTokens + 15) / 16 * 16;
    const uint64_t rows =
        (std::max(plan.limits.maxSequences, plan.limits.maxStepTokens) + 15) / 16 * 16;
    for (size_t i = 0; i < box.size(); ++i)
      box[i] = {i & 1 ? tokens : 16, i & 2 ? rows : 16, i & 4 ? uint64_t(kMaxWorkers) : 1};
    return box;
  }

  const Plan &plan;
  std::span<const uint64_t> sections;
};

Status Checker::checkModelAndLimits() {
  const LimitsPlan &l = plan.limits;
  if (plan.model.vocabulary == 0 || plan.model.vocabulary > (1u << 24))
    return bad("the vocabulary has {} tokens; 1 to {} are possible", plan.model.vocabulary,
               1u << 24);
  for (int32_t token : plan.model.eos)
    if (token < 0 || uint32_t(token) >= plan.model.vocabulary)
      return bad("end-of-text token {} lies outside the vocabulary of {}", token,
                 plan.model.vocabulary);
  if (plan.model.bos >= 0 && uint32_t(plan.model.bos) >= plan.model.vocabulary)
    return bad("begin-of-text token {} lies outside the vocabulary of {}", plan.model.bos,
               plan.model.vocabulary);
  auto within = [](uint32_t smaller, uint32_t larger, uint32_t bound) {
    return smaller >= 1 && smaller <= larger && larger <= bound;
  };
  if (!within(1, l.maxContext, kMaxContext))
    return bad("limits: a context of {} positions; 1 to {} are possible", l.maxContext,
               kMaxContext);
  if (!within(l.defaultStepTokens, l.maxStepTokens, kMaxStepTokens))
    return bad("limits: {} step tokens by default and {} at most; 1 to {} are possible",
               l.defaultStepTokens, l.maxStepTokens, kMaxStepTokens);
  if (!within(l.defaultSequences, l.maxSequences, kMaxSequences))
    return bad("limits: {} sequences by default and {} at most; 1 to {} are possible",
               l.defaultSequences, l.maxSequences, kMaxSequences);
  return Status::ok();
}

Status Checker::checkKv() {
  const KvPlan &kv = plan.kv;
  if (kv.blockTokens != cpu::kBlockTokens)
    return bad("kv: blocks of {} tokens; this runtime's kernels use {}", kv.blockTokens,
               cpu::kBlockTokens);
  if (kv.elementBytes != 2)
    return bad("kv: elements of {} bytes; 2 (f16) is what this runtime knows", kv.elementBytes);
  if (kv.layers == 0 || kv.layers > 65536 || kv.kvHeads == 0 || kv.kvHeads > 65536 ||
      kv.headDim == 0 || kv.headDim > 65536)
    return bad("kv: {} layers x {} heads x {} dimensions is impossible", kv.layers, kv.kvHeads,
               kv.headDim);
  const uint64_t layerBytes = 2 * kv.layerBlockBytes(); // <= 2^38
  if (layerBytes * kv.layers != kv.bytesPerBlock)
    return bad("kv: bytes_per_block is {}, but {} layers of {} bytes (K and V) make {}",
               kv.bytesPerBlock, kv.layers, layerBytes, layerBytes * kv.layers);
  return Status::ok();
}

Status Checker::checkChips() {
  uint64_t grid = plan.grid.empty() ? 0 : 1;
  for (uint32_t side : plan.grid)
    grid = side == 0 || grid > 65536 ? 0 : grid * side;
  if (grid == 0 || grid != plan.chips.size())
    return bad("the grid has {} chips and the plan describes {}", grid, plan.chips.size());
  if (plan.replicas == 0 || plan.replicas > kMaxReplicas || plan.replicas * grid > 65536)
    return bad("{} replicas of {} chips; 1 to {} are possible, and 65536 chips together",
               plan.replicas, grid, kMaxReplicas);
  for (size_t i = 0; i < plan.chips.size(); ++i) {
    const ChipPlan &chip = plan.chips[i];
    if (chip.id != i)
      return bad("chip {} calls itself {}", i, chip.id);
    const uint64_t section = i < sections.size() ? sections[i] : 0;
    if (chip.weightsBytes != section)
      return bad("chip {} has {} bytes of weights, but its weights section has {}", i,
                 chip.weightsBytes, section);
    if (chip.program >= plan.chips.size())
      return bad("chip {} runs program {}; {} chips have no more programs than that", i,
                 chip.program, plan.chips.size());
    if (chip.kvLayers == 0 || chip.kvLayers > plan.kv.layers || chip.kvHeads == 0 ||
        chip.kvHeads > plan.kv.kvHeads)
      return bad("chip {} caches {} layers of {} heads; the model has {} of {}", i, chip.kvLayers,
                 chip.kvHeads, plan.kv.layers, plan.kv.kvHeads);
    if (chip.firstKvHead > plan.kv.kvHeads - chip.kvHeads)
      return bad("chip {} caches {} KV heads from {} on; the model has {}", i, chip.kvHeads,
                 chip.firstKvHead, plan.kv.kvHeads);
    if (chip.firstToken >= plan.model.vocabulary)
      return bad("chip {}: its first token is {} of {}", i, chip.firstToken, plan.model.vocabulary);
    if (chip.buffers.size() != plan.chips[0].buffers.size())
      return bad("chip {} has {} buffers and chip 0 has {}; one program needs equal lists", i,
                 chip.buffers.size(), plan.chips[0].buffers.size());
    TENON_RETURN_IF_ERROR(checkBuffers(chip));
  }
  if (plan.logitsBuffer >= plan.chips[0].buffers.size())
    return bad("logits_buffer is {}, and there are {} buffers", plan.logitsBuffer,
               plan.chips[0].buffers.size());
  if (plan.logitsBlock != 0 && plan.logitsBlock != cpu::kLogitsBlock)
    return bad("logits_block is {}; this runtime reads maxima of blocks of {}", plan.logitsBlock,
               cpu::kLogitsBlock);
  if (plan.logitsBlock != 0 && plan.grid.size() > 1 && plan.grid.front() > 1)
    return bad("logits_block is {} and the chips form {} stages, whose steps leave no room behind "
               "their logits",
               plan.logitsBlock, plan.grid.front());
  const ChipPlan &chip = plan.chips[plan.logitsChip()];
  const uint64_t rowFloats = uint64_t(plan.model.vocabulary) +
                             (plan.logitsBlock ? cpu::logitsBlocks(plan.model.vocabulary) : 0);
  for (const StepLimits &at : corners()) {
    const uint64_t needed = at.logitRows * rowFloats * sizeof(float);
    if (chip.buffers[plan.logitsBuffer].size.at(at) < needed)
      return bad("logits buffer '{}' has {} bytes for {} rows of {} logits, which need {}",
                 chip.buffers[plan.logitsBuffer].name, chip.buffers[plan.logitsBuffer].size.at(at),
                 at.logitRows, plan.model.vocabulary, needed);
  }
  return Status::ok();
}

Status Checker::checkPooling() {
  if (!plan.pooling)
    return Status::ok();
  const PoolingPlan &pooling = *plan.pooling;
  const ChipPlan &chip = plan.chips[plan.logitsChip()];
  if (pooling.hiddenBuffer >= chip.buffers.size())
    return bad("pooling reads buffer {}, and there are {}", pooling.hiddenBuffer,
               chip.buffers.size());
  for (const StepLimits &at : corners())
    if (chip.buffers[pooling.hiddenBuffer].size.at(at) <
        at.tokens * plan.model.hidden * sizeof(float))
      return bad("pooling reads buffer '{}', which has {} bytes for {} rows of {}",
                 chip.buffers[pooling.hiddenBuffer].name,
                 chip.buffers[pooling.hiddenBuffer].size.at(at), at.tokens, plan.model.hidden);
  if (pooling.normWeight >= plan.weights.size())
    return bad("pooling reads weight {}, and there are {}", pooling.normWeight,
               plan.weights.size());
  const WeightPlan &norm = plan.weights[pooling.normWeight];
  if (norm.packed || norm.rows != 1 || norm.columns != plan.model.hidden ||
      norm.program != chip.program)
    return bad("pooling's norm '{}' is not one plain row of {} columns of program {}", norm.name,
               plan.model.hidden, chip.program);
  if (!(pooling.normEps >= 0 && pooling.normEps < 1))
    return bad("pooling's eps is {}", pooling.normEps);
  return Status::ok();
}

Status Checker::checkBuffers(const ChipPlan &chip) {
  auto small = [](const LinearForm &f) {
    return std::max({f.fixed, f.perToken, f.perLogitRow, f.perWorker}) <= kMaxCoefficient;
  };
  if (!small(chip.arena))
    return bad("chip {}: the arena's form has a coefficient above {}", chip.id, kMaxCoefficient);
  for (size_t i = 0; i < chip.buffers.size(); ++i) {
    const BufferPlan &b = chip.buffers[i];
    if (!small(b.offset) || !small(b.size))
      return bad("chip {} buffer {} ('{}'): a coefficient above {}", chip.id, i, b.name,
                 kMaxCoefficient);
    // T and S are multiples of 16, W is not.
    if (b.offset.fixed % 64 || b.offset.perToken % 4 || b.offset.perLogitRow % 4 ||
        b.offset.perWorker % 64)
      return bad("chip {} buffer {} ('{}'): its offset is not always a multiple of 64", chip.id, i,
                 b.name);
    for (const StepLimits &at : corners())
      if (b.offset.at(at) + b.size.at(at) > chip.arena.at(at))
        return bad(
            "chip {} buffer {} ('{}'): ends at {} of an arena of {} bytes for T={} S={} W={}",
            chip.id, i, b.name, b.offset.at(at) + b.size.at(at), chip.arena.at(at), at.tokens,
            at.logitRows, at.workers);
  }
  return Status::ok();
}

Status Checker::checkWeights() {
  std::map<uint32_t, std::vector<std::pair<uint64_t, uint64_t>>> made; // by program
  for (size_t i = 0; i < plan.weights.size(); ++i) {
    const WeightPlan &w = plan.weights[i];
    const FormatInfo format = formatInfo(w.format);
    if (w.rows == 0 || w.columns == 0 || w.rows > (1u << 28) || w.columns > (1u << 28) ||
        w.rows * w.columns > kMaxCoefficient)
      return bad("weight {} ('{}'): a shape of {} x {} is impossible", i, w.name, w.rows,
                 w.columns);
    if (!w.packed && w.format != WeightFormat::F32)
      return bad("weight {} ('{}'): plain weights are f32, this one is {}", i, w.name, format.name);
    if (w.packed && w.columns % format.kMultiple)
      return bad("weight {} ('{}'): {} columns, and {} needs a multiple of {}", i, w.name,
                 w.columns, format.name, format.kMultiple);
    const uint64_t bytes =
        w.packed ? packedBytes(w.format, w.rows, w.columns) : w.rows * w.columns * 4;
    if (w.size != bytes)
      return bad("weight {} ('{}'): size {} stated, but {} x {} in {} takes {}", i, w.name, w.size,
                 w.rows, w.columns, format.name, bytes);
    if (w.offset % 64)
      return bad("weight {} ('{}'): offset {} is not a multiple of 64", i, w.name, w.offset);
    if (w.program >= plan.chips.size())
      return bad("weight {} ('{}'): it belongs to program {}, and there are {} chips", i, w.name,
                 w.program, plan.chips.size());
    if (!w.partBegins.empty() && w.partBegins.size() != plan.grid.back())
      return bad("weight {} ('{}'): parts for {} chips, and {} share it", i, w.name,
                 w.partBegins.size(), plan.grid.back());
    if (w.randomSeed) {
      if (w.offset > kMaxCoefficient)
        return bad("weight {} ('{}'): made at offset {}, above {}", i, w.name, w.offset,
                   kMaxCoefficient);
      made[w.program].emplace_back(w.offset, w.offset + w.size);
      continue;
    }
    for (const ChipPlan &chip : plan.chips)
      if (chip.program != w.program)
        continue;
      else if (w.offset > chip.weightsBytes || w.size > chip.weightsBytes - w.offset)
        return bad(
            "weight {} ('{}'): bytes {} to {} lie outside the weights section of chip {}, which "
            "has {}",
            i, w.name, w.offset, w.offset + w.size, chip.id, chip.weightsBytes);
  }
  for (auto &[program, ranges] : made) {
    std::sort(ranges.begin(), ranges.end());
    for (size_t i = 1; i < ranges.size(); ++i)
      if (ranges[i].first < ranges[i - 1].second)
        return bad("two weights that are made at load overlap at byte {}", ranges[i].first);
  }
  return Status::ok();
}

Status Checker::checkKernels() {
  for (size_t i = 0; i < plan.kernels.size(); ++i) {
    const KernelPlan &k = plan.kernels[i];
    if (k.symbol.empty() || k.symbol.size() > 4096 || k.symbol.find('\0') != std::string::npos)
      return bad("kernel {}: its symbol is empty, has a NUL or is too long", i);
    if (k.scratchBytes > (uint64_t(1) << 32))
      return bad("kernel {} ('{}'): {} bytes of scratch are too many", i, k.symbol, k.scratchBytes);
  }
  return Status::ok();
}

} // namespace

Status checkPlan(const Plan &plan, std::span<const uint64_t> weightsSectionBytes) {
  return Checker(plan, weightsSectionBytes).run();
}

} // namespace tenon::engine
