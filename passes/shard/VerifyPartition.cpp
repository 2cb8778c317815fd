//===- VerifyPartition.cpp - No term of a sum taken for the sum -----------===//
// SPDX-License-Identifier: Apache-2.0
//
// Upstream's annotations cannot say that a value is unreduced, so this is held against the
// programs: from weights whose cut dimension an op sums over, through ops that are linear, to an
// all_reduce.

#include "passes/shard/Cut.h"
#include "passes/shard/Passes.h"

#include "dialects/tenon/TenonOps.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Shard/IR/ShardDialect.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_VERIFYPARTITIONPASS
#include "passes/shard/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::tenon;
using mlir::utils::IteratorType;

namespace {
/// A weight and the dimension along which chips share it.
struct CutWeight {
  StringAttr name;
  unsigned dim;
  bool operator==(const CutWeight &) const = default;
};

/// The walk through one program, forwards.
class ProgramCheck {
public:
  explicit ProgramCheck(ModuleOp program) {
    for (auto weight : program.getOps<WeightOp>())
      if (auto cut = weight.getCut())
        cuts.try_emplace(weight.getSymNameAttr(),
                         CutWeight{weight.getSymNameAttr(), static_cast<unsigned>(cut->getDim())});
  }

  LogicalResult run(ModuleOp program) {
    // Callers first: they say which weights a layer's arguments stand for.
    for (const bool callers : {true, false})
      for (auto function : program.getOps<func::FuncOp>()) {
        if (function.isExternal() || function.getOps<func::CallOp>().empty() == callers)
          continue;
        for (Operation &op : function.getBody().front())
          if (failed(visit(&op, program)))
            return failure();
      }
    return success();
  }

private:
  LogicalResult visit(Operation *op, ModuleOp program) {
    if (auto param = dyn_cast<ParamOp>(op)) {
      if (auto it = cuts.find(param.getWeightAttr().getAttr()); it != cuts.end())
        weights.try_emplace(param.getResult(), it->second);
      return success();
    }
    if (auto call = dyn_cast<func::CallOp>(op))
      return visitCall(call, program);
    if (auto sum = dyn_cast<AllReduceOp>(op)) {
      if (terms.contains(sum.getInput()))
        return success();
      return sum.emitOpError(
          "adds up a value that every chip has whole: the sum would have it once for "
          "each chip");
    }
    if (auto ruled = dyn_cast<shard::ShardingInterface>(op))
      if (failed(visitByRule(ruled)))
        return failure();
    return propagate(op);
  }

  LogicalResult visitCall(func::CallOp call, ModuleOp program) {
    if (failed(refuse(call)))
      return failure();
    auto callee = program.lookupSymbol<func::FuncOp>(call.getCallee());
    if (!callee || callee.isExternal())
      return success();
    for (auto [number, operand, argument] :
         llvm::enumerate(call.getOperands(), callee.getArguments())) {
      auto cut = weights.find(operand);
      auto known = weights.find(argument);
      if (seen.insert(argument).second) {
        if (cut != weights.end())
          weights.try_emplace(argument, CutWeight(cut->second));
        continue;
      }
      const bool same = (cut == weights.end()) == (known == weights.end()) &&
                        (cut == weights.end() || cut->second.dim == known->second.dim);
      if (!same)
        return call.emitOpError("passes argument ")
               << number << " cut otherwise than another call of @" << call.getCallee()
               << " does; layers with other cuts are other functions";
    }
    return success();
  }

  /// A sum over a cut dimension of a weight leaves terms.
  LogicalResult visitByRule(shard::ShardingInterface op) {
    const SmallVector<IteratorType> iterators = op.getLoopIteratorTypes();
    const SmallVector<shard::ReductionKind> reductions = op.getReductionLoopIteratorKinds();
    const SmallVector<AffineMap> maps = op.getIndexingMaps();
    for (auto [number, operand] : llvm::enumerate(op->getOperands())) {
      auto cut = weights.find(operand);
      if (cut == weights.end())
        continue;
      auto loop = dyn_cast<AffineDimExpr>(maps[number].getResult(cut->second.dim));
      if (!loop || iterators[loop.getPosition()] != IteratorType::reduction)
        continue;
      const unsigned before =
          llvm::count(ArrayRef(iterators).take_front(loop.getPosition()), IteratorType::reduction);
      if (reductions[before] != shard::ReductionKind::Sum)
        return op->emitOpError("needs dimension ")
               << cut->second.dim << " of operand " << number << " whole, and chips share @"
               << cut->second.name.getValue() << " along it";
      for (Value result : op->getResults())
        terms.try_emplace(result, cut->second);
    }
    return success();
  }

  /// Terms stay terms through linear ops; to others they mean nothing.
  LogicalResult propagate(Operation *op) {
    const auto isTerm = [&](Value value) { return terms.contains(value); };
    if (llvm::none_of(op->getOperands(), isTerm))
      return success();
    if (auto add = dyn_cast<AddOp>(op); add && !llvm::all_of(op->getOperands(), isTerm))
      return add.emitOpError("adds a value that every chip has whole to ")
             << describe(terms.find(isTerm(add.getLhs()) ? add.getLhs() : add.getRhs())->second)
             << ": it would be counted once for each chip; put a tenon.all_reduce before";
    const bool rowsOfProduct = isa<LinearOp>(op) && isTerm(op->getOperand(0));
    if (!rowsOfProduct &&
        !isa<AddOp, ScaleOp, SplitHeadsOp, MergeHeadsOp, SelectRowsOp, RoundRowsOp>(op))
      return refuse(op);
    const CutWeight source = terms.find(*llvm::find_if(op->getOperands(), isTerm))->second;
    for (Value result : op->getResults())
      if (!terms.try_emplace(result, source).second)
        return refuse(op); // A product of terms over a cut dimension.
    return success();
  }

  LogicalResult refuse(Operation *op) {
    for (auto [number, operand] : llvm::enumerate(op->getOperands()))
      if (auto it = terms.find(operand); it != terms.end())
        return op->emitOpError("uses as operand ")
               << number << " " << describe(it->second) << "; put a tenon.all_reduce between them";
    return success();
  }

  static std::string describe(const CutWeight &source) {
    return ("an unreduced value: each chip has its terms of a sum over dimension " +
            Twine(source.dim) + " of @" + source.name.getValue() + ", which chips share")
        .str();
  }

  llvm::DenseMap<StringAttr, CutWeight> cuts;
  llvm::DenseMap<Value, CutWeight> weights; ///< Parameters and arguments that are cut weights.
  llvm::DenseMap<Value, CutWeight> terms;   ///< Unreduced values, with what was summed over.
  llvm::DenseSet<Value> seen;               ///< Arguments of called functions.
};

struct VerifyPartitionPass : mlir::tenon::impl::VerifyPartitionPassBase<VerifyPartitionPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    markAllAnalysesPreserved();
    if (gridSize(module, kTensorAxis) == 1)
      return;
    SmallVector<ModuleOp> programs(module.getOps<ModuleOp>());
    if (programs.empty())
      programs.push_back(module);
    for (ModuleOp program : programs)
      if (failed(ProgramCheck(program).run(program)))
        return signalPassFailure();
  }
};
} // namespace
