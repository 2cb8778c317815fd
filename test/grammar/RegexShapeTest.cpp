//===- RegexShapeTest.cpp - How long and how large a pattern is -----------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/grammar/RegexShape.h"

#include <gtest/gtest.h>

using namespace tenon;
using namespace tenon::grammar;

namespace {

constexpr uint64_t kUnbounded = RegexShape::kUnbounded;

void expectShape(std::string_view pattern, uint64_t shortest, uint64_t longest,
                 uint64_t repetitions) {
  const auto shape = shapeOfRegex(pattern);
  ASSERT_TRUE(shape.isOk()) << pattern << ": " << shape.status().message();
  EXPECT_EQ(shape->shortest, shortest) << pattern;
  EXPECT_EQ(shape->longest, longest) << pattern;
  EXPECT_EQ(shape->repetitions, repetitions) << pattern;
}

TEST(RegexShape, countsCodePoints) {
  expectShape("", 0, 0, 1);
  expectShape("^abc$", 3, 3, 1);
  expectShape("a|bcd|", 0, 3, 1);
  expectShape("[a-z]+x?", 1, kUnbounded, 1);
  expectShape("(ab){2,3}c*", 4, kUnbounded, 3);
  expectShape("(?:ab|c){2}", 2, 4, 2);
  expectShape("(?<year>[0-9]{4})-\\d\\d", 7, 7, 4);
  expectShape("[]a]{3}[^]b]", 4, 4, 3);
  expectShape("\u00e9\u65e5{2}", 3, 3, 2);
  expectShape("a{x}", 4, 4, 1); // No quantifier, so these are characters.
}

TEST(RegexShape, multipliesNestedBounds) {
  expectShape("((a{10}){20}){30}", 6000, 6000, 6000);
  expectShape("(a{1,1000}|b{2}){1000}", 1000, 1'000'000, 1'000'000);
  expectShape("a{5}b{7}", 12, 12, 7); // Side by side they do not.
  const auto huge = shapeOfRegex(
      "((((a{1,1000000000}){1000000000}){1000000000}){1000000000}){99999999999999999999999}");
  ASSERT_TRUE(huge.isOk());
  EXPECT_EQ(huge->repetitions, kUnbounded);
}

TEST(RegexShape, saysWhatIsWrongAndWhere) {
  for (const auto &[pattern, part] : {std::pair{"(ab", "unclosed '('"},
                                      {"ab)", "unmatched ')' at byte 2"},
                                      {"[ab", "unclosed '['"},
                                      {"*a", "nothing to repeat at byte 0"},
                                      {"a\\", "backslash"},
                                      {"(?=a)b", "look-around"},
                                      {"(a)\\1", "back reference"},
                                      {"a{3,2}", "wrong order"}}) {
    const auto shape = shapeOfRegex(pattern);
    ASSERT_FALSE(shape.isOk()) << pattern;
    EXPECT_NE(shape.status().message().find(part), std::string::npos) << shape.status().message();
  }
  EXPECT_FALSE(shapeOfRegex(std::string(100'000, '(')).isOk());
}

TEST(GrammarBounds, multiplyAndIgnoreStrings) {
  EXPECT_EQ(*repetitionsOfGrammar("root ::= \"a{9999}\" [{5000}] # {7777}\n"), 1u);
  EXPECT_EQ(*repetitionsOfGrammar("root ::= (\"a\"{10} b){20}"), 200u);
  EXPECT_EQ(*repetitionsOfGrammar("root ::= (\"a\"{10}) (\"b\"{3,}) \"c\"{2,4}"), 10u);
  EXPECT_GE(*repetitionsOfGrammar("root ::= \"a\"{1,1000000000}"), 1'000'000'000u);
  EXPECT_FALSE(repetitionsOfGrammar(std::string(1000, '(')).isOk());
}

} // namespace
