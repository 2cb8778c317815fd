//===- NarrowCollectives.cpp - Fewer bytes between chips ------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/shard/Passes.h"

#include "dialects/tenon/TenonOps.h"

#include "mlir/Dialect/Shard/IR/ShardDialect.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_NARROWCOLLECTIVESPASS
#include "passes/shard/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::tenon;

namespace {
struct NarrowCollectivesPass : mlir::tenon::impl::NarrowCollectivesPassBase<NarrowCollectivesPass> {
  void runOnOperation() override {
    getOperation().walk([](AllReduceOp sum) {
      auto product = sum.getInput().getDefiningOp<LinearOp>();
      if (!product || !product->hasOneUse())
        return;
      OpBuilder builder(sum);
      auto rounded = RoundRowsOp::create(builder, product.getLoc(), product.getResult());
      sum.getInputMutable().assign(rounded);
    });
  }
};
} // namespace
