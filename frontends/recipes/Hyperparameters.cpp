//===- Hyperparameters.cpp - Their keys, bounds and consistency -----------===//
// SPDX-License-Identifier: Apache-2.0

#include "frontends/recipes/Hyperparameters.h"

#include "frontends/ErrorText.h"

namespace tenon::frontend {

using llvm::Error;
using llvm::StringRef;
using llvm::Twine;

llvm::ArrayRef<IntegerKey> integerKeys() {
  using C = ModelConfig;
  static constexpr IntegerKey keys[] = {
      {"block_count", "num_hidden_layers", &C::layers, 1, 1024, true},
      {"context_length", "max_position_embeddings", &C::contextLength, 1, 1u << 28, true},
      {"embedding_length", "hidden_size", &C::hidden, 2, 1u << 18, true},
      {"feed_forward_length", "intermediate_size", &C::feedForward, 2, 1u << 20, true},
      {"attention.head_count", "num_attention_heads", &C::heads, 1, 1024, true},
      {"attention.head_count_kv", "num_key_value_heads", &C::kvHeads, 1, 1024, false},
      {"attention.key_length", "head_dim", &C::headDim, 2, 1024, false},
      {"rope.dimension_count", "", &C::rotary, 2, 1024, false},
      {"vocab_size", "vocab_size", &C::vocabulary, 2, 1u << 22, false},
      {"attention.sliding_window", "sliding_window", &C::slidingWindow, 1, 1u << 28, true, true},
      {"attention.sliding_window_pattern", "sliding_window_pattern", &C::windowPattern, 1, 1024,
       false, true},
  };
  return keys;
}

llvm::ArrayRef<NumberKey> numberKeys() {
  using C = ModelConfig;
  static constexpr NumberKey keys[] = {
      {"attention.layer_norm_rms_epsilon", "rms_norm_eps", &C::normEps, nullptr, 1e-12, 0.1, true},
      {"rope.freq_base", "rope_theta", nullptr, &C::ropeBase, 1.5, 1e12, false},
      {"rope.freq_base_swa", "rope_local_base_freq", nullptr, &C::ropeBaseLocal, 1.5, 1e12, false,
       true},
      {"attention.scale", "", &C::attentionScale, nullptr, 1e-6, 1e3, false},
      {"attn_logit_softcapping", "attn_logit_softcapping", &C::attentionSoftcap, nullptr, 0, 1e6,
       false, true},
      {"final_logit_softcapping", "final_logit_softcapping", &C::logitSoftcap, nullptr, 0, 1e6,
       false, true},
  };
  return keys;
}

llvm::ArrayRef<llvm::StringLiteral> furtherKeys() {
  static constexpr llvm::StringLiteral keys[] = {"rope.scaling.type",
                                                 "rope.scaling.factor",
                                                 "rope.scaling.original_context_length",
                                                 "rope.scaling.attn_factor",
                                                 "rope.scaling.yarn_beta_fast",
                                                 "rope.scaling.yarn_beta_slow",
                                                 "rope.scaling.finetuned",
                                                 "rope.scale_linear",
                                                 "tensor_data_layout",
                                                 "attention.value_length",
                                                 "expert_count",
                                                 "expert_used_count"};
  return keys;
}

namespace {

Error checkRopeScaling(StringRef file, const ModelConfig &config) {
  const bool known = config.ropeScaling == "none" || config.ropeScaling == "linear" ||
                     config.ropeScaling == "llama3" || config.ropeScaling == "yarn";
  if (!known)
    return fileError(file, "rope scaling '" + printable(config.ropeScaling) +
                               "' is not supported; none, linear, llama3 and yarn are");
  if (config.ropeScaling == "none")
    return Error::success();
  auto inRange = [](double value, double low, double high) {
    return value >= low && value <= high;
  };
  if (!inRange(config.ropeFactor, 1, 1e4))
    return fileError(file, "the factor of rope scaling is " + numberText(config.ropeFactor) +
                               ", but 1 to 10000 is wanted; correct the model's rope scaling");
  if (config.ropeScaling == "linear")
    return Error::success();
  if (!inRange(config.ropeOriginalContext, 1, 1 << 28))
    return fileError(file, "the original context length of rope scaling '" + config.ropeScaling +
                               "' is " + numberText(config.ropeOriginalContext) +
                               ", but 1 to 268435456 is wanted; correct the model's rope scaling");
  if (config.ropeScaling == "llama3" && !(inRange(config.ropeLowFreqFactor, 1e-3, 1e3) &&
                                          inRange(config.ropeHighFreqFactor, 1e-3, 1e3) &&
                                          config.ropeLowFreqFactor < config.ropeHighFreqFactor))
    return fileError(file, "rope scaling llama3 has low and high frequency factors " +
                               numberText(config.ropeLowFreqFactor) + " and " +
                               numberText(config.ropeHighFreqFactor) +
                               ", but 0.001 <= low < high <= 1000 is wanted");
  if (config.ropeScaling == "yarn" &&
      !(inRange(config.ropeBetaSlow, 1e-3, 1e4) && inRange(config.ropeBetaFast, 1e-3, 1e4) &&
        config.ropeBetaSlow < config.ropeBetaFast && inRange(config.ropeAttentionFactor, 0, 100)))
    return fileError(file, "rope scaling yarn has beta_slow " + numberText(config.ropeBetaSlow) +
                               ", beta_fast " + numberText(config.ropeBetaFast) +
                               " and attention factor " + numberText(config.ropeAttentionFactor) +
                               ", but 0.001 <= slow < fast <= 10000 and 0 to 100 are wanted");
  return Error::success();
}

} // namespace

Error completeConfig(StringRef file, const Recipe &recipe, ModelConfig &config) {
  config.architecture = recipe.name.str();
  config.activation = recipe.activation.str();
  config.qkNorm = recipe.qkNorm;
  config.postNorms = recipe.postNorms;
  if (config.kvHeads == 0)
    config.kvHeads = config.heads;
  if (config.heads % config.kvHeads != 0)
    return fileError(file, "has " + Twine(config.heads) + " attention heads and " +
                               Twine(config.kvHeads) +
                               " KV heads, but every KV head must serve the same number of heads; "
                               "correct head_count or head_count_kv");
  if (config.headDim == 0) {
    if (config.hidden % config.heads != 0)
      return fileError(file, "has " + Twine(config.hidden) + " hidden elements and " +
                                 Twine(config.heads) +
                                 " heads, which do not divide them, and states no head size; set "
                                 "attention.key_length (head_dim)");
    config.headDim = config.hidden / config.heads;
  }
  if (config.headDim < 2 || config.headDim > 1024)
    return fileError(file, "has a head size of " + Twine(config.headDim) +
                               ", but 2 to 1024 is wanted; correct head_count or key_length");
  if (config.rotary == 0)
    config.rotary = config.headDim;
  if (config.rotary % 2 != 0 || config.rotary > config.headDim)
    return fileError(file, "rotates " + Twine(config.rotary) + " elements of heads of " +
                               Twine(config.headDim) +
                               ", but an even number that fits is wanted; correct "
                               "rope.dimension_count");
  if (Error error = checkRopeScaling(file, config))
    return error;
  recipe.complete(config);
  return Error::success();
}

} // namespace tenon::frontend
