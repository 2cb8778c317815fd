//===- RequestFields.cpp - Strict reading of a request's JSON -------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/RequestFields.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace tenon::server {

namespace json = boost::json;

std::optional<json::object> parseBody(std::string_view body, uint32_t depth, ApiError &error) {
  json::parse_options options;
  options.max_depth = depth;
  boost::system::error_code code;
  json::value value = json::parse(json::string_view(body.data(), body.size()), code, {}, options);
  if (code == json::error::too_deep)
    error = ApiError::invalid({}, "invalid_json",
                              fmt::format("The request body nests deeper than {} levels.", depth));
  else if (code)
    error = ApiError::invalid(
        {}, "invalid_json",
        fmt::format("The request body is not valid JSON ({}). Send an object in UTF-8.",
                    code.message()));
  else if (!value.is_object())
    error = ApiError::invalid(
        {}, "invalid_json",
        fmt::format("The request body must be a JSON object, and is {}.", kindName(value)));
  else
    return std::move(value.as_object());
  return std::nullopt;
}

const char *kindName(const json::value &value) {
  switch (value.kind()) {
  case json::kind::null:
    return "null";
  case json::kind::bool_:
    return "a boolean";
  case json::kind::int64:
  case json::kind::uint64:
    return "an integer";
  case json::kind::double_:
    return "a number";
  case json::kind::string:
    return "a string";
  case json::kind::array:
    return "an array";
  case json::kind::object:
    return "an object";
  }
  return "something";
}

size_t countCharacters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::optional<int64_t> asInteger(const json::value &value) {
  if (const int64_t *i = value.if_int64())
    return *i;
  if (const double *d = value.if_double();
      d && std::fabs(*d) < 9.0e18 && *d == std::trunc(*d)) // below 2^63
    return static_cast<int64_t>(*d);
  return std::nullopt;
}

const json::value *RequestFields::find(std::string_view name) const {
  const json::value *value = object.if_contains(json::string_view(name.data(), name.size()));
  return value && !value->is_null() ? value : nullptr;
}

void RequestFields::refuse(std::string_view name, std::string code, std::string message) {
  if (!failure)
    failure = ApiError::invalid(prefix + std::string(name), std::move(code), std::move(message));
}

void RequestFields::refuseType(std::string_view name, const char *wanted,
                               const json::value &found) {
  refuse(name, "invalid_type",
         fmt::format("Invalid type for '{}{}': expected {}, but got {} instead.", prefix, name,
                     wanted, kindName(found)));
}

std::optional<bool> RequestFields::boolean(std::string_view name) {
  const json::value *value = find(name);
  if (!value)
    return std::nullopt;
  if (const bool *b = value->if_bool())
    return *b;
  refuseType(name, "a boolean", *value);
  return std::nullopt;
}

std::optional<int64_t> RequestFields::integer(std::string_view name, int64_t least, int64_t most) {
  const json::value *value = find(name);
  if (!value)
    return std::nullopt;
  const std::optional<int64_t> i = asInteger(*value);
  // Whole numbers that no int64_t holds: outside of every range.
  const double *real = value->if_double();
  const bool huge = value->is_uint64() || (real && std::fabs(*real) >= 9.0e18);
  if (!i && !huge) {
    refuseType(name, "an integer", *value);
    return std::nullopt;
  }
  const bool below = i ? *i < least : real && *real < 0;
  if (!i || *i < least || *i > most) {
    refuse(name, below ? "integer_below_min_value" : "integer_above_max_value",
           fmt::format("Invalid '{}{}': integer {} value. Expected a value {} {}.", prefix, name,
                       below ? "below minimum" : "above maximum",
                       below ? ">=" : "<=", below ? least : most));
    return std::nullopt;
  }
  return i;
}

std::optional<double> RequestFields::number(std::string_view name, double least, double most,
                                            bool openBelow) {
  const json::value *value = find(name);
  if (!value)
    return std::nullopt;
  double d;
  if (const double *f = value->if_double())
    d = *f;
  else if (const int64_t *i = value->if_int64())
    d = static_cast<double>(*i);
  else if (const uint64_t *u = value->if_uint64())
    d = static_cast<double>(*u);
  else {
    refuseType(name, "a number", *value);
    return std::nullopt;
  }
  const bool below = openBelow ? !(d > least) : !(d >= least);
  if (below || !(d <= most)) {
    refuse(name, below ? "decimal_below_min_value" : "decimal_above_max_value",
           fmt::format("Invalid '{}{}': decimal {} value. Expected a value {} {}.", prefix, name,
                       below ? "below minimum" : "above maximum",
                       below ? (openBelow ? ">" : ">=") : "<=", below ? least : most));
    return std::nullopt;
  }
  return d;
}

std::optional<std::string_view> RequestFields::string(std::string_view name, size_t maxCharacters) {
  const json::value *value = find(name);
  if (!value)
    return std::nullopt;
  const json::string *s = value->if_string();
  if (!s) {
    refuseType(name, "a string", *value);
    return std::nullopt;
  }
  const size_t characters = countCharacters({s->data(), s->size()});
  if (characters > maxCharacters) {
    refuse(name, "string_above_max_length",
           fmt::format("Invalid '{}{}': string too long. Expected at most {} characters, got {}.",
                       prefix, name, maxCharacters, characters));
    return std::nullopt;
  }
  return std::string_view(s->data(), s->size());
}

const json::array *RequestFields::array(std::string_view name, size_t maxSize) {
  const json::value *value = find(name);
  if (!value)
    return nullptr;
  const json::array *a = value->if_array();
  if (!a) {
    refuseType(name, "an array", *value);
    return nullptr;
  }
  if (a->size() > maxSize) {
    refuse(name, "array_above_max_length",
           fmt::format("Invalid '{}{}': array too long. Expected at most {} items, got {}.", prefix,
                       name, maxSize, a->size()));
    return nullptr;
  }
  return a;
}

const json::object *RequestFields::objectAt(std::string_view name) {
  const json::value *value = find(name);
  if (!value)
    return nullptr;
  const json::object *o = value->if_object();
  if (!o)
    refuseType(name, "an object", *value);
  return o;
}

} // namespace tenon::server
