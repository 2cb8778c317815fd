//===- EndingTest.cpp - Answers end before their tokens run out -----------===//
// SPDX-License-Identifier: Apache-2.0

#include "test/grammar/FiniteLanguages.h"
#include "test/grammar/TestVocabulary.h"

#include <boost/json.hpp>

#include <random>

using namespace tenon;
using namespace tenon::grammar;

namespace {

class Endings : public testing::Test {
protected:
  void SetUp() override {
    if (!available())
      GTEST_SKIP() << "this build has no constrained output";
  }
};

bool isStop(const TestVocabulary &v, int32_t token) {
  return std::find(v.stopTokens.begin(), v.stopTokens.end(), token) != v.stopTokens.end();
}

std::vector<int32_t> allowed(std::span<const uint32_t> words, uint32_t size) {
  std::vector<int32_t> out;
  for (uint32_t id = 0; id < size; ++id)
    if (words.empty() || (id / 32 < words.size() && words[id / 32] >> id % 32 & 1))
      out.push_back(int32_t(id));
  return out;
}

struct Answer {
  std::string text;
  uint32_t tokens = 0;
  bool stopped = false;
  uint32_t refused = 0;
};

/// Draws with equal chances until the answer stops or its tokens run out.
Answer draw(const TokenGrammar &grammar, const TestVocabulary &v, uint32_t tokens,
            std::mt19937 &random) {
  const auto mask = grammar.newMask(v.stopTokens, tokens);
  Answer answer;
  while (answer.tokens < tokens) {
    int32_t token = -1;
    for (int attempt = 0;; ++attempt) {
      const std::vector<int32_t> may = allowed(mask->next(), v.size);
      EXPECT_FALSE(mask->failed());
      if (mask->failed() || may.empty() || attempt > 20) {
        ADD_FAILURE() << "nothing may follow '" << answer.text << "'";
        return answer;
      }
      token = may[random() % may.size()];
      if (mask->admits(token))
        break;
      ++answer.refused;
    }
    ++answer.tokens;
    if (isStop(v, token)) {
      answer.stopped = true;
      return answer;
    }
    answer.text += v.tokenizer->tokenBytes(token);
    if (answer.tokens < tokens)
      mask->accept(token);
  }
  return answer;
}

/// The small vocabulary without its longer pieces: a token is a byte, so how many tokens a text
/// needs is plain.
text::TokenizerSource bytesOnly() {
  text::TokenizerSource source = smallSource();
  source.tokens.resize(3 + 256);
  source.types.resize(3 + 256);
  source.scores.resize(3 + 256);
  return source;
}

TEST_F(Endings, aTokenIsRefusedExactlyWhereNoWordFitsAnyMore) {
  const TestVocabulary v(bytesOnly());
  Compiler compiler(v.vocabulary(), size_t(16) << 20);
  std::mt19937 random(3);
  uint64_t refusals = 0;
  for (const Language &language : languages()) {
    auto grammar = compiler.compile(language.constraint);
    ASSERT_TRUE(grammar.isOk()) << grammar.status().message();
    size_t shortest = SIZE_MAX, longest = 0;
    for (const std::string &word : language.words) {
      shortest = std::min(shortest, word.size());
      longest = std::max(longest, word.size());
    }
    for (uint32_t tokens = uint32_t(shortest) + 1; tokens <= longest + 2; ++tokens)
      for (int walk = 0; walk < 4; ++walk) {
        const auto mask = (*grammar)->newMask(v.stopTokens, tokens);
        std::string text;
        for (uint32_t left = tokens; left > 0; --left) {
          // By enumeration: after this byte, is there a word that is whole, or that fits with a
          // stop token?
          std::vector<int32_t> good;
          for (int32_t token : allowed(mask->next(), v.size)) {
            if (isStop(v, token)) {
              good.push_back(token);
              continue;
            }
            const std::string after = text + std::string(v.tokenizer->tokenBytes(token));
            const bool fits = std::any_of(
                language.words.begin(), language.words.end(), [&](const std::string &word) {
                  return word.starts_with(after) &&
                         (word == after || word.size() - after.size() + 1 <= left - 1);
                });
            if (fits) {
              good.push_back(token);
            } else {
              ASSERT_FALSE(mask->admits(token))
                  << language.name << ": '" << after << "' with " << left - 1 << " tokens left";
              ++refusals;
            }
          }
          ASSERT_FALSE(good.empty())
              << language.name << ": '" << text << "' with " << left << " tokens left";
          const int32_t token = good[random() % good.size()];
          ASSERT_TRUE(mask->admits(token)) << language.name << ": token " << token << " after '"
                                           << text << "' with " << left << " left";
          if (isStop(v, token))
            break;
          text += v.tokenizer->tokenBytes(token);
          if (left > 1)
            mask->accept(token);
        }
        ASSERT_NE(std::find(language.words.begin(), language.words.end(), text),
                  language.words.end())
            << language.name << ": " << text;
      }
  }
  EXPECT_GT(refusals, 100u);
}

/// Schemas whose answers have no bound.
const char *const kUnbounded[] = {
    R"({"type":"object","properties":{"name":{"type":"string"},"children":{"type":"array","items":{"$ref":"#"}}},
        "required":["name","children"],"additionalProperties":false})",
    R"({"type":"object","additionalProperties":{"type":"array","items":{"type":["string","boolean","null"]}}})",
    R"({"$defs":{"node":{"type":"object","properties":{"value":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},
        "required":["value","next"],"additionalProperties":false}},"$ref":"#/$defs/node"})",
    R"({"type":"object","properties":{"id":{"type":"string","pattern":"^[a-f]{8}-[0-9]{4}$"},"tags":{"type":"array","items":
        {"type":"object","properties":{"key":{"type":"string","minLength":3,"maxLength":9},"when":{"type":"string","format":"date"}},
        "required":["key","when"],"additionalProperties":false},"minItems":1}},"required":["id","tags"],"additionalProperties":false})",
};

/// Drawn by chance, strings have code points that nothing stands for, written out and as escapes:
/// other letters take their place, and all that makes a text JSON stays.
std::string inAscii(std::string text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (static_cast<unsigned char>(text[i]) >= 0x80)
      text[i] = 'x';
    else if (text[i] == '\\' && text[++i] == 'u')
      text[i + 1] = '0';
  }
  return text;
}

void checkUnbounded(const TestVocabulary &v, uint32_t least, int walks) {
  Compiler compiler(v.vocabulary(), size_t(16) << 20);
  std::mt19937 random(11);
  uint32_t refused = 0, close = 0;
  for (const char *schema : kUnbounded) {
    auto grammar =
        compiler.compile(made(Constraint::ofSchema(boost::json::parse(schema), Limits())));
    ASSERT_TRUE(grammar.isOk()) << grammar.status().message();
    for (int i = 0; i < walks; ++i) {
      const uint32_t tokens = least + random() % 60;
      const Answer answer = draw(**grammar, v, tokens, random);
      EXPECT_TRUE(answer.stopped) << tokens << " tokens: " << answer.text;
      boost::json::error_code failed;
      boost::json::parse(inAscii(answer.text), failed);
      EXPECT_FALSE(failed) << failed.message() << ": " << answer.text;
      EXPECT_EQ(answer.text.back(), '}');
      refused += answer.refused;
      close += answer.tokens + 2 >= tokens;
      if (testing::Test::HasFailure())
        return;
    }
  }
  EXPECT_GT(refused, 0u);
  EXPECT_GT(close, 0u); // Answers were not ended long before they had to be.
}

TEST_F(Endings, anAnswerWithoutABoundIsWholeWithBytesAsTokens) {
  checkUnbounded(TestVocabulary(smallSource()), 110, 40);
}

void checkModel(const char *file) {
  const std::string path = text::findModel(file);
  if (path.empty())
    GTEST_SKIP() << file << " is not there (tools/setup fetches it)";
  auto model = text::readGgufTokenizer(path);
  ASSERT_TRUE(model.isOk()) << model.status().message();
  checkUnbounded(TestVocabulary(model->source), 60, 8);
}

TEST_F(Endings, anAnswerWithoutABoundIsWholeInSmolLm2sVocabulary) {
  checkModel("SmolLM2-135M-Instruct.Q4_1.gguf");
}
TEST_F(Endings, anAnswerWithoutABoundIsWholeInGemma3sVocabulary) {
  checkModel("gemma-3-270m-q4_k_m.gguf");
}

TEST_F(Endings, aWholeAnswerMayGoOnToItsLastToken) {
  const TestVocabulary v(bytesOnly());
  Compiler compiler(v.vocabulary(), size_t(16) << 20);
  auto grammar = compiler.compile(made(Constraint::ofRegex("[ab]*", Limits())));
  ASSERT_TRUE(grammar.isOk()) << grammar.status().message();
  const auto mask = (*grammar)->newMask(v.stopTokens, 3);
  const int32_t a = 3 + 'a';
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(allowed(mask->next(), v.size), (std::vector<int32_t>{2, a, a + 1}));
    EXPECT_TRUE(mask->admits(a));
    mask->accept(a);
  }
}

TEST_F(Endings, whereNoAnswerHasRoomTheBeginningOfOneComes) {
  const TestVocabulary v(bytesOnly());
  Compiler compiler(v.vocabulary(), size_t(16) << 20);
  auto grammar = compiler.compile(made(Constraint::ofRegex("abcdef", Limits())));
  ASSERT_TRUE(grammar.isOk()) << grammar.status().message();
  std::mt19937 random(1);
  EXPECT_EQ(draw(**grammar, v, 6, random).text, "abcdef"); // Whole, but its stop token has no room.
  EXPECT_EQ(draw(**grammar, v, 4, random).text, "abcd");
  EXPECT_TRUE(draw(**grammar, v, 7, random).stopped);
}

} // namespace
