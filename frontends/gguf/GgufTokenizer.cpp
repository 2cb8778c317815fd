//===- GgufTokenizer.cpp - Tokenizer metadata of a GGUF file --------------===//
// SPDX-License-Identifier: Apache-2.0

#include "frontends/gguf/GgufConfig.h"

#include "llvm/ADT/STLExtras.h"

#include <limits>

namespace tenon::frontend {

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;
using llvm::Twine;

namespace {

/// Stores an expected value, if the key is there.
template <typename T, typename Read>
Error readIfThere(const GgufFile &gguf, StringRef key, T &out, Read read) {
  if (!gguf.find(key))
    return Error::success();
  auto value = read(key);
  if (!value)
    return value.takeError();
  out = std::move(*value);
  return Error::success();
}

/// A token id; the largest u32 stands for none.
Error readId(const GgufFile &gguf, StringRef key, int32_t &id) {
  if (!gguf.find(key))
    return Error::success();
  Expected<uint64_t> value = gguf.getUnsigned(key);
  if (!value)
    return value.takeError();
  if (*value == std::numeric_limits<uint32_t>::max())
    return Error::success();
  if (*value > std::numeric_limits<int32_t>::max())
    return gguf.keyError(key,
                         "is " + Twine(*value) + ", which is no token id; convert the model again");
  id = static_cast<int32_t>(*value);
  return Error::success();
}

} // namespace

Expected<TokenizerMetadata> readGgufTokenizer(const GgufFile &gguf) {
  TokenizerMetadata tokenizer;
  auto text = [&](StringRef key) -> Expected<std::string> {
    Expected<StringRef> value = gguf.getString(key);
    if (!value)
      return value.takeError();
    return value->str();
  };
  auto strings = [&](StringRef key) { return gguf.getStrings(key); };
  auto flag = [&](StringRef key) { return gguf.getBool(key); };
  auto firstError = [](std::initializer_list<llvm::function_ref<Error()>> steps) -> Error {
    for (auto step : steps)
      if (Error error = step())
        return error;
    return Error::success();
  };

  if (Error error = readIfThere(gguf, "tokenizer.ggml.model", tokenizer.model, text))
    return std::move(error);
  if (tokenizer.model.empty() || tokenizer.model == "no_vocab" || tokenizer.model == "none")
    return TokenizerMetadata();
  if (Error error = readIfThere(gguf, "tokenizer.ggml.pre", tokenizer.preTokenizer, text))
    return std::move(error);

  // What a file that does not say is taken to mean, by kind of tokenizer.
  const bool sentencePiece = tokenizer.model == "llama";
  const StringRef pre = tokenizer.preTokenizer;
  tokenizer.addSpacePrefix = sentencePiece;
  tokenizer.addBos = sentencePiece || pre == "llama-bpe" || pre == "llama3" || pre == "llama-v3";

  int32_t eot = -1, eom = -1;
  Error error = firstError(
      {[&] { return readIfThere(gguf, "tokenizer.ggml.tokens", tokenizer.tokens, strings); },
       [&] {
         return readIfThere(gguf, "tokenizer.ggml.scores", tokenizer.scores,
                            [&](StringRef key) { return gguf.getFloats(key); });
       },
       [&] {
         return readIfThere(gguf, "tokenizer.ggml.token_type", tokenizer.types,
                            [&](StringRef key) { return gguf.getInts(key); });
       },
       [&] { return readIfThere(gguf, "tokenizer.ggml.merges", tokenizer.merges, strings); },
       [&] { return readId(gguf, "tokenizer.ggml.bos_token_id", tokenizer.bos); },
       [&] { return readId(gguf, "tokenizer.ggml.eos_token_id", tokenizer.eos); },
       [&] { return readId(gguf, "tokenizer.ggml.unknown_token_id", tokenizer.unknown); },
       [&] { return readId(gguf, "tokenizer.ggml.padding_token_id", tokenizer.padding); },
       [&] { return readId(gguf, "tokenizer.ggml.eot_token_id", eot); },
       [&] { return readId(gguf, "tokenizer.ggml.eom_token_id", eom); },
       [&] { return readIfThere(gguf, "tokenizer.ggml.add_bos_token", tokenizer.addBos, flag); },
       [&] { return readIfThere(gguf, "tokenizer.ggml.add_eos_token", tokenizer.addEos, flag); },
       [&] {
         return readIfThere(gguf, "tokenizer.ggml.add_space_prefix", tokenizer.addSpacePrefix,
                            flag);
       },
       [&] { return readIfThere(gguf, "tokenizer.chat_template", tokenizer.chatTemplate, text); }});
  if (error)
    return std::move(error);
  for (int32_t id : {eot, eom})
    if (id >= 0 && id != tokenizer.eos && !llvm::is_contained(tokenizer.extraEos, id))
      tokenizer.extraEos.push_back(id);
  return tokenizer;
}

} // namespace tenon::frontend
