//===- HoistRowSelection.cpp - Select logit rows before the final norm ----===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/fuse/Explain.h"
#include "passes/fuse/Outline.h"
#include "passes/fuse/Passes.h"

#include "mlir/IR/IRMapping.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_HOISTROWSELECTIONPASS
#include "passes/fuse/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::tenon;

namespace {
struct HoistRowSelectionPass : mlir::tenon::impl::HoistRowSelectionPassBase<HoistRowSelectionPass> {
  void runOnOperation() override {
    SmallVector<SelectRowsOp> selects(getOperation().getOps<SelectRowsOp>());
    IRRewriter rewriter(&getContext());
    for (SelectRowsOp select : selects)
      while (hoist(rewriter, select))
        ;
  }

  /// Swaps `select` with the op it reads, if that works row by row; `select` is then the new one.
  static bool hoist(IRRewriter &rewriter, SelectRowsOp &select) {
    Operation *def = select.getInput().getDefiningOp();
    if (!isa_and_nonnull<RmsNormOp, LinearOp, LogitsOp, ScaleOp>(def))
      return false;
    if (!def->hasOneUse()) {
      explainRejected(select, "HoistRowSelection",
                      "rows stay selected after " + def->getName().getStringRef() +
                          ", which others read too");
      return false;
    }
    auto input = cast<TypedValue<RankedTensorType>>(def->getOperand(0));
    if (input.getType().getEncoding())
      return false; // select_rows reads dense rows; quantisation comes later in the pipeline.
    rewriter.setInsertionPoint(select);
    auto selected = SelectRowsOp::create(rewriter, select.getLoc(), input, select.getRows());
    IRMapping mapping;
    mapping.map(input, selected.getResult());
    Operation *moved = rewriter.clone(*def, mapping);
    moved->getResult(0).setType(select.getType());
    rewriter.replaceOp(select, moved);
    rewriter.eraseOp(def);
    select = selected;
    return true;
  }
};
} // namespace
