//===- Print.cpp - Values as text -----------------------------------------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/jinja/Print.h"
#include "runtime/text/Utf8.h"
#include "runtime/text/jinja/PythonString.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace tenon::text::jinja {
namespace {

std::string hex(uint32_t value, int digits) {
  std::string out(size_t(digits), '0');
  for (int i = digits - 1; i >= 0; --i, value >>= 4)
    out[size_t(i)] = "0123456789abcdef"[value & 15];
  return out;
}

void appendRepr(Budget &budget, std::string &out, const Value &value);

void appendStringRepr(Budget &budget, std::string &out, const std::string &text) {
  budget.work(text.size());
  const bool single = text.find('\'') != text.npos, twice = text.find('"') != text.npos;
  const char quote = single && !twice ? '"' : '\'';
  out += quote;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = nextCodePoint(text, at);
    if (c == char32_t(quote) || c == '\\')
      (out += '\\') += char(c);
    else if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (c == '\t')
      out += "\\t";
    else if (isPrintable(c))
      out.append(text, begin, at - begin);
    else if (c < 0x100)
      out += "\\x" + hex(uint32_t(c), 2);
    else if (c < 0x10000)
      out += "\\u" + hex(uint32_t(c), 4);
    else
      out += "\\U" + hex(uint32_t(c), 8);
  }
  out += quote;
}

template <typename Items, typename Append>
void appendList(std::string &out, const char *open, const Items &items, const char *close,
                Append append) {
  out += open;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i != 0)
      out += ", ";
    append(items[i]);
  }
  out += close;
}

void appendSequence(Budget &budget, std::string &out, const Sequence &sequence) {
  const auto item = [&](const Value &v) { appendRepr(budget, out, v); };
  switch (sequence.flavour) {
  case Sequence::Flavour::List:
    return appendList(out, "[", sequence.items, "]", item);
  case Sequence::Flavour::Tuple:
    return appendList(out, "(", sequence.items, sequence.items.size() == 1 ? ",)" : ")", item);
  case Sequence::Flavour::Range:
    out += sequence.label;
    return;
  case Sequence::Flavour::KeysView:
    return appendList(out, "dict_keys([", sequence.items, "])", item);
  case Sequence::Flavour::ValuesView:
    return appendList(out, "dict_values([", sequence.items, "])", item);
  case Sequence::Flavour::ItemsView:
    return appendList(out, "dict_items([", sequence.items, "])", item);
  }
}

void appendRepr(Budget &budget, std::string &out, const Value &value) {
  budget.step();
  const size_t before = out.size();
  switch (value.kind()) {
  case Kind::Undefined:
    out += "Undefined";
    break;
  case Kind::None:
    out += "None";
    break;
  case Kind::Bool:
    out += value.asInteger() ? "True" : "False";
    break;
  case Kind::Int:
    out += std::to_string(value.asInteger());
    break;
  case Kind::Float:
    out += floatRepr(value.asReal());
    break;
  case Kind::String:
    appendStringRepr(budget, out, value.string());
    break;
  case Kind::Sequence:
    return appendSequence(budget, out, value.sequence());
  case Kind::Dict:
    return appendList(out, "{", value.dict().items, "}", [&](const auto &item) {
      appendRepr(budget, out, item.first);
      out += ": ";
      appendRepr(budget, out, item.second);
    });
  default:
    (out += "<") += typeName(value);
    out += " object>";
  }
  budget.allocate(out.size() - before);
}

void appendJsonString(Budget &budget, std::string &out, const std::string &text, bool ensureAscii) {
  budget.allocate(text.size());
  out += '"';
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = nextCodePoint(text, at);
    switch (c) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    case '\f':
      out += "\\f";
      break;
    case '\b':
      out += "\\b";
      break;
    default:
      if (c < 0x20 || (ensureAscii && c > 0x7e && c < 0x10000))
        out += "\\u" + hex(uint32_t(c), 4);
      else if (ensureAscii && c >= 0x10000)
        out += "\\u" + hex(0xd7c0 + (uint32_t(c) >> 10), 4) + "\\u" +
               hex(0xdc00 | (uint32_t(c) & 0x3ff), 4);
      else
        out.append(text, begin, at - begin);
    }
  }
  out += '"';
}

class JsonWriter {
public:
  JsonWriter(Budget &b, const JsonStyle &s) : budget(b), style(s) {}

  std::string out;

  void write(const Value &value) {
    budget.step();
    budget.allocate(8);
    switch (value.kind()) {
    case Kind::None:
      out += "null";
      return;
    case Kind::Bool:
      out += value.asInteger() ? "true" : "false";
      return;
    case Kind::Int:
      out += std::to_string(value.asInteger());
      return;
    case Kind::Float:
      out += jsonFloat(value.asReal());
      return;
    case Kind::String:
      appendJsonString(budget, out, value.string(), style.ensureAscii);
      return;
    case Kind::Sequence:
      if (value.sequence().isListOrTuple())
        return container('[', value.sequence().items, ']', [&](const Value &item) { write(item); });
      break;
    case Kind::Dict: {
      auto items = value.dict().items;
      if (style.sortKeys)
        std::stable_sort(items.begin(), items.end(), [&](const auto &a, const auto &b) {
          if (!a.first.is(Kind::String) || !b.first.is(Kind::String))
            budget.fail("sort_keys needs keys that are strings");
          return a.first.string() < b.first.string();
        });
      return container('{', items, '}', [&](const auto &item) {
        key(item.first);
        out += style.keySeparator;
        write(item.second);
      });
    }
    default:
      break;
    }
    budget.fail(std::string("Object of type ") + typeName(value) + " is not JSON serializable");
  }

private:
  static std::string jsonFloat(double d) {
    return std::isnan(d)   ? "NaN"
           : std::isinf(d) ? (d < 0 ? "-Infinity" : "Infinity")
                           : floatRepr(d);
  }

  void key(const Value &k) {
    switch (k.kind()) {
    case Kind::String:
      return appendJsonString(budget, out, k.string(), style.ensureAscii);
    case Kind::None:
      out += "\"null\"";
      return;
    case Kind::Bool:
      out += k.asInteger() ? "\"true\"" : "\"false\"";
      return;
    case Kind::Int:
      out += '"' + std::to_string(k.asInteger()) + '"';
      return;
    case Kind::Float:
      out += '"' + jsonFloat(k.asReal()) + '"';
      return;
    default:
      budget.fail(std::string("keys must be str, int, float, bool or None, not ") + typeName(k));
    }
  }

  template <typename Items, typename Write>
  void container(char open, const Items &items, char close, Write writeItem) {
    out += open;
    ++level;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i != 0)
        out += style.itemSeparator;
      newline();
      writeItem(items[i]);
    }
    --level;
    if (!items.empty())
      newline();
    out += close;
  }

  void newline() {
    if (!style.indent)
      return;
    budget.allocate(size_t(level) * style.indent->size() + 1);
    out += '\n';
    for (uint32_t i = 0; i < level; ++i)
      out += *style.indent;
  }

  Budget &budget;
  const JsonStyle &style;
  uint32_t level = 0;
};

} // namespace

std::string floatRepr(double d) {
  if (std::isnan(d))
    return "nan";
  if (std::isinf(d))
    return d < 0 ? "-inf" : "inf";
  char buffer[40];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, d, std::chars_format::scientific).ptr;
  std::string digits;
  const std::string_view text(buffer, size_t(end - buffer));
  const size_t e = text.find('e');
  const bool negative = text[0] == '-';
  for (const char c : text.substr(0, e))
    if (c >= '0' && c <= '9')
      digits += c;
  int exponent = 0;
  std::from_chars(text.data() + e + 1 + (text[e + 1] == '+'), end, exponent);

  std::string out = negative ? "-" : "";
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (digits.size() > 1)
      out += '.' + digits.substr(1);
    const std::string magnitude = std::to_string(std::abs(exponent));
    return out + (exponent < 0 ? "e-" : "e+") + (magnitude.size() < 2 ? "0" : "") + magnitude;
  }
  if (exponent < 0)
    return out + "0." + std::string(size_t(-exponent - 1), '0') + digits;
  const size_t whole = size_t(exponent) + 1;
  if (digits.size() <= whole)
    return out + digits + std::string(whole - digits.size(), '0') + ".0";
  return out + digits.substr(0, whole) + '.' + digits.substr(whole);
}

std::string repr(Budget &budget, const Value &value) {
  std::string out;
  appendRepr(budget, out, value);
  return out;
}

std::string str(Budget &budget, const Value &value) {
  if (value.is(Kind::String)) {
    budget.work(value.string().size());
    return value.string();
  }
  return value.is(Kind::Undefined) ? std::string() : repr(budget, value);
}

std::string jsonDump(Budget &budget, const Value &value, const JsonStyle &style) {
  JsonWriter writer(budget, style);
  writer.write(value);
  return std::move(writer.out);
}

} // namespace tenon::text::jinja
