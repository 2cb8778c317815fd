//===- Passes.h - The fuse stage --------------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// From ops to launches: after this stage every function body is a list of tenon.fused regions, one
// for each kernel launch.
//
#ifndef TENON_PASSES_FUSE_PASSES_H
#define TENON_PASSES_FUSE_PASSES_H

#include "dialects/tenon/TenonDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::tenon {

#define GEN_PASS_DECL
#include "passes/fuse/Passes.h.inc"

/// The whole stage in its order, on a module; ends with `VerifyFused`. `rows`: how activations are
/// quantised.
void buildFusePipeline(OpPassManager &manager, const QuantizeActivationsPassOptions &rows = {});

/// Registers `--tenon-fuse`.
void registerFusePipeline();

#define GEN_PASS_REGISTRATION
#include "passes/fuse/Passes.h.inc"

} // namespace mlir::tenon

#endif // TENON_PASSES_FUSE_PASSES_H
