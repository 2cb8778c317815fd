//===- ChatMessages.cpp - A conversation, checked -------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/ChatMessages.h"

#include <fmt/core.h>

namespace tenon::server {

namespace json = boost::json;

/// The text of a content value: a string, or parts that are all text.
static bool readContent(RequestFields &fields, const std::string &name, const json::value &content,
                        json::string &into) {
  if (const json::string *s = content.if_string()) {
    into = *s;
    return true;
  }
  const json::array *parts = content.if_array();
  if (!parts) {
    fields.refuseType(name, "a string or an array of content parts", content);
    return false;
  }
  for (size_t i = 0; i < parts->size(); ++i) {
    const std::string at = fmt::format("{}[{}]", name, i);
    const json::object *part = (*parts)[i].if_object();
    if (!part) {
      fields.refuseType(at, "an object", (*parts)[i]);
      return false;
    }
    const json::value *type = part->if_contains("type");
    if (!type || !type->is_string() ||
        (type->get_string() != "text" && type->get_string() != "input_text" &&
         type->get_string() != "output_text")) {
      fields.refuse(at + ".type", "invalid_value",
                    fmt::format("Invalid value for '{}.type': this model takes 'text' only.", at));
      return false;
    }
    const json::value *text = part->if_contains("text");
    if (!text || !text->is_string()) {
      fields.refuse(at + ".text", "invalid_type",
                    fmt::format("Invalid type for '{}.text': expected a string.", at));
      return false;
    }
    into += text->get_string();
  }
  return true;
}

/// "tool_calls" of an assistant's message.
static void checkCalls(RequestFields &fields, const std::string &at, const json::value &value) {
  const json::array *calls = value.if_array();
  if (!calls)
    return fields.refuseType(at, "an array", value);
  for (size_t i = 0; i < calls->size() && !fields.failed(); ++i) {
    const std::string here = fmt::format("{}[{}]", at, i);
    const json::object *call = (*calls)[i].if_object();
    const json::value *function = call ? call->if_contains("function") : nullptr;
    if (!function || !function->is_object())
      return fields.take(ApiError::missing(here + ".function"));
    RequestFields inner(function->get_object(), here + ".function.");
    for (const char *name : {"name", "arguments"})
      if (!inner.string(name) && !inner.failed())
        inner.take(ApiError::missing(here + ".function." + name));
    if (inner.failed())
      fields.take(inner.error());
  }
}

json::array readMessages(RequestFields &fields, const Limits &limits) {
  json::array out;
  const json::array *messages = fields.array("messages", limits.messages);
  if (fields.failed())
    return out;
  if (!messages) {
    fields.take(ApiError::missing("messages"));
    return out;
  }
  if (messages->empty())
    fields.refuse("messages", "empty_array",
                  "Invalid 'messages': empty array. Expected an array with at least one message.");
  for (size_t i = 0; i < messages->size() && !fields.failed(); ++i) {
    const std::string at = fmt::format("messages[{}]", i);
    const json::object *message = (*messages)[i].if_object();
    if (!message) {
      fields.refuseType(at, "an object", (*messages)[i]);
      break;
    }
    json::object turn; // Templates see these members; others are ignored.
    for (const char *known : {"role", "name", "tool_calls", "tool_call_id", "reasoning_content"})
      if (const json::value *member = message->if_contains(known))
        turn[known] = *member;
    RequestFields inner(*message, at + ".");
    const auto role = inner.string("role", 64);
    (void)inner.string("name", 1024);
    if (inner.failed())
      fields.take(inner.error());
    else if (!role)
      fields.take(ApiError::missing(at + ".role"));
    else if (*role == "developer")
      turn["role"] = "system";
    else if (*role != "system" && *role != "user" && *role != "assistant" && *role != "tool")
      fields.refuse(at + ".role", "invalid_value",
                    fmt::format("Invalid value: '{}'. Supported values for '{}.role' are: "
                                "'system', 'developer', 'user', 'assistant' and 'tool'.",
                                *role, at));
    if (fields.failed())
      break;
    const json::value *calls = *role == "assistant" ? inner.find("tool_calls") : nullptr;
    if (calls)
      checkCalls(fields, at + ".tool_calls", *calls);
    else
      turn.erase("tool_calls");
    if (fields.failed())
      break;
    json::string content;
    if (const json::value *given = inner.find("content")) {
      if (!readContent(fields, at + ".content", *given, content))
        break;
    } else if (!calls) {
      fields.take(ApiError::missing(at + ".content"));
      break;
    }
    turn["content"] = std::move(content);
    out.push_back(std::move(turn));
  }
  return out;
}

} // namespace tenon::server
