//===- ReferenceInterpreter.cpp - Run a step without kernels --------------===//
// SPDX-License-Identifier: Apache-2.0

#include "dialects/tenon/reference/ReferenceInterpreter.h"

#include "mlir/Interfaces/CallInterfaces.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

#include <numeric>

using namespace mlir;
using namespace mlir::tenon;

using Values = FailureOr<SmallVector<HostTensor>>;

namespace {
/// Values of one block while it is evaluated.
using Environment = llvm::DenseMap<Value, HostTensor>;
} // namespace

static SmallVector<HostTensor> lookup(const Environment &values, OperandRange operands) {
  SmallVector<HostTensor> result;
  for (Value operand : operands)
    result.push_back(values.at(operand));
  return result;
}

static void bindValues(Environment &values, ValueRange names, ArrayRef<HostTensor> tensors) {
  for (auto [name, tensor] : llvm::zip_equal(names, tensors))
    values[name] = tensor;
}

Values mlir::tenon::evaluateBody(Block &block, ArrayRef<HostTensor> arguments,
                                 ReferenceContext &context) {
  Environment values;
  bindValues(values, block.getArguments(), arguments);
  for (Operation &op : block.without_terminator()) {
    auto evaluated = dyn_cast<ReferenceOpInterface>(op);
    if (!evaluated)
      return op.emitOpError() << "has no reference evaluation";
    Values results = evaluated.evaluate(lookup(values, op.getOperands()), context);
    if (failed(results))
      return failure();
    bindValues(values, op.getResults(), *results);
  }
  return lookup(values, block.getTerminator()->getOperands());
}

Values FusedOp::evaluate(ArrayRef<HostTensor> operands, ReferenceContext &context) {
  return evaluateBody(getBodyBlock(), operands, context);
}

ReferenceInterpreter::ReferenceInterpreter(ModuleOp module, WeightSource weights)
    : module(module), weights(std::move(weights)) {}

Values ReferenceInterpreter::runBlock(Block &block, ArrayRef<HostTensor> arguments,
                                      ReferenceContext &context) {
  Environment values;
  bindValues(values, block.getArguments(), arguments);
  for (Operation &op : block.without_terminator()) {
    SmallVector<HostTensor> operands = lookup(values, op.getOperands());
    Values results = failure();
    if (auto evaluated = dyn_cast<ReferenceOpInterface>(op))
      results = evaluated.evaluate(operands, context);
    else if (auto call = dyn_cast<CallOpInterface>(op))
      results = run(cast<SymbolRefAttr>(call.getCallableForCallee()).getLeafReference(), operands,
                    context);
    else
      return op.emitOpError() << "has no reference evaluation";
    if (failed(results))
      return failure();
    if (observer)
      observer(&op, operands, *results);
    bindValues(values, op.getResults(), *results);
  }
  return lookup(values, block.getTerminator()->getOperands());
}

Values ReferenceInterpreter::run(StringRef function, ArrayRef<HostTensor> arguments,
                                 ReferenceContext &context) {
  auto callee = context.symbols.lookupSymbolIn<FunctionOpInterface>(
      module, StringAttr::get(module.getContext(), function));
  if (!callee || callee.isExternal() || !llvm::hasSingleElement(callee.getFunctionBody()))
    return module.emitError() << "the reference evaluation needs a function @" << function
                              << " with one block";
  if (callee.getNumArguments() != arguments.size())
    return callee->emitOpError() << "takes " << callee.getNumArguments() << " arguments, given "
                                 << arguments.size();
  return runBlock(callee.getFunctionBody().front(), arguments, context);
}

FailureOr<HostTensor> ReferenceInterpreter::runStep(const ReferenceStep &step, HostKvCache &cache) {
  ReferenceContext context;
  context.positions = step.positions;
  context.sequences = step.sequences;
  context.weights = weights;
  context.exchange = exchange;
  context.firstToken = firstToken;
  auto vector = [](const std::vector<int32_t> &values) {
    return HostTensor::ints({static_cast<int64_t>(values.size())}, values);
  };
  SmallVector<HostTensor> arguments = {vector(step.ids), vector(step.positions),
                                       vector(step.logitRows), HostTensor::cache(cache)};
  auto function = module.lookupSymbol<FunctionOpInterface>("step");
  if (function && function.getNumArguments() == 5) {
    // Kept are the rows with logits: they count from the first of themselves.
    std::vector<int32_t> among(step.logitRows.size());
    std::iota(among.begin(), among.end(), 0);
    arguments[2] = vector(among);
    arguments.push_back(vector(step.logitRows));
  }
  Values results = run("step", arguments, context);
  if (failed(results))
    return failure();
  return results->empty() ? HostTensor() : results->front();
}
