//===- TenonDialect.h - The tenon dialect, its attributes and types -*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
#ifndef TENON_DIALECTS_TENON_TENONDIALECT_H
#define TENON_DIALECTS_TENON_TENONDIALECT_H

#include "runtime/engine/WeightFormat.h"

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/TensorEncoding.h"

#include "dialects/tenon/TenonDialect.h.inc"

#include "dialects/tenon/TenonEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/tenon/TenonAttributes.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/tenon/TenonTypes.h.inc"

namespace mlir::tenon {

/// Format of a weight: that of its `#tenon.blocks`, or F32 if the tensor has no encoding.
::tenon::WeightFormat weightFormat(RankedTensorType type);

/// True if the weight is stored in integer blocks, so that kernels read quantised rows beside it.
bool hasBlockFormat(RankedTensorType weight);

/// True if the activation is rows of integers (`#tenon.rows<int15 or int8, 32>`).
bool isQuantizedRows(Type type);
/// True if the activation is rows of bf16 (`#tenon.rows<bf16, 1>`).
bool isRoundedRows(Type type);
/// Bits of the integers of quantised rows: 15 or 8.
uint32_t rowBits(Type type);

/// The same tensor without an encoding.
RankedTensorType denseType(RankedTensorType type);

/// `type` with the encoding `#tenon.rows` of `element`.
RankedTensorType quantizedRowsType(RankedTensorType type, RowElement element);

} // namespace mlir::tenon

#endif // TENON_DIALECTS_TENON_TENONDIALECT_H
