//===- TokenizerSectionFuzz.cpp - Hostile tokenizer sections --------------===//
// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a tokenizer section, and sections built from any vocabulary: what loads, encodes and
// decodes within bounds; what was built, loads.
//
#include "runtime/text/Tokenizer.h"
#include "runtime/text/TokenizerSource.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace tenon::text;

static void require(bool holds, const char *what) {
  if (holds)
    return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

/// Encodes and decodes `text` in every way.
static void use(const Tokenizer &tokenizer, std::string_view text) {
  for (const bool parseSpecial : {true, false}) {
    const auto ids = tokenizer.encode(text, true, parseSpecial);
    require(ids.isOk(), "a short text is not encoded");
    for (const int32_t id : *ids)
      require(id >= 0 && id < tokenizer.vocabularySize(), "an id outside the vocabulary");
    (void)tokenizer.decode(*ids, parseSpecial);
    DecodeStream stream(tokenizer, parseSpecial);
    for (const int32_t id : *ids) {
      (void)stream.push(id);
      (void)tokenizer.isEndOfGeneration(id);
    }
    (void)stream.finish();
  }
  (void)tokenizer.findPiece(text.substr(0, 40));
  const int32_t odd[] = {
      -1, 0, tokenizer.vocabularySize(), INT32_MAX, tokenizer.bos(), tokenizer.eos()};
  (void)tokenizer.decode(odd, false);
}

/// A vocabulary out of the input: pieces separated by 0xff, then merges after 0xfe.
static void buildAndUse(std::string_view input) {
  TokenizerSource source;
  if (input.size() < 4)
    return;
  const uint8_t settings = uint8_t(input[0]);
  source.model = settings & 1 ? "llama" : "gpt2";
  static const char *kPre[] = {"gpt-2", "smollm", "llama-bpe", "qwen2"};
  source.preTokenizer = kPre[settings >> 1 & 3];
  source.addSpacePrefix = settings & 8;
  source.bos = int8_t(input[1]);
  source.eos = int8_t(input[2]);
  source.addBos = settings & 16;
  source.addEos = settings & 32;
  const size_t split = input.find('\xfe', 3);
  const std::string_view pieces = input.substr(3, split - 3);
  for (size_t at = 0; at <= pieces.size();) {
    const size_t end = std::min(pieces.find('\xff', at), pieces.size());
    const std::string_view piece = pieces.substr(at, end - at);
    source.types.push_back(piece.empty() || uint8_t(piece[0]) > 6 ? 1 : piece[0]);
    source.tokens.emplace_back(piece.empty() || uint8_t(piece[0]) > 6 ? piece : piece.substr(1));
    source.scores.push_back(settings & 64 ? -float(source.scores.size()) : float(piece.size() % 5));
    at = end + 1;
  }
  if (split != input.npos)
    for (std::string_view merges = input.substr(split + 1); !merges.empty();) {
      const size_t end = std::min(merges.find('\xff'), merges.size());
      source.merges.emplace_back(merges.substr(0, end));
      merges.remove_prefix(std::min(end + 1, merges.size()));
    }
  const auto section = buildTokenizerSection(source);
  if (!section)
    return;
  const auto tokenizer = Tokenizer::load(*section);
  require(tokenizer.isOk(), "what was built does not load");
  use(*tokenizer, input);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0 || size > 65536)
    return 0;
  const std::string_view input(reinterpret_cast<const char *>(data), size);
  if (data[0] == 'V') {
    buildAndUse(input.substr(1));
    return 0;
  }
  // An exact copy, so that the sanitizer sees its end; vectors are aligned for any type.
  const std::vector<uint8_t> section(data, data + size);
  const auto tokenizer = Tokenizer::load(section);
  if (tokenizer) {
    use(*tokenizer, "Hello, wörld 123  \n\n <s>ab</s> \xff\xe2\x82 'll  x");
    use(*tokenizer, input.substr(0, 200));
  }
  return 0;
}
