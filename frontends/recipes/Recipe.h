//===- Recipe.h - What an architecture is -----------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// An architecture is data (its tensors with their shapes, its metadata keys, a few switches) and
// the few lines in which its hyperparameters differ from a plain decoder. Readers of checkpoints
// and the importer know recipes only; a new family of the same shape is one file of twenty lines
// here.
//
#ifndef TENON_FRONTENDS_RECIPES_RECIPE_H
#define TENON_FRONTENDS_RECIPES_RECIPE_H

#include "frontends/Checkpoint.h"

#include <string>
#include <vector>

namespace tenon::frontend {

/// Sizes that a tensor's shape is made of.
enum class Dim : uint8_t {
  One,
  Hidden,
  FeedForward,
  Queries,    ///< heads * headDim
  KeysValues, ///< kvHeads * headDim
  HeadDim,
  Vocabulary,
  RotaryHalf, ///< rotary / 2
};

/// One tensor of a model, or of each of its layers. Names are GGUF's; layer tensors lie under
/// "blk.N.". A tensor whose rows are `One` is a vector, stored as F32.
struct TensorRule {
  llvm::StringLiteral name;
  Dim rows, columns;
  bool optional = false;
};

/// One architecture.
struct Recipe {
  llvm::StringLiteral name;                        ///< GGUF `general.architecture`.
  llvm::ArrayRef<llvm::StringLiteral> huggingFace; ///< `architectures` of a config.json.
  llvm::StringLiteral activation;                  ///< "silu" or "gelu_tanh".
  bool interleavedRotary;                          ///< In GGUF files.
  bool qkNorm, postNorms;
  bool slidingWindow; ///< Reads the window's keys.
  /// Fills what is still unset and derives what the checkpoint does not state.
  void (*complete)(ModelConfig &config);
};

/// Every recipe, in the order in which they are tried.
llvm::ArrayRef<const Recipe *> allRecipes();

/// The recipe of a GGUF architecture or of a Hugging Face class; null if there is none.
const Recipe *findRecipe(llvm::StringRef architecture);
const Recipe *findRecipeOfClass(llvm::StringRef huggingFaceClass);

/// Tensors outside layers, and of each layer, in the order a step uses them.
std::vector<TensorRule> modelTensors(const Recipe &recipe);
std::vector<TensorRule> layerTensors(const Recipe &recipe);

/// Size of `dim` in a model.
uint64_t dimSize(const ModelConfig &config, Dim dim);

/// Name of a layer's tensor: "blk.3.attn_q.weight".
std::string layerTensorName(uint32_t layer, llvm::StringRef name);

/// Layer `layer` attends to everything (true), or to the sliding window.
bool isGlobalLayer(const ModelConfig &config, uint32_t layer);

/// 1 / sqrt(x), rounded to f32 once.
float inverseSqrt(double x);

// The recipes, one file each.
extern const Recipe kLlamaRecipe, kGemma3Recipe, kQwen3Recipe;

} // namespace tenon::frontend

#endif // TENON_FRONTENDS_RECIPES_RECIPE_H
