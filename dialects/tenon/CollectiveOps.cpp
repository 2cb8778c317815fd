//===- CollectiveOps.cpp - What the chips of a grid tell each other -------===//
// SPDX-License-Identifier: Apache-2.0

#include "dialects/tenon/Cost.h"
#include "dialects/tenon/OpShapes.h"
#include "dialects/tenon/reference/ReferenceContext.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace mlir::tenon;

using Values = FailureOr<SmallVector<HostTensor>>;

LogicalResult AllReduceOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                            Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorType(adaptor.getInput());
  if (failed(checkRows(loc, input, input.getRank(), "input",
                       /*encodingAllowed=*/isRoundedRows(input))))
    return failure();
  types.push_back(denseType(input));
  return success();
}

LogicalResult GatherColumnsOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                                Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorType(adaptor.getInput());
  if (failed(checkRows(loc, input, 2, "input")))
    return failure();
  if (adaptor.getBegins().size() < 2)
    return emitOptionalError(loc, "begins has an entry for each chip and the end, found ",
                             adaptor.getBegins().size());
  types.push_back(f32Tensor(context, {input.getDimSize(0), adaptor.getBegins().back()}));
  return success();
}

LogicalResult GatherColumnsOp::verify() {
  ArrayRef<int64_t> begins = getBegins();
  if (begins.front() != 0 || !llvm::is_sorted(begins))
    return emitOpError() << "begins ascend from 0";
  const int64_t columns = getInput().getType().getDimSize(1);
  for (auto [begin, end] : llvm::zip(begins.drop_back(), begins.drop_front()))
    if (end - begin == columns)
      return success();
  return emitOpError() << "no part of begins has the input's " << columns << " columns";
}

//===----------------------------------------------------------------------===//
// Costs: what a chip reads and writes itself; link bytes are the plan's (plan.collective).
//===----------------------------------------------------------------------===//

Cost AllReduceOp::getCost() { return mlir::tenon::detail::operandsAndResultsCost(*this); }
Cost GatherColumnsOp::getCost() { return mlir::tenon::detail::operandsAndResultsCost(*this); }
Cost ReceiveOp::getCost() { return valueCost(getResult()); }
Cost SendOp::getCost() { return valueCost(getInput()); }

//===----------------------------------------------------------------------===//
// Reference: several evaluations side by side exchange their values.
//===----------------------------------------------------------------------===//

static Values exchange(Operation *op, ArrayRef<HostTensor> operands, ReferenceContext &context) {
  if (!context.exchange)
    return op->emitOpError() << "needs the other chips; the evaluation has one";
  return context.exchange(op, operands);
}

Values AllReduceOp::evaluate(ArrayRef<HostTensor> operands, ReferenceContext &context) {
  return exchange(*this, operands, context);
}
Values GatherColumnsOp::evaluate(ArrayRef<HostTensor> operands, ReferenceContext &context) {
  return exchange(*this, operands, context);
}
Values ReceiveOp::evaluate(ArrayRef<HostTensor> operands, ReferenceContext &context) {
  return exchange(*this, operands, context);
}
Values SendOp::evaluate(ArrayRef<HostTensor> operands, ReferenceContext &context) {
  return exchange(*this, operands, context);
}
