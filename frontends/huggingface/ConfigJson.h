//===- ConfigJson.h - A bare Hugging Face config.json -----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The geometry of a model without its weights: enough to plan, compile and time it with random
// ones. Whole Hugging Face directories (safetensors, tokenizer.json) will be read by a second
// frontend beside this one, which takes the hyperparameters from here.
//
#ifndef TENON_FRONTENDS_HUGGINGFACE_CONFIGJSON_H
#define TENON_FRONTENDS_HUGGINGFACE_CONFIGJSON_H

#include "frontends/Checkpoint.h"

namespace tenon::frontend {

/// Reads config.json text. `path` names the file in errors. Tensors have no data; matrices are in
/// `options.randomWeightsFormat`, whose blocks must divide their rows; vectors are F32.
llvm::Expected<std::unique_ptr<Checkpoint>>
openConfigJson(llvm::StringRef path, llvm::StringRef text, const OpenOptions &options);

} // namespace tenon::frontend

#endif // TENON_FRONTENDS_HUGGINGFACE_CONFIGJSON_H
