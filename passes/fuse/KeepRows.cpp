//===- KeepRows.cpp - The last layer ends with the rows that are needed ---===//
// SPDX-License-Identifier: Apache-2.0

#include "dialects/tenon/Cost.h"
#include "passes/fuse/Explain.h"
#include "passes/fuse/Passes.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/SymbolTable.h"

#include "llvm/ADT/SetVector.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_KEEPROWSPASS
#include "passes/fuse/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::tenon;

namespace {
constexpr StringLiteral kPass = "KeepRows";

/// The end of a layer: ops that work row by row and that nothing but its result needs.
struct LayerEnd {
  Value cut;                        ///< The only activation that they read of what stands before.
  llvm::SetVector<Operation *> ops; ///< In reverse order.
};

/// True if row i of the result is made of row i of the activations among the operands alone.
bool worksRowByRow(Operation *op) {
  if (auto norm = dyn_cast<RmsNormOp>(op))
    return norm.getType().getRank() == 2;
  return isa<LinearOp, GateOp, AddOp, ScaleOp, RoundRowsOp, AllReduceOp>(op);
}

/// As much of the layer's end as hangs on one activation.
LayerEnd findEnd(func::FuncOp layer) {
  Block &body = layer.getBody().front();
  LayerEnd found, grown;
  llvm::SetVector<Value> reads;
  reads.insert(body.getTerminator()->getOperand(0));
  for (Operation &op : llvm::reverse(body.without_terminator())) {
    if (op.getNumResults() != 1 || !reads.contains(op.getResult(0)))
      continue;
    const bool onlyHere = llvm::all_of(op.getUsers(), [&](Operation *user) {
      return user == body.getTerminator() || grown.ops.contains(user);
    });
    if (!onlyHere || !worksRowByRow(&op))
      break;
    grown.ops.insert(&op);
    reads.remove(op.getResult(0));
    for (Value operand : op.getOperands())
      if (isActivation(operand))
        reads.insert(operand);
    if (reads.size() == 1) {
      found.ops = grown.ops;
      found.cut = reads.front();
    }
  }
  return found;
}

struct KeepRowsPass : mlir::tenon::impl::KeepRowsPassBase<KeepRowsPass> {
  void runOnOperation() override {
    auto step = getOperation().lookupSymbol<func::FuncOp>("step");
    if (!step || step.isExternal())
      return;
    for (SelectRowsOp select : llvm::make_early_inc_range(step.getOps<SelectRowsOp>()))
      if (auto call = select.getInput().getDefiningOp<func::CallOp>())
        keepRows(step, call, select);
  }

  void keepRows(func::FuncOp step, func::CallOp call, SelectRowsOp select) {
    SymbolTable symbols(getOperation());
    auto layer = symbols.lookup<func::FuncOp>(call.getCallee());
    if (!layer || layer.isExternal() || call.getNumResults() != 1)
      return;
    if (!call->hasOneUse())
      return explainRejected(call, kPass, "something else reads the last layer's rows too");
    const LayerEnd end = findEnd(layer);
    if (llvm::none_of(end.ops, llvm::IsaPred<LinearOp>))
      return explainRejected(call, kPass, "no product stands in the rows' own end of the layer");

    // The last layer becomes a function of its own.
    IRMapping mapping;
    auto last = cast<func::FuncOp>(layer->clone(mapping));
    last.setSymName("layer_last");
    symbols.insert(last, std::next(layer->getIterator()));
    const Type rowsType = select.getRows().getType();
    addArgument(last, rowsType);
    addArgument(step, rowsType);

    OpBuilder builder(&getContext());
    Value cut = mapping.lookup(end.cut);
    builder.setInsertionPointAfterValue(cut);
    auto kept =
        SelectRowsOp::create(builder, cut.getLoc(), cut, last.getArguments().back(), /*kept=*/true);
    cut.replaceUsesWithIf(kept.getResult(), [&](OpOperand &use) {
      return llvm::any_of(end.ops,
                          [&](Operation *op) { return mapping.lookup(op) == use.getOwner(); });
    });

    builder.setInsertionPoint(call);
    SmallVector<Value> operands(call.getOperands());
    operands.push_back(step.getArguments().back());
    auto again = func::CallOp::create(builder, call.getLoc(), last, operands);
    call.getResult(0).replaceAllUsesWith(again.getResult(0));
    call.erase();
    if (symbols.getSymbolUses(layer, getOperation())->empty())
      symbols.erase(layer);
    explainDone(kept, kPass,
                "the last layer goes on with the rows that are needed, for " +
                    Twine(llvm::count_if(end.ops, llvm::IsaPred<LinearOp>)) + " products");
  }

  static void addArgument(func::FuncOp function, Type type) {
    const unsigned number = function.getNumArguments();
    if (failed(function.insertArgument(number, type, {}, function.getLoc())))
      llvm_unreachable("a function with a body takes one more argument");
  }
};
} // namespace
