//===- TenonInterfaces.h - Cost and reference of an op ----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
#ifndef TENON_DIALECTS_TENON_TENONINTERFACES_H
#define TENON_DIALECTS_TENON_TENONINTERFACES_H

#include "dialects/tenon/Cost.h"
#include "dialects/tenon/reference/HostTensor.h"

#include "mlir/IR/OpDefinition.h"
#include "mlir/Support/LLVM.h"

namespace mlir::tenon {
struct ReferenceContext;

namespace detail {
/// Every operand read and every result written once, nothing computed.
Cost operandsAndResultsCost(Operation *op);
} // namespace detail
} // namespace mlir::tenon

#include "dialects/tenon/TenonInterfaces.h.inc"

#endif // TENON_DIALECTS_TENON_TENONINTERFACES_H
