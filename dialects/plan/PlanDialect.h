//===- PlanDialect.h - The plan dialect -------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Everything of the dialect: attributes and ops. What each op means is in PlanOps.td.
//
#ifndef TENON_DIALECTS_PLAN_PLANDIALECT_H
#define TENON_DIALECTS_PLAN_PLANDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/RegionKindInterface.h"
#include "mlir/IR/SymbolTable.h"

namespace mlir::plan {
class ChipOp;
class FunctionOp;
class KvOp;
class LimitsOp;
class ModelOp;
} // namespace mlir::plan

#include "dialects/plan/PlanDialect.h.inc"
#include "dialects/plan/PlanEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/plan/PlanAttributes.h.inc"

#define GET_OP_CLASSES
#include "dialects/plan/PlanOps.h.inc"

#endif // TENON_DIALECTS_PLAN_PLANDIALECT_H
