//===- Replicate.cpp - Several grids that work side by side ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/shard/Cut.h"
#include "passes/shard/Passes.h"

#include "mlir/Dialect/Shard/IR/ShardDialect.h"
#include "mlir/Dialect/Shard/IR/ShardOps.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_REPLICATEPASS
#include "passes/shard/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::tenon;

namespace {
struct ReplicatePass : mlir::tenon::impl::ReplicatePassBase<ReplicatePass> {
  using ReplicatePassBase::ReplicatePassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (replicas < 1 || replicas > TenonDialect::kMostReplicas) {
      module.emitError() << int64_t(replicas) << " replicas are wanted; 1 to "
                         << TenonDialect::kMostReplicas << " are possible";
      return signalPassFailure();
    }
    auto grid = SymbolTable::lookupNearestSymbolFrom<shard::GridOp>(
        module, StringAttr::get(&getContext(), kGridName));
    if (!grid) {
      module.emitError() << "has no shard.grid @" << kGridName << " to replicate";
      return signalPassFailure();
    }
    if (replicas == 1)
      grid->removeAttr(TenonDialect::kReplicasAttrName);
    else
      grid->setAttr(TenonDialect::kReplicasAttrName,
                    IntegerAttr::get(IntegerType::get(&getContext(), 64), replicas));
  }
};
} // namespace
