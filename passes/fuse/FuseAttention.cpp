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
      if (auto quantize = onlyReader<QuantizeRowsOp>(merge.getResult()))
        ops.push_back(quantize);
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
