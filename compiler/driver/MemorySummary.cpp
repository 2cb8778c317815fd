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

MemorySummary summarizeMemory(EngineOp engine, uint64_t workers) {
  LimitsOp limits = engine.getLimits();
  uint64_t scratch = 0;
  for (KernelOp kernel : engine.getOps<KernelOp>())
    scratch = std::max(scratch, llvm::alignTo(kernel.getScratchBytes(), 64));
  MemorySummary memory;
  memory.workers = workers;
  memory.storedWeights = engine.getFirstChip().getWeightsBytes();
  memory.madeWeights = engine.getMadeWeightBytes();
  memory.activations = engine.getFirstChip().getArena().at(limits.getDefaultStepTokens(),
                                                           limits.getDefaultSequences(), workers);
  const uint64_t block = engine.getKv().getBytesPerBlock();
  memory.kv = block ? limits.getDefaultKvBytes() / block * block : 0;
  memory.workspace = scratch * workers + stepTableBytes(limits, engine.getKv());
  return memory;
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

llvm::Error checkMemoryLimit(EngineOp engine, uint64_t workers, uint64_t limit) {
  const MemorySummary memory = summarizeMemory(engine, workers);
  if (memory.total() <= limit)
    return llvm::Error::success();
  std::string message;
  llvm::raw_string_ostream out(message);
  out << "the plan needs " << formatBytes(memory.total()) << " on chip 0 (weights "
      << formatBytes(memory.storedWeights + memory.madeWeights) << ", activations "
      << formatBytes(memory.activations) << ", KV cache " << formatBytes(memory.kv)
      << ", workspace " << formatBytes(memory.workspace) << ") and " << formatBytes(limit)
      << " are given; ";

  // The default KV memory is one sequence of the context and room for others (PlanLimits); the room
  // stays.
  KvOp kv = engine.getKv();
  const uint64_t longest = engine.getLimits().getMaxContext();
  const uint64_t others = memory.total() - memory.kv;
  const uint64_t blocks = limit > others ? (limit - others) / kv.getBytesPerBlock() : 0;
  const uint64_t contextBlocks = llvm::divideCeil(longest, kv.getBlockTokens());
  const uint64_t planned = memory.kv / kv.getBytesPerBlock();
  const uint64_t room = planned - std::min(planned, contextBlocks);
  if (blocks > room)
    out << "try --max-context " << std::min(longest, (blocks - room) * kv.getBlockTokens());
  else
    out << "a shorter context does not help; compile a smaller model, or one with smaller weights";
  return llvm::createStringError(message);
}

} // namespace tenon::compiler
