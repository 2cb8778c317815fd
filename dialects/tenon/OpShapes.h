//===- OpShapes.h - Shape rules that several ops share ----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Private to the dialect's op files.
//
#ifndef TENON_DIALECTS_TENON_OPSHAPES_H
#define TENON_DIALECTS_TENON_OPSHAPES_H

#include "dialects/tenon/TenonOps.h"

#include "mlir/IR/Diagnostics.h"

namespace mlir::tenon {

/// The type of `value`, which op definitions have confined to ranked tensors.
inline RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

/// Checks that `type` has `rank` dimensions, all static but the first, and no encoding unless
/// `encodingAllowed`. `what` names the operand in messages.
LogicalResult checkRows(std::optional<Location> loc, RankedTensorType type, int64_t rank,
                        StringRef what, bool encodingAllowed = false);

/// Checks that `weight` is a static matrix, dense or of a weight format, and that `input` [rows, k]
/// has its columns. Quantised input needs a block format.
LogicalResult checkProduct(std::optional<Location> loc, RankedTensorType input,
                           RankedTensorType weight);

/// Checks that two row counts can be equal.
LogicalResult checkSameRows(std::optional<Location> loc, RankedTensorType a, StringRef aName,
                            RankedTensorType b, StringRef bName);

/// f32 tensor without encoding.
RankedTensorType f32Tensor(MLIRContext *context, ArrayRef<int64_t> shape);

/// Prints and parses one type for values that all have it.
ParseResult parseSameTypes(OpAsmParser &parser, Type &a, Type &b);
ParseResult parseSameTypes(OpAsmParser &parser, Type &a, Type &b, Type &c);
void printSameTypes(OpAsmPrinter &printer, Operation *op, Type a, Type b);
void printSameTypes(OpAsmPrinter &printer, Operation *op, Type a, Type b, Type c);

/// Prints and parses the activation of a gate as a bare keyword.
ParseResult parseActivation(OpAsmParser &parser, ActivationAttr &activation);
void printActivation(OpAsmPrinter &printer, Operation *op, ActivationAttr activation);

} // namespace mlir::tenon

#endif // TENON_DIALECTS_TENON_OPSHAPES_H
