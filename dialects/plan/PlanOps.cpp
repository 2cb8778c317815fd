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
PoolingOp EngineOp::getPooling() {
  auto all = getOps<PoolingOp>();
  return all.empty() ? PoolingOp() : *all.begin();
}
ChipOp EngineOp::getFirstChip() { return first<ChipOp>(*this); }

ChipOp EngineOp::getLogitsChip() {
  const uint64_t number = llvm::range_size(getOps<ChipOp>()) - getGrid().back();
  for (ChipOp chip : getOps<ChipOp>())
    if (chip.getId() == number)
      return chip;
  return {};
}

uint32_t EngineOp::getNumPrograms() {
  uint32_t most = 0;
  for (ChipOp chip : getOps<ChipOp>())
    most = std::max(most, chip.getProgramNumber());
  return most + 1;
}

ChipOp EngineOp::getChipOf(uint32_t program) {
  for (ChipOp chip : getOps<ChipOp>())
    if (chip.getProgramNumber() == program)
      return chip;
  return {};
}

uint32_t EngineOp::getProgramOf(FunctionOp function) {
  for (CallOp call : getOps<CallOp>())
    if (call.getFunction() == function.getSymName())
      return call.getProgramNumber();
  return 0;
}

uint64_t CollectiveOp::getSourceColumns(uint64_t rank) {
  ArrayRef<int64_t> columns = getColumns();
  return getKind() == CollectiveKind::GatherColumns ? columns[rank + 1] - columns[rank]
                                                    : columns.back();
}

uint64_t EngineOp::getMadeWeightBytes(uint32_t program) {
  uint64_t end = 0;
  for (WeightOp weight : getOps<WeightOp>())
    if (weight.getSeed() && weight.getProgramNumber() == program)
      end = std::max(end, weight.getOffset() + weight.getSize());
  return llvm::alignTo(end, 64);
}
