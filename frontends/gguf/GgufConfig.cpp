//===- GgufConfig.cpp - Hyperparameters of a GGUF file --------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "frontends/gguf/GgufConfig.h"

#include "frontends/ErrorText.h"
#include "frontends/recipes/Hyperparameters.h"

#include "llvm/ADT/StringSet.h"

#include <cmath>

namespace tenon::frontend {

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;
using llvm::Twine;

namespace {

/// Reads the keys of one architecture.
class ConfigReader {
public:
  ConfigReader(const GgufFile &gguf, const Recipe &recipe, ModelConfig &config)
      : gguf(gguf), recipe(recipe), config(config) {}

  Error read() {
    for (const IntegerKey &key : integerKeys())
      if (!key.windowOnly || recipe.slidingWindow)
        if (Error error = readInteger(key))
          return error;
    for (const NumberKey &key : numberKeys())
      if (!key.windowOnly || recipe.slidingWindow)
        if (Error error = readNumber(key))
          return error;
    if (Error error = readRopeScaling())
      return error;
    if (Error error = readRopeFactors())
      return error;
    if (Error error = readFixed())
      return error;
    return refuseUnknownKeys();
  }

private:
  std::string fullKey(StringRef suffix) const { return (recipe.name + "." + suffix).str(); }

  Error readInteger(const IntegerKey &key) {
    const std::string name = fullKey(key.gguf);
    if (!key.required && !gguf.find(name))
      return Error::success();
    Expected<uint64_t> value = gguf.getUnsigned(name);
    if (!value)
      return value.takeError();
    if (*value < key.low || *value > key.high)
      return gguf.keyError(name, "is " + Twine(*value) + ", but " + Twine(key.low) + " to " +
                                     Twine(key.high) + " is wanted; convert the model again");
    config.*key.field = static_cast<uint32_t>(*value);
    return Error::success();
  }

  /// Reads `name` if it is there; `found` says whether it was.
  Error readBounded(const std::string &name, double low, double high, bool required, double &value,
                    bool &found) {
    found = required || gguf.find(name);
    if (!found)
      return Error::success();
    Expected<double> read = gguf.getFloat(name);
    if (!read)
      return read.takeError();
    if (!(*read >= low && *read <= high))
      return gguf.keyError(name, "is " + Twine(numberText(*read)) + ", but " + numberText(low) +
                                     " to " + numberText(high) +
                                     " is wanted; convert the model again");
    value = *read;
    return Error::success();
  }

  Error readNumber(const NumberKey &key) {
    double value = 0;
    bool found = false;
    if (Error error = readBounded(fullKey(key.gguf), key.low, key.high, key.required, value, found))
      return error;
    if (found && key.narrow)
      config.*key.narrow = static_cast<float>(value);
    else if (found)
      config.*key.wide = value;
    return Error::success();
  }

  Error readRopeScaling() {
    const std::string typeKey = fullKey("rope.scaling.type");
    if (gguf.find(typeKey)) {
      Expected<StringRef> type = gguf.getString(typeKey);
      if (!type)
        return type.takeError();
      config.ropeScaling = type->str();
    }
    struct {
      const char *suffix;
      double ModelConfig::*field;
      double high;
    } const numbers[] = {{"rope.scaling.factor", &ModelConfig::ropeFactor, 1e4},
                         {"rope.scaling.attn_factor", &ModelConfig::ropeAttentionFactor, 100},
                         {"rope.scaling.yarn_beta_fast", &ModelConfig::ropeBetaFast, 1e4},
                         {"rope.scaling.yarn_beta_slow", &ModelConfig::ropeBetaSlow, 1e4}};
    bool found = false;
    for (const auto &number : numbers)
      if (Error error = readBounded(fullKey(number.suffix), 0, number.high, false,
                                    config.*number.field, found))
        return error;
    // Here the factor multiplies YaRN's magnitude; in a config.json it stands for it.
    if (config.ropeAttentionFactor != 0 && config.ropeScaling == "yarn" && config.ropeFactor > 1)
      config.ropeAttentionFactor *= 0.1 * std::log(config.ropeFactor) + 1;
    else if (config.ropeAttentionFactor != 0 && config.ropeAttentionFactor != 1)
      return gguf.keyError(
          fullKey("rope.scaling.attn_factor"),
          "is " + numberText(config.ropeAttentionFactor) +
              ", but only rope scaling yarn has such a factor; convert the model again");
    const std::string originalKey = fullKey("rope.scaling.original_context_length");
    if (gguf.find(originalKey)) {
      Expected<uint64_t> original = gguf.getUnsigned(originalKey);
      if (!original)
        return original.takeError();
      config.ropeOriginalContext = static_cast<double>(*original);
    }
    // Files from before `rope.scaling.type` state a linear factor alone.
    if (Error error =
            readBounded(fullKey("rope.scale_linear"), 1, 1e4, false, config.ropeFactor, found))
      return error;
    if (found && config.ropeScaling == "none")
      config.ropeScaling = "linear";
    return Error::success();
  }

  /// Divisors of the frequencies, which a converter made of Llama 3.1's scaling.
  Error readRopeFactors() {
    const Tensor *tensor = gguf.findTensor("rope_freqs.weight");
    if (!tensor)
      return Error::success();
    if (tensor->format != WeightFormat::F32 || tensor->rows != 1 || tensor->columns > 512)
      return fileError(gguf.path(), "tensor 'rope_freqs.weight' is " + Twine(tensor->rows) + " x " +
                                        Twine(tensor->columns) + " " +
                                        formatInfo(tensor->format).name.data() +
                                        ", but a vector of at most 512 f32 is wanted; convert the "
                                        "model again");
    config.ropeFactors.resize(tensor->columns);
    dequantizeRow(*tensor, 0, config.ropeFactors);
    for (float factor : config.ropeFactors)
      if (!(factor >= 1e-3f && factor <= 1e4f))
        return fileError(gguf.path(), "tensor 'rope_freqs.weight' holds " +
                                          Twine(numberText(factor)) +
                                          ", but divisors from 0.001 to 10000 are wanted; convert "
                                          "the model again");
    return Error::success();
  }

  /// Keys that may stand there with one value only.
  Error readFixed() {
    const std::string valueLength = fullKey("attention.value_length");
    if (gguf.find(valueLength)) {
      Expected<uint64_t> length = gguf.getUnsigned(valueLength);
      if (!length)
        return length.takeError();
      const uint32_t wanted = config.headDim ? config.headDim : config.hidden / config.heads;
      if (*length != wanted)
        return gguf.keyError(valueLength, "is " + Twine(*length) + ", but keys have " +
                                              Twine(wanted) +
                                              " elements and values must have as many; "
                                              "convert the model again");
    }
    for (const char *suffix : {"expert_count", "expert_used_count"}) {
      const std::string key = fullKey(suffix);
      if (!gguf.find(key))
        continue;
      Expected<uint64_t> count = gguf.getUnsigned(key);
      if (!count)
        return count.takeError();
      if (*count != 0)
        return gguf.keyError(key, "is " + Twine(*count) +
                                      ", but mixtures of experts are not "
                                      "supported yet; choose a dense model");
    }
    return Error::success();
  }

  Error refuseUnknownKeys() {
    llvm::StringSet<> known;
    for (const IntegerKey &key : integerKeys())
      if (!key.windowOnly || recipe.slidingWindow)
        known.insert(fullKey(key.gguf));
    for (const NumberKey &key : numberKeys())
      if (!key.windowOnly || recipe.slidingWindow)
        known.insert(fullKey(key.gguf));
    for (StringRef key : furtherKeys())
      known.insert(fullKey(key));
    const std::string prefix = recipe.name.str() + ".";
    for (StringRef key : gguf.keys())
      if (key.starts_with(prefix) && !known.count(key))
        return gguf.keyError(key, "is not known to the recipe '" + recipe.name +
                                      "', so the model would be computed wrongly; teach the recipe "
                                      "(frontends/recipes), or remove the key if it means nothing");
    return Error::success();
  }

  const GgufFile &gguf;
  const Recipe &recipe;
  ModelConfig &config;
};

} // namespace

Expected<ModelConfig> readGgufConfig(const GgufFile &gguf, const Recipe &recipe) {
  ModelConfig config;
  if (Error error = ConfigReader(gguf, recipe, config).read())
    return std::move(error);
  if (gguf.find("general.name")) {
    Expected<StringRef> name = gguf.getString("general.name");
    if (!name)
      return name.takeError();
    config.name = name->str();
  }
  if (gguf.find("general.license")) {
    Expected<StringRef> licence = gguf.getString("general.license");
    if (!licence)
      return licence.takeError();
    config.licence = licence->str();
  }
  const Tensor *embedding = gguf.findTensor("token_embd.weight");
  if (!embedding)
    return fileError(gguf.path(),
                     "tensor 'token_embd.weight' is missing; convert the model again, or "
                     "download all its parts");
  if (embedding->rows > (1u << 22) || (config.vocabulary && config.vocabulary != embedding->rows))
    return fileError(gguf.path(), "tensor 'token_embd.weight' has " + Twine(embedding->rows) +
                                      " rows, but a vocabulary of " +
                                      (config.vocabulary ? std::to_string(config.vocabulary)
                                                         : std::string("at most 4194304")) +
                                      " is wanted; convert the model again");
  config.vocabulary = static_cast<uint32_t>(embedding->rows);
  config.tiedEmbeddings = gguf.findTensor("output.weight") == nullptr;
  if (Error error = completeConfig(gguf.path(), recipe, config))
    return std::move(error);
  if (Error error = checkTensors(gguf.path(), recipe, config, gguf.tensors()))
    return std::move(error);
  return config;
}

} // namespace tenon::frontend
