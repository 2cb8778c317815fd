//===- ConfigReader.h - Hyperparameters of a config.json --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_FRONTENDS_HUGGINGFACE_CONFIGREADER_H
#define TENON_FRONTENDS_HUGGINGFACE_CONFIGREADER_H

#include "frontends/recipes/Recipe.h"

#include "llvm/Support/JSON.h"

namespace tenon::frontend {

/// Hyperparameters of a config.json's top object (or of its `text_config`), bounded and consistent.
/// Refuses by name what the recipe does not compute: biases, mixtures of experts, other
/// activations.
llvm::Expected<ModelConfig> readConfigJson(llvm::StringRef path, const llvm::json::Object &object,
                                           const Recipe &recipe);

} // namespace tenon::frontend

#endif // TENON_FRONTENDS_HUGGINGFACE_CONFIGREADER_H
