//===- ResponseInput.cpp - What a response is asked to answer -------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/ResponseInput.h"

#include "runtime/server/ChatMessages.h"

#include <fmt/core.h>

#include <charconv>

namespace tenon::server {

namespace json = boost::json;

namespace {

/// Turns items into messages, one after the other.
class InputReader {
public:
  explicit InputReader(RequestFields &fields) : fields(fields) {}

  void add(const json::value &value, size_t index) {
    const std::string at = fmt::format("input[{}]", index);
    const json::object *item = value.if_object();
    if (!item)
      return fields.refuseType(at, "an object", value);
    RequestFields inner(*item, at + ".");
    const auto type = inner.string("type");
    if (inner.failed())
      return fields.take(inner.error());
    if (!type || *type == "message")
      push(*item, index);
    else if (*type == "function_call")
      addCall(inner, at, index);
    else if (*type == "function_call_output")
      addOutput(inner, at, index);
    else if (*type != "reasoning")
      fields.refuse(
          at + ".type", "invalid_value",
          fmt::format("Invalid value for '{}.type': this server takes 'message', 'function_call', "
                      "'function_call_output' and 'reasoning'.",
                      at));
  }

  json::array messages;
  std::vector<size_t> origins; ///< Of each message: its item.

private:
  void push(json::value message, size_t index) {
    messages.push_back(std::move(message));
    origins.push_back(index);
  }

  std::string_view needed(RequestFields &item, const std::string &at, const char *name) {
    const auto text = item.string(name);
    if (!text && !item.failed())
      item.take(ApiError::missing(at + "." + name));
    if (item.failed())
      fields.take(item.error());
    return text.value_or("");
  }

  void addCall(RequestFields &item, const std::string &at, size_t index) {
    const auto id = needed(item, at, "call_id"), name = needed(item, at, "name"),
               arguments = needed(item, at, "arguments");
    if (fields.failed())
      return;
    const auto text = [](std::string_view s) { return json::string(s.data(), s.size()); };
    json::object call{{"id", text(id)},
                      {"type", "function"},
                      {"function", {{"name", text(name)}, {"arguments", text(arguments)}}}};
    json::object *last = messages.empty() ? nullptr : messages.back().if_object();
    const json::value *role = last ? last->if_contains("role") : nullptr;
    if (!role || *role != "assistant") {
      push(json::object{{"role", "assistant"}, {"content", ""}}, index);
      last = &messages.back().get_object();
    }
    if (!last->contains("tool_calls"))
      (*last)["tool_calls"] = json::array();
    if (json::array *calls = (*last)["tool_calls"].if_array())
      calls->push_back(std::move(call));
  }

  void addOutput(RequestFields &item, const std::string &at, size_t index) {
    const auto id = needed(item, at, "call_id");
    const json::value *output = item.find("output");
    if (!output)
      fields.take(ApiError::missing(at + ".output"));
    if (fields.failed())
      return;
    push(json::object{{"role", "tool"},
                      {"tool_call_id", json::string(id.data(), id.size())},
                      {"content", *output}},
         index);
  }

  RequestFields &fields;
};

/// An error about "messages[I]..." becomes one about the item that the message was made of.
ApiError inTermsOfInput(ApiError error, const std::vector<size_t> &origins) {
  static constexpr std::string_view kList = "messages";
  if (!error.param.starts_with(kList))
    return error;
  std::string now = "input";
  size_t rest = kList.size();
  if (error.param[rest] == '[') {
    size_t index = 0;
    const char *end = error.param.data() + error.param.size();
    const auto [after, code] = std::from_chars(error.param.data() + rest + 1, end, index);
    now += fmt::format("[{}", index < origins.size() ? origins[index] : index);
    rest = static_cast<size_t>(after - error.param.data());
  }
  const std::string old = error.param.substr(0, rest);
  if (const size_t at = error.message.find(old); at != std::string::npos)
    error.message.replace(at, old.size(), now);
  error.param.replace(0, rest, now);
  return error;
}

} // namespace

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
    InputReader reader(fields);
    for (size_t i = 0; i < items->size() && !fields.failed(); ++i)
      reader.add((*items)[i], i);
    if (fields.failed())
      return messages;
    const json::object asChat{{"messages", std::move(reader.messages)}};
    RequestFields inner(asChat);
    json::array turns = readMessages(inner, limits);
    if (inner.failed())
      fields.take(inTermsOfInput(inner.error(), reader.origins));
    for (json::value &turn : turns)
      messages.push_back(std::move(turn));
  }
  return messages;
}

} // namespace tenon::server
