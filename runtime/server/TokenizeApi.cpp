//===- TokenizeApi.cpp - /tokenize and /detokenize ------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/AnswerFormat.h"
#include "runtime/server/Apis.h"
#include "runtime/server/ChatMessages.h"
#include "runtime/server/JsonText.h"
#include "runtime/server/ServedModel.h"

#include <fmt/core.h>

namespace tenon::server {

namespace json = boost::json;

/// "model" may be left out here; if given it must be right.
static void checkModel(RequestFields &fields, const ServedModel &model) {
  const auto name = fields.string("model", 1024);
  if (name && *name != model.id) {
    ApiError error = ApiError::notFound(
        "model_not_found",
        fmt::format("The model '{}' does not exist. This server has '{}'.", *name, model.id));
    error.param = "model";
    fields.take(std::move(error));
  }
}

static void answerWith(Services &services, Responder &responder, std::span<const int32_t> ids,
                       bool strings) {
  std::string out = fmt::format(R"({{"count":{},"max_model_len":{},"tokens":[)", ids.size(),
                                services.model.context);
  for (size_t i = 0; i < ids.size(); ++i)
    fmt::format_to(std::back_inserter(out), "{}{}", i ? "," : "", ids[i]);
  out += R"(],"token_strs":)";
  if (strings) {
    for (size_t i = 0; i < ids.size(); ++i) {
      out += i ? "," : "[";
      appendJsonString(out, tokenText(services.model.tokenizer, ids[i]));
    }
    out += ids.empty() ? "[]" : "]";
  } else {
    out += "null";
  }
  out += '}';
  responder.respond({}, out);
}

void tokenize(Services &services, const RequestPtr &request, const ResponderPtr &responder) {
  const Limits &limits = services.options.limits;
  ApiError error;
  const auto body = parseBody(request->body, limits.jsonDepth, error);
  if (!body)
    return error.answer(*responder);
  RequestFields fields(*body);
  checkModel(fields, services.model);
  const bool strings = fields.boolean("return_token_strs").value_or(false);
  const bool generation = fields.boolean("add_generation_prompt").value_or(true);
  const bool special = fields.boolean("add_special_tokens").value_or(true);
  const auto prompt = fields.string("prompt");
  json::array messages;
  if (!prompt && !fields.failed()) {
    if (!fields.find("messages"))
      fields.take(ApiError::missing("prompt"));
    else
      messages = readMessages(fields, limits);
  }
  if (fields.failed())
    return fields.error().answer(*responder);
  const auto ids = prompt ? services.model.tokenizer.encode(*prompt, special)
                          : services.model.encodeChat(messages, generation);
  if (!ids)
    return ApiError::fromStatus(ids.status()).answer(*responder);
  answerWith(services, *responder, *ids, strings);
}

void detokenize(Services &services, const RequestPtr &request, const ResponderPtr &responder) {
  ApiError error;
  const auto body = parseBody(request->body, services.options.limits.jsonDepth, error);
  if (!body)
    return error.answer(*responder);
  RequestFields fields(*body);
  checkModel(fields, services.model);
  const json::array *list = fields.array("tokens");
  std::vector<int32_t> ids;
  if (!list && !fields.failed())
    fields.take(ApiError::missing("tokens"));
  for (size_t i = 0; list && i < list->size() && !fields.failed(); ++i) {
    const auto id = asInteger((*list)[i]);
    if (!id || *id < 0 || *id >= services.model.vocabulary)
      fields.refuse("tokens", "invalid_value",
                    fmt::format("Invalid 'tokens': expected token ids from 0 to {}.",
                                services.model.vocabulary - 1));
    else
      ids.push_back(static_cast<int32_t>(*id));
  }
  if (fields.failed())
    return fields.error().answer(*responder);
  std::string out = R"({"prompt":)";
  appendJsonString(out, services.model.tokenizer.decode(ids, /*skipSpecial=*/false));
  out += '}';
  responder->respond({}, out);
}

} // namespace tenon::server
