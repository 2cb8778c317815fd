//===- LowerToPlan.h - From fused regions to a plan -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_PASSES_LOWER_LOWERTOPLAN_H
#define TENON_PASSES_LOWER_LOWERTOPLAN_H

#include "dialects/plan/PlanDialect.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace mlir::tenon {

struct LowerToPlanOptions {
  std::string target = "cpu";
  /// != 0: weights of the checkpoint are made at load, each from its own seed derived from this
  /// one.
  uint64_t randomSeed = 0;
};

/// The plan of a module that the fuse stage has finished with: launches, calls, weights and
/// buffers; places, limits and KV geometry are left open (zeros). `module` is not changed. Errors
/// are emitted at the op at fault.
FailureOr<OwningOpRef<plan::EngineOp>> lowerToPlan(ModuleOp module,
                                                   const LowerToPlanOptions &options);

} // namespace mlir::tenon

#endif // TENON_PASSES_LOWER_LOWERTOPLAN_H
