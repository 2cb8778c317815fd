//===- SchemaCheck.cpp - A JSON schema that can be promised ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/grammar/SchemaCheck.h"

#include "runtime/grammar/RegexShape.h"
#include "runtime/grammar/SchemaMerge.h"
#include "runtime/grammar/StringSchema.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace tenon::grammar {

namespace json = boost::json;

namespace {

/// Each pair of alternatives is compared.
constexpr size_t kOneOfAtMost = 64;

class SchemaChecker {
public:
  SchemaChecker(const json::value &root, const Limits &limits)
      : root(root), limits(limits), mergeCost(uint32_t(json::serialize(root).size() >> 12)) {}

  StatusOr<json::object> run() {
    json::value checked = check(root, "#", 0);
    if (problem.empty() && !checked.is_object())
      checked = json::object(); // true: any value
    if (problem.empty())
      refuseLoops(checked);
    if (!problem.empty())
      return Status::invalidArgument("the JSON schema cannot be used: " + problem);
    json::object out = std::move(checked.get_object());
    if (!defs.empty())
      out["$defs"] = defs;
    return out;
  }

private:
  json::value refuse(const std::string &path, std::string what) {
    if (problem.empty())
      problem =
          fmt::format("at '{}': {}", path.size() > 200 ? path.substr(0, 200) + "..." : path, what);
    return json::object();
  }

  /// What `ref` points to; null, and a problem, if there is nothing.
  const json::value *target(const json::value &ref, const std::string &path) {
    const json::string *pointer = ref.if_string();
    if (!pointer || (*pointer != "#" && !pointer->starts_with("#/"))) {
      refuse(path, "only references within the schema ('#/...') are supported");
      return nullptr;
    }
    boost::system::error_code code;
    const json::value *found =
        *pointer == "#" ? &root : root.find_pointer(pointer->subview(1), code);
    if (!found || code) {
      refuse(path, fmt::format("'{}' is not in the schema", view(*pointer).substr(0, 200)));
      return nullptr;
    }
    return found;
  }

  /// The assertions of `schema`, with $ref and allOf at its top replaced by what they stand for.
  json::object flatten(const json::object &schema, const std::string &path, uint32_t depth) {
    json::object out;
    if (schema.contains("$ref") || schema.contains("allOf"))
      nodes += mergeCost;
    if (depth > limits.depth || ++nodes > limits.nodes) {
      refuse(path, depth > limits.depth ? "references and allOf go in circles or too deep"
                                        : "the schema is too large once references are merged");
      return out;
    }
    for (const auto &[key, value] : schema)
      if (isAssertion({key.data(), key.size()}) && key != "$ref" && key != "allOf")
        out[key] = value;
    const auto take = [&](const json::value &part, const std::string &where) {
      if (part.is_bool() && part.get_bool())
        return;
      if (!part.is_object()) {
        refuse(where, "a schema must be an object here");
        return;
      }
      const std::string conflict = mergeSchemas(out, flatten(part.get_object(), where, depth + 1));
      if (!conflict.empty())
        refuse(
            where,
            fmt::format("'{}' cannot be merged with what stands beside it; write the merged schema",
                        conflict));
    };
    if (const json::value *ref = schema.if_contains("$ref"))
      if (const json::value *found = target(*ref, path); found && problem.empty())
        take(*found, path + "/$ref");
    if (const json::value *all = schema.if_contains("allOf")) {
      if (!all->is_array())
        refuse(path, "'allOf' must be an array");
      else
        for (size_t i = 0; i < all->get_array().size() && problem.empty(); ++i)
          take(all->get_array()[i], fmt::format("{}/allOf/{}", path, i));
    }
    return out;
  }

  /// A reference to the checked target, which is checked the first time.
  json::value refer(const json::value &ref, const std::string &path, uint32_t depth) {
    const json::value *found = target(ref, path);
    if (!found)
      return json::object();
    const auto [at, fresh] = names.emplace(found, fmt::format("r{}", names.size()));
    const std::string name = at->second; // check() may add to the map.
    if (fresh)
      defs[name] = check(*found, std::string(view(ref.get_string())), depth + 1);
    return json::object{{"$ref", "#/$defs/" + name}};
  }

  json::value check(const json::value &schema, const std::string &path, uint32_t depth) {
    if (!problem.empty())
      return json::object();
    if (depth > limits.depth)
      return refuse(path, fmt::format("it nests deeper than {} levels", limits.depth));
    if (++nodes > limits.nodes)
      return refuse(path, fmt::format("it has more than {} parts", limits.nodes));
    if (const bool *always = schema.if_bool()) {
      if (!*always)
        return refuse(path, "'false' accepts nothing");
      return json::object();
    }
    const json::object *given = schema.if_object();
    if (!given)
      return refuse(path, "a schema must be an object or true");
    size_t assertions = 0;
    for (const auto &[key, value] : *given)
      assertions += isAssertion({key.data(), key.size()});
    if (const json::value *ref = given->if_contains("$ref"); ref && assertions == 1)
      return refer(*ref, path, depth);
    json::object s = flatten(*given, path, depth);
    if (!problem.empty())
      return json::object();
    for (const char *name :
         {"not", "if", "then", "else", "contains", "minContains", "maxContains", "dependencies",
          "dependentRequired", "dependentSchemas", "$dynamicRef", "$recursiveRef"})
      if (s.contains(name))
        return refuse(path, fmt::format("'{}' is not supported", name));
    if (const json::value *unique = s.if_contains("uniqueItems")) {
      const json::value *most = s.if_contains("maxItems");
      if (*unique == json::value(true) && !(most && most->is_int64() && most->get_int64() <= 1))
        return refuse(path, "'uniqueItems' is not supported");
      s.erase("uniqueItems");
    }
    if (s.contains("const") || s.contains("enum"))
      return checkValues(s, path);
    if (s.contains("anyOf") || s.contains("oneOf"))
      return checkAlternatives(std::move(s), path, depth);
    return checkTyped(std::move(s), path, depth);
  }

  /// const and enum, as enum.
  json::value checkValues(const json::object &s, const std::string &path) {
    json::array values;
    if (const json::value *list = s.if_contains("enum")) {
      if (!list->is_array() || list->get_array().empty())
        return refuse(path, "'enum' must be an array with at least one value");
      values = list->get_array();
    }
    if (const json::value *one = s.if_contains("const")) {
      if (s.contains("enum") && std::find(values.begin(), values.end(), *one) == values.end())
        return refuse(path, "'const' is not in 'enum'");
      values = {*one};
    }
    if (values.size() > limits.choices)
      return refuse(path, fmt::format("'enum' has {} values; at most {} are possible",
                                      values.size(), limits.choices));
    nodes += static_cast<uint32_t>(values.size() + json::serialize(values).size() / 256);
    for (const auto &[key, value] : s) {
      if (key == "const" || key == "enum" || key == "format")
        continue;
      if (key != "type")
        return refuse(
            path,
            fmt::format(
                "'{}' beside 'enum' or 'const' is not supported; list only values that it allows",
                view(key)));
      const auto wrong = [&value = value](const json::value &v) {
        if (const json::string *type = value.if_string())
          return !hasType(v, view(*type));
        const json::array *types = value.if_array();
        return types && std::none_of(types->begin(), types->end(), [&](const json::value &t) {
                 return t.is_string() && hasType(v, view(t.get_string()));
               });
      };
      json::array kept;
      for (json::value &v : values)
        if (!wrong(v))
          kept.push_back(std::move(v));
      values = std::move(kept);
    }
    if (values.empty())
      return refuse(path, "no value of 'enum' has the type that is asked for");
    return json::object{{"enum", std::move(values)}};
  }

  static std::string_view view(json::string_view s) { return {s.data(), s.size()}; }
  static std::string_view view(const json::string &s) { return {s.data(), s.size()}; }

  json::value checkAlternatives(json::object s, const std::string &path, uint32_t depth) {
    const bool one = !s.contains("anyOf");
    if (!one && s.contains("oneOf"))
      return refuse(path, "'anyOf' and 'oneOf' side by side are not supported");
    const char *keyword = one ? "oneOf" : "anyOf";
    const json::value list = std::move(s[keyword]);
    s.erase(keyword);
    if (!list.is_array() || list.get_array().empty())
      return refuse(path, fmt::format("'{}' must be an array with at least one schema", keyword));
    if (list.get_array().size() > limits.choices)
      return refuse(path,
                    fmt::format("'{}' has more than {} alternatives", keyword, limits.choices));
    json::array out;
    for (size_t i = 0; i < list.get_array().size() && problem.empty(); ++i) {
      const json::value &branch = list.get_array()[i];
      const std::string at = fmt::format("{}/{}/{}", path, keyword, i);
      if (s.empty() || !branch.is_object()) {
        out.push_back(check(branch, at, depth + 1));
        continue;
      }
      json::object merged = flatten(branch.get_object(), at, depth + 1);
      if (const std::string conflict = mergeSchemas(merged, s); !conflict.empty())
        return refuse(
            at, fmt::format(
                    "'{}' cannot be merged with what stands beside '{}'; write the merged schema",
                    conflict, keyword));
      out.push_back(check(merged, at, depth + 1));
    }
    if (one && problem.empty())
      for (size_t i = 0; i < out.size(); ++i)
        for (size_t j = 0; j < i; ++j) {
          if (out.size() > kOneOfAtMost)
            return refuse(path, fmt::format("'oneOf' has more than {} alternatives", kOneOfAtMost));
          if (++nodes > limits.nodes)
            return refuse(path, fmt::format("it has more than {} parts", limits.nodes));
          if (!areDisjoint(out[i], out[j], defs))
            return refuse(
                path,
                fmt::format(
                    "alternatives {} and {} of 'oneOf' may both fit; use 'anyOf', or give them a "
                    "required property with different constants",
                    j, i));
        }
    return json::object{{"anyOf", std::move(out)}};
  }

  json::value checkTyped(json::object s, const std::string &path, uint32_t depth) {
    if (!s.contains("type")) {
      const auto any = [&](std::initializer_list<const char *> keys) {
        return std::any_of(keys.begin(), keys.end(), [&](const char *k) { return s.contains(k); });
      };
      // Any other type would fit as well, but whoever writes these keywords means this one.
      if (any({"properties", "required", "additionalProperties", "patternProperties",
               "propertyNames", "minProperties", "maxProperties", "unevaluatedProperties"}))
        s["type"] = "object";
      else if (any({"items", "prefixItems", "minItems", "maxItems", "unevaluatedItems"}))
        s["type"] = "array";
      else if (any({"pattern", "format", "minLength", "maxLength"}))
        s["type"] = "string";
      else if (any({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}))
        s["type"] = "number";
      else
        return json::object();
    }
    const json::value type = s["type"];
    if (const json::array *types = type.if_array()) {
      json::array out;
      for (const json::value &t : *types) {
        json::object single = s;
        single["type"] = t;
        out.push_back(checkTyped(std::move(single), path, depth));
      }
      if (out.empty())
        return refuse(path, "'type' must not be empty");
      if (out.size() == 1)
        return std::move(out[0]);
      return json::object{{"anyOf", std::move(out)}};
    }
    if (!type.is_string())
      return refuse(path, "'type' must be a string or an array of strings");
    const std::string_view name = view(type.get_string());
    if (name == "object")
      return checkObject(s, path, depth);
    if (name == "array")
      return checkArray(s, path, depth);
    if (name == "string") {
      auto out = checkString(s, limits);
      if (!out)
        return refuse(path, out.status().message());
      return std::move(*out);
    }
    if (name == "integer" || name == "number")
      return keep(
          s, {"type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
          path);
    if (name == "boolean" || name == "null")
      return json::object{{"type", type}};
    return refuse(path, fmt::format("'{}' is not a type", name.substr(0, 100)));
  }

  json::value keep(const json::object &s, std::initializer_list<const char *> keys,
                   const std::string &path) {
    json::object out;
    for (const char *key : keys)
      if (const json::value *value = s.if_contains(key)) {
        if (std::string_view(key) != "type" && !value->is_number())
          return refuse(path, fmt::format("'{}' must be a number", key));
        out[key] = *value;
      }
    return out;
  }

  /// Copies a whole number from 0 to what the limits allow.
  void copyCount(const json::object &s, const char *key, json::object &out,
                 const std::string &path) {
    const json::value *value = s.if_contains(key);
    if (!value)
      return;
    const double n = value->is_number() ? value->to_number<double>() : -1;
    if (!(n >= 0) || n != std::floor(n))
      refuse(path, fmt::format("'{}' must be a whole number, 0 or more", key));
    else if (n > limits.repetitions && std::string_view(key).starts_with("min"))
      refuse(path, fmt::format("'{}' is {}; at most {} is possible", key, n, limits.repetitions));
    else if (n <= limits.repetitions) // A larger maximum is no bound within an answer's length ...
      out[key] = static_cast<int64_t>(n);
    else // ... and this one keeps the promise all the same.
      out[key] = static_cast<int64_t>(limits.repetitions);
  }

  json::value checkObject(const json::object &s, const std::string &path, uint32_t depth) {
    json::object out{{"type", "object"}}, properties;
    const json::value *more = s.if_contains("additionalProperties");
    if (!more)
      more = s.if_contains("unevaluatedProperties");
    const bool closed = more && *more == json::value(false);
    if (const json::value *named = s.if_contains("properties")) {
      if (!named->is_object())
        return refuse(path, "'properties' must be an object");
      for (const auto &[key, schema] : named->get_object())
        if (schema != json::value(false))
          properties[key] =
              check(schema, fmt::format("{}/properties/{}", path, view(key)), depth + 1);
    }
    if (const json::value *required = s.if_contains("required")) {
      const json::array *list = required->if_array();
      if (!list)
        return refuse(path, "'required' must be an array of strings");
      for (const json::value &name : *list) {
        if (!name.is_string())
          return refuse(path, "'required' must be an array of strings");
        if (properties.contains(name.get_string()))
          continue;
        if (closed)
          return refuse(path, fmt::format("'{}' is required but 'additionalProperties' forbids it",
                                          view(name.get_string()).substr(0, 100)));
        // Named nowhere else: whatever the schema says of further properties.
        properties[name.get_string()] =
            more && more->is_object() ? check(*more, path + "/additionalProperties", depth + 1)
                                      : json::value(json::object());
      }
      if (!list->empty())
        out["required"] = *list;
    }
    for (const char *key : {"patternProperties", "propertyNames"})
      if (s.contains(key) && !properties.empty())
        return refuse(path,
                      fmt::format("'{}' beside 'properties' or 'required' is not supported", key));
    if (const json::value *patterns = s.if_contains("patternProperties")) {
      if (!patterns->is_object())
        return refuse(path, "'patternProperties' must be an object");
      json::object checked;
      for (const auto &[pattern, schema] : patterns->get_object()) {
        if (Status status = checkPattern(view(pattern), limits); !status)
          return refuse(path, status.message());
        checked[pattern] = check(schema, path + "/patternProperties", depth + 1);
      }
      if (patterns->get_object().size() > 1)
        return refuse(path, "more than one pattern in 'patternProperties' is not supported");
      out["patternProperties"] = std::move(checked);
      more = nullptr; // Only names that match are written.
    }
    if (const json::value *names = s.if_contains("propertyNames"))
      out["propertyNames"] = check(*names, path + "/propertyNames", depth + 1);
    if (more)
      out["additionalProperties"] =
          more->is_bool() ? *more : check(*more, path + "/additionalProperties", depth + 1);
    if (!properties.empty())
      out["properties"] = std::move(properties);
    copyCount(s, "minProperties", out, path);
    copyCount(s, "maxProperties", out, path);
    return out;
  }

  json::value checkArray(const json::object &s, const std::string &path, uint32_t depth) {
    json::object out{{"type", "array"}};
    json::array first;
    const json::value *items = s.if_contains("items");
    const json::value *prefix = s.if_contains("prefixItems");
    if (items && items->is_array()) { // Draft 7 and older.
      prefix = items;
      items = s.if_contains("additionalItems");
    }
    if (prefix) {
      if (!prefix->is_array())
        return refuse(path, "'prefixItems' must be an array");
      for (size_t i = 0; i < prefix->get_array().size(); ++i)
        first.push_back(
            check(prefix->get_array()[i], fmt::format("{}/prefixItems/{}", path, i), depth + 1));
    }
    if (!items)
      items = s.if_contains("unevaluatedItems");
    copyCount(s, "minItems", out, path);
    copyCount(s, "maxItems", out, path);
    const json::value *least = out.if_contains("minItems");
    if (items && items->is_bool() && !items->get_bool())
      out["items"] = false;
    else if (items)
      out["items"] = check(*items, path + "/items", depth + 1);
    else if (least && size_t(least->get_int64()) > first.size())
      out["items"] = json::object(); // Something must come.
    if (!first.empty())
      out["prefixItems"] = std::move(first);
    return out;
  }

  /// A schema that begins with itself describes nothing, and the library would not end.
  void refuseLoops(const json::value &checked) {
    std::map<std::string, int> state; // 1: on the way, 2: done
    const auto visit = [&](const auto &self, const json::value &schema) -> bool {
      const json::object *s = schema.if_object();
      if (!s)
        return true;
      if (const json::value *ref = s->if_contains("$ref")) {
        const std::string name(view(ref->get_string()).substr(sizeof("#/$defs/") - 1));
        int &seen = state[name];
        if (seen)
          return seen == 2;
        seen = 1;
        // Looked up, not indexed: that may move all definitions, and the loop below stands among
        // them.
        if (const json::value *target = defs.if_contains(name); target && !self(self, *target))
          return false;
        state[name] = 2;
        return true;
      }
      if (const json::value *options = s->if_contains("anyOf"))
        for (const json::value &option : options->get_array())
          if (!self(self, option))
            return false;
      return true;
    };
    bool good = visit(visit, checked);
    for (const auto &[name, schema] : defs)
      good = good && visit(visit, json::object{{"$ref", "#/$defs/" + std::string(view(name))}});
    if (!good)
      refuse("#", "a reference leads back to itself without anything between");
  }

  const json::value &root;
  const Limits &limits;
  const uint32_t mergeCost; ///< Merging copies; in parts of a schema.
  json::object defs;
  std::map<const json::value *, std::string> names; ///< Of targets of references, in `defs`.
  uint32_t nodes = 0;
  std::string problem;
};

} // namespace

StatusOr<json::object> checkSchema(const json::value &schema, const Limits &limits) {
  return SchemaChecker(schema, limits).run();
}

} // namespace tenon::grammar
