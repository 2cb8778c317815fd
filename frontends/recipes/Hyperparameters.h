//===- Hyperparameters.h - Their keys, bounds and consistency ---*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// One table says where a hyperparameter stands in GGUF metadata and in a config.json, and which
// values are sane. Both readers walk it; what spans several values is checked afterwards.
//
#ifndef TENON_FRONTENDS_RECIPES_HYPERPARAMETERS_H
#define TENON_FRONTENDS_RECIPES_HYPERPARAMETERS_H

#include "frontends/recipes/Recipe.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

namespace tenon::frontend {

/// An integer hyperparameter. `gguf` follows "<architecture>."; an empty name means the source has
/// no such key.
struct IntegerKey {
  llvm::StringLiteral gguf, json;
  uint32_t ModelConfig::*field;
  uint32_t low, high;
  bool required;
  bool windowOnly = false; ///< Only recipes with a sliding window have it.
};

/// A real hyperparameter, kept as f32 (`narrow`) or f64 (`wide`).
struct NumberKey {
  llvm::StringLiteral gguf, json;
  float ModelConfig::*narrow;
  double ModelConfig::*wide;
  double low, high;
  bool required;
  bool windowOnly = false;
};

llvm::ArrayRef<IntegerKey> integerKeys();
llvm::ArrayRef<NumberKey> numberKeys();

/// GGUF keys beyond the tables that the reader understands: rope scaling, and keys that may stand
/// there with one value only.
llvm::ArrayRef<llvm::StringLiteral> furtherKeys();

/// Fills what follows from other values (kvHeads, headDim, rotary), lets the recipe complete the
/// rest and checks everything that spans several values. `vocabulary` must be set. Errors name
/// `file` and the values.
llvm::Error completeConfig(llvm::StringRef file, const Recipe &recipe, ModelConfig &config);

/// Checks that `tensors` are exactly those of the recipe, with the shapes that `config` asks for
/// and in formats that kernels read.
llvm::Error checkTensors(llvm::StringRef file, const Recipe &recipe, const ModelConfig &config,
                         llvm::ArrayRef<Tensor> tensors);

} // namespace tenon::frontend

#endif // TENON_FRONTENDS_RECIPES_HYPERPARAMETERS_H
