//===- MemoryPipeline.cpp - The memory stage in its order -----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/memory/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"

void mlir::tenon::buildMemoryPipeline(OpPassManager &manager) {
  manager.addPass(createOrderWeightsPass());
  manager.addPass(createPlanArenaPass());
  manager.addPass(createPlanKvBlocksPass());
  manager.addPass(createPlanLimitsPass());
}

void mlir::tenon::registerMemoryPipeline() {
  PassPipelineRegistration<>("tenon-memory", "Where everything lies: the whole memory stage",
                             [](OpPassManager &manager) { buildMemoryPipeline(manager); });
}
