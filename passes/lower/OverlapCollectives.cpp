//===- OverlapCollectives.cpp - Rows that travel while chips compute ------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/lower/Passes.h"

#include "dialects/plan/PlanDialect.h"

#include "mlir/IR/Builders.h"

#include <algorithm>

namespace mlir::tenon {
#define GEN_PASS_DEF_OVERLAPCOLLECTIVESPASS
#include "passes/lower/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::plan;

namespace {
struct OverlapCollectivesPass
    : mlir::tenon::impl::OverlapCollectivesPassBase<OverlapCollectivesPass> {
  using OverlapCollectivesPassBase::OverlapCollectivesPassBase;

  void runOnOperation() override {
    EngineOp engine = getOperation();
    if (from == 0 || block == 0) {
      engine.emitError("collectives overlap in steps and blocks of a row or more, not of 0");
      return signalPassFailure();
    }
    Builder builder(engine.getContext());
    for (FunctionOp function : engine.getOps<FunctionOp>()) {
      LaunchOp taken; // By the collective before.
      for (CollectiveOp op : function.getBody().getOps<CollectiveOp>()) {
        const uint64_t own = op.getOwnRows().value_or(0);
        LaunchOp product = own ? op.getProduct() : LaunchOp();
        if (!product || product == taken)
          continue;
        op.setOverlapAttr(builder.getI64IntegerAttr(std::max<uint64_t>(from, own)));
        op.setBlocksAttr(builder.getI64IntegerAttr(block));
        taken = product;
      }
    }
  }
};
} // namespace
