//===- Passes.h - The reblock stage -----------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Other formats for the weights than the checkpoint's. Types change here; the bytes are rounded
// when they are packed.
//
#ifndef TENON_PASSES_REBLOCK_PASSES_H
#define TENON_PASSES_REBLOCK_PASSES_H

#include "dialects/tenon/TenonDialect.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::tenon {

#define GEN_PASS_DECL
#include "passes/reblock/Passes.h.inc"

/// The whole stage, on a module: the pass, then upstream's elimination of equal functions, because
/// layers whose checkpoint formats differed may now be one.
void buildReblockPipeline(OpPassManager &manager, const ReblockWeightsPassOptions &options);
/// Makes it known to tools as --tenon-reblock="weights=... embedding=...".
void registerReblockPipeline();

#define GEN_PASS_REGISTRATION
#include "passes/reblock/Passes.h.inc"

} // namespace mlir::tenon

#endif // TENON_PASSES_REBLOCK_PASSES_H
