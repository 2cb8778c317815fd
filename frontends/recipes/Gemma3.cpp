//===- Gemma3.cpp - Recipe of the Gemma 3 text models ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "frontends/recipes/Recipe.h"

#include <cmath>

namespace tenon::frontend {

static constexpr llvm::StringLiteral classes[] = {"Gemma3ForCausalLM",
                                                  "Gemma3ForConditionalGeneration"};

/// Norm weights of a GGUF already include the +1 of Gemma's norm.
constinit const Recipe kGemma3Recipe = {
    .name = "gemma3",
    .huggingFace = classes,
    .activation = "gelu_tanh",
    .interleavedRotary = false,
    .qkNorm = true,
    .postNorms = true,
    .slidingWindow = true,
    .complete = [](ModelConfig &config) {
      config.embeddingScale = static_cast<float>(std::sqrt(static_cast<double>(config.hidden)));
      if (config.windowPattern == 0)
        config.windowPattern = 6; // five layers with the window, then a global one
      if (config.ropeBaseLocal == 0)
        config.ropeBaseLocal = 10000.0;
      if (config.attentionScale == 0) // the 27B model alone scales by hidden / heads
        config.attentionScale = inverseSqrt(
            config.layers == 62 ? double(config.hidden) / config.heads : config.headDim);
    }};

} // namespace tenon::frontend
