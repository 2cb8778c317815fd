//===- ResponsesApi.cpp - /v1/responses -----------------------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// Text in, text out. Nothing is stored: a conversation is sent whole each time.
//
#include "runtime/server/Apis.h"
#include "runtime/server/ChatMessages.h"
#include "runtime/server/ConstraintFields.h"
#include "runtime/server/Generation.h"
#include "runtime/server/JsonText.h"
#include "runtime/server/ServedModel.h"

#include <fmt/core.h>

namespace tenon::server {

namespace json = boost::json;

namespace {

class ResponseFormat : public AnswerFormat {
public:
  ResponseFormat(AnswerHead h, json::object echoed)
      : head(std::move(h)), messageId(randomId("msg_")), echoed(std::move(echoed)) {}

  void streamBegin(std::string &out) override {
    const json::object started = response("in_progress", {}, nullptr);
    event(out, "response.created", {{"response", started}});
    event(out, "response.in_progress", {{"response", started}});
    event(out, "response.output_item.added",
          {{"output_index", 0}, {"item", item("in_progress", nullptr)}});
    event(out, "response.content_part.added", at({{"part", part("")}}));
  }

  void streamNews(std::string &out, uint32_t, Choice &choice) override {
    if (std::string delta = choice.takeDelta(); !delta.empty()) {
      text += delta;
      event(out, "response.output_text.delta", at({{"delta", delta}, {"logprobs", json::array()}}));
    }
    choice.closed = choice.end() != Choice::End::None;
  }

  void streamEnd(std::string &out, std::span<Choice> choices, const Usage &usage) override {
    const bool complete = choices[0].end() == Choice::End::Stop;
    const char *status = complete ? "completed" : "incomplete";
    event(out, "response.output_text.done", at({{"text", text}, {"logprobs", json::array()}}));
    event(out, "response.content_part.done", at({{"part", part(text)}}));
    event(out, "response.output_item.done", {{"output_index", 0}, {"item", item(status, &text)}});
    event(out, complete ? "response.completed" : "response.incomplete",
          {{"response", response(status, {item(status, &text)}, &usage)}});
  }

  void streamError(std::string &out, std::string_view body) override {
    boost::system::error_code ignored;
    const json::value parsed = json::parse(json::string_view(body.data(), body.size()), ignored);
    json::object error = parsed.is_object() ? parsed.at("error").as_object() : json::object();
    error.erase("type"); // The event's own.
    event(out, "error", std::move(error));
  }

  std::string whole(std::span<Choice> choices, const Usage &usage) override {
    text = choices[0].takeDelta();
    const char *status = choices[0].end() == Choice::End::Stop ? "completed" : "incomplete";
    return json::serialize(response(status, {item(status, &text)}, &usage));
  }

private:
  static json::object part(std::string_view said) {
    return {{"type", "output_text"},
            {"text", json::string(said.data(), said.size())},
            {"annotations", json::array()},
            {"logprobs", json::array()}};
  }

  json::object item(const char *status, const std::string *said) const {
    json::array content;
    if (said)
      content.push_back(part(*said));
    return {{"id", messageId},
            {"type", "message"},
            {"status", status},
            {"role", "assistant"},
            {"content", std::move(content)}};
  }

  /// Members that say which text an event is about.
  json::object at(json::object more) const {
    json::object out{{"item_id", messageId}, {"output_index", 0}, {"content_index", 0}};
    for (auto &[name, value] : more)
      out[name] = std::move(value);
    return out;
  }

  json::object response(const char *status, json::array output, const Usage *usage) const {
    json::object out{{"id", head.id},
                     {"object", "response"},
                     {"created_at", head.created},
                     {"status", status},
                     {"background", false},
                     {"error", nullptr},
                     {"incomplete_details", nullptr},
                     {"model", head.model},
                     {"output", std::move(output)},
                     {"parallel_tool_calls", true},
                     {"previous_response_id", nullptr},
                     {"store", false},
                     {"tool_choice", "auto"},
                     {"tools", json::array()},
                     {"truncation", "disabled"},
                     {"text", {{"format", {{"type", "text"}}}}},
                     {"usage", nullptr}};
    if (std::string_view(status) == "incomplete")
      out["incomplete_details"] = json::object{{"reason", "max_output_tokens"}};
    for (const auto &[name, value] : echoed)
      out[name] = value;
    if (usage)
      out["usage"] =
          json::object{{"input_tokens", usage->promptTokens},
                       {"input_tokens_details", {{"cached_tokens", usage->cachedTokens}}},
                       {"output_tokens", usage->completionTokens},
                       {"output_tokens_details", {{"reasoning_tokens", 0}}},
                       {"total_tokens", usage->promptTokens + usage->completionTokens}};
    return out;
  }

  void event(std::string &out, std::string_view type, json::object members) {
    json::object whole{{"type", json::string(type.data(), type.size())},
                       {"sequence_number", sequenceNumber++}};
    for (auto &[name, value] : members)
      whole[name] = std::move(value);
    out += "event: ";
    out += type;
    out += '\n';
    appendEvent(out, json::serialize(whole));
  }

  const AnswerHead head;
  const std::string messageId;
  const json::object echoed; ///< Parameters that the response repeats.
  std::string text;
  int64_t sequenceNumber = 0;
};

/// "input" and "instructions" as the messages of a chat.
json::array readInput(RequestFields &fields, const Limits &limits) {
  json::array messages;
  if (const auto instructions = fields.string("instructions"))
    messages.push_back({{"role", "system"},
                        {"content", json::string(instructions->data(), instructions->size())}});
  const json::value *input = fields.find("input");
  if (!input) {
    fields.take(ApiError::missing("input"));
  } else if (const json::string *text = input->if_string()) {
    messages.push_back({{"role", "user"}, {"content", *text}});
  } else if (const json::array *items = fields.array("input", limits.messages)) {
    json::array plain;
    for (size_t i = 0; i < items->size(); ++i) {
      const json::object *item = (*items)[i].if_object();
      const json::value *type = item ? item->if_contains("type") : nullptr;
      if (type && !(type->is_string() && type->get_string() == "message"))
        fields.refuse(fmt::format("input[{}].type", i), "invalid_value",
                      fmt::format("Invalid value for 'input[{}].type': only 'message' is supported "
                                  "by this server.",
                                  i));
      plain.push_back((*items)[i]);
    }
    const json::object asChat{{"messages", std::move(plain)}};
    RequestFields inner(asChat);
    json::array turns = readMessages(inner, limits);
    if (inner.failed()) {
      ApiError error = inner.error();
      if (error.param.starts_with("messages"))
        error.param.replace(0, sizeof("messages") - 1, "input");
      fields.take(std::move(error));
    }
    for (json::value &turn : turns)
      messages.push_back(std::move(turn));
  }
  return messages;
}

} // namespace

void responses(Services &services, const RequestPtr &request, const ResponderPtr &responder) {
  const Limits &limits = services.options.limits;
  ApiError error;
  const auto body = parseBody(request->body, limits.jsonDepth, error);
  if (!body)
    return error.answer(*responder);
  RequestFields fields(*body);
  GenerationPlan plan;
  plan.promptField = "input";
  GenerationFields &f = plan.fields;
  readGenerationFields(fields, limits, services.model, f);
  if (f.n != 1)
    fields.refuse("n", "unsupported_parameter", "'n' is not a parameter of responses.");
  if (f.promptLogprobs)
    fields.refuse("prompt_logprobs", "unsupported_parameter",
                  "'prompt_logprobs' is not a parameter of responses.");
  if (fields.find("previous_response_id") || fields.find("conversation"))
    fields.refuse("previous_response_id", "unsupported_parameter",
                  "This server stores no responses; send the whole conversation as 'input'.");
  if (const json::array *tools = fields.array("tools"); tools && !tools->empty())
    fields.refuse("tools", "unsupported_parameter",
                  "'tools' are not supported in responses by this server yet; use /v1/chat/completions.");
  json::value shownFormat = json::object{{"type", "text"}};
  if (const json::object *text = fields.objectAt("text")) {
    RequestFields inner(*text, "text.");
    if (const json::object *format = inner.objectAt("format")) {
      f.constraint = readFormat(fields, "text.format", *format, /*nested=*/false, limits.grammar);
      f.constraintField = "text.format";
      shownFormat = *format;
    }
    if (inner.failed())
      fields.take(inner.error());
  }
  if (const auto most = fields.integer("max_output_tokens", 1, INT32_MAX))
    f.maxNewTokens = static_cast<uint32_t>(*most);
  const json::array messages = readInput(fields, limits);
  if (fields.failed())
    return fields.error().answer(*responder);
  auto ids = services.model.encodeChat(messages, /*addGenerationPrompt=*/true);
  if (!ids) {
    error = ApiError::fromStatus(ids.status());
    if (error.status == 400)
      error.param = "input";
    return error.answer(*responder);
  }
  plan.prompts.push_back(std::move(*ids));

  json::object echoed;
  for (const char *name : {"instructions", "max_output_tokens", "user"}) {
    const json::value *value = fields.find(name);
    echoed[name] = value ? *value : json::value(nullptr);
  }
  echoed["temperature"] = f.sampling.temperature;
  echoed["top_p"] = f.sampling.topP;
  const json::object *metadata = fields.objectAt("metadata");
  if (fields.failed())
    return fields.error().answer(*responder);
  echoed["text"] = json::object{{"format", std::move(shownFormat)}};
  echoed["metadata"] = metadata ? *metadata : json::object();
  plan.format = std::make_unique<ResponseFormat>(
      AnswerHead{randomId("resp_"), unixTime(), services.model.id, services.model.fingerprint},
      std::move(echoed));
  Generation::start(services, request, responder, std::move(plan));
}

} // namespace tenon::server
