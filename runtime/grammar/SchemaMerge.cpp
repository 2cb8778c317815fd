//===- SchemaMerge.cpp - Two JSON schemas as one --------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/grammar/SchemaMerge.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

namespace tenon::grammar {

namespace json = boost::json;

bool isAssertion(std::string_view keyword) {
  static const std::set<std::string_view> assertions = {"$ref",
                                                        "$dynamicRef",
                                                        "$recursiveRef",
                                                        "additionalItems",
                                                        "additionalProperties",
                                                        "allOf",
                                                        "anyOf",
                                                        "const",
                                                        "contains",
                                                        "dependencies",
                                                        "dependentRequired",
                                                        "dependentSchemas",
                                                        "else",
                                                        "enum",
                                                        "exclusiveMaximum",
                                                        "exclusiveMinimum",
                                                        "format",
                                                        "if",
                                                        "items",
                                                        "maxContains",
                                                        "maxItems",
                                                        "maxLength",
                                                        "maxProperties",
                                                        "maximum",
                                                        "minContains",
                                                        "minItems",
                                                        "minLength",
                                                        "minProperties",
                                                        "minimum",
                                                        "multipleOf",
                                                        "not",
                                                        "oneOf",
                                                        "pattern",
                                                        "patternProperties",
                                                        "prefixItems",
                                                        "properties",
                                                        "propertyNames",
                                                        "required",
                                                        "then",
                                                        "type",
                                                        "unevaluatedItems",
                                                        "unevaluatedProperties",
                                                        "uniqueItems"};
  return assertions.contains(keyword);
}

bool hasType(const json::value &value, std::string_view type) {
  const auto whole = [](double d) { return std::isfinite(d) && d == std::trunc(d); };
  if (type == "integer")
    return value.is_int64() || value.is_uint64() ||
           (value.is_double() && whole(value.get_double()));
  if (type == "number")
    return value.is_number();
  if (type == "string")
    return value.is_string();
  if (type == "boolean")
    return value.is_bool();
  if (type == "null")
    return value.is_null();
  if (type == "array")
    return value.is_array();
  return type == "object" && value.is_object();
}

static std::vector<std::string> namesOf(const json::value &value) {
  std::vector<std::string> names;
  const auto add = [&](const json::value &v) {
    if (const json::string *s = v.if_string())
      names.emplace_back(s->data(), s->size());
  };
  if (const json::array *list = value.if_array())
    for (const json::value &v : *list)
      add(v);
  else
    add(value);
  return names;
}

/// The types that both allow.
static bool mergeTypes(json::value &into, const json::value &from) {
  json::array both;
  const auto add = [&](const std::string &type) {
    if (std::find(both.begin(), both.end(), json::value(type)) == both.end())
      both.emplace_back(type);
  };
  for (const std::string &a : namesOf(into))
    for (const std::string &b : namesOf(from)) {
      if (a == b)
        add(a);
      else if ((a == "integer" && b == "number") || (a == "number" && b == "integer"))
        add("integer");
    }
  if (both.empty())
    return false;
  if (both.size() == 1)
    into = json::value(both[0]);
  else
    into = std::move(both);
  return true;
}

static double numberOf(const json::value &v) { return v.is_number() ? v.to_number<double>() : NAN; }

/// Both schemas for each property; what closes one of them closes the merged one.
static std::string mergeProperties(json::object &into, const json::object &from) {
  static const json::object none;
  const auto properties = [](const json::object &schema) -> const json::object & {
    const json::value *p = schema.if_contains("properties");
    return p && p->is_object() ? p->get_object() : none;
  };
  const auto closes = [](const json::object &schema) {
    return schema.contains("additionalProperties") || schema.contains("patternProperties");
  };
  const auto names = [&](const json::object &a,
                         const json::object &b) { // Every property of a is one of b's.
    return std::all_of(properties(a).begin(), properties(a).end(),
                       [&](const auto &p) { return properties(b).contains(p.key()); });
  };
  if ((closes(into) && !names(from, into)) || (closes(from) && !names(into, from)))
    return "additionalProperties";
  json::object merged = properties(into);
  for (const auto &[name, schema] : properties(from)) {
    if (json::value *mine = merged.if_contains(name)) {
      if (*mine != schema)
        *mine = json::object{{"allOf", json::array{*mine, schema}}};
    } else {
      merged[name] = schema;
    }
  }
  if (!merged.empty())
    into["properties"] = std::move(merged);
  return {};
}

std::string mergeSchemas(json::object &into, const json::object &from) {
  if (std::string problem = mergeProperties(into, from); !problem.empty())
    return problem;
  for (const auto &[key, theirs] : from) {
    const std::string_view name(key.data(), key.size());
    if (!isAssertion(name) || name == "properties")
      continue;
    json::value *mine = into.if_contains(key);
    if (!mine) {
      into[key] = theirs;
      continue;
    }
    if (*mine == theirs)
      continue;
    if (name == "type") {
      if (!mergeTypes(*mine, theirs))
        return "type";
    } else if (name == "required") {
      if (!mine->is_array() || !theirs.is_array())
        return "required";
      for (const json::value &v : theirs.get_array())
        if (std::find(mine->get_array().begin(), mine->get_array().end(), v) ==
            mine->get_array().end())
          mine->get_array().push_back(v);
    } else if (name.starts_with("min") || name == "exclusiveMinimum") {
      if (!(numberOf(*mine) >= numberOf(theirs)))
        *mine = theirs;
    } else if (name.starts_with("max") || name == "exclusiveMaximum") {
      if (!(numberOf(*mine) <= numberOf(theirs)))
        *mine = theirs;
    } else if (name == "enum" && mine->is_array() && theirs.is_array()) {
      json::array both;
      for (const json::value &v : mine->get_array())
        if (std::find(theirs.get_array().begin(), theirs.get_array().end(), v) !=
            theirs.get_array().end())
          both.push_back(v);
      *mine = std::move(both);
    } else if (name == "items" && mine->is_object() && theirs.is_object()) {
      *mine = json::object{{"allOf", json::array{*mine, theirs}}};
    } else {
      return std::string(name);
    }
  }
  return {};
}

//===- Disjoint alternatives ----------------------------------------------===//

static const json::value &resolve(const json::value &schema, const json::object &defs) {
  const json::value *at = &schema;
  for (int hops = 0; hops < 8 && at->is_object(); ++hops) {
    const json::value *ref = at->get_object().if_contains("$ref");
    if (!ref)
      break;
    constexpr std::string_view prefix = "#/$defs/";
    const json::value *target = defs.if_contains(ref->get_string().subview(prefix.size()));
    if (!target)
      break;
    at = target;
  }
  return *at;
}

/// The values of a const or enum, if the schema is one.
static const json::array *valuesOf(const json::object &schema) {
  const json::value *list = schema.if_contains("enum");
  return list ? list->if_array() : nullptr;
}

static bool areDisjoint(const json::value &a, const json::value &b, const json::object &defs,
                        int depth);

/// Whether nothing that `a` writes fits `b`, by its properties.
static bool neverFits(const json::object &a, const json::object &b, const json::object &defs,
                      int depth) {
  const json::value *mine = a.if_contains("properties"), *theirs = b.if_contains("properties");
  const auto demands = [](const json::object &schema, const json::value &name) {
    const json::value *list = schema.if_contains("required");
    return list && std::find(list->get_array().begin(), list->get_array().end(), name) !=
                       list->get_array().end();
  };
  const json::value *more = a.if_contains("additionalProperties");
  const bool closed = (!more || *more == json::value(false)) && !a.contains("patternProperties");
  if (const json::value *list = b.if_contains("required"); list && closed)
    for (const json::value &name : list->get_array())
      if (!mine || !mine->get_object().contains(name.get_string()))
        return true; // Demanded there, never written here.
  if (mine && theirs)
    for (const auto &[key, schema] : mine->get_object())
      if (const json::value *other = theirs->get_object().if_contains(key);
          other && demands(a, json::value(key)) && areDisjoint(schema, *other, defs, depth + 1))
        return true;
  return false;
}

static bool areDisjoint(const json::value &first, const json::value &second,
                        const json::object &defs, int depth) {
  if (depth > 4)
    return false;
  const json::object *a = resolve(first, defs).if_object(), *b = resolve(second, defs).if_object();
  if (!a || !b)
    return false;
  for (const auto &[x, y] : {std::pair{a, b}, std::pair{b, a}}) {
    if (const json::value *options = x->if_contains("anyOf")) // Each of them must be.
      return std::all_of(options->get_array().begin(), options->get_array().end(),
                         [&](const json::value &option) {
                           return areDisjoint(option, json::value(*y), defs, depth + 1);
                         });
  }
  for (const auto &[x, y] : {std::pair{a, b}, std::pair{b, a}})
    if (const json::array *values = valuesOf(*x)) {
      const json::array *others = valuesOf(*y);
      const json::value *type = y->if_contains("type");
      const std::vector<std::string> types = type ? namesOf(*type) : std::vector<std::string>();
      return std::none_of(values->begin(), values->end(), [&](const json::value &v) {
        if (others)
          return std::find(others->begin(), others->end(), v) != others->end();
        return !type || std::any_of(types.begin(), types.end(),
                                    [&](const std::string &t) { return hasType(v, t); });
      });
    }
  const json::value *mine = a->if_contains("type"), *theirs = b->if_contains("type");
  if (!mine || !theirs)
    return false;
  json::value both = *mine;
  if (!mergeTypes(both, *theirs))
    return true;
  return both == json::value("object") && neverFits(*a, *b, defs, depth) &&
         neverFits(*b, *a, defs, depth);
}

bool areDisjoint(const json::value &a, const json::value &b, const json::object &defs) {
  return areDisjoint(a, b, defs, 0);
}

} // namespace tenon::grammar
