//===- GgufConfig.h - Hyperparameters and tokenizer of a GGUF ---*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_FRONTENDS_GGUF_GGUFCONFIG_H
#define TENON_FRONTENDS_GGUF_GGUFCONFIG_H

#include "frontends/gguf/GgufFile.h"
#include "frontends/recipes/Recipe.h"

namespace tenon::frontend {

/// Hyperparameters of `gguf` under the keys of `recipe`'s architecture, bounded and consistent. A
/// key of that architecture which no recipe knows is refused: it would change the model in a way
/// nobody computes.
llvm::Expected<ModelConfig> readGgufConfig(const GgufFile &gguf, const Recipe &recipe);

/// Tokenizer metadata; an empty `model` if the file has none.
llvm::Expected<TokenizerMetadata> readGgufTokenizer(const GgufFile &gguf);

} // namespace tenon::frontend

#endif // TENON_FRONTENDS_GGUF_GGUFCONFIG_H
