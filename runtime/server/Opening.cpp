//===- Opening.cpp - How every request for text begins --------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/Opening.h"

#include "runtime/server/ServedModel.h"

namespace tenon::server {

namespace json = boost::json;

Opening::Opening(Services &s, const RequestPtr &request, const ResponderPtr &responder,
                 json::object b)
    : services(s), limits(s.options.limits), body(std::move(b)), fields(body), request(request),
      responder(responder) {}

std::unique_ptr<Opening> Opening::of(Services &services, const RequestPtr &request,
                                     const ResponderPtr &responder, const char *promptField) {
  ApiError error;
  auto body = parseBody(request->body, services.options.limits.jsonDepth, error);
  if (!body) {
    error.answer(*responder);
    return nullptr;
  }
  std::unique_ptr<Opening> opening(new Opening(services, request, responder, std::move(*body)));
  opening->plan.promptField = promptField;
  readGenerationFields(opening->fields, opening->limits, services.model, opening->plan.fields);
  return opening;
}

void Opening::useTools(const ToolFields &tools) {
  if (!tools.wanted() || fields.failed())
    return;
  plan.fields.constraint = constraintOf(tools, plan.fields.constraint, fields, limits);
  plan.fields.constraintField = "tools";
}

void Opening::useChat(json::array messages, const ToolFields &tools) {
  if (fields.failed())
    return;
  json::object variables;
  if (services.model.templateKnowsTools) {
    parseArguments(messages);
    if (tools.wanted())
      variables["tools"] = tools.shown;
  } else {
    showToolsAsText(messages, tools);
  }
  auto ids = services.model.encodeChat(messages, /*addGenerationPrompt=*/true, variables);
  if (ids)
    return plan.prompts.push_back(std::move(*ids));
  ApiError error = ApiError::fromStatus(ids.status());
  if (error.status == 400)
    error.param = plan.promptField;
  fields.take(std::move(error));
}

AnswerHead Opening::head(const char *prefix) const {
  return {randomId(prefix), unixTime(), services.model.id, services.model.fingerprint};
}

bool Opening::refused() const {
  if (fields.failed())
    fields.error().answer(*responder);
  return fields.failed();
}

void Opening::start(std::unique_ptr<AnswerFormat> format) {
  plan.format = std::move(format);
  Generation::start(services, request, responder, std::move(plan));
}

} // namespace tenon::server
