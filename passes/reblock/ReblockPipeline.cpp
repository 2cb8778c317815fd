//===- ReblockPipeline.cpp - The reblock stage in its order ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/reblock/Passes.h"

#include "mlir/Dialect/Func/Transforms/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"

using namespace mlir;

void mlir::tenon::buildReblockPipeline(OpPassManager &manager,
                                       const ReblockWeightsPassOptions &options) {
  manager.addPass(createReblockWeightsPass(options));
  manager.addPass(func::createDuplicateFunctionEliminationPass());
}

namespace {
struct ReblockPipelineOptions : PassPipelineOptions<ReblockPipelineOptions> {
  Option<std::string> weights{*this, "weights", llvm::cl::desc("Format of matrices within layers"),
                              llvm::cl::init("")};
  Option<std::string> embedding{*this, "embedding",
                                llvm::cl::desc("Format of the embedding and output matrices"),
                                llvm::cl::init("")};
};
} // namespace

void mlir::tenon::registerReblockPipeline() {
  PassPipelineRegistration<ReblockPipelineOptions>(
      "tenon-reblock",
      "Other stored formats, and layers that became equal: the whole reblock stage",
      [](OpPassManager &manager, const ReblockPipelineOptions &options) {
        buildReblockPipeline(manager, {options.weights, options.embedding});
      });
}
