//===- SplitAttention.cpp - Scaled query, KV write and KV read ------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/fuse/Outline.h"
#include "passes/fuse/Passes.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_SPLITATTENTIONPASS
#include "passes/fuse/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::tenon;

namespace {
struct SplitAttentionPass : mlir::tenon::impl::SplitAttentionPassBase<SplitAttentionPass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<AttentionOp> ops(getOperation().getOps<AttentionOp>());
    for (AttentionOp op : ops) {
      rewriter.setInsertionPoint(op);
      Value query = op.getQuery();
      if (!op.getScale().isExactlyValue(1.0))
        query = ScaleOp::create(rewriter, op.getLoc(), query, op.getScaleAttr());
      auto append =
          KvAppendOp::create(rewriter, op.getLoc(), op.getKey(), op.getValue(), op.getKv());
      rewriter.replaceOpWithNewOp<AttendOp>(op, query, append.getResult(), op.getWindowAttr(),
                                            op.getSoftcapAttr(), op.getGroupAttr(),
                                            op.getSkippedHeadsAttr());
    }
  }
};
} // namespace
