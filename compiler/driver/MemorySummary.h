//===- MemorySummary.h - What a plan occupies -------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_MEMORYSUMMARY_H
#define TENON_COMPILER_DRIVER_MEMORYSUMMARY_H

#include "dialects/plan/PlanDialect.h"

#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace tenon::compiler {

/// Bytes on one chip at the plan's default limits, as the runtime will count them.
struct MemorySummary {
  uint64_t storedWeights = 0; ///< Mapped from the engine.
  uint64_t madeWeights = 0;   ///< Random weights that are made at load.
  uint64_t activations = 0;   ///< The arena.
  uint64_t kv = 0;
  uint64_t workspace = 0; ///< The workers' scratch and the step's tables.
  uint64_t workers = 0;   ///< What the workspace was counted for.
  uint64_t total() const { return storedWeights + madeWeights + activations + kv + workspace; }
};

/// Bytes of a KV block in the layers and heads that a chip caches.
uint64_t kvBytesPerBlock(mlir::plan::EngineOp engine, mlir::plan::ChipOp chip);

/// The summary of `chip` for `workers` threads on it. The tables of the step are in that of chip 0.
MemorySummary summarizeMemory(mlir::plan::EngineOp engine, mlir::plan::ChipOp chip,
                              uint64_t workers);

/// The summaries of the chips of one replica of the plan. All replicas share `workers` threads;
/// each chip has at least one.
std::vector<MemorySummary> summarizeChips(mlir::plan::EngineOp engine, uint64_t workers);

/// "1.25 GiB", "330.5 KiB".
std::string formatBytes(uint64_t bytes);

/// Succeeds if every chip fits into `limit`; else the numbers of the fullest and what to do.
llvm::Error checkMemoryLimit(mlir::plan::EngineOp engine, llvm::ArrayRef<MemorySummary> chips,
                             uint64_t limit);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_MEMORYSUMMARY_H
