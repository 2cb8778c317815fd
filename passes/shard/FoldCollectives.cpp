//===- FoldCollectives.cpp - No collective too many -----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/shard/Cut.h"
#include "passes/shard/Passes.h"

#include "dialects/tenon/TenonOps.h"

#include "mlir/Dialect/Shard/IR/ShardDialect.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_FOLDCOLLECTIVESPASS
#include "passes/shard/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::tenon;

namespace {
struct FoldCollectivesPass : mlir::tenon::impl::FoldCollectivesPassBase<FoldCollectivesPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    IRRewriter rewriter(&getContext());
    module.walk([&](Operation *op) {
      if (isa<AllReduceOp, GatherColumnsOp>(op) &&
          gridSize(module, op->getAttrOfType<IntegerAttr>("axis").getInt()) == 1 &&
          op->getOperand(0).getType() == op->getResult(0).getType())
        rewriter.replaceOp(op, op->getOperand(0));
    });
    module.walk([&](AllReduceOp sum) { mergeEqual(rewriter, sum); });
    module.walk([&](AddOp add) { mergeSums(rewriter, add); });
  }

  /// An earlier sum of the same value is this one.
  static void mergeEqual(IRRewriter &rewriter, AllReduceOp sum) {
    for (Operation *user : sum.getInput().getUsers()) {
      auto other = dyn_cast<AllReduceOp>(user);
      if (other && other != sum && other.getAxis() == sum.getAxis() &&
          other->getBlock() == sum->getBlock() && other->isBeforeInBlock(sum))
        return rewriter.replaceOp(sum, other.getResult());
    }
  }

  /// add(all_reduce(a), all_reduce(b)) = all_reduce(add(a, b)).
  static void mergeSums(IRRewriter &rewriter, AddOp add) {
    auto a = add.getLhs().getDefiningOp<AllReduceOp>();
    auto b = add.getRhs().getDefiningOp<AllReduceOp>();
    if (!a || !b || a == b || a.getAxis() != b.getAxis() || !a->hasOneUse() || !b->hasOneUse())
      return;
    rewriter.setInsertionPoint(add);
    Value terms = AddOp::create(rewriter, add.getLoc(), a.getInput(), b.getInput());
    rewriter.replaceOpWithNewOp<AllReduceOp>(add, terms, a.getAxisAttr(), a.getCauseAttr());
    rewriter.eraseOp(a);
    rewriter.eraseOp(b);
  }
};
} // namespace
