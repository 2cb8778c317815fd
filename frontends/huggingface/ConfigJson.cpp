//===- ConfigJson.cpp - A bare Hugging Face config.json -------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "frontends/huggingface/ConfigJson.h"

#include "frontends/ErrorText.h"
#include "frontends/JsonNesting.h"
#include "frontends/huggingface/ConfigReader.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"

namespace tenon::frontend {

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;
using llvm::Twine;

namespace {

class RandomCheckpoint final : public Checkpoint {
public:
  RandomCheckpoint(StringRef path, ModelConfig config, uint64_t seed)
      : file(path.str()), model(std::move(config)), seed(seed) {}

  /// Adds a tensor without data.
  Error add(const TensorRule &rule, std::string name, WeightFormat wanted) {
    Tensor tensor;
    tensor.name = std::move(name);
    tensor.rows = dimSize(model, rule.rows);
    tensor.columns = dimSize(model, rule.columns);
    tensor.format = rule.rows == Dim::One ? WeightFormat::F32 : wanted;
    if (tensor.columns % formatInfo(tensor.format).kMultiple != 0)
      return fileError(file, "tensor '" + tensor.name + "' has rows of " + Twine(tensor.columns) +
                                 " values, but format " + formatInfo(wanted).name.data() +
                                 " wants a multiple of " + Twine(formatInfo(wanted).kMultiple) +
                                 "; choose bf16, or another format whose blocks fit");
    index.try_emplace(tensor.name, list.size());
    list.push_back(std::move(tensor));
    return Error::success();
  }

  const ModelConfig &config() const override { return model; }
  const TokenizerMetadata &tokenizer() const override { return tokens; }
  llvm::ArrayRef<Tensor> tensors() const override { return list; }
  const Tensor *find(StringRef name) const override {
    auto it = index.find(name);
    return it == index.end() ? nullptr : &list[it->second];
  }
  bool interleavedRotary() const override { return false; }
  StringRef path() const override { return file; }
  uint64_t randomSeed() const override { return seed; }

private:
  std::string file;
  ModelConfig model;
  TokenizerMetadata tokens;
  uint64_t seed;
  std::vector<Tensor> list;
  llvm::StringMap<size_t> index;
};

/// The recipe of the config's `architectures`, or an error that names those with one.
Expected<const Recipe *> recipeOf(StringRef path, const llvm::json::Object &object) {
  const llvm::json::Array *classes = object.getArray("architectures");
  std::optional<StringRef> name =
      classes && !classes->empty() ? (*classes)[0].getAsString() : std::nullopt;
  if (!name)
    return fileError(path, "has no \"architectures\" list; add one, as in "
                           "\"architectures\": [\"LlamaForCausalLM\"]");
  if (const Recipe *recipe = findRecipeOfClass(*name))
    return recipe;
  std::vector<std::string> known;
  for (const Recipe *recipe : allRecipes())
    for (StringRef each : recipe->huggingFace)
      known.push_back(each.str());
  return fileError(path, "class '" + printable(*name) + "' has no recipe; there are recipes for " +
                             llvm::join(known, ", "));
}

} // namespace

Expected<std::unique_ptr<Checkpoint>> openConfigJson(StringRef path, StringRef text,
                                                     const OpenOptions &options) {
  if (nestsDeeperThan(text, 64))
    return fileError(path, "nests brackets deeper than 64; give a model's config.json");
  Expected<llvm::json::Value> value = llvm::json::parse(text);
  if (!value)
    return fileError(path, "is not JSON: " + llvm::toString(value.takeError()) +
                               "; give a GGUF file or a config.json");
  const llvm::json::Object *object = value->getAsObject();
  if (!object)
    return fileError(path, "is JSON, but not an object; give a model's config.json");
  Expected<const Recipe *> recipe = recipeOf(path, *object);
  if (!recipe)
    return recipe.takeError();
  if (options.randomWeightsSeed == 0)
    return fileError(path, "has no weights beside its hyperparameters; give --random-weights SEED "
                           "(not 0) to make them up, or a GGUF file");
  Expected<ModelConfig> config = readConfigJson(path, *object, **recipe);
  if (!config)
    return config.takeError();

  auto checkpoint =
      std::make_unique<RandomCheckpoint>(path, std::move(*config), options.randomWeightsSeed);
  const ModelConfig &model = checkpoint->config();
  for (const TensorRule &rule : modelTensors(**recipe)) {
    const bool head = rule.name == "output.weight";
    if (rule.optional && !(head && !model.tiedEmbeddings))
      continue;
    if (Error error = checkpoint->add(rule, rule.name.str(), options.randomWeightsFormat))
      return std::move(error);
  }
  const std::vector<TensorRule> rules = layerTensors(**recipe);
  for (uint32_t layer = 0; layer < model.layers; ++layer)
    for (const TensorRule &rule : rules)
      if (Error error =
              checkpoint->add(rule, layerTensorName(layer, rule.name), options.randomWeightsFormat))
        return std::move(error);
  return checkpoint;
}

} // namespace tenon::frontend
