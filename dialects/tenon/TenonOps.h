//===- TenonOps.h - Ops of the tenon dialect --------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
#ifndef TENON_DIALECTS_TENON_TENONOPS_H
#define TENON_DIALECTS_TENON_TENONOPS_H

#include "dialects/tenon/TenonDialect.h"
#include "dialects/tenon/TenonInterfaces.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Shard/Interfaces/ShardingInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace mlir::tenon {
class YieldOp;
/// Upstream's ShardingInterface names it without its namespace.
using shard::ReductionKind;
} // namespace mlir::tenon

#define GET_OP_CLASSES
#include "dialects/tenon/TenonOps.h.inc"

#endif // TENON_DIALECTS_TENON_TENONOPS_H
