//===- ConfigReader.cpp - Hyperparameters of a config.json ----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "frontends/huggingface/ConfigReader.h"

#include "frontends/ErrorText.h"
#include "frontends/recipes/Hyperparameters.h"

#include "llvm/ADT/STLExtras.h"

namespace tenon::frontend {

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;
using llvm::Twine;
namespace json = llvm::json;

namespace {

class JsonConfigReader {
public:
  JsonConfigReader(StringRef path, const json::Object &top, const Recipe &recipe,
                   ModelConfig &config)
      : path(path), recipe(recipe), config(config) {
    const json::Object *inner = top.getObject("text_config");
    object = inner ? inner : &top;
    tied = object->getBoolean("tie_word_embeddings");
    if (!tied)
      tied = top.getBoolean("tie_word_embeddings");
  }

  Error read() {
    for (const IntegerKey &key : integerKeys())
      if (!key.json.empty() && (!key.windowOnly || recipe.slidingWindow))
        if (Error error = readInteger(*object, key.json, key.low, key.high,
                                      key.required || key.field == &ModelConfig::vocabulary,
                                      config.*key.field))
          return error;
    for (const NumberKey &key : numberKeys())
      if (!key.json.empty() && (!key.windowOnly || recipe.slidingWindow))
        if (Error error = readKeyed(key))
          return error;
    // Classes differ in what an absent key means: Gemma ties its embeddings, the others do not.
    config.tiedEmbeddings = tied.value_or(recipe.postNorms);
    if (Error error = readRope())
      return error;
    if (Error error = readPartialRotary())
      return error;
    if (Error error = readQueryScale())
      return error;
    if (Error error = readLayerTypes())
      return error;
    return refuseUncomputed();
  }

private:
  Error keyError(StringRef key, const Twine &message) const {
    return fileError(path, "\"" + key + "\" " + message);
  }

  /// Reads `key` if it is there and not null.
  Error readInteger(const json::Object &from, StringRef key, uint32_t low, uint32_t high,
                    bool required, uint32_t &out) {
    const json::Value *value = from.get(key);
    if (!value || value->kind() == json::Value::Null)
      return required ? keyError(key, "is missing; give a complete config.json") : Error::success();
    std::optional<int64_t> number = value->getAsInteger();
    if (!number || *number < low || *number > high)
      return keyError(key, "is " + shown(*value) + ", but an integer from " + Twine(low) + " to " +
                               Twine(high) + " is wanted; correct it");
    out = static_cast<uint32_t>(*number);
    return Error::success();
  }

  Error readNumber(const json::Object &from, StringRef key, double low, double high, bool required,
                   double &out) {
    const json::Value *value = from.get(key);
    if (!value || value->kind() == json::Value::Null)
      return required ? keyError(key, "is missing; give a complete config.json") : Error::success();
    std::optional<double> number = value->getAsNumber();
    if (!number || !(*number >= low && *number <= high))
      return keyError(key, "is " + shown(*value) + ", but a number from " + numberText(low) +
                               " to " + numberText(high) + " is wanted; correct it");
    out = *number;
    return Error::success();
  }

  Error readKeyed(const NumberKey &key) {
    double value = key.narrow ? config.*key.narrow : config.*key.wide;
    if (Error error = readNumber(*object, key.json, key.low, key.high, key.required, value))
      return error;
    if (key.narrow)
      config.*key.narrow = static_cast<float>(value);
    else
      config.*key.wide = value;
    return Error::success();
  }

  static std::string shown(const json::Value &value) {
    std::string text;
    llvm::raw_string_ostream(text) << value;
    return printable(text);
  }

  /// `rope_scaling`, or `rope_parameters`, which may have one entry per kind of layer.
  Error readRope() {
    const json::Object *rope = object->getObject("rope_parameters");
    if (!rope)
      rope = object->getObject("rope_scaling");
    if (!rope)
      return Error::success();
    if (const json::Object *local = rope->getObject("sliding_attention"))
      if (Error error = readNumber(*local, "rope_theta", 1.5, 1e12, false, config.ropeBaseLocal))
        return error;
    if (const json::Object *global = rope->getObject("full_attention"))
      rope = global;
    if (Error error = readNumber(*rope, "rope_theta", 1.5, 1e12, false, config.ropeBase))
      return error;
    for (const auto &entry : *rope)
      if (Error error = checkRopeKey(entry.first, entry.second))
        return error;
    std::optional<StringRef> type = rope->getString("rope_type");
    if (!type)
      type = rope->getString("type");
    if (!type || *type == "default")
      return Error::success();
    config.ropeScaling = type->str();
    struct {
      StringRef key;
      double &field;
      bool required;
    } const numbers[] = {
        {"factor", config.ropeFactor, true},
        {"low_freq_factor", config.ropeLowFreqFactor, *type == "llama3"},
        {"high_freq_factor", config.ropeHighFreqFactor, *type == "llama3"},
        {"original_max_position_embeddings", config.ropeOriginalContext, *type != "linear"},
        {"beta_fast", config.ropeBetaFast, false},
        {"beta_slow", config.ropeBetaSlow, false},
        {"attention_factor", config.ropeAttentionFactor, false}};
    for (const auto &number : numbers)
      if (Error error = readNumber(*rope, number.key, 0, 1e9, number.required, number.field))
        return error;
    return Error::success();
  }

  /// A rope key that nobody reads would change the angles unnoticed.
  Error checkRopeKey(StringRef key, const json::Value &value) {
    static constexpr StringRef known[] = {"rope_theta",
                                          "rope_type",
                                          "type",
                                          "factor",
                                          "low_freq_factor",
                                          "high_freq_factor",
                                          "original_max_position_embeddings",
                                          "beta_fast",
                                          "beta_slow",
                                          "attention_factor",
                                          "partial_rotary_factor",
                                          "sliding_attention",
                                          "finetuned"};
    const bool plain =
        value.kind() == json::Value::Null || (key == "truncate" && value.getAsBoolean() == true);
    if (plain || llvm::is_contained(known, key))
      return Error::success();
    return keyError(key, "of the rope scaling is " + shown(value) +
                             ", which nothing here computes; choose a model without it");
  }

  /// The rotated part of a head, at the top or among the rope parameters.
  Error readPartialRotary() {
    double part = 1;
    if (Error error = readNumber(*object, "partial_rotary_factor", 1e-3, 1, false, part))
      return error;
    if (const json::Object *rope = object->getObject("rope_parameters"))
      if (Error error = readNumber(*rope, "partial_rotary_factor", 1e-3, 1, false, part))
        return error;
    const uint32_t headDim = config.headDim ? config.headDim : config.hidden / config.heads;
    if (part != 1)
      config.rotary = static_cast<uint32_t>(headDim * part);
    return Error::success();
  }

  Error readQueryScale() {
    if (!recipe.slidingWindow) // Gemma alone states the scale of its queries
      return Error::success();
    double scalar = 0;
    if (Error error = readNumber(*object, "query_pre_attn_scalar", 1e-3, 1e6, false, scalar))
      return error;
    if (scalar != 0)
      config.attentionScale = inverseSqrt(scalar);
    return Error::success();
  }

  /// `layer_types` must follow a pattern of one global layer after every n - 1 with the window.
  Error readLayerTypes() {
    const json::Array *types = object->getArray("layer_types");
    if (!types)
      return Error::success();
    auto isFull = [&](size_t i) {
      return (*types)[i].getAsString() == StringRef("full_attention");
    };
    size_t first = 0;
    while (first < types->size() && !isFull(first))
      ++first;
    if (recipe.slidingWindow)
      config.windowPattern = static_cast<uint32_t>(first + 1);
    for (size_t i = 0; i < types->size(); ++i)
      if (isFull(i) != (!recipe.slidingWindow || (i + 1) % config.windowPattern == 0))
        return keyError("layer_types", "does not repeat one pattern of window layers and a global "
                                       "layer (layer " +
                                           Twine(i) + " breaks it), which the recipe '" +
                                           recipe.name + "' cannot express");
    if (types->size() != config.layers)
      return keyError("layer_types", "has " + Twine(types->size()) + " entries for " +
                                         Twine(config.layers) + " layers; correct it");
    return Error::success();
  }

  Error refuseUncomputed() {
    for (StringRef key : {"attention_bias", "mlp_bias", "use_bidirectional_attention"})
      if (object->getBoolean(key).value_or(false))
        return keyError(key, "is true, which the recipe '" + recipe.name +
                                 "' does not compute; choose a model without it");
    if (object->get("num_local_experts") || object->get("num_experts"))
      return keyError("num_experts", "is there, but mixtures of experts are not supported yet; "
                                     "choose a dense model");
    const bool mistralWindow = !recipe.slidingWindow && object->getInteger("sliding_window") &&
                               object->getBoolean("use_sliding_window").value_or(true);
    if (mistralWindow)
      return keyError("sliding_window", "is set, but the recipe '" + recipe.name +
                                            "' attends to everything; choose a model without it");
    std::optional<StringRef> activation = object->getString("hidden_activation");
    if (!activation)
      activation = object->getString("hidden_act");
    const StringRef wanted = recipe.activation == "silu" ? "silu" : "gelu_pytorch_tanh";
    if (activation && *activation != wanted)
      return keyError("hidden_act", "is '" + printable(*activation) + "', but the recipe '" +
                                        recipe.name + "' computes '" + wanted + "'");
    return Error::success();
  }

  StringRef path;
  const Recipe &recipe;
  ModelConfig &config;
  const json::Object *object = nullptr;
  std::optional<bool> tied;
};

} // namespace

Expected<ModelConfig> readConfigJson(StringRef path, const json::Object &object,
                                     const Recipe &recipe) {
  ModelConfig config;
  if (Error error = JsonConfigReader(path, object, recipe, config).read())
    return std::move(error);
  if (std::optional<StringRef> name = object.getString("_name_or_path"))
    config.name = name->str();
  if (Error error = completeConfig(path, recipe, config))
    return std::move(error);
  return config;
}

} // namespace tenon::frontend
