//===- WeightOps.cpp - Weights and the step's inputs ----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "dialects/tenon/OpShapes.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace mlir::tenon;

//===----------------------------------------------------------------------===//
// WeightOp and ParamOp
//===----------------------------------------------------------------------===//

void WeightOp::build(OpBuilder &builder, OperationState &state, StringRef name,
                     RankedTensorType type, ElementsAttr value) {
  build(builder, state, builder.getStringAttr(name), TypeAttr::get(type), StringAttr(), value,
        CutAttr());
}

LogicalResult WeightOp::verify() {
  RankedTensorType type = getTensorType();
  if (!type.hasStaticShape() || type.getNumElements() == 0)
    return emitOpError() << "a stored tensor has static, positive sizes, found " << type;
  if (type.getRank() != 1 && type.getRank() != 2)
    return emitOpError() << "a stored tensor is a vector or a matrix, found " << type;
  if (type.getEncoding() && !isa<BlocksAttr>(type.getEncoding()))
    return emitOpError() << "a stored tensor is dense or #tenon.blocks, found " << type;
  if (getCut() && getCut()->getDim() >= type.getRank())
    return emitOpError() << "is cut along dimension " << getCut()->getDim() << " of " << type;
  if (!getValue())
    return success();
  if (weightFormat(type) != ::tenon::WeightFormat::F32)
    return emitOpError() << "a weight with a value is stored as f32, found " << type;
  if (getValue()->getShapedType() != type)
    return emitOpError() << "value has type " << getValue()->getShapedType() << ", wanted " << type;
  return success();
}

void ParamOp::build(OpBuilder &builder, OperationState &state, WeightOp weight) {
  build(builder, state, weight.getTensorType(), weight.getSymName());
}

LogicalResult ParamOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto weight = symbols.lookupNearestSymbolFrom<WeightOp>(*this, getWeightAttr());
  if (!weight)
    return emitOpError() << "'" << getWeight() << "' is no tenon.weight of the module";
  if (weight.getTensorType() != getType())
    return emitOpError() << "reads " << getType() << " and tenon.weight @" << getWeight()
                         << " declares " << weight.getTensorType();
  return success();
}

//===----------------------------------------------------------------------===//
// EmbedOp, SelectRowsOp, KvLayerOp
//===----------------------------------------------------------------------===//

LogicalResult EmbedOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                        Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType table = tensorType(adaptor.getTable());
  if (table.getRank() != 2 || !table.hasStaticShape() || isQuantizedRows(table) ||
      isRoundedRows(table))
    return emitOptionalError(loc, "table is a static matrix [vocabulary, columns], found ", table);
  types.push_back(
      f32Tensor(context, {tensorType(adaptor.getIds()).getDimSize(0), table.getDimSize(1)}));
  return success();
}

LogicalResult SelectRowsOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                             Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorType(adaptor.getInput());
  if (failed(checkRows(loc, input, 2, "input")))
    return failure();
  types.push_back(
      f32Tensor(context, {tensorType(adaptor.getRows()).getDimSize(0), input.getDimSize(1)}));
  return success();
}

LogicalResult KvLayerOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                          Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto cache = cast<CacheType>(adaptor.getCache().getType());
  if (static_cast<int64_t>(adaptor.getLayer()) >= cache.getLayers())
    return emitOptionalError(loc, "layer ", adaptor.getLayer(), " is not below the ",
                             cache.getLayers(), " layers of the cache");
  types.push_back(KvType::get(context, cache.getKvHeads(), cache.getHeadDim()));
  return success();
}
