//===- PlanOps.cpp - The plan dialect and its accessors -------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "dialects/plan/PlanDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::plan;

namespace mlir::plan {
// PlanAttributes.cpp
ParseResult parseLaunchArgs(OpAsmParser &parser, ArrayAttr &args);
void printLaunchArgs(OpAsmPrinter &printer, Operation *op, ArrayAttr args);
} // namespace mlir::plan

#include "dialects/plan/PlanDialect.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/plan/PlanOps.cpp.inc"

void PlanDialect::initialize() {
  registerAttributes();
  addOperations<
#define GET_OP_LIST
#include "dialects/plan/PlanOps.cpp.inc"
      >();
}

/// The first op of a kind; the verifier guarantees that there is one.
template <typename OpT> static OpT first(EngineOp engine) { return *engine.getOps<OpT>().begin(); }

ModelOp EngineOp::getModel() { return first<ModelOp>(*this); }
LimitsOp EngineOp::getLimits() { return first<LimitsOp>(*this); }
KvOp EngineOp::getKv() { return first<KvOp>(*this); }
ChipOp EngineOp::getFirstChip() { return first<ChipOp>(*this); }

uint64_t EngineOp::getMadeWeightBytes() {
  uint64_t end = 0;
  for (WeightOp weight : getOps<WeightOp>())
    if (weight.getSeed())
      end = std::max(end, weight.getOffset() + weight.getSize());
  return llvm::alignTo(end, 64);
}
