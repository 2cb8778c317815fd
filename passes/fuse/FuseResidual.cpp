//===- FuseResidual.cpp - Add the residual in the product before it -------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/fuse/Explain.h"
#include "passes/fuse/LaunchForm.h"
#include "passes/fuse/Outline.h"
#include "passes/fuse/Passes.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_FUSERESIDUALPASS
#include "passes/fuse/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::tenon;

namespace {
constexpr StringLiteral kPass = "FuseResidual";

struct FuseResidualPass : mlir::tenon::impl::FuseResidualPassBase<FuseResidualPass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<AddOp> sums(getOperation().getOps<AddOp>());
    for (AddOp sum : sums) {
      auto isTerm = [](Value value) {
        return isa_and_nonnull<LinearOp, AllReduceOp>(value.getDefiningOp());
      };
      const unsigned side = isTerm(sum.getRhs()) ? 1 : 0;
      if (!isTerm(sum->getOperand(side)))
        continue;
      std::string why;
      if (failed(fuse(rewriter, sum, sum->getOperand(side).getDefiningOp(),
                      sum->getOperand(1 - side), why)))
        explainRejected(sum, kPass, why);
    }
  }

  /// `term` is a product, or the sum over chips of the parts of one.
  static LogicalResult fuse(IRRewriter &rewriter, AddOp sum, Operation *term, Value residual,
                            std::string &why) {
    if (!term->hasOneUse()) {
      why = "the product has another reader";
      return failure();
    }
    if (!mayUpdateInPlace(residual, sum, why))
      return failure();
    FailureOr<FusedOp> region = outline(
        rewriter,
        stringifyLaunchKind(isa<LinearOp>(term) ? LaunchKind::Linear : LaunchKind::AllReduce),
        {term, sum}, why);
    if (failed(region))
      return failure();
    explainFused(*region, kPass);
    return success();
  }
};
} // namespace
