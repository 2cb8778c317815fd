//===- ToolFields.cpp - Functions that the model may call -----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/ToolFields.h"

#include "runtime/grammar/SchemaCheck.h"
#include "runtime/server/ConstraintFields.h"

#include <fmt/core.h>

#include <algorithm>

namespace tenon::server {

namespace json = boost::json;
using grammar::Constraint;

/// Reads one entry of "tools".
static void readTool(RequestFields &fields, const json::value &value, size_t index, ToolStyle style,
                     const Limits &limits, ToolFields &into) {
  std::string at = fmt::format("tools[{}]", index);
  const json::object *tool = value.if_object();
  if (!tool)
    return fields.refuseType(at, "an object", value);
  RequestFields outer(*tool, at + ".");
  const auto type = outer.string("type");
  const json::object *function = style == ToolStyle::Flat ? tool : outer.objectAt("function");
  if (outer.failed())
    return fields.take(outer.error());
  if (!type || *type != "function")
    return fields.refuse(
        at + ".type", "invalid_value",
        fmt::format("Invalid value for '{}.type': only 'function' is supported.", at));
  if (style == ToolStyle::Nested)
    at += ".function";
  if (!function)
    return fields.take(ApiError::missing(at));
  RequestFields inner(*function, at + ".");
  const auto name = inner.string("name");
  (void)inner.string("description");
  (void)inner.boolean("strict"); // Every schema is kept to the letter.
  const json::object *parameters = inner.objectAt("parameters");
  if (!name && !inner.failed())
    inner.take(ApiError::missing(at + ".name"));
  else if (name && !isPlainName(*name))
    inner.refuse(
        "name", "invalid_value",
        fmt::format("Invalid '{}.name': expected 1 to 64 letters, digits, '_' or '-'.", at));
  if (inner.failed())
    return fields.take(inner.error());
  if (std::any_of(into.tools.begin(), into.tools.end(),
                  [&](const auto &t) { return t.name == *name; }))
    return fields.refuse(at + ".name", "invalid_value",
                         fmt::format("Invalid '{}.name': '{}' is there already.", at, *name));
  json::object schema = parameters && !parameters->empty()
                            ? *parameters
                            : json::object{{"properties", json::object()}};
  if (!schema.contains("type"))
    schema["type"] = "object"; // Arguments are.
  if (schema["type"] != "object")
    return fields.refuse(at + ".parameters", "invalid_value",
                         fmt::format("Invalid '{}.parameters': its 'type' must be 'object'.", at));
  auto checked = grammar::checkSchema(schema, limits.grammar);
  if (!checked)
    return fields.refuse(
        at + ".parameters", "invalid_value",
        fmt::format("Invalid '{}.parameters': {}.", at, checked.status().message()));
  into.tools.push_back({std::string(*name), std::move(*checked)});
  if (style == ToolStyle::Nested)
    return into.shown.push_back(*tool);
  json::object shown = *function;
  for (const char *member : {"type", "strict"})
    shown.erase(member);
  into.shown.push_back({{"type", "function"}, {"function", std::move(shown)}});
}

/// The function that a "tool_choice" names, if it names one.
static const json::string *chosenName(const json::object &choice, ToolStyle style) {
  const json::value *holder = style == ToolStyle::Flat ? nullptr : choice.if_contains("function");
  const json::object *function = style == ToolStyle::Flat ? &choice
                                 : holder                 ? holder->if_object()
                                                          : nullptr;
  const json::value *name = function ? function->if_contains("name") : nullptr;
  return name ? name->if_string() : nullptr;
}

ToolFields readTools(RequestFields &fields, const Limits &limits, ToolStyle style) {
  ToolFields out;
  for (const char *old : {"functions", "function_call"})
    if (fields.find(old))
      fields.refuse(
          old, "unsupported_parameter",
          fmt::format("'{}' is not supported by this server; use 'tools' and 'tool_choice'.", old));
  if (const json::array *tools = fields.array("tools", limits.tools))
    for (size_t i = 0; i < tools->size() && !fields.failed(); ++i)
      readTool(fields, (*tools)[i], i, style, limits, out);
  out.parallel = fields.boolean("parallel_tool_calls").value_or(true);
  const json::value *choice = fields.find("tool_choice");
  if (fields.failed())
    return out;
  if (!choice) {
    out.choice = out.tools.empty() ? ToolFields::Choice::None : ToolFields::Choice::Auto;
    return out;
  }
  if (const json::string *mode = choice->if_string()) {
    if (*mode == "auto")
      out.choice = out.tools.empty() ? ToolFields::Choice::None : ToolFields::Choice::Auto;
    else if (*mode == "required")
      out.choice = ToolFields::Choice::Required;
    else if (*mode != "none")
      fields.refuse("tool_choice", "invalid_value",
                    "Invalid 'tool_choice': expected 'none', 'auto', 'required' or a function.");
  } else if (const json::object *named = choice->if_object()) {
    const json::string *name = chosenName(*named, style);
    if (!name)
      fields.take(ApiError::missing(style == ToolStyle::Flat ? "tool_choice.name"
                                                             : "tool_choice.function.name"));
    else if (std::erase_if(out.tools,
                           [&](const auto &t) { return t.name != std::string_view(*name); });
             out.tools.empty())
      fields.refuse("tool_choice", "invalid_value",
                    "Invalid 'tool_choice': 'tools' has no function of this name.");
    out.choice = ToolFields::Choice::Required;
    out.parallel = false;
  } else {
    fields.refuseType("tool_choice", "a string or an object", *choice);
  }
  if (out.wanted() && out.tools.empty())
    fields.refuse("tool_choice", "invalid_value",
                  "'tool_choice' is only allowed when 'tools' are specified.");
  return out;
}

std::optional<Constraint> constraintOf(const ToolFields &tools,
                                       const std::optional<Constraint> &format,
                                       RequestFields &fields, const Limits &limits) {
  const bool json = format && (format->kind == Constraint::Kind::JsonSchema ||
                               format->kind == Constraint::Kind::JsonObject);
  if (format && !json) {
    fields.refuse("tools", "invalid_value",
                  "'tools' are available with 'response_format', and not with a regular "
                  "expression, choices or a "
                  "grammar.");
    return std::nullopt;
  }
  const auto schema = [](json::value s) {
    return json::object{
        {"type", "json_schema"}, {"json_schema", std::move(s)}, {"max_whitespace_cnt", 1}};
  };
  json::array tags;
  for (const ToolFields::Tool &tool : tools.tools)
    tags.push_back({{"type", "tag"},
                    {"begin", "<tool_call>\n{\"name\": \"" + tool.name + "\", \"arguments\": "},
                    {"content", schema(tool.parameters)},
                    {"end", "}\n</tool_call>"}});
  json::object answer;
  if (tools.choice == ToolFields::Choice::Required || format) {
    answer = {{"type", "tags_with_separator"},
              {"tags", std::move(tags)},
              {"separator", "\n"},
              {"at_least_one", true},
              {"stop_after_first", !tools.parallel}};
    if (tools.choice != ToolFields::Choice::Required) {
      const json::value wanted =
          format->kind == Constraint::Kind::JsonObject
              ? json::object{{"type", "object"}, {"additionalProperties", true}}
              : json::parse(format->text).as_object();
      answer = {{"type", "or"}, {"elements", json::array{std::move(answer), schema(wanted)}}};
    }
  } else {
    answer = {{"type", "triggered_tags"},
              {"triggers", json::array{json::value("<tool_call>")}},
              {"tags", std::move(tags)},
              {"at_least_one", false},
              {"stop_after_first", !tools.parallel}};
  }
  Constraint made{
      Constraint::Kind::Structure,
      json::serialize(json::object{{"type", "structural_tag"}, {"format", std::move(answer)}})};
  if (made.text.size() > limits.grammar.bytes) {
    fields.refuse(
        "tools", "invalid_value",
        fmt::format("Invalid 'tools': their schemas have {} bytes; at most {} are possible.",
                    made.text.size(), limits.grammar.bytes));
    return std::nullopt;
  }
  return made;
}

//===- Conversations ------------------------------------------------------===//

static std::string_view textOf(const json::object &object, const char *key) {
  const json::value *value = object.if_contains(key);
  const json::string *s = value ? value->if_string() : nullptr;
  return s ? std::string_view(s->data(), s->size()) : std::string_view();
}

/// The function of each call of a message; readMessages() has checked them.
template <typename Visitor> static void forCalls(json::object &message, Visitor &&visit) {
  if (json::value *calls = message.if_contains("tool_calls"); calls && calls->is_array())
    for (json::value &call : calls->get_array())
      visit(call.get_object().at("function").get_object());
}

void parseArguments(json::array &messages) {
  for (json::value &message : messages)
    forCalls(message.get_object(), [](json::object &function) {
      boost::system::error_code code;
      const json::value parsed = json::parse(textOf(function, "arguments"), code);
      if (!code && parsed.is_object())
        function["arguments"] = parsed;
    });
}

static std::string describe(const ToolFields &tools) {
  std::string out = "You can call functions. They are, one JSON object a line:\n<tools>\n";
  for (const json::value &tool : tools.shown)
    out += json::serialize(tool) + "\n";
  out += "</tools>\nTo call one, answer with its name and arguments in this form, once for each "
         "call:\n"
         "<tool_call>\n{\"name\": \"function-name\", \"arguments\": {\"argument\": "
         "\"value\"}}\n</tool_call>";
  return out;
}

void showToolsAsText(json::array &messages, const ToolFields &tools) {
  json::array out;
  bool inResults = false;
  for (json::value &value : messages) {
    json::object message = std::move(value.get_object());
    const std::string role(textOf(message, "role"));
    std::string content(textOf(message, "content"));
    if (role == "tool") {
      content = "<tool_response>\n" + content + "\n</tool_response>";
      if (inResults) { // Templates may insist that user and assistant take turns.
        json::string &before = out.back().get_object()["content"].get_string();
        before += "\n" + content;
        continue;
      }
      message = {{"role", "user"}, {"content", content}};
    } else if (role == "assistant") {
      forCalls(message, [&](const json::object &function) {
        content += fmt::format(
            "{}<tool_call>\n{{\"name\": \"{}\", \"arguments\": {}}}\n</tool_call>",
            content.empty() ? "" : "\n", textOf(function, "name"), textOf(function, "arguments"));
      });
      message = {{"role", "assistant"}, {"content", content}};
    }
    inResults = role == "tool";
    out.push_back(std::move(message));
  }
  if (tools.wanted()) {
    const std::string text = describe(tools);
    if (!out.empty() && textOf(out[0].get_object(), "role") == "system")
      out[0].get_object()["content"].get_string() += "\n\n" + text;
    else
      out.insert(out.begin(), json::object{{"role", "system"}, {"content", text}});
  }
  messages = std::move(out);
}

} // namespace tenon::server
