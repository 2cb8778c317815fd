//===- TestVocabulary.h - Tokenizers for the tests --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TEST_GRAMMAR_TESTVOCABULARY_H
#define TENON_TEST_GRAMMAR_TESTVOCABULARY_H

#include "runtime/grammar/TokenGrammar.h"
#include "runtime/text/Tokenizer.h"
#include "runtime/text/TokenizerSource.h"
#include "test/text/GgufTokenizer.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace tenon::grammar {

/// A tokenizer with the ids that end an answer.
struct TestVocabulary {
  std::vector<uint8_t> section;
  std::unique_ptr<text::Tokenizer> tokenizer;
  std::vector<int32_t> stopTokens;
  uint32_t size = 0;

  std::shared_ptr<const Vocabulary> vocabulary() const {
    auto made = Vocabulary::of(*tokenizer, stopTokens, size);
    EXPECT_TRUE(made.isOk()) << made.status().message();
    return *made;
  }

  explicit TestVocabulary(const text::TokenizerSource &source) {
    auto built = text::buildTokenizerSection(source);
    EXPECT_TRUE(built.isOk()) << built.status().message();
    section = std::move(*built);
    auto loaded = text::Tokenizer::load(section);
    EXPECT_TRUE(loaded.isOk()) << loaded.status().message();
    tokenizer = std::make_unique<text::Tokenizer>(std::move(*loaded));
    for (int32_t id = 0; id < tokenizer->vocabularySize(); ++id)
      if (tokenizer->isEndOfGeneration(id))
        stopTokens.push_back(id);
    size =
        uint32_t(tokenizer->vocabularySize()) + 3; // Engines may have rows beyond the tokenizer's.
  }
};

/// SentencePiece with all bytes and a few pieces: no model is needed for it.
inline text::TokenizerSource smallSource() {
  text::TokenizerSource source;
  source.model = "llama";
  source.tokens = {"<unk>", "<s>", "</s>"};
  source.types = {2, 3, 3};
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", byte);
    source.tokens.push_back(name);
    source.types.push_back(6);
  }
  for (const char *piece : {"\u2581", "a", "b", "ab", "{\"", "\":\u2581", "true", "false", "\u65e5",
                            "1", "12", "\u2581\u2581", "}"}) {
    source.tokens.push_back(piece);
    source.types.push_back(1);
  }
  source.scores.assign(source.tokens.size(), 0);
  source.unknown = 0;
  source.bos = 1;
  source.eos = 2;
  return source;
}

} // namespace tenon::grammar

#endif // TENON_TEST_GRAMMAR_TESTVOCABULARY_H
