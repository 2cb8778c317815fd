//===- SchemaCheckTest.cpp - What schemas become --------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/grammar/SchemaCheck.h"

#include <gtest/gtest.h>

#include <fmt/core.h>

using namespace tenon;
using namespace tenon::grammar;
namespace json = boost::json;

namespace {

void expectSame(const char *schema, const char *wanted) {
  const auto checked = checkSchema(json::parse(schema), Limits());
  ASSERT_TRUE(checked.isOk()) << schema << ": " << checked.status().message();
  EXPECT_EQ(json::value(*checked), json::parse(wanted)) << json::serialize(*checked);
}

void expectRefused(const json::value &schema, const char *part) {
  const auto checked = checkSchema(schema, Limits());
  ASSERT_FALSE(checked.isOk()) << json::serialize(*checked);
  EXPECT_EQ(checked.status().code(), StatusCode::InvalidArgument);
  EXPECT_NE(checked.status().message().find(part), std::string::npos) << checked.status().message();
}
void expectRefused(const char *schema, const char *part) {
  expectRefused(json::parse(schema), part);
}

TEST(SchemaCheck, leavesWhatIsForPeopleOut) {
  expectSame(
      R"({"title":"T","description":"D","type":"integer","default":3,"examples":[1],"x-y":0})",
      R"({"type":"integer"})");
  expectSame("true", "{}");
}

TEST(SchemaCheck, turnsConstIntoEnumOfTheRightType) {
  expectSame(R"({"const":"a"})", R"({"enum":["a"]})");
  expectSame(R"({"type":"string","enum":["a",1,null,"b"]})", R"({"enum":["a","b"]})");
  expectRefused(R"({"type":"string","enum":[1]})", "no value of 'enum'");
}

TEST(SchemaCheck, resolvesReferencesOnceEach) {
  expectSame(
      R"({"type":"object","properties":{"a":{"$ref":"#/definitions/x~1y"},"b":{"$ref":"#/definitions/x~1y"}},
                 "required":["a"],"definitions":{"x/y":{"type":"null"}}})",
      R"({"type":"object","required":["a"],"properties":{"a":{"$ref":"#/$defs/r0"},"b":{"$ref":"#/$defs/r0"}},
                 "$defs":{"r0":{"type":"null"}}})");
}

TEST(SchemaCheck, mergesAllOf) {
  expectSame(
      R"({"allOf":[{"$ref":"#/$defs/base"},{"properties":{"b":{"type":"integer","minimum":3}},"required":["b"]}],
                 "properties":{"b":{"maximum":9}},"$defs":{"base":{"type":"object","properties":{"a":{"type":"null"}},"required":["a"]}}})",
      R"({"type":"object","required":["a","b"],"properties":{"b":{"type":"integer","minimum":3,"maximum":9},"a":{"type":"null"}}})");
  expectRefused(R"({"allOf":[{"type":"string"},{"type":"integer"}]})", "'type' cannot be merged");
  expectRefused(R"({"allOf":[{"pattern":"a"},{"pattern":"b"}]})", "'pattern' cannot be merged");
}

TEST(SchemaCheck, movesSiblingsIntoAlternatives) {
  expectSame(
      R"({"type":"object","properties":{"a":{"type":"null"},"b":{"type":"null"}},"anyOf":[{"required":["a"]},{"required":["b"]}]})",
      R"({"anyOf":[{"type":"object","required":["a"],"properties":{"a":{"type":"null"},"b":{"type":"null"}}},
                          {"type":"object","required":["b"],"properties":{"a":{"type":"null"},"b":{"type":"null"}}}]})");
}

TEST(SchemaCheck, provesOneOfOrRefusesIt) {
  expectSame(R"({"oneOf":[{"type":"string"},{"type":"integer"}]})",
             R"({"anyOf":[{"type":"string"},{"type":"integer"}]})");
  const auto accepts = [](const char *schema) {
    return checkSchema(json::parse(schema), Limits()).isOk();
  };
  EXPECT_TRUE(accepts(
      R"({"oneOf":[{"properties":{"k":{"const":1},"a":{}},"required":["k"]},{"properties":{"k":{"const":2}},"required":["k"]}]})"));
  EXPECT_TRUE(accepts(
      R"({"oneOf":[{"properties":{"a":{}},"required":["a"]},{"properties":{"b":{}},"required":["b"]}]})"));
  EXPECT_TRUE(
      accepts(R"({"oneOf":[{"properties":{"a":{}},"required":["a"],"additionalProperties":false},
                                   {"properties":{"b":{}},"required":["b"],"additionalProperties":false}]})"));
  EXPECT_FALSE(
      accepts(R"({"oneOf":[{"properties":{"a":{}},"required":["a"],"additionalProperties":true},
                                    {"properties":{"b":{}},"required":["b"]}]})"));
  expectRefused(R"({"oneOf":[{"type":"integer"},{"type":"number"}]})", "alternatives 0 and 1");
  // The second fits what the first writes.
  expectRefused(R"({"oneOf":[{"properties":{"a":{}},"required":["a"]},{"properties":{"b":{}}}]})",
                "may both fit");
  // A discriminator that may be left out tells nothing apart.
  expectRefused(R"({"oneOf":[{"properties":{"k":{"const":1}}},{"properties":{"k":{"const":2}}}]})",
                "may both fit");
}

TEST(SchemaCheck, keepsOneOfPatternFormatAndLengths) {
  expectSame(R"({"type":"string","pattern":"^[a-z]{3,5}$","minLength":1,"maxLength":8})",
             R"({"type":"string","pattern":"^[a-z]{3,5}$"})");
  expectRefused(R"({"type":"string","pattern":"^[a-z]+$","maxLength":8})",
                "put the bounds into the pattern");
  expectSame(R"({"type":"string","format":"unheard-of","maxLength":8})",
             R"({"type":"string","maxLength":8})");
  expectRefused(R"({"type":"string","format":"uuid","maxLength":8})", "no 'uuid' fits");
  const auto mail =
      checkSchema(json::parse(R"({"type":"string","format":"email","maxLength":20})"), Limits());
  ASSERT_TRUE(mail.isOk());
  EXPECT_TRUE(mail->contains("pattern"));
}

TEST(SchemaCheck, namesWhatItCannotPromise) {
  expectRefused(R"({"type":"object","properties":{"a":{"not":{}}}})",
                "at '#/properties/a': 'not' is not supported");
  expectRefused(R"({"type":"array","items":{},"uniqueItems":true})", "'uniqueItems'");
  expectRefused(R"({"if":{},"then":{}})", "'if'");
  expectRefused(R"({"$ref":"https://example.org/s.json"})", "only references within the schema");
  expectRefused(R"({"$ref":"#/$defs/none"})", "is not in the schema");
  expectRefused(R"({"type":"object","required":["a"],"additionalProperties":false})",
                "'a' is required");
  expectRefused(R"({"type":"strnig"})", "'strnig' is not a type");
  expectRefused(R"({"enum":[]})", "'enum' must be");
  expectRefused("false", "accepts nothing");
}

TEST(SchemaCheck, endsReferencesThatLeadNowhere) {
  expectRefused(R"({"$ref":"#"})", "leads back to itself");
  expectRefused(
      R"({"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"type":"null"},{"$ref":"#/$defs/a"}]}}})",
      "leads back to itself");
  expectRefused(R"({"allOf":[{"$ref":"#"}]})", "circles");
  expectSame(
      R"({"type":"array","items":{"$ref":"#"}})",
      R"({"type":"array","items":{"$ref":"#/$defs/r0"},"$defs":{"r0":{"type":"array","items":{"$ref":"#/$defs/r0"}}}})");
}

TEST(SchemaCheck, boundsWhatASchemaMayCost) {
  json::value deep{{"type", "null"}};
  for (int i = 0; i < 200; ++i)
    deep = json::object{{"type", "array"}, {"items", deep}};
  expectRefused(deep, "nests deeper than 64");
  // Each level refers twice to the next: 2^30 parts if they were merged without end.
  json::object defs{{"d0", {{"type", "object"}}}};
  for (int i = 1; i <= 30; ++i) {
    const std::string below = fmt::format("#/$defs/d{}", i - 1);
    defs[fmt::format("d{}", i)] = {{"allOf", json::array{{{"$ref", below}}, {{"$ref", below}}}}};
  }
  expectRefused(json::value{{"$ref", "#/$defs/d30"}, {"$defs", defs}}, "too large");
  json::array many;
  for (int i = 0; i < 5000; ++i)
    many.push_back(i);
  expectRefused(json::value{{"enum", many}}, "at most 4096");
  expectRefused(R"({"type":"array","items":{},"minItems":1000000000})", "'minItems'");
  expectRefused(R"({"type":"string","minLength":1e12})", "'minLength'");
  expectRefused(R"({"type":"string","pattern":"(a{1,1000}){1,1000}"})", "repeats 1000000 times");
  expectSame(R"({"type":"string","maxLength":1000000000})",
             R"({"type":"string","maxLength":4096})");
}

} // namespace
