//===- Outline.cpp - Move ops into a fused region -------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/fuse/Outline.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace mlir::tenon;

FailureOr<FusedOp> mlir::tenon::outline(RewriterBase &rewriter, StringRef kind,
                                        ArrayRef<Operation *> unordered, std::string &why) {
  SmallVector<Operation *> ops(unordered);
  llvm::sort(ops, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  const llvm::SmallPtrSet<Operation *, 16> inside(ops.begin(), ops.end());

  // Ops between the first and the last that depend on the region, in order.
  llvm::SetVector<Operation *> dependents;
  for (Operation *op = ops.front(); op != ops.back()->getNextNode(); op = op->getNextNode()) {
    for (Value operand : op->getOperands()) {
      Operation *def = operand.getDefiningOp();
      if (inside.contains(op) && dependents.contains(def)) {
        why = (def->getName().getStringRef() + " stands between " +
               ops.front()->getName().getStringRef() + " and " + op->getName().getStringRef())
                  .str();
        return failure();
      }
      if (!inside.contains(op) && (inside.contains(def) || dependents.contains(def)))
        dependents.insert(op);
    }
  }

  llvm::SetVector<Value> inputs;
  SmallVector<Value> outputs;
  SmallVector<Type> outputTypes;
  SmallVector<Location> locations;
  for (Operation *op : ops) {
    locations.push_back(op->getLoc());
    for (Value operand : op->getOperands())
      if (!inside.contains(operand.getDefiningOp()))
        inputs.insert(operand);
    for (Value result : op->getResults()) {
      if (llvm::all_of(result.getUsers(), [&](Operation *user) { return inside.contains(user); }))
        continue;
      outputs.push_back(result);
      outputTypes.push_back(result.getType());
    }
  }

  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointAfter(ops.back());
  auto region = FusedOp::create(rewriter, rewriter.getFusedLoc(locations), kind, outputTypes,
                                inputs.getArrayRef());
  Block &body = region.getBodyBlock();
  for (auto [output, result] : llvm::zip_equal(outputs, region.getOutputs()))
    rewriter.replaceUsesWithIf(output, result,
                               [&](OpOperand &use) { return !inside.contains(use.getOwner()); });
  for (Operation *op : ops)
    rewriter.moveOpBefore(op, &body, body.end());
  for (auto [input, argument] : llvm::zip_equal(inputs, body.getArguments()))
    rewriter.replaceUsesWithIf(input, argument,
                               [&](OpOperand &use) { return inside.contains(use.getOwner()); });
  rewriter.setInsertionPointToEnd(&body);
  YieldOp::create(rewriter, region.getLoc(), outputs);

  Operation *last = region;
  for (Operation *op : dependents) {
    rewriter.moveOpAfter(op, last);
    last = op;
  }
  return region;
}

bool mlir::tenon::mayUpdateInPlace(Value residual, Operation *sum, std::string &why) {
  for (Operation *user : residual.getUsers()) {
    if (user == sum || (user->getBlock() == sum->getBlock() && user->isBeforeInBlock(sum)))
      continue;
    why = ("the sum would be written over a value that " + user->getName().getStringRef() +
           " reads later")
              .str();
    return false;
  }
  return true;
}
