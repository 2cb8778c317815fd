//===- ConstraintFields.cpp - What form a client wants --------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/ConstraintFields.h"

#include <fmt/core.h>

#include <algorithm>

namespace tenon::server {

namespace json = boost::json;
using grammar::Constraint;

bool isPlainName(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

/// The constraint, or its error under the field's name.
static std::optional<Constraint> taken(RequestFields &fields, const std::string &name,
                                       StatusOr<Constraint> made) {
  if (made)
    return std::move(*made);
  fields.refuse(name, "invalid_value",
                fmt::format("Invalid '{}': {}.", name, made.status().message()));
  return std::nullopt;
}

/// A schema: an object, or the text of one.
static std::optional<Constraint> schemaOf(RequestFields &fields, const std::string &name,
                                          const json::value &value, const grammar::Limits &limits) {
  if (const json::string *text = value.if_string()) {
    boost::system::error_code code;
    json::parse_options options;
    options.max_depth = 2 * limits.depth;
    const json::value parsed = json::parse(*text, code, {}, options);
    if (!code && (parsed.is_object() || parsed.is_bool()))
      return taken(fields, name, Constraint::ofSchema(parsed, limits));
  } else if (value.is_object() || value.is_bool()) {
    return taken(fields, name, Constraint::ofSchema(value, limits));
  }
  fields.refuseType(name, "a JSON schema", value);
  return std::nullopt;
}

static std::optional<Constraint> choicesOf(RequestFields &fields, const std::string &name,
                                           const json::value &value,
                                           const grammar::Limits &limits) {
  std::vector<std::string> choices;
  if (const json::array *list = value.if_array())
    for (const json::value &choice : *list)
      if (const json::string *s = choice.if_string())
        choices.emplace_back(s->data(), s->size());
  if (!value.is_array() || choices.size() != value.get_array().size()) {
    fields.refuseType(name, "an array of strings", value);
    return std::nullopt;
  }
  return taken(fields, name, Constraint::ofChoices(choices, limits));
}

std::optional<Constraint> readFormat(RequestFields &fields, const std::string &name,
                                     const json::object &format, bool nested,
                                     const grammar::Limits &limits) {
  const json::value *type = format.if_contains("type");
  if (!type || !type->is_string()) {
    fields.refuse(
        name + ".type", type ? "invalid_type" : "missing_required_parameter",
        fmt::format("Invalid '{}.type': expected 'text', 'json_object' or 'json_schema'.", name));
    return std::nullopt;
  }
  if (type->get_string() == "text")
    return std::nullopt;
  if (type->get_string() == "json_object")
    return Constraint{Constraint::Kind::JsonObject, {}};
  if (type->get_string() != "json_schema") {
    fields.refuse(
        name + ".type", "invalid_value",
        fmt::format("Invalid value for '{}.type': expected 'text', 'json_object' or 'json_schema'.",
                    name));
    return std::nullopt;
  }
  const json::object *holder = &format;
  std::string at = name;
  if (nested) {
    at += ".json_schema";
    const json::value *inner = format.if_contains("json_schema");
    if (!inner) {
      fields.take(ApiError::missing(at));
      return std::nullopt;
    }
    holder = inner->if_object();
    if (!holder) {
      fields.refuseType(at, "an object", *inner);
      return std::nullopt;
    }
  }
  RequestFields inner(*holder, at + ".");
  const auto title = inner.string("name");
  (void)inner.boolean("strict"); // Every schema is kept to the letter.
  if (!title && !inner.failed())
    inner.take(ApiError::missing(at + ".name"));
  else if (title && !isPlainName(*title))
    inner.refuse(
        "name", "invalid_value",
        fmt::format("Invalid '{}.name': expected 1 to 64 letters, digits, '_' or '-'.", at));
  const json::value *schema = inner.find("schema");
  if (!schema)
    inner.take(ApiError::missing(at + ".schema"));
  if (inner.failed()) {
    fields.take(inner.error());
    return std::nullopt;
  }
  return schemaOf(fields, at + ".schema", *schema, limits);
}

std::optional<Constraint> readConstraint(RequestFields &fields, const grammar::Limits &limits,
                                         std::string &field) {
  std::optional<Constraint> out;
  uint32_t count = 0;
  const auto read = [&](RequestFields &from, const std::string &prefix, const char *name,
                        auto make) {
    const json::value *value = from.find(name);
    if (!value || fields.failed())
      return;
    if (++count > 1)
      return fields.refuse(
          prefix + name, "invalid_value",
          "Only one of 'response_format', 'structured_outputs' and 'guided_*' may ask for a form.");
    field = prefix + name;
    out = make(field, *value);
  };
  const auto schema = [&](const std::string &name, const json::value &value) {
    return schemaOf(fields, name, value, limits);
  };
  const auto choices = [&](const std::string &name, const json::value &value) {
    return choicesOf(fields, name, value, limits);
  };
  const auto text = [&](auto make) {
    return [&fields, &limits, make](const std::string &name,
                                    const json::value &value) -> std::optional<Constraint> {
      if (const json::string *s = value.if_string())
        return taken(fields, name, make(std::string(s->data(), s->size()), limits));
      fields.refuseType(name, "a string", value);
      return std::nullopt;
    };
  };
  const auto regex = text(Constraint::ofRegex), ebnf = text(Constraint::ofGrammar);
  if (const json::object *format = fields.objectAt("response_format")) {
    out = readFormat(fields, "response_format", *format, /*nested=*/true, limits);
    count += out.has_value();
    field = "response_format";
  }
  if (const json::object *outputs = fields.objectAt("structured_outputs")) {
    RequestFields inner(*outputs, "structured_outputs.");
    const std::string prefix = "structured_outputs.";
    read(inner, prefix, "json", schema);
    read(inner, prefix, "regex", regex);
    read(inner, prefix, "choice", choices);
    read(inner, prefix, "grammar", ebnf);
    if (inner.boolean("json_object").value_or(false))
      read(inner, prefix, "json_object", [](const std::string &, const json::value &) {
        return std::optional(Constraint{Constraint::Kind::JsonObject, {}});
      });
    if (inner.failed())
      fields.take(inner.error());
  }
  read(fields, "", "guided_json", schema);
  read(fields, "", "guided_regex", regex);
  read(fields, "", "guided_choice", choices);
  read(fields, "", "guided_grammar", ebnf);
  return out;
}

} // namespace tenon::server
