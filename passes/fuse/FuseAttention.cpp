//===- FuseAttention.cpp - Attention, merged heads, quantisation ----------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/fuse/Explain.h"
#include "passes/fuse/LaunchForm.h"
#include "passes/fuse/Outline.h"
#include "passes/fuse/Passes.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_FUSEATTENTIONPASS
#include "passes/fuse/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::tenon;

namespace {
constexpr StringLiteral kPass = "FuseAttention";

struct FuseAttentionPass : mlir::tenon::impl::FuseAttentionPassBase<FuseAttentionPass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<AttendOp> attends(getOperation().getOps<AttendOp>());
    for (AttendOp attend : attends) {
      auto merge = onlyReader<MergeHeadsOp>(attend.getResult());
      if (!merge) {
        explainRejected(attend, kPass, "the heads are not read by one tenon.merge_heads");
        continue;
      }
      SmallVector<Operation *> ops = {attend, merge};
      // A group of the quantised row must lie within one head: the heads are shared out among
      // workers.
      const int64_t headDim = cast<RankedTensorType>(attend.getResult().getType()).getDimSize(2);
      if (auto quantize = onlyReader<QuantizeRowsOp>(merge.getResult())) {
        if (headDim % 32 == 0)
          ops.push_back(quantize);
        else
          explainRejected(quantize, kPass, "a group of 32 columns would span two heads");
      }
      std::string why;
      FailureOr<FusedOp> region =
          outline(rewriter, stringifyLaunchKind(LaunchKind::Attention), ops, why);
      if (failed(region))
        explainRejected(attend, kPass, why);
      else
        explainFused(*region, kPass);
    }
  }
};
} // namespace
