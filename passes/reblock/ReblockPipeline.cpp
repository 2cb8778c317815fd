//===- ReblockPipeline.cpp - The reblock stage in its order ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/reblock/Passes.h"

#include "mlir/Dialect/Func/Transforms/Passes.h"
#include "mlir/Pass/PassManager.h"

void mlir::tenon::buildReblockPipeline(OpPassManager &manager,
                                       const ReblockWeightsPassOptions &options) {
  manager.addPass(createReblockWeightsPass(options));
  manager.addPass(func::createDuplicateFunctionEliminationPass());
}
