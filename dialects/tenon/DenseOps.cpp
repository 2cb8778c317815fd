//===- DenseOps.cpp - Norms, linears and what joins them ------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "dialects/tenon/OpShapes.h"

using namespace mlir;
using namespace mlir::tenon;

//===----------------------------------------------------------------------===//
// RmsNormOp
//===----------------------------------------------------------------------===//

LogicalResult RmsNormOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                          Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorType(adaptor.getInput());
  RankedTensorType weight = tensorType(adaptor.getWeight());
  if (input.getRank() != 2 && input.getRank() != 3)
    return emitOptionalError(loc, "input is [rows, columns] or [rows, heads, headDim], found ",
                             input);
  if (failed(checkRows(loc, input, input.getRank(), "input")))
    return failure();
  if (weight.getDimSize(0) != input.getShape().back() || weight.getEncoding())
    return emitOptionalError(loc, "weight is a dense vector of ", input.getShape().back(),
                             " elements, one for each of the input's last dimension; found ",
                             weight);
  types.push_back(input);
  return success();
}

LogicalResult RmsNormOp::verify() {
  // Negated so that a NaN is refused too.
  if (!(getEps().convertToFloat() >= 0.0f))
    return emitOpError() << "eps is not negative, found " << getEps().convertToFloat();
  return success();
}

//===----------------------------------------------------------------------===//
// LinearOp and LogitsOp
//===----------------------------------------------------------------------===//

LogicalResult LinearOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                         Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorType(adaptor.getInput());
  RankedTensorType weight = tensorType(adaptor.getWeight());
  if (failed(checkProduct(loc, input, weight)))
    return failure();
  types.push_back(f32Tensor(context, {input.getDimSize(0), weight.getDimSize(0)}));
  return success();
}

LogicalResult LogitsOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                         Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorType(adaptor.getInput());
  RankedTensorType weight = tensorType(adaptor.getWeight());
  if (failed(checkProduct(loc, input, weight)))
    return failure();
  types.push_back(f32Tensor(context, {input.getDimSize(0), weight.getDimSize(0)}));
  return success();
}

LogicalResult LogitsOp::verify() {
  if (!(getSoftcap().convertToFloat() >= 0.0f))
    return emitOpError() << "softcap is positive, or 0 for none; found "
                         << getSoftcap().convertToFloat();
  return success();
}

//===----------------------------------------------------------------------===//
// GateOp, AddOp, ScaleOp
//===----------------------------------------------------------------------===//

LogicalResult GateOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                       Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType gate = tensorType(adaptor.getGate());
  if (failed(checkRows(loc, gate, 2, "gate")))
    return failure();
  if (gate != adaptor.getUp().getType())
    return emitOptionalError(loc, "gate and up have one type, found ", gate, " and ",
                             adaptor.getUp().getType());
  types.push_back(gate);
  return success();
}

LogicalResult AddOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                      Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType lhs = tensorType(adaptor.getLhs());
  if (failed(checkRows(loc, lhs, 2, "lhs")))
    return failure();
  if (lhs != adaptor.getRhs().getType())
    return emitOptionalError(loc, "both operands have one type, found ", lhs, " and ",
                             adaptor.getRhs().getType());
  types.push_back(lhs);
  return success();
}

LogicalResult ScaleOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                        Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorType(adaptor.getInput());
  if (failed(checkRows(loc, input, input.getRank() == 3 ? 3 : 2, "input")))
    return failure();
  types.push_back(input);
  return success();
}

OpFoldResult ScaleOp::fold(FoldAdaptor adaptor) {
  return getFactor().isExactlyValue(1.0) ? OpFoldResult(getInput()) : OpFoldResult();
}

//===----------------------------------------------------------------------===//
// QuantizeRowsOp
//===----------------------------------------------------------------------===//

LogicalResult QuantizeRowsOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                               Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorType(adaptor.getInput());
  if (failed(checkRows(loc, input, 2, "input")))
    return failure();
  if (input.getDimSize(1) % 32 != 0)
    return emitOptionalError(loc, "quantised rows have groups of 32 columns; ", input.getDimSize(1),
                             " columns are no multiple of that");
  types.push_back(quantizedRowsType(input, RowElement::Int15));
  return success();
}

bool QuantizeRowsOp::isCompatibleReturnTypes(TypeRange inferred, TypeRange given) {
  if (given.size() != 1 || !isQuantizedRows(given[0]))
    return false;
  return denseType(cast<RankedTensorType>(given[0])) ==
         denseType(cast<RankedTensorType>(inferred[0]));
}

//===----------------------------------------------------------------------===//
// RoundRowsOp
//===----------------------------------------------------------------------===//

LogicalResult RoundRowsOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                            Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorType(adaptor.getInput());
  if (failed(checkRows(loc, input, 2, "input")))
    return failure();
  types.push_back(quantizedRowsType(input, RowElement::BF16));
  return success();
}
