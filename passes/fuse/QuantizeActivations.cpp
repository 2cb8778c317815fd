//===- QuantizeActivations.cpp - Quantise rows that block weights read ----===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/fuse/Passes.h"

#include "dialects/tenon/TenonOps.h"

#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/MapVector.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_QUANTIZEACTIVATIONSPASS
#include "passes/fuse/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::tenon;

namespace {
struct QuantizeActivationsPass
    : mlir::tenon::impl::QuantizeActivationsPassBase<QuantizeActivationsPass> {
  void runOnOperation() override {
    // Inputs of block-format products in order, so that output does not depend on addresses.
    llvm::MapVector<Value, SmallVector<OpOperand *>> readers;
    for (Operation &op : getOperation().getOps()) {
      if (!isa<LinearOp, LogitsOp>(op) || isQuantizedRows(op.getOperand(0).getType()))
        continue;
      if (hasBlockFormat(cast<RankedTensorType>(op.getOperand(1).getType())))
        readers[op.getOperand(0)].push_back(&op.getOpOperand(0));
    }
    IRRewriter rewriter(&getContext());
    for (auto &[value, uses] : readers) {
      rewriter.setInsertionPointAfterValue(value);
      auto rows = QuantizeRowsOp::create(rewriter, value.getLoc(), value);
      for (OpOperand *use : uses)
        rewriter.modifyOpInPlace(use->getOwner(), [&] { use->set(rows); });
    }
  }
};
} // namespace
