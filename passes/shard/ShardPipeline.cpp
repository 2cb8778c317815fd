//===- ShardPipeline.cpp - The shard stage in its order -------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/shard/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"

using namespace mlir;

void mlir::tenon::buildShardPipeline(OpPassManager &manager, int64_t tensor, int64_t pipeline,
                                     int64_t replicas, bool narrow) {
  ShardStrategyPassOptions strategy;
  strategy.tensor = tensor;
  strategy.pipeline = pipeline;
  manager.addPass(createShardStrategyPass(strategy));
  manager.addPass(createPropagateShardingPass());
  manager.addPass(createPartitionPass());
  manager.addPass(createFoldCollectivesPass());
  if (narrow)
    manager.addPass(createNarrowCollectivesPass());
  manager.addPass(createVerifyPartitionPass());
  if (replicas != 1)
    manager.addPass(createReplicatePass({replicas}));
}

namespace {
struct ShardPipelineOptions : PassPipelineOptions<ShardPipelineOptions> {
  Option<int64_t> tensor{*this, "tensor", llvm::cl::desc("Chips that share each layer"),
                         llvm::cl::init(1)};
  Option<int64_t> pipeline{*this, "pipeline", llvm::cl::desc("Stages of consecutive layers"),
                           llvm::cl::init(1)};
  Option<int64_t> replicas{*this, "replicas", llvm::cl::desc("Such grids side by side"),
                           llvm::cl::init(1)};
  Option<bool> narrow{*this, "narrow", llvm::cl::desc("Chips add up products rounded to bf16"),
                      llvm::cl::init(false)};
};
} // namespace

void mlir::tenon::registerShardPipeline() {
  PassPipelineRegistration<ShardPipelineOptions>(
      "tenon-shard", "From one model to the programs of a grid: the whole shard stage",
      [](OpPassManager &manager, const ShardPipelineOptions &options) {
        buildShardPipeline(manager, options.tensor, options.pipeline, options.replicas,
                           options.narrow);
      });
}
