//===- Passes.h - The memory stage ------------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Where everything lies: weights, activations, KV blocks. Works on a plan whose launches are fixed.
//
#ifndef TENON_PASSES_MEMORY_PASSES_H
#define TENON_PASSES_MEMORY_PASSES_H

#include "dialects/plan/PlanDialect.h"

#include "mlir/Pass/Pass.h"

namespace mlir::tenon {

#define GEN_PASS_DECL
#include "passes/memory/Passes.h.inc"

/// The stage in its order, on a `plan.engine`.
void buildMemoryPipeline(OpPassManager &manager);
/// Makes it known to tools as --tenon-memory.
void registerMemoryPipeline();

#define GEN_PASS_REGISTRATION
#include "passes/memory/Passes.h.inc"

} // namespace mlir::tenon

#endif // TENON_PASSES_MEMORY_PASSES_H
