//===- FusePipeline.cpp - The fuse stage in its order ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/fuse/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"

using namespace mlir;

void mlir::tenon::buildFusePipeline(OpPassManager &manager,
                                    const QuantizeActivationsPassOptions &rows) {
  // Compute only what is needed.
  manager.addNestedPass<func::FuncOp>(createHoistRowSelectionPass());
  manager.addPass(createKeepRowsPass());
  OpPassManager &function = manager.nest<func::FuncOp>();
  // Bring the ops into the form that the fusions look for.
  function.addPass(createSplitAttentionPass());
  function.addPass(createQuantizeActivationsPass(rows));
  // Fusions around products first: they take the quantisation of their results with them. Post
  // norms before residuals and plain norms, which would take one of their parts.
  function.addPass(createFuseQkvPass());
  function.addPass(createFuseGatePass());
  function.addPass(createFusePostNormPass());
  function.addPass(createFuseRoundPass());
  function.addPass(createFuseResidualPass());
  function.addPass(createFuseNormQuantizePass());
  function.addPass(createFuseAttentionPass());
  // What is left alone, and the check.
  function.addPass(createOutlineLaunchesPass());
  manager.addPass(createVerifyFusedPass());
}

void mlir::tenon::registerFusePipeline() {
  PassPipelineRegistration<>("tenon-fuse", "From ops to launches: the whole fuse stage",
                             [](OpPassManager &manager) { buildFusePipeline(manager); });
}
