//===- MemorySummary.h - What a plan occupies -------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_MEMORYSUMMARY_H
#define TENON_COMPILER_DRIVER_MEMORYSUMMARY_H

#include "dialects/plan/PlanDialect.h"

#include "llvm/Support/Error.h"

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

/// The summary of each chip for `workers` threads; chips are alike in everything but their weights.
MemorySummary summarizeMemory(mlir::plan::EngineOp engine, uint64_t workers);

/// "1.25 GiB", "330.5 KiB".
std::string formatBytes(uint64_t bytes);

/// Succeeds if the plan fits into `limit`; else the numbers and what to do.
llvm::Error checkMemoryLimit(mlir::plan::EngineOp engine, uint64_t workers, uint64_t limit);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_MEMORYSUMMARY_H
