//===- TenonOps.cpp - Generated definitions of the tenon ops --------------===//
// SPDX-License-Identifier: Apache-2.0

#include "dialects/tenon/TenonOps.h"

#include "dialects/tenon/OpShapes.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace mlir::tenon;

void TenonDialect::registerOps() {
  addOperations<
#define GET_OP_LIST
#include "dialects/tenon/TenonOps.cpp.inc"
      >();
}

#define GET_OP_CLASSES
#include "dialects/tenon/TenonOps.cpp.inc"
