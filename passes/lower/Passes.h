//===- Passes.h - The lower stage -------------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// From fused regions to a plan, and the passes on launches and kernels that follow.
//
#ifndef TENON_PASSES_LOWER_PASSES_H
#define TENON_PASSES_LOWER_PASSES_H

#include "dialects/plan/PlanDialect.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::tenon {

#define GEN_PASS_DECL
#include "passes/lower/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/lower/Passes.h.inc"

} // namespace mlir::tenon

#endif // TENON_PASSES_LOWER_PASSES_H
