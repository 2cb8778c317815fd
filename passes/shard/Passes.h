//===- Passes.h - The shard stage -------------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// From one model to the programs of a grid of chips: strategy, propagation, partition, collectives.
// After this stage the module holds one module for each distinct program; chips whose parts have
// equal sizes share one. docs/decisions/0006-sharding.md says why it is so.
//
#ifndef TENON_PASSES_SHARD_PASSES_H
#define TENON_PASSES_SHARD_PASSES_H

#include "dialects/tenon/TenonDialect.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::tenon {

#define GEN_PASS_DECL
#include "passes/shard/Passes.h.inc"

/// The whole stage in its order, on a module, for `replicas` grids of `tensor` x `pipeline` chips.
/// With `narrow` they add up products that are rounded to bf16.
void buildShardPipeline(OpPassManager &manager, int64_t tensor, int64_t pipeline,
                        int64_t replicas = 1, bool narrow = false);

/// Registers `--tenon-shard`.
void registerShardPipeline();

#define GEN_PASS_REGISTRATION
#include "passes/shard/Passes.h.inc"

} // namespace mlir::tenon

#endif // TENON_PASSES_SHARD_PASSES_H
