//===- EngineFuzz.cpp - Engines from hostile hands ------------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// Bytes that begin like an engine are opened as one, after their checksums were repaired so that
// what was changed gets past them; kernels are not loaded. Other bytes are taken for a plan
// section. Whatever is accepted must keep the promises that the executor builds on.
//
#include "runtime/engine/Engine.h"
#include "runtime/engine/PlanCheck.h"
#include "runtime/engine/PlanReader.h"
#include "runtime/engine/RandomWeights.h"
#include "runtime/executor/MemoryPlan.h"
#include "test/runtime/TinyEngine.h"

#include <cstdlib>
#include <cstring>

using namespace tenon;

namespace {

struct AlignedFree {
  void operator()(std::byte *p) const { std::free(p); }
};
using AlignedBytes = std::unique_ptr<std::byte[], AlignedFree>;

AlignedBytes alignedCopy(const std::byte *data, size_t size) {
  AlignedBytes copy(static_cast<std::byte *>(std::aligned_alloc(64, (size + 64) / 64 * 64)));
  std::memcpy(copy.get(), data, size);
  return copy;
}

void promise(bool kept) {
  if (!kept)
    std::abort();
}

/// What bind() of the executor relies on, for some capacities that the plan allows.
void checkPromises(const engine::Plan &plan) {
  for (const engine::CallPlan &call : plan.calls) {
    promise(call.function < plan.functions.size());
    for (const engine::LaunchPlan &launch : plan.functions[call.function].launches) {
      promise(launch.collective || launch.kernel < plan.kernels.size());
      for (const engine::ArgPlan &arg : launch.args)
        switch (arg.kind) {
        case engine::ArgKind::Buffer:
          promise(arg.index < plan.chips[0].buffers.size());
          break;
        case engine::ArgKind::Weight:
          promise(arg.index < plan.weights.size());
          break;
        case engine::ArgKind::LayerWeight:
          promise(arg.index < call.weights.size() && call.weights[arg.index] < plan.weights.size());
          break;
        case engine::ArgKind::KPool:
        case engine::ArgKind::VPool:
          promise(call.kvLayer < plan.kv.layers);
          break;
        default:
          promise(false);
        }
    }
  }
  for (const engine::WeightPlan &w : plan.weights)
    for (const engine::ChipPlan &chip : plan.chips)
      if (chip.program == w.program)
        promise(w.offset + w.size <=
                (w.randomSeed ? plan.madeWeightBytes(chip) : chip.weightsBytes));
  for (uint32_t tokens : {1u, plan.limits.defaultStepTokens, plan.limits.maxStepTokens})
    for (uint32_t sequences : {1u, plan.limits.maxSequences})
      for (uint32_t workers : {1u, 7u, engine::kMaxWorkers}) {
        executor::CapacityRequest request;
        request.stepTokens = tokens;
        request.sequences = sequences;
        request.workers = workers;
        const auto capacity = executor::chooseCapacity(plan, request);
        if (!capacity)
          continue;
        for (const engine::ChipPlan &chip : plan.chips) {
          const executor::MemoryPlan memory = executor::planMemory(plan, *capacity, chip.id);
          engine::StepLimits at = capacity->limits();
          at.workers = executor::chipWorkers(plan, *capacity, chip.id);
          for (const engine::BufferPlan &b : chip.buffers)
            promise(b.offset.at(at) % 64 == 0 && b.offset.at(at) + b.size.at(at) <= memory.arena);
        }
        promise(
            plan.chips[plan.logitsChip()].buffers[plan.logitsBuffer].size.at(capacity->limits()) >=
            uint64_t(capacity->logitRows) * plan.model.vocabulary * sizeof(float));
      }
  if (const uint64_t bytes = plan.madeWeightBytes(plan.chips.front());
      bytes && bytes <= (1u << 18)) {
    AlignedBytes region(static_cast<std::byte *>(std::aligned_alloc(64, (bytes + 63) / 64 * 64)));
    std::memset(region.get(), 0, bytes);
    engine::makeWeights(plan, plan.chips.front(), region.get(), 1);
  }
}

void openAsEngine(const std::byte *data, size_t size) {
  test::Bytes file(data, data + size);
  test::repairChecksums(file);
  const AlignedBytes copy = alignedCopy(file.data(), file.size());
  engine::EngineOptions options;
  options.runnable = false;
  options.verifyWeights = true;
  const auto opened = engine::Engine::fromMemory({copy.get(), file.size()}, "fuzz", options);
  if (opened)
    checkPromises((*opened)->plan());
}

void openAsPlan(const std::byte *data, size_t size) {
  const AlignedBytes copy = alignedCopy(data, size);
  const auto plan = engine::readPlan({copy.get(), size});
  if (!plan)
    return;
  std::vector<uint64_t> sections;
  for (const engine::ChipPlan &chip : plan->chips)
    sections.push_back(chip.weightsBytes);
  if (engine::checkPlan(*plan, sections))
    checkPromises(*plan);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const auto *bytes = reinterpret_cast<const std::byte *>(data);
  if (size >= 8 && std::memcmp(data, engine::kMagic, 4) == 0)
    openAsEngine(bytes, size);
  else
    openAsPlan(bytes, size);
  return 0;
}
