//===- RequestFuzz.cpp - Hostile request bodies ---------------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as the body of a chat and of a response: reading it ends, and ends either in fields
// within their ranges or in an error that is itself valid JSON of the promised shape.
//
#include "runtime/server/ChatMessages.h"
#include "runtime/server/GenerationFields.h"
#include "runtime/server/ModelFacts.h"
#include "runtime/server/ResponseInput.h"
#include "runtime/server/StopStrings.h"
#include "runtime/server/ToolFields.h"

#include <cstdio>
#include <cstdlib>

using namespace tenon;
using namespace tenon::server;

static void require(bool holds, const char *what) {
  if (holds)
    return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

static void checkError(const ApiError &error) {
  require(error.status >= 400 && error.status < 600, "an error with a status of success");
  const auto body = boost::json::parse(error.body()).as_object();
  require(body.size() == 1 && body.at("error").as_object().size() == 4,
          "an error of another shape");
}

/// The body of a chat, or of a response.
static void read(const boost::json::object &body, bool response) {
  static const Limits limits;
  static const ModelFacts model{"model", 8192, 32000};
  RequestFields fields(body);
  GenerationFields f;
  readGenerationFields(fields, limits, model, f);
  boost::json::array messages = response ? readInput(fields, limits) : readMessages(fields, limits);
  const ToolFields tools =
      readTools(fields, limits, response ? ToolStyle::Flat : ToolStyle::Nested);
  if (tools.wanted() && !fields.failed())
    f.constraint = constraintOf(tools, f.constraint, fields, limits);
  if (fields.failed())
    return checkError(fields.error());
  require(f.sampling.validate(model.vocabulary).isOk(), "sampling outside its ranges");
  require(f.n >= 1 && f.n <= limits.choices && f.stop.size() <= limits.stopStrings, "too much");
  require(!messages.empty() && messages.size() <= limits.messages + 1, // One of instructions.
          "no messages, or too many");
  StopStrings stops(f.stop);
  std::string out;
  for (const boost::json::value &turn : messages)
    stops.push({turn.at("content").as_string().data(), turn.at("content").as_string().size()}, out);
  stops.finish(out);
  if (f.constraint && f.constraint->kind != grammar::Constraint::Kind::Regex &&
      f.constraint->kind != grammar::Constraint::Kind::Grammar && !f.constraint->text.empty())
    require(boost::json::parse(f.constraint->text).is_object(), "a constraint that is no object");
  boost::json::array parsed = messages;
  parseArguments(parsed);
  showToolsAsText(messages, tools);
  for (const boost::json::value &turn : messages)
    require(turn.as_object().at("content").is_string(), "a turn without text");
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  ApiError error;
  const auto body =
      parseBody({reinterpret_cast<const char *>(data), size}, Limits().jsonDepth, error);
  if (!body) {
    checkError(error);
    return 0;
  }
  read(*body, /*response=*/false);
  read(*body, /*response=*/true);
  return 0;
}
