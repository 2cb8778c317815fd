//===- OpShapes.cpp - Shape rules that several ops share ------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "dialects/tenon/OpShapes.h"

using namespace mlir;

LogicalResult mlir::tenon::checkRows(std::optional<Location> loc, RankedTensorType type,
                                     int64_t rank, StringRef what, bool encodingAllowed) {
  if (type.getRank() != rank)
    return emitOptionalError(loc, what, " has rank ", rank, ", found ", type);
  for (int64_t size : type.getShape().drop_front())
    if (ShapedType::isDynamic(size))
      return emitOptionalError(loc, "only the rows of ", what, " may be dynamic, found ", type);
  if (type.getEncoding() && !encodingAllowed)
    return emitOptionalError(loc, what, " is dense f32, found ", type);
  return success();
}

LogicalResult mlir::tenon::checkProduct(std::optional<Location> loc, RankedTensorType input,
                                        RankedTensorType weight) {
  if (failed(checkRows(loc, input, 2, "input", /*encodingAllowed=*/true)))
    return failure();
  if (input.getEncoding() && !isQuantizedRows(input))
    return emitOptionalError(loc, "input is dense or quantised rows, found ", input);
  if (weight.getRank() != 2 || !weight.hasStaticShape() || isQuantizedRows(weight) ||
      isRoundedRows(weight))
    return emitOptionalError(loc, "weight is a static matrix [output channels, columns], found ",
                             weight);
  if (input.getDimSize(1) != weight.getDimSize(1))
    return emitOptionalError(loc, "input has ", input.getDimSize(1), " columns and the weight has ",
                             weight.getDimSize(1));
  if (isQuantizedRows(input) && !hasBlockFormat(weight))
    return emitOptionalError(loc, "a float weight reads dense rows, found ", input);
  return success();
}

LogicalResult mlir::tenon::checkSameRows(std::optional<Location> loc, RankedTensorType a,
                                         StringRef aName, RankedTensorType b, StringRef bName) {
  if (!a.isDynamicDim(0) && !b.isDynamicDim(0) && a.getDimSize(0) != b.getDimSize(0))
    return emitOptionalError(loc, aName, " has ", a.getDimSize(0), " rows and ", bName, " has ",
                             b.getDimSize(0));
  return success();
}

RankedTensorType mlir::tenon::f32Tensor(MLIRContext *context, ArrayRef<int64_t> shape) {
  return RankedTensorType::get(shape, Float32Type::get(context));
}

ParseResult mlir::tenon::parseSameTypes(OpAsmParser &parser, Type &a, Type &b) {
  if (parser.parseType(a))
    return failure();
  b = a;
  return success();
}

ParseResult mlir::tenon::parseSameTypes(OpAsmParser &parser, Type &a, Type &b, Type &c) {
  c = Type();
  if (parseSameTypes(parser, a, b))
    return failure();
  c = a;
  return success();
}

void mlir::tenon::printSameTypes(OpAsmPrinter &printer, Operation *, Type a, Type) { printer << a; }

void mlir::tenon::printSameTypes(OpAsmPrinter &printer, Operation *, Type a, Type, Type) {
  printer << a;
}

ParseResult mlir::tenon::parseActivation(OpAsmParser &parser, ActivationAttr &activation) {
  StringRef name;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&name))
    return failure();
  std::optional<Activation> parsed = symbolizeActivation(name);
  if (!parsed)
    return parser.emitError(loc) << "unknown activation '" << name
                                 << "'; known are silu and gelu_tanh";
  activation = ActivationAttr::get(parser.getContext(), *parsed);
  return success();
}

void mlir::tenon::printActivation(OpAsmPrinter &printer, Operation *, ActivationAttr activation) {
  printer << stringifyActivation(activation.getValue());
}
