//===- FuseRound.cpp - Round what chips add up where it is made -----------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/fuse/Explain.h"
#include "passes/fuse/LaunchForm.h"
#include "passes/fuse/Outline.h"
#include "passes/fuse/Passes.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_FUSEROUNDPASS
#include "passes/fuse/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::tenon;

namespace {
struct FuseRoundPass : mlir::tenon::impl::FuseRoundPassBase<FuseRoundPass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<RoundRowsOp> all(getOperation().getOps<RoundRowsOp>());
    for (RoundRowsOp rounded : all) {
      auto product = rounded.getInput().getDefiningOp<LinearOp>();
      if (!product || !product->hasOneUse()) {
        rounded.emitOpError("rounds what is no product of its own; no kernel does");
        return signalPassFailure();
      }
      std::string why;
      FailureOr<FusedOp> region =
          outline(rewriter, stringifyLaunchKind(LaunchKind::Linear), {product, rounded}, why);
      if (failed(region)) {
        rounded.emitOpError("cannot be fused: ") << why;
        return signalPassFailure();
      }
      explainFused(*region, "FuseRound");
    }
  }
};
} // namespace
