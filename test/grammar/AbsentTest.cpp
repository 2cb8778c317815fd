//===- AbsentTest.cpp - A build without grammars --------------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// Linked with TokenGrammarAbsent.cpp in place of the library, as -DTENON_GRAMMAR=OFF does.
//
#include "runtime/grammar/TokenGrammar.h"
#include "test/grammar/TestVocabulary.h"

#include <gtest/gtest.h>

using namespace tenon;
using namespace tenon::grammar;

TEST(WithoutGrammars, everyRequestIsToldWhatIsMissing) {
  EXPECT_FALSE(available());
  const TestVocabulary v(smallSource());
  const auto vocabulary = Vocabulary::of(*v.tokenizer, v.stopTokens, v.size);
  ASSERT_FALSE(vocabulary.isOk());
  EXPECT_EQ(vocabulary.status().code(), StatusCode::Unsupported);
  EXPECT_NE(vocabulary.status().message().find("tools/setup"), std::string::npos);
  Compiler compiler(nullptr, 0);
  const auto compiled = compiler.compile({Constraint::Kind::Regex, "a"});
  ASSERT_FALSE(compiled.isOk());
  EXPECT_EQ(compiled.status().code(), StatusCode::Unsupported);
  EXPECT_FALSE(TokenGrammar::read("{}", nullptr).isOk());
}
