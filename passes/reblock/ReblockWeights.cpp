//===- ReblockWeights.cpp - Give matrices another stored format -----------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/reblock/Passes.h"

#include "dialects/tenon/TenonOps.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseSet.h"

#include <limits>

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
    findLeastBits();
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
    return format ? success()
                  : getOperation().emitError() << "unknown weight format '" << name << "'";
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

  static bool isMatrix(WeightOp weight) {
    return weight.getTensorType().getRank() == 2 && !weight.getValue();
  }
  bool isTable(WeightOp weight) { return tables.contains(weight.getSymNameAttr()); }

  /// The fewest bits that the quants of a matrix within layers have, if any is in a block format.
  void findLeastBits() {
    for (auto weight : getOperation().getOps<WeightOp>()) {
      const ::tenon::FormatInfo info = ::tenon::formatInfo(weightFormat(weight.getTensorType()));
      if (isMatrix(weight) && !isTable(weight) && !info.isFloat())
        leastBits = std::min(leastBits, info.bits);
    }
  }

  /// Whether a width leaves the matrix as the checkpoint has it.
  bool staysForItsBits(WeightOp weight, WeightFormat format) {
    RankedTensorType type = weight.getTensorType();
    const bool table = isTable(weight);
    if (!(table ? embeddingAtMost : weightsAtMost))
      return false;
    const WeightFormat own = weightFormat(type);
    const uint64_t rows = type.getDimSize(0), columns = type.getDimSize(1);
    // A twentieth of the bytes is the least that is worth an error.
    if (20 * ::tenon::packedBytes(format, rows, columns) >
        19 * ::tenon::packedBytes(own, rows, columns))
      return true;
    const ::tenon::FormatInfo info = ::tenon::formatInfo(own);
    return !table && !info.isFloat() && info.bits > leastBits;
  }

  void reblock(WeightOp weight) {
    RankedTensorType type = weight.getTensorType();
    const std::optional<WeightFormat> &format = isTable(weight) ? tableFormat : layerFormat;
    if (!format || !isMatrix(weight) || staysForItsBits(weight, *format))
      return;
    const ::tenon::FormatInfo info = ::tenon::formatInfo(*format);
    if (type.getDimSize(1) % info.kMultiple != 0) {
      weight.emitRemark() << "stays " << formatName(weightFormat(type)) << ": its "
                          << type.getDimSize(1) << " columns are no multiple of " << info.kMultiple;
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
  uint32_t leastBits = std::numeric_limits<uint32_t>::max();
  llvm::DenseSet<StringAttr> tables;
  llvm::DenseSet<Operation *> retyped;
};
} // namespace
