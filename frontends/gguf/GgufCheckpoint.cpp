//===- GgufCheckpoint.cpp - A GGUF file as a checkpoint -------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "frontends/gguf/GgufCheckpoint.h"

#include "frontends/ErrorText.h"
#include "frontends/gguf/GgufConfig.h"
#include "frontends/recipes/NearestRecipe.h"

namespace tenon::frontend {

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;
using llvm::Twine;

namespace {

class GgufCheckpoint final : public Checkpoint {
public:
  GgufCheckpoint(std::unique_ptr<GgufFile> gguf, const Recipe &recipe, ModelConfig config,
                 TokenizerMetadata tokenizer)
      : gguf(std::move(gguf)), recipe(recipe), model(std::move(config)),
        tokens(std::move(tokenizer)) {}

  const ModelConfig &config() const override { return model; }
  const TokenizerMetadata &tokenizer() const override { return tokens; }
  llvm::ArrayRef<Tensor> tensors() const override { return gguf->tensors(); }
  const Tensor *find(StringRef name) const override { return gguf->findTensor(name); }
  bool interleavedRotary() const override { return recipe.interleavedRotary; }
  StringRef path() const override { return gguf->path(); }
  void release(const Tensor &tensor) const override { gguf->release(tensor); }
  uint64_t randomSeed() const override { return 0; }

private:
  std::unique_ptr<GgufFile> gguf;
  const Recipe &recipe;
  ModelConfig model;
  TokenizerMetadata tokens;
};

/// A model in several files has this key; one part alone is not the model.
Error refuseSplit(const GgufFile &gguf) {
  if (!gguf.find("split.count"))
    return Error::success();
  Expected<uint64_t> count = gguf.getUnsigned("split.count");
  if (!count)
    return count.takeError();
  if (*count > 1)
    return gguf.keyError("split.count", "says that the model lies in " + Twine(*count) +
                                            " files, but one file is read; merge them first "
                                            "(llama-gguf-split --merge)");
  return Error::success();
}

} // namespace

Expected<std::unique_ptr<Checkpoint>> makeGgufCheckpoint(std::unique_ptr<GgufFile> gguf) {
  if (Error error = refuseSplit(*gguf))
    return std::move(error);
  Expected<StringRef> architecture = gguf->getString("general.architecture");
  if (!architecture)
    return architecture.takeError();
  const Recipe *recipe = findRecipe(*architecture);
  if (!recipe) {
    std::vector<std::string> keys, names;
    for (StringRef key : gguf->keys())
      keys.push_back(key.str());
    for (const Tensor &tensor : gguf->tensors())
      names.push_back(tensor.name);
    return refuseArchitecture(gguf->path(), *architecture, keys, names);
  }
  Expected<ModelConfig> config = readGgufConfig(*gguf, *recipe);
  if (!config)
    return config.takeError();
  Expected<TokenizerMetadata> tokenizer = readGgufTokenizer(*gguf);
  if (!tokenizer)
    return tokenizer.takeError();
  if (!tokenizer->tokens.empty() && tokenizer->tokens.size() != config->vocabulary)
    return gguf->keyError("tokenizer.ggml.tokens", "has " + Twine(tokenizer->tokens.size()) +
                                                       " tokens, but the embedding has " +
                                                       Twine(config->vocabulary) +
                                                       " rows; convert the model again");
  return std::make_unique<GgufCheckpoint>(std::move(gguf), *recipe, std::move(*config),
                                          std::move(*tokenizer));
}

} // namespace tenon::frontend
