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
      unsigned side = sum.getRhs().getDefiningOp<LinearOp>() ? 1 : 0;
      auto linear = sum->getOperand(side).getDefiningOp<LinearOp>();
      if (!linear)
        continue;
      std::string why;
      if (failed(fuse(rewriter, sum, linear, sum->getOperand(1 - side), why)))
        explainRejected(sum, kPass, why);
    }
  }

  static LogicalResult fuse(IRRewriter &rewriter, AddOp sum, LinearOp linear, Value residual,
                            std::string &why) {
    if (!linear->hasOneUse()) {
      why = "the product has another reader";
      return failure();
    }
    if (!mayUpdateInPlace(residual, sum, why))
      return failure();
    FailureOr<FusedOp> region =
        outline(rewriter, stringifyLaunchKind(LaunchKind::Linear), {linear, sum}, why);
    if (failed(region))
      return failure();
    explainFused(*region, kPass);
    return success();
  }
};
} // namespace
