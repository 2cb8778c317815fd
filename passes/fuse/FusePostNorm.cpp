//===- FusePostNorm.cpp - Post norm, residual sum and the next norm -------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/fuse/Explain.h"
#include "passes/fuse/LaunchForm.h"
#include "passes/fuse/Outline.h"
#include "passes/fuse/Passes.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_FUSEPOSTNORMPASS
#include "passes/fuse/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::tenon;

namespace {
constexpr StringLiteral kPass = "FusePostNorm";

struct FusePostNormPass : mlir::tenon::impl::FusePostNormPassBase<FusePostNormPass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<AddOp> sums(getOperation().getOps<AddOp>());
    for (AddOp sum : sums) {
      // The norm is mostly the second operand; a sum of two norms takes that one.
      unsigned side = sum.getRhs().getDefiningOp<RmsNormOp>() ? 1 : 0;
      auto postNorm = sum->getOperand(side).getDefiningOp<RmsNormOp>();
      if (!postNorm)
        continue;
      std::string why;
      if (failed(fuse(rewriter, sum, postNorm, sum->getOperand(1 - side), why)))
        explainRejected(sum, kPass, why);
    }
  }

  static LogicalResult fuse(IRRewriter &rewriter, AddOp sum, RmsNormOp postNorm, Value residual,
                            std::string &why) {
    if (!postNorm->hasOneUse()) {
      why = "the post norm has another reader";
      return failure();
    }
    if (!mayUpdateInPlace(residual, sum, why))
      return failure();

    SmallVector<Operation *> ops = {postNorm, sum};
    LaunchKind kind = LaunchKind::NormAdd;
    if (RmsNormOp next = nextNorm(sum)) {
      ops.push_back(next);
      kind = LaunchKind::NormAddNormQuant;
      if (auto quantize = onlyReader<QuantizeRowsOp>(next.getResult()))
        ops.push_back(quantize);
    }
    FailureOr<FusedOp> region = outline(rewriter, stringifyLaunchKind(kind), ops, why);
    if (failed(region))
      return failure();
    explainFused(*region, kPass);
    return success();
  }

  /// The first norm in the block that reads the sum. Something else has to read the sum too, or the
  /// region would yield the normed rows alone.
  static RmsNormOp nextNorm(AddOp sum) {
    RmsNormOp next;
    for (Operation *user : sum->getUsers()) {
      auto norm = dyn_cast<RmsNormOp>(user);
      if (norm && norm->getBlock() == sum->getBlock() && (!next || norm->isBeforeInBlock(next)))
        next = norm;
    }
    return next && !sum->hasOneUse() ? next : RmsNormOp();
  }
};
} // namespace
