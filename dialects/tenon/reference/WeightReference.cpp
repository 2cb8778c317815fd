//===- WeightReference.cpp - Reference of weights and inputs --------------===//
// SPDX-License-Identifier: Apache-2.0

#include "dialects/tenon/TenonOps.h"
#include "dialects/tenon/reference/HostKvCache.h"
#include "dialects/tenon/reference/ReferenceContext.h"

using namespace mlir;
using namespace mlir::tenon;

using Values = FailureOr<SmallVector<HostTensor>>;

static SmallVector<HostTensor> one(HostTensor tensor) { return {std::move(tensor)}; }

Values ParamOp::evaluate(ArrayRef<HostTensor> operands, ReferenceContext &context) {
  RankedTensorType type = getType();
  auto weight = context.symbols.lookupNearestSymbolFrom<WeightOp>(*this, getWeightAttr());
  if (weight && weight.getValue()) {
    auto values = weight.getValue()->tryGetValues<float>();
    if (!values)
      return emitOpError() << "the value of @" << getWeight() << " has no f32 elements";
    return one(HostTensor::floats(type.getShape(), {values->begin(), values->end()}));
  }
  if (!context.weights)
    return emitOpError() << "the reference evaluation was given no weights";
  FailureOr<RowReader> reader = context.weights(getWeight(), type);
  if (failed(reader))
    return failure();
  return one(HostTensor::stored(type.getShape(), *reader));
}

Values EmbedOp::evaluate(ArrayRef<HostTensor> operands, ReferenceContext &context) {
  ArrayRef<int32_t> ids = operands[0].ints();
  const HostTensor &table = operands[1];
  const int64_t columns = table.dim(1);
  const float scale = getScale().convertToFloat();
  std::vector<float> out(ids.size() * columns);
  for (auto [row, wholeId] : llvm::enumerate(ids)) {
    const int64_t id = getPartial() ? int64_t(wholeId) - context.firstToken : wholeId;
    if (getPartial() && (id < 0 || id >= table.dim(0)))
      continue; // Another chip's row: zeros.
    if (id < 0 || id >= table.dim(0))
      return emitOpError() << "token id " << id << " is not below the " << table.dim(0)
                           << " rows of the table";
    MutableArrayRef<float> outRow(out.data() + row * columns, columns);
    table.readRow(id, outRow);
    for (float &value : outRow)
      value *= scale;
  }
  return one(HostTensor::floats({static_cast<int64_t>(ids.size()), columns}, std::move(out)));
}

Values SelectRowsOp::evaluate(ArrayRef<HostTensor> operands, ReferenceContext &context) {
  ArrayRef<int32_t> rows = operands[1].ints();
  const int64_t columns = operands[0].dim(1);
  std::vector<float> out(rows.size() * columns);
  for (auto [to, from] : llvm::enumerate(rows)) {
    if (from < 0 || from >= operands[0].dim(0))
      return emitOpError() << "row " << from << " is not below the " << operands[0].dim(0)
                           << " rows of the step";
    operands[0].readRow(from, MutableArrayRef<float>(out.data() + to * columns, columns));
  }
  return one(HostTensor::floats({static_cast<int64_t>(rows.size()), columns}, std::move(out)));
}

Values KvLayerOp::evaluate(ArrayRef<HostTensor> operands, ReferenceContext &context) {
  return one(HostTensor::kv(operands[0].kvCacheRef(), getLayer()));
}
