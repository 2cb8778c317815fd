//===- ScalarFilters.cpp - Filters of strings, numbers, any value ---------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/Utf8.h"
#include "runtime/text/jinja/ArgumentReader.h"
#include "runtime/text/jinja/Filters.h"
#include "runtime/text/jinja/ParseNumber.h"
#include "runtime/text/jinja/PythonFormat.h"
#include "runtime/text/jinja/PythonString.h"
#include "runtime/text/jinja/Renderer.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace tenon::text::jinja {
namespace {

using Args = const Arguments &;

template <std::string (*Convert)(std::string_view)>
Value converted(Renderer &r, const Value &v, Args a) {
  ArgumentReader(r.budget, "a filter of strings", a, {});
  return makeString(r.budget, Convert(str(r.budget, v)));
}

/// jinja2's own title(): words begin after white space, '-' and opening brackets.
std::string titleWords(std::string_view text) {
  std::string out;
  const auto separates = [](char32_t c) {
    return c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || isSpace(c);
  };
  for (size_t at = 0; at < text.size();) {
    size_t first = at;
    const bool separators = separates(nextCodePoint(text, first));
    size_t end = first;
    for (size_t next = end; next < text.size(); end = next)
      if (separates(nextCodePoint(text, next)) != separators)
        break;
    out += upper(text.substr(at, first - at));
    out += lower(text.substr(first, end - first));
    at = end;
  }
  return out;
}

std::string escapeHtml(std::string_view text) {
  std::string out;
  for (const char c : text)
    switch (c) {
    case '&':
      out += "&amp;";
      break;
    case '<':
      out += "&lt;";
      break;
    case '>':
      out += "&gt;";
      break;
    case '\'':
      out += "&#39;";
      break;
    case '"':
      out += "&#34;";
      break;
    default:
      out += c;
    }
  return out;
}

std::string unchanged(std::string_view text) { return std::string(text); }

Value trim(Renderer &r, const Value &v, Args a) {
  const ArgumentReader args(r.budget, "trim", a, {"chars"});
  const std::string text = str(r.budget, v);
  const auto what = args.optionalText(0);
  return makeString(r.budget, std::string(strip(text, Side::Both, what)));
}

Value replaceFilter(Renderer &r, const Value &v, Args a) {
  const ArgumentReader args(r.budget, "replace", a, {"old", "new", "count"});
  args.need(0), args.need(1);
  auto out = replace(str(r.budget, v), args.text(0, ""), args.text(1, ""), args.integer(2, -1),
                     r.budget.limits.maxValueBytes);
  if (!out)
    r.budget.allocate(r.budget.limits.maxValueBytes + 1);
  return makeString(r.budget, std::move(*out));
}

Value indent(Renderer &r, const Value &v, Args a) {
  const ArgumentReader args(r.budget, "indent", a, {"width", "first", "blank"});
  const bool blank = args.boolean(2, false);
  if (!v.is(Kind::String))
    r.budget.fail(v.is(Kind::Undefined)
                      ? v.reason()
                      : std::string("indent() wants a string, not ") + typeName(v));
  std::string margin;
  if (args.get(0) && args.get(0)->is(Kind::String)) {
    margin = args.get(0)->string();
  } else {
    const int64_t width = std::max<int64_t>(args.integer(0, 4), 0);
    r.budget.allocate(size_t(width));
    margin.assign(size_t(width), ' ');
  }
  std::string out = args.boolean(1, false) ? margin : "";
  const std::vector<std::string> lines = splitLines(v.string() + "\n", false);
  for (size_t i = 0; i < lines.size(); ++i) {
    r.budget.allocate(lines[i].size() + margin.size());
    if (i != 0)
      out += '\n';
    if (i != 0 && (blank || !lines[i].empty()))
      out += margin;
    out += lines[i];
  }
  return Value::constant(std::move(out));
}

Value center(Renderer &r, const Value &v, Args a) {
  const ArgumentReader args(r.budget, "center", a, {"width"});
  const std::string text = str(r.budget, v);
  const auto length = int64_t(Value::constant(text).text().length);
  const int64_t margin = std::max<int64_t>(args.integer(0, 80) - length, 0);
  r.budget.allocate(size_t(margin));
  const int64_t left = margin / 2 + (margin & args.integer(0, 80) & 1); // As CPython's str.center.
  return makeString(r.budget, std::string(size_t(left), ' ') + text +
                                  std::string(size_t(margin - left), ' '));
}

Value formatFilter(Renderer &r, const Value &v, Args a) {
  if (!a.named.empty()) {
    Dict dict;
    for (const auto &[name, value] : a.named)
      dict.set(Value::constant(name), value);
    return percentFormat(r.budget, str(r.budget, v), makeDict(r.budget, std::move(dict)));
  }
  return percentFormat(r.budget, str(r.budget, v),
                       makeSequence(r.budget, a.positional, Sequence::Flavour::Tuple));
}

Value defaultFilter(Renderer &r, const Value &v, Args a) {
  const ArgumentReader args(r.budget, "default", a, {"default_value", "boolean"});
  if (!v.is(Kind::Undefined) && !(args.boolean(1, false) && !isTrue(v)))
    return v;
  return args.get(0) ? *args.get(0) : Value::constant("");
}

Value intFilter(Renderer &r, const Value &v, Args a) {
  const ArgumentReader args(r.budget, "int", a, {"default", "base"});
  const Value absent = args.get(0) ? *args.get(0) : Value::integer(0);
  if (v.isIntegral())
    return Value::integer(v.asInteger());
  if (v.is(Kind::Undefined))
    r.budget.fail(v.reason());
  std::optional<double> real;
  if (v.is(Kind::Float)) {
    real = v.asReal();
    if (std::isinf(*real))
      r.budget.fail("cannot convert float infinity to integer");
  } else if (v.is(Kind::String)) {
    r.budget.work(v.string().size());
    if (const auto whole = parseInteger(r.budget, v.string(), args.integer(1, 10)))
      return Value::integer(*whole);
    real = parseReal(v.string());
  }
  if (!real || !std::isfinite(*real))
    return absent;
  if (!(std::abs(*real) < 9.2e18))
    r.budget.fail(StatusCode::Unsupported, "an integer outside 64 bits");
  return Value::integer(int64_t(*real));
}

Value floatFilter(Renderer &r, const Value &v, Args a) {
  const ArgumentReader args(r.budget, "float", a, {"default"});
  if (v.isNumber())
    return Value::real(v.asReal());
  if (v.is(Kind::Undefined))
    r.budget.fail(v.reason());
  if (v.is(Kind::String)) {
    r.budget.work(v.string().size());
    if (const auto real = parseReal(v.string()))
      return Value::real(*real);
  }
  return args.get(0) ? *args.get(0) : Value::real(0);
}

Value absolute(Renderer &r, const Value &v, Args a) {
  ArgumentReader(r.budget, "abs", a, {});
  if (v.is(Kind::Float))
    return Value::real(std::abs(v.asReal()));
  return v.isIntegral() && v.asInteger() >= 0 ? Value::integer(v.asInteger()) : negate(r.budget, v);
}

Value roundFilter(Renderer &r, const Value &v, Args a) {
  const ArgumentReader args(r.budget, "round", a, {"precision", "method"});
  const int64_t precision = args.integer(0, 0);
  const std::string method = args.text(1, "common");
  if (!v.isNumber())
    r.budget.fail(v.is(Kind::Undefined)
                      ? v.reason()
                      : std::string("round() wants a number, not ") + typeName(v));
  if (std::abs(precision) > 300)
    r.budget.fail(StatusCode::Unsupported, "rounding to " + std::to_string(precision) + " places");
  const double scale = std::pow(10.0, double(precision));
  if (method == "ceil")
    return Value::real(std::ceil(v.asReal() * scale) / scale);
  if (method == "floor")
    return Value::real(std::floor(v.asReal() * scale) / scale);
  if (method != "common")
    r.budget.fail("round() knows the methods common, ceil and floor");
  if (v.isIntegral() && precision >= 0)
    return Value::integer(v.asInteger());
  if (precision < 0) {
    const double rounded = std::nearbyint(v.asReal() * scale) / scale; // To even, as Python.
    return v.isIntegral() ? Value::integer(int64_t(rounded)) : Value::real(rounded);
  }
  char buffer[700];
  std::snprintf(buffer, sizeof buffer, "%.*f", int(precision), v.asReal()); // Exact, to even.
  return Value::real(std::strtod(buffer, nullptr));
}

Value toJson(Renderer &r, const Value &v, Args a) {
  const ArgumentReader args(r.budget, "tojson", a,
                            {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ensureAscii = args.boolean(0, false);
  style.sortKeys = args.boolean(3, false);
  if (const Value *width = args.get(1); width && !width->is(Kind::None)) {
    if (width->is(Kind::String)) {
      style.indent = width->string();
    } else {
      const int64_t spaces = std::max<int64_t>(args.integer(1, 0), 0);
      r.budget.allocate(size_t(spaces));
      style.indent = std::string(size_t(spaces), ' ');
    }
    style.itemSeparator = ",";
  }
  if (const Value *separators = args.get(2); separators && !separators->is(Kind::None)) {
    const std::vector<Value> pair = itemsOf(r.budget, *separators);
    if (pair.size() != 2 || !pair[0].is(Kind::String) || !pair[1].is(Kind::String))
      r.budget.fail("tojson() wants two strings as separators");
    style.itemSeparator = pair[0].string();
    style.keySeparator = pair[1].string();
  }
  return makeString(r.budget, jsonDump(r.budget, v, style));
}

Value attribute(Renderer &r, const Value &v, Args a) {
  const ArgumentReader args(r.budget, "attr", a, {"name"});
  const std::string name = args.text(0, "");
  // Unlike a dot, attr() never finds an item.
  if (v.is(Kind::Dict)) {
    if (const auto method = findMethod(r.budget, v, name))
      return *method;
    return Value::undefined("'dict object' has no attribute '" + name + "'");
  }
  return getAttribute(r.budget, v, name);
}

// Not here, as no chat template uses them: filesizeformat, forceescape, groupby, pprint, random,
// slice, striptags, truncate, urlencode, urlize, wordcount, wordwrap, xmlattr.
constexpr Builtin kFilters[] = {
    {"abs", absolute},
    {"attr", attribute},
    {"capitalize", converted<capitalize>},
    {"center", center},
    {"d", defaultFilter},
    {"default", defaultFilter},
    {"e", converted<escapeHtml>},
    {"escape", converted<escapeHtml>},
    {"float", floatFilter},
    {"format", formatFilter},
    {"indent", indent},
    {"int", intFilter},
    {"lower", converted<lower>},
    {"replace", replaceFilter},
    {"round", roundFilter},
    {"safe", converted<unchanged>},
    {"string", converted<unchanged>},
    {"title", converted<titleWords>},
    {"tojson", toJson},
    {"trim", trim},
    {"upper", converted<upper>},
};

} // namespace

std::span<const Builtin> scalarFilters() { return kFilters; }

const Builtin *findFilter(std::string_view name) {
  for (const auto table : {scalarFilters(), sequenceFilters()})
    for (const Builtin &filter : table)
      if (filter.name == name)
        return &filter;
  return nullptr;
}

} // namespace tenon::text::jinja
