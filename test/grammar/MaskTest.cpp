//===- MaskTest.cpp - Masks against an enumeration of the language --------===//
// SPDX-License-Identifier: Apache-2.0
//
// A finite language is written down word by word. After every token, the tokens allowed must be
// exactly those with which some word goes on, by comparing bytes: no grammar and no tables take
// part in that.
//
#include "test/grammar/FiniteLanguages.h"
#include "test/grammar/TestVocabulary.h"

#include <cmath>
#include <random>

using namespace tenon;
using namespace tenon::grammar;

namespace {

bool goesOn(const Language &language, const std::string &text) {
  return std::any_of(language.words.begin(), language.words.end(),
                     [&](const std::string &w) { return w.starts_with(text); });
}

/// Walks one answer, checks every mask, and gives the answer.
std::string walk(const Language &language, const TestVocabulary &v, const TokenGrammar &grammar,
                 std::mt19937 &random) {
  const auto mask = grammar.newMask(v.stopTokens, 1000);
  std::string text;
  for (int step = 0; step < 64; ++step) {
    const std::span<const uint32_t> next = mask->next();
    EXPECT_FALSE(mask->failed());
    std::vector<int32_t> allowed;
    const bool whole =
        std::find(language.words.begin(), language.words.end(), text) != language.words.end();
    for (int32_t id = 0; id < int32_t(v.size); ++id) {
      const bool is =
          next.empty() || (size_t(id) / 32 < next.size() && next[size_t(id) / 32] >> id % 32 & 1);
      const bool stop =
          std::find(v.stopTokens.begin(), v.stopTokens.end(), id) != v.stopTokens.end();
      const std::string_view bytes =
          v.tokenizer->isSpecial(id) ? std::string_view() : v.tokenizer->tokenBytes(id);
      const bool should =
          stop ? whole : !bytes.empty() && goesOn(language, text + std::string(bytes));
      if (is != should) {
        ADD_FAILURE() << language.name << ": token " << id << " '" << bytes << "' after '" << text
                      << "' is " << (is ? "allowed" : "forbidden");
        return text;
      }
      if (is)
        allowed.push_back(id);
    }
    if (allowed.empty()) {
      ADD_FAILURE() << language.name << ": nothing may follow '" << text << "'";
      return text;
    }
    const int32_t token = allowed[random() % allowed.size()];
    if (std::find(v.stopTokens.begin(), v.stopTokens.end(), token) != v.stopTokens.end())
      return text;
    mask->accept(token);
    text += v.tokenizer->tokenBytes(token);
  }
  ADD_FAILURE() << language.name << ": no end after '" << text << "'";
  return text;
}

void checkAll(const TestVocabulary &v, int walks) {
  Compiler compiler(v.vocabulary(), size_t(16) << 20);
  std::mt19937 random(7);
  for (const Language &language : languages()) {
    auto grammar = compiler.compile(language.constraint);
    ASSERT_TRUE(grammar.isOk()) << language.name << ": " << grammar.status().message();
    // What another process made must be the same.
    auto copy = TokenGrammar::read((*grammar)->serialize(), v.vocabulary());
    ASSERT_TRUE(copy.isOk()) << copy.status().message();
    for (int i = 0; i < walks; ++i) {
      const std::string word = walk(language, v, i % 2 ? **copy : **grammar, random);
      EXPECT_NE(std::find(language.words.begin(), language.words.end(), word), language.words.end())
          << language.name << ": " << word;
      if (testing::Test::HasFailure())
        return;
    }
  }
}

class Masks : public testing::Test {
  void SetUp() override {
    if (!available())
      GTEST_SKIP() << "this build has no constrained output";
  }
};

TEST_F(Masks, allowExactlyWhatGoesOnWithBytesAsTokens) {
  checkAll(TestVocabulary(smallSource()), 60);
}

void checkModel(const char *file) {
  const std::string path = text::findModel(file);
  if (path.empty())
    GTEST_SKIP() << file << " is not there (tools/setup fetches it)";
  auto model = text::readGgufTokenizer(path);
  ASSERT_TRUE(model.isOk()) << model.status().message();
  checkAll(TestVocabulary(model->source), 6);
}

TEST_F(Masks, allowExactlyWhatGoesOnInSmolLm2sByteLevelVocabulary) {
  checkModel("SmolLM2-135M-Instruct.Q4_1.gguf");
}
TEST_F(Masks, allowExactlyWhatGoesOnInGemma3sSentencePieceVocabulary) {
  checkModel("gemma-3-270m-q4_k_m.gguf");
}

TEST_F(Masks, sayWhereTheLibraryWouldLeaveAConstraintOut) {
  const TestVocabulary v(smallSource());
  Compiler compiler(v.vocabulary(), size_t(16) << 20);
  const auto refused =
      compiler.compile({Constraint::Kind::JsonSchema, R"({"type":"number","multipleOf":0.01})"});
  ASSERT_FALSE(refused.isOk());
  EXPECT_EQ(refused.status().code(), StatusCode::InvalidArgument);
  EXPECT_NE(refused.status().message().find("multipleOf"), std::string::npos)
      << refused.status().message();
  EXPECT_FALSE(compiler.compile({Constraint::Kind::Grammar, "root ::= missing"}).isOk());
  EXPECT_TRUE(compiler.compile({Constraint::Kind::JsonObject, ""}).isOk()); // And goes on.
}

TEST_F(Masks, failWhereTheVocabularyLacksABytes) {
  text::TokenizerSource source = smallSource();
  source.tokens[3 + 'q'] = "<unused>"; // No other token has a q.
  source.types[3 + 'q'] = 3;
  const TestVocabulary v(source);
  Compiler compiler(v.vocabulary(), size_t(16) << 20);
  auto grammar = compiler.compile(made(Constraint::ofRegex("q", Limits())));
  if (!grammar)
    return; // Refusing it at once is as good.
  const auto mask = (*grammar)->newMask(v.stopTokens, 1000);
  mask->next();
  EXPECT_TRUE(mask->failed());
}

} // namespace
