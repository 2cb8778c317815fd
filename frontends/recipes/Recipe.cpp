//===- Recipe.cpp - The list of recipes and what they share ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "frontends/recipes/Recipe.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>

namespace tenon::frontend {

llvm::ArrayRef<const Recipe *> allRecipes() {
  static const Recipe *const recipes[] = {&kLlamaRecipe, &kGemma3Recipe, &kQwen3Recipe};
  return recipes;
}

const Recipe *findRecipe(llvm::StringRef architecture) {
  for (const Recipe *recipe : allRecipes())
    if (recipe->name == architecture)
      return recipe;
  return nullptr;
}

const Recipe *findRecipeOfClass(llvm::StringRef huggingFaceClass) {
  for (const Recipe *recipe : allRecipes())
    if (llvm::is_contained(recipe->huggingFace, huggingFaceClass))
      return recipe;
  return nullptr;
}

std::vector<TensorRule> modelTensors(const Recipe &) {
  return {{"token_embd.weight", Dim::Vocabulary, Dim::Hidden},
          {"rope_freqs.weight", Dim::One, Dim::RotaryHalf, /*optional=*/true},
          {"output_norm.weight", Dim::One, Dim::Hidden},
          {"output.weight", Dim::Vocabulary, Dim::Hidden, /*optional=*/true}};
}

std::vector<TensorRule> layerTensors(const Recipe &recipe) {
  std::vector<TensorRule> rules = {{"attn_norm.weight", Dim::One, Dim::Hidden},
                                   {"attn_q.weight", Dim::Queries, Dim::Hidden},
                                   {"attn_k.weight", Dim::KeysValues, Dim::Hidden},
                                   {"attn_v.weight", Dim::KeysValues, Dim::Hidden}};
  if (recipe.qkNorm) {
    rules.push_back({"attn_q_norm.weight", Dim::One, Dim::HeadDim});
    rules.push_back({"attn_k_norm.weight", Dim::One, Dim::HeadDim});
  }
  rules.push_back({"attn_output.weight", Dim::Hidden, Dim::Queries});
  if (recipe.postNorms)
    rules.push_back({"post_attention_norm.weight", Dim::One, Dim::Hidden});
  rules.push_back({"ffn_norm.weight", Dim::One, Dim::Hidden});
  rules.push_back({"ffn_gate.weight", Dim::FeedForward, Dim::Hidden});
  rules.push_back({"ffn_up.weight", Dim::FeedForward, Dim::Hidden});
  rules.push_back({"ffn_down.weight", Dim::Hidden, Dim::FeedForward});
  if (recipe.postNorms)
    rules.push_back({"post_ffw_norm.weight", Dim::One, Dim::Hidden});
  return rules;
}

uint64_t dimSize(const ModelConfig &config, Dim dim) {
  switch (dim) {
  case Dim::One:
    return 1;
  case Dim::Hidden:
    return config.hidden;
  case Dim::FeedForward:
    return config.feedForward;
  case Dim::Queries:
    return uint64_t(config.heads) * config.headDim;
  case Dim::KeysValues:
    return uint64_t(config.kvHeads) * config.headDim;
  case Dim::HeadDim:
    return config.headDim;
  case Dim::Vocabulary:
    return config.vocabulary;
  case Dim::RotaryHalf:
    return config.rotary / 2;
  }
  return 0;
}

std::string layerTensorName(uint32_t layer, llvm::StringRef name) {
  return ("blk." + llvm::Twine(layer) + "." + name).str();
}

bool isGlobalLayer(const ModelConfig &config, uint32_t layer) {
  return config.slidingWindow == 0 || config.windowPattern == 0 ||
         (layer + 1) % config.windowPattern == 0;
}

float inverseSqrt(double x) { return static_cast<float>(1.0 / std::sqrt(x)); }

} // namespace tenon::frontend
