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
  using QuantizeActivationsPassBase::QuantizeActivationsPassBase;

  void runOnOperation() override {
    // Inputs of block-format products in order, so that output does not depend on addresses.
    llvm::MapVector<Value, SmallVector<OpOperand *>> readers;
    for (Operation &op : getOperation().getOps()) {
      if (!isa<LinearOp, LogitsOp>(op) || isQuantizedRows(op.getOperand(0).getType()))
        continue;
      if (hasBlockFormat(cast<RankedTensorType>(op.getOperand(1).getType())))
        readers[op.getOperand(0)].push_back(&op.getOpOperand(0));
    }
    if (bits != 15 && bits != 8) {
      emitError(getOperation().getLoc())
          << "rows are quantised to 15 or 8 bits, not " << bits.getValue();
      return signalPassFailure();
    }
    IRRewriter rewriter(&getContext());
    for (auto &[value, uses] : readers) {
      rewriter.setInsertionPointAfterValue(value);
      RankedTensorType type = quantizedRowsType(cast<RankedTensorType>(value.getType()),
                                                bits == 8 ? RowElement::Int8 : RowElement::Int15);
      auto rows = QuantizeRowsOp::create(rewriter, value.getLoc(), type, value);
      for (OpOperand *use : uses)
        rewriter.modifyOpInPlace(use->getOwner(), [&] { use->set(rows); });
    }
  }
};
} // namespace
