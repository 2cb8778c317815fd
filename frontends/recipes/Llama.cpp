//===- Llama.cpp - Recipe of Llama and of what shares its form ------------===//
// SPDX-License-Identifier: Apache-2.0

#include "frontends/recipes/Recipe.h"

namespace tenon::frontend {

static constexpr llvm::StringLiteral classes[] = {"LlamaForCausalLM", "MistralForCausalLM"};

constinit const Recipe kLlamaRecipe = {.name = "llama",
                                       .huggingFace = classes,
                                       .activation = "silu",
                                       .interleavedRotary = true,
                                       .qkNorm = false,
                                       .postNorms = false,
                                       .slidingWindow = false,
                                       .complete = [](ModelConfig &config) {
                                         if (config.attentionScale == 0)
                                           config.attentionScale = inverseSqrt(config.headDim);
                                       }};

} // namespace tenon::frontend
