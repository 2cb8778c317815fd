//===- Qwen3.cpp - Recipe of the dense Qwen 3 models ----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "frontends/recipes/Recipe.h"

namespace tenon::frontend {

static constexpr llvm::StringLiteral classes[] = {"Qwen3ForCausalLM"};

constinit const Recipe kQwen3Recipe = {.name = "qwen3",
                                       .huggingFace = classes,
                                       .activation = "silu",
                                       .interleavedRotary = false,
                                       .qkNorm = true,
                                       .postNorms = false,
                                       .slidingWindow = false,
                                       .complete = [](ModelConfig &config) {
                                         if (config.attentionScale == 0)
                                           config.attentionScale = inverseSqrt(config.headDim);
                                       }};

} // namespace tenon::frontend
