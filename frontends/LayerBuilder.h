//===- LayerBuilder.h - One layer as a function -----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_FRONTENDS_LAYERBUILDER_H
#define TENON_FRONTENDS_LAYERBUILDER_H

#include "frontends/recipes/Recipe.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

namespace tenon::frontend {

/// Type of a stored tensor: a vector f32 [columns], or a matrix [rows, columns] with its block
/// format as encoding (none for F32).
mlir::RankedTensorType storedType(mlir::MLIRContext *context, const Tensor &tensor);

/// Builds the private function of layer `layer` at the builder's insertion point, named after it:
///   (x [rows, hidden], kv, rope table [rows, 2, rotary/2], weights in order of `tensors`) -> x.
/// `tensors` are the layer's tensors in the order of `layerTensors(recipe)`.
mlir::func::FuncOp buildLayer(mlir::OpBuilder &builder, const ModelConfig &config,
                              const Recipe &recipe, uint32_t layer,
                              llvm::ArrayRef<const Tensor *> tensors);

} // namespace tenon::frontend

#endif // TENON_FRONTENDS_LAYERBUILDER_H
