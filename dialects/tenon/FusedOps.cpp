//===- FusedOps.cpp - Regions that are one launch -------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "dialects/tenon/OpShapes.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace mlir::tenon;

void FusedOp::build(OpBuilder &builder, OperationState &state, StringRef kind, TypeRange outputs,
                    ValueRange inputs) {
  state.addOperands(inputs);
  state.addTypes(outputs);
  state.getOrAddProperties<Properties>().kind = builder.getStringAttr(kind);
  Region *body = state.addRegion();
  Block &block = body->emplaceBlock();
  for (Value input : inputs)
    block.addArgument(input.getType(), input.getLoc());
}

YieldOp FusedOp::getYield() { return cast<YieldOp>(getBodyBlock().getTerminator()); }

/// `"kind"(%arg = %input : type, …) -> (types) attributes {…} { body }`
ParseResult FusedOp::parse(OpAsmParser &parser, OperationState &state) {
  StringAttr kind;
  if (parser.parseAttribute(kind))
    return failure();
  state.getOrAddProperties<Properties>().kind = kind;

  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<OpAsmParser::UnresolvedOperand> inputs;
  SmallVector<Type> inputTypes;
  SMLoc inputsLoc = parser.getCurrentLocation();
  auto parseCapture = [&]() -> ParseResult {
    OpAsmParser::Argument &argument = arguments.emplace_back();
    if (parser.parseArgument(argument) || parser.parseEqual() ||
        parser.parseOperand(inputs.emplace_back()) || parser.parseColonType(argument.type))
      return failure();
    inputTypes.push_back(argument.type);
    return success();
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, parseCapture) ||
      parser.parseOptionalArrowTypeList(state.types) ||
      parser.parseOptionalAttrDictWithKeyword(state.attributes) ||
      parser.parseRegion(*state.addRegion(), arguments) ||
      parser.resolveOperands(inputs, inputTypes, inputsLoc, state.operands))
    return failure();
  return success();
}

void FusedOp::print(OpAsmPrinter &printer) {
  printer << ' ' << getKindAttr() << '(';
  llvm::interleaveComma(llvm::zip_equal(getBodyBlock().getArguments(), getInputs()), printer,
                        [&](auto capture) {
                          printer << std::get<0>(capture) << " = " << std::get<1>(capture) << " : "
                                  << std::get<1>(capture).getType();
                        });
  printer << ')';
  printer.printOptionalArrowTypeList(getResultTypes());
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(), {getKindAttrName().getValue()});
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

LogicalResult FusedOp::verify() {
  if (getKind().empty() || !llvm::all_of(getKind(), [](char c) {
        return llvm::isLower(c) || llvm::isDigit(c) || c == '_';
      }))
    return emitOpError() << "kind is a kernel kind in snake case, found \"" << getKind() << "\"";
  Block &body = getBodyBlock();
  if (body.getArgumentTypes() != TypeRange(getInputs().getTypes()))
    return emitOpError() << "arguments of the body have the types of the inputs";
  auto yield = body.empty() ? YieldOp() : dyn_cast<YieldOp>(body.back());
  if (!yield)
    return emitOpError() << "body ends with tenon.yield";
  if (yield.getOperandTypes() != getResultTypes())
    return yield.emitOpError() << "yields the results of the fused region: wanted "
                               << getResultTypes() << ", found " << yield.getOperandTypes();
  for (Operation &op : body)
    if (op.getDialect() != (*this)->getDialect() || isa<FusedOp>(op))
      return op.emitOpError() << "does not belong in a fused region, which holds tenon ops and no "
                                 "other region";
  return success();
}

namespace {
/// Drops inputs that the body does not read, and reads an input once that is captured twice.
struct DropUnusedInputs : OpRewritePattern<FusedOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(FusedOp op, PatternRewriter &rewriter) const override {
    Block &body = op.getBodyBlock();
    llvm::SmallDenseMap<Value, BlockArgument> first;
    llvm::BitVector erased(op.getNumOperands());
    for (BlockArgument argument : body.getArguments()) {
      auto [known, inserted] = first.try_emplace(op.getCaptured(argument), argument);
      if (!inserted)
        rewriter.replaceAllUsesWith(argument, known->second);
    }
    for (BlockArgument argument : body.getArguments())
      if (argument.use_empty())
        erased.set(argument.getArgNumber());
    if (erased.none())
      return rewriter.notifyMatchFailure(op, "every input is read, and captured once");
    rewriter.modifyOpInPlace(op, [&] {
      body.eraseArguments(erased);
      op->eraseOperands(erased);
    });
    return success();
  }
};
} // namespace

void FusedOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<DropUnusedInputs>(context);
}
