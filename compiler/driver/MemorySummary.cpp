//===- MemorySummary.cpp - What a plan occupies ---------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/MemorySummary.h"

#include "runtime/device/cpu/KernelAbi.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>

namespace tenon::compiler {

using namespace mlir::plan;

/// Token ids, positions, sequences, attention tiles, logit rows and block tables, as the executor
/// keeps them.
static uint64_t stepTableBytes(LimitsOp limits, KvOp kv) {
  const uint64_t blocks = llvm::divideCeil(limits.getMaxContext(), kv.getBlockTokens());
  return limits.getDefaultStepTokens() * (3 * sizeof(int32_t) + sizeof(cpu::AttentionTile)) +
         limits.getDefaultSequences() * (1 + blocks) * sizeof(int32_t);
}

MemorySummary summarizeMemory(EngineOp engine, ChipOp chip, uint64_t workers) {
  LimitsOp limits = engine.getLimits();
  uint64_t scratch = 0;
  for (KernelOp kernel : engine.getOps<KernelOp>())
    scratch = std::max(scratch, llvm::alignTo(kernel.getScratchBytes(), 64));
  MemorySummary memory;
  memory.workers = workers;
  memory.storedWeights = chip.getWeightsBytes();
  memory.madeWeights = engine.getMadeWeightBytes(chip.getProgramNumber());
  memory.activations =
      chip.getArena().at(limits.getDefaultStepTokens(), limits.getDefaultSequences(), workers);
  const uint64_t block = engine.getKv().getBytesPerBlock();
  memory.kv = block ? limits.getDefaultKvBytes() / block * kvBytesPerBlock(engine, chip) : 0;
  memory.workspace = scratch * workers;
  if (chip.getId() == 0)
    memory.workspace += stepTableBytes(limits, engine.getKv());
  if (chip.getFirstToken().value_or(0))
    memory.workspace += limits.getDefaultStepTokens() * sizeof(int32_t);
  return memory;
}

uint64_t kvBytesPerBlock(EngineOp engine, ChipOp chip) {
  KvOp kv = engine.getKv();
  const uint64_t layers = chip.getKvLayers() ? *chip.getKvLayers() : uint64_t(kv.getLayers());
  const uint64_t heads = chip.getKvHeads() ? *chip.getKvHeads() : uint64_t(kv.getKvHeads());
  return 2 * layers * heads * kv.getHeadDim() * kv.getBlockTokens() * kv.getElementBytes();
}

std::vector<MemorySummary> summarizeChips(EngineOp engine, uint64_t workers) {
  std::vector<MemorySummary> summaries;
  const uint64_t chips = llvm::range_size(engine.getOps<ChipOp>());
  workers = std::max(workers / engine.getNumReplicas(), chips);
  for (ChipOp chip : engine.getOps<ChipOp>())
    summaries.push_back(summarizeMemory(
        engine, chip, workers * (chip.getId() + 1) / chips - workers * chip.getId() / chips));
  return summaries;
}

std::string formatBytes(uint64_t bytes) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = bytes;
  unsigned unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(units); ++unit)
    value /= 1024;
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format(unit == 0    ? "%.0f "
                                                 : value < 10 ? "%.2f "
                                                              : "%.1f ",
                                                 value)
                                 << units[unit];
  return text;
}

llvm::Error checkMemoryLimit(EngineOp engine, llvm::ArrayRef<MemorySummary> chips, uint64_t limit) {
  const auto *fullest =
      llvm::max_element(chips, [](const auto &a, const auto &b) { return a.total() < b.total(); });
  const MemorySummary &memory = *fullest;
  if (memory.total() <= limit)
    return llvm::Error::success();
  ChipOp chip = *std::next(engine.getOps<ChipOp>().begin(), fullest - chips.begin());
  const uint64_t block = kvBytesPerBlock(engine, chip);
  std::string message;
  llvm::raw_string_ostream out(message);
  out << "the plan needs " << formatBytes(memory.total()) << " on chip " << fullest - chips.begin()
      << " (weights " << formatBytes(memory.storedWeights + memory.madeWeights) << ", activations "
      << formatBytes(memory.activations) << ", KV cache " << formatBytes(memory.kv)
      << ", workspace " << formatBytes(memory.workspace) << ") and " << formatBytes(limit)
      << " are given; ";

  // The default KV memory is one sequence of the context and room for others (PlanLimits); the room
  // stays.
  KvOp kv = engine.getKv();
  const uint64_t longest = engine.getLimits().getMaxContext();
  const uint64_t others = memory.total() - memory.kv;
  const uint64_t blocks = limit > others ? (limit - others) / block : 0;
  const uint64_t contextBlocks = llvm::divideCeil(longest, kv.getBlockTokens());
  const uint64_t planned = memory.kv / block;
  const uint64_t room = planned - std::min(planned, contextBlocks);
  if (blocks > room)
    out << "try --max-context " << std::min(longest, (blocks - room) * kv.getBlockTokens());
  else
    out << "a shorter context does not help; try --chips " << 2 * chips.size()
        << (engine.getNumReplicas() > 1 ? " for each replica" : "")
        << ", a smaller model, or one with smaller weights";
  return llvm::createStringError(message);
}

} // namespace tenon::compiler
