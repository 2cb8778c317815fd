//===- PropagateSharding.cpp - Annotate every value that is cut -----------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/shard/CutAnalysis.h"
#include "passes/shard/Passes.h"

#include "mlir/Dialect/Shard/IR/ShardDialect.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_PROPAGATESHARDINGPASS
#include "passes/shard/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::tenon;

namespace {
struct PropagateShardingPass : mlir::tenon::impl::PropagateShardingPassBase<PropagateShardingPass> {
  void runOnOperation() override {
    FailureOr<CutAnalysis> analysis = CutAnalysis::compute(getOperation());
    if (failed(analysis))
      return signalPassFailure();
    OpBuilder builder(&getContext());
    for (auto &[cutValue, cut] : analysis->all()) {
      Value value = cutValue;
      const bool annotated = value.getDefiningOp<shard::ShardOp>() ||
                             llvm::any_of(value.getUsers(), llvm::IsaPred<shard::ShardOp>);
      // Overlapping parts follow from the query's; upstream's annotation has no form for them.
      if (annotated || !cut.isContiguous())
        continue;
      builder.setInsertionPointAfterValue(value);
      Value result = annotate(builder, value.getLoc(), value, cut);
      value.replaceAllUsesExcept(result, result.getDefiningOp());
    }
  }
};
} // namespace
