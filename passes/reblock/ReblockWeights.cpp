//===- ReblockWeights.cpp - Give matrices another stored format -----------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/reblock/Passes.h"

#include "dialects/tenon/TenonOps.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseSet.h"

namespace mlir::tenon {
#define GEN_PASS_DEF_REBLOCKWEIGHTSPASS
#include "passes/reblock/Passes.h.inc"
} // namespace mlir::tenon

using namespace mlir;
using namespace mlir::tenon;
using ::tenon::WeightFormat;

namespace {
class ReblockWeightsPass : public mlir::tenon::impl::ReblockWeightsPassBase<ReblockWeightsPass> {
public:
  using ReblockWeightsPassBase::ReblockWeightsPassBase;

  void runOnOperation() override {
    if (failed(parse(weights, layerFormat)) || failed(parse(embedding, tableFormat)))
      return signalPassFailure();
    findTables();
    for (auto weight : getOperation().getOps<WeightOp>())
      reblock(weight);
    SymbolTable symbols(getOperation());
    getOperation().walk([&](ParamOp param) {
      if (auto weight = symbols.lookup<WeightOp>(param.getWeight()))
        param.getResult().setType(weight.getTensorType());
    });
    WalkResult result = getOperation().walk([&](func::CallOp call) {
      return failed(retype(call, symbols)) ? WalkResult::interrupt() : WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }

private:
  LogicalResult parse(StringRef name, std::optional<WeightFormat> &format) {
    if (name.empty())
      return success();
    format = ::tenon::parseWeightFormat({name.data(), name.size()});
    return format ? success() : getOperation().emitError() << "unknown weight format '" << name << "'";
  }

  /// Weights that embed or give logits.
  void findTables() {
    auto note = [&](Value value) {
      if (auto param = value.getDefiningOp<ParamOp>())
        tables.insert(param.getWeightAttr().getAttr());
    };
    getOperation().walk([&](EmbedOp embed) { note(embed.getTable()); });
    getOperation().walk([&](LogitsOp logits) { note(logits.getWeight()); });
  }

  void reblock(WeightOp weight) {
    RankedTensorType type = weight.getTensorType();
    const std::optional<WeightFormat> &format =
        tables.contains(weight.getSymNameAttr()) ? tableFormat : layerFormat;
    if (!format || type.getRank() != 2 || weight.getValue())
      return;
    const ::tenon::FormatInfo info = ::tenon::formatInfo(*format);
    if (type.getDimSize(1) % info.kMultiple != 0) {
      weight.emitRemark() << "stays " << formatName(weightFormat(type)) << ": its "
                          << type.getDimSize(1) << " columns are no multiple of "
                          << info.kMultiple;
      return;
    }
    Attribute encoding;
    if (*format != WeightFormat::F32)
      encoding = BlocksAttr::get(&getContext(), *format);
    weight.setType(RankedTensorType::get(type.getShape(), type.getElementType(), encoding));
  }

  static StringRef formatName(WeightFormat format) { return ::tenon::formatInfo(format).name; }

  /// Gives the callee's arguments the types of the call's operands.
  LogicalResult retype(func::CallOp call, SymbolTable &symbols) {
    auto callee = symbols.lookup<func::FuncOp>(call.getCallee());
    if (!callee || callee.isExternal())
      return call.emitOpError("calls @") << call.getCallee() << ", which has no body";
    const bool isFirst = retyped.insert(callee).second;
    for (auto [argument, operand] : llvm::zip_equal(callee.getArguments(), call.getOperands())) {
      if (argument.getType() == operand.getType())
        continue;
      if (!isFirst)
        return call.emitOpError("gives @") << callee.getSymName() << " " << operand.getType()
                                           << ", and another call " << argument.getType();
      argument.setType(operand.getType());
    }
    callee.setType(FunctionType::get(&getContext(), callee.getBody().getArgumentTypes(),
                                     callee.getResultTypes()));
    return success();
  }

  std::optional<WeightFormat> layerFormat, tableFormat;
  llvm::DenseSet<StringAttr> tables;
  llvm::DenseSet<Operation *> retyped;
};
} // namespace
