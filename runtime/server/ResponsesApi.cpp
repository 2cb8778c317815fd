//===- ResponsesApi.cpp - /v1/responses -----------------------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// Text and calls of functions. Nothing is stored: a conversation is sent whole each time.
//
#include "runtime/server/Apis.h"
#include "runtime/server/ConstraintFields.h"
#include "runtime/server/Opening.h"
#include "runtime/server/ResponseFormat.h"
#include "runtime/server/ResponseInput.h"

namespace tenon::server {

namespace json = boost::json;

/// The form that "text" asks for, and how the response shows it.
static json::value readText(RequestFields &fields, const Limits &limits, GenerationFields &f) {
  json::value shown = json::object{{"type", "text"}};
  if (const json::object *text = fields.objectAt("text")) {
    RequestFields inner(*text, "text.");
    if (const json::object *format = inner.objectAt("format")) {
      f.constraint = readFormat(fields, "text.format", *format, /*nested=*/false, limits.grammar);
      f.constraintField = "text.format";
      shown = *format;
    }
    if (inner.failed())
      fields.take(inner.error());
  }
  return shown;
}

void responses(Services &services, const RequestPtr &request, const ResponderPtr &responder) {
  const auto opening = Opening::of(services, request, responder, "input");
  if (!opening)
    return;
  RequestFields &fields = opening->fields;
  const Limits &limits = opening->limits;
  GenerationFields &f = opening->plan.fields;
  if (f.n != 1)
    fields.refuse("n", "unsupported_parameter", "'n' is not a parameter of responses.");
  if (f.promptLogprobs)
    fields.refuse("prompt_logprobs", "unsupported_parameter",
                  "'prompt_logprobs' is not a parameter of responses.");
  if (fields.find("previous_response_id") || fields.find("conversation"))
    fields.refuse("previous_response_id", "unsupported_parameter",
                  "This server stores no responses; send the whole conversation as 'input'.");
  json::value format = readText(fields, limits, f);
  if (const auto most = fields.integer("max_output_tokens", 1, INT32_MAX))
    f.maxNewTokens = static_cast<uint32_t>(*most);
  const json::object *metadata = fields.objectAt("metadata");
  const ToolFields tools = readTools(fields, limits, ToolStyle::Flat);
  opening->useTools(tools);
  opening->useChat(readInput(fields, limits), tools);
  if (opening->refused())
    return;

  const auto given = [&](const char *name, json::value otherwise) {
    const json::value *value = fields.find(name);
    return value ? *value : std::move(otherwise);
  };
  json::object echoed{{"temperature", f.sampling.temperature},
                      {"top_p", f.sampling.topP},
                      {"text", {{"format", std::move(format)}}},
                      {"metadata", metadata ? *metadata : json::object()},
                      {"tools", given("tools", json::array())},
                      {"tool_choice", given("tool_choice", "auto")},
                      {"parallel_tool_calls", tools.parallel}};
  for (const char *name : {"instructions", "max_output_tokens", "user"})
    echoed[name] = given(name, nullptr);
  opening->start(
      std::make_unique<ResponseFormat>(opening->head("resp_"), std::move(echoed), tools.wanted()));
}

} // namespace tenon::server
