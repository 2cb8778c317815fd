//===- ToolTest.cpp - Tools, and calls within an answer -------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/ToolCallReader.h"
#include "runtime/server/ToolFields.h"

#include <gtest/gtest.h>

using namespace tenon;
using namespace tenon::server;
namespace json = boost::json;

namespace {

/// "T:text", "N:name", "A:arguments" and "E" in order; neighbours of a kind joined.
std::string said(std::string_view answer, size_t step, uint32_t *completed = nullptr) {
  ToolCallReader reader;
  std::vector<ToolCallReader::Piece> pieces;
  for (size_t i = 0; i < answer.size(); i += step)
    reader.push(answer.substr(i, step), pieces);
  reader.finish(pieces);
  if (completed)
    *completed = reader.completed();
  std::string out;
  char last = 0;
  for (const auto &p : pieces) {
    const char kind = "TNAE"[size_t(p.kind)];
    if (kind != last || kind == 'N')
      out += std::string(out.empty() ? "" : "|") + kind + (kind == 'E' ? "" : ":");
    out += p.text;
    last = kind;
  }
  return out;
}

constexpr const char *kTwo = "I ask. \n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"s\": "
                             "\"}]\\\"{\", \"l\": [1, {}]}}\n</tool_call>\n"
                             "<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>\n";

TEST(ToolCallReader, tellsTextFromCallsWhereverThePiecesAreCut) {
  for (size_t step = 1; step < 40; ++step) {
    uint32_t completed = 0;
    EXPECT_EQ(said(kTwo, step, &completed),
              "T:I ask.|N:f|A:{\"s\": \"}]\\\"{\", \"l\": [1, {}]}|E|N:g|A:{}|E")
        << step;
    EXPECT_EQ(completed, 2u);
  }
}

TEST(ToolCallReader, leavesTextWithoutCallsAlone) {
  for (const char *text : {"", " a  b \n", "<tool", "a <tool_calls> b", "1 < 2 <", "\n\n"})
    for (size_t step = 1; step < 12; ++step)
      EXPECT_EQ(said(text, step), *text ? std::string("T:") + text : "") << step;
}

TEST(ToolCallReader, tellsWhatThereIsOfACallThatBreaksOff) {
  uint32_t completed = 9;
  EXPECT_EQ(said("<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1", 3, &completed),
            "N:f|A:{\"a\": 1");
  EXPECT_EQ(completed, 0u);
  EXPECT_EQ(said("<tool_call>\n{\"name\": \"f", 3), "");
}

TEST(ToolCallReader, keepsTextAfterCalls) {
  for (size_t step = 1; step < 9; ++step)
    EXPECT_EQ(
        said("<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call> so  it is", step),
        "N:f|A:{}|E|T:so  it is")
        << step;
}

json::object request(const char *fields) {
  json::object out = json::parse(fields).as_object();
  if (!out.contains("tools"))
    out["tools"] = json::parse(
        R"([{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"integer"}}}}},
                                   {"type":"function","function":{"name":"g"}}])");
  return out;
}

TEST(ToolFields, readTheChoice) {
  const auto read = [](const char *text) {
    const json::object body = request(text);
    RequestFields fields(body);
    ToolFields tools = readTools(fields, Limits());
    EXPECT_FALSE(fields.failed()) << fields.error().message;
    return tools;
  };
  EXPECT_EQ(read("{}").choice, ToolFields::Choice::Auto);
  EXPECT_EQ(read(R"({"tools":[]})").choice, ToolFields::Choice::None);
  EXPECT_EQ(read(R"({"tool_choice":"none"})").choice, ToolFields::Choice::None);
  EXPECT_EQ(read(R"({"tool_choice":"required"})").tools.size(), 2u);
  const ToolFields named = read(R"({"tool_choice":{"type":"function","function":{"name":"g"}}})");
  EXPECT_EQ(named.choice, ToolFields::Choice::Required);
  ASSERT_EQ(named.tools.size(), 1u);
  EXPECT_EQ(named.tools[0].name, "g");
  EXPECT_EQ(named.shown.size(), 2u); // The model sees all.
  EXPECT_FALSE(named.parallel);
}

TEST(ToolFields, becomeTextForTemplatesThatDoNotKnowThem) {
  const json::object body = request("{}");
  RequestFields fields(body);
  const ToolFields tools = readTools(fields, Limits());
  json::array messages = json::parse(R"([{"role":"user","content":"Q"},
      {"role":"assistant","content":"","tool_calls":[{"id":"1","function":{"name":"f","arguments":"{\"a\": 1}"}},
                                                     {"id":"2","function":{"name":"g","arguments":"{}"}}]},
      {"role":"tool","tool_call_id":"1","content":"one"},{"role":"tool","tool_call_id":"2","content":"two"},
      {"role":"user","content":"And?"}])")
                             .as_array();
  showToolsAsText(messages, tools);
  ASSERT_EQ(messages.size(), 5u);
  EXPECT_EQ(messages[0].at("role"), "system");
  EXPECT_TRUE(messages[0].at("content").as_string().find("\"name\":\"g\"") != json::string::npos);
  // What the model said before reads back as what it must say now.
  EXPECT_EQ(said(std::string(messages[2].at("content").as_string()), 5),
            "N:f|A:{\"a\": 1}|E|N:g|A:{}|E");
  EXPECT_EQ(messages[3].at("role"), "user");
  EXPECT_EQ(messages[3].at("content"),
            "<tool_response>\none\n</tool_response>\n<tool_response>\ntwo\n</tool_response>");
  EXPECT_EQ(messages[4].at("content"), "And?");
}

} // namespace
