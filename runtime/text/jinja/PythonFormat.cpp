//===- PythonFormat.cpp - Formatting of strings ---------------------------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/jinja/PythonFormat.h"
#include "runtime/text/Utf8.h"
#include "runtime/text/jinja/Operators.h"
#include "runtime/text/jinja/Print.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace tenon::text::jinja {
namespace {

constexpr int kMostWidth = 4096;

/// A conversion of either syntax.
struct Specification {
  char align = 0; // <, >, ^, = or the default
  char fill = ' ';
  bool plus = false, space = false, alternate = false, zero = false;
  int width = 0, precision = -1;
  char type = 0;
};

class Formatter {
public:
  explicit Formatter(Budget &b) : budget(b) {}

  int number(std::string_view text, size_t &at) {
    int value = 0;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
      value = value * 10 + (text[at] - '0');
      if (value > kMostWidth)
        budget.fail(StatusCode::Unsupported, "a format wider than " + std::to_string(kMostWidth));
    }
    return value;
  }

  std::string pad(std::string text, const Specification &spec, char align) {
    const size_t length = size_t(std::count_if(text.begin(), text.end(),
                                               [](char c) { return (uint8_t(c) & 0xc0) != 0x80; }));
    if (length >= size_t(spec.width))
      return text;
    const size_t missing = size_t(spec.width) - length;
    if (align == '=') {
      const size_t sign =
          !text.empty() && (text[0] == '-' || text[0] == '+' || text[0] == ' ') ? 1 : 0;
      return text.insert(sign, std::string(missing, spec.fill));
    }
    const size_t left = align == '>' ? missing : align == '^' ? missing / 2 : 0;
    return std::string(left, spec.fill) + text + std::string(missing - left, spec.fill);
  }

  std::string numeric(const Value &value, const Specification &spec) {
    if (!value.isNumber())
      budget.fail(std::string("a number is required, not ") + typeName(value));
    std::string digits;
    const bool isReal = spec.type == 'f' || spec.type == 'F' || spec.type == 'e' ||
                        spec.type == 'E' || spec.type == 'g' || spec.type == 'G';
    bool negative = false;
    if (isReal) {
      const double d = value.asReal();
      negative = std::signbit(d);
      const std::string format = std::string(spec.alternate ? "%#" : "%") + ".*" + spec.type;
      std::string buffer(size_t(kMostWidth) + 400, '\0');
      const int n = std::snprintf(buffer.data(), buffer.size(), format.c_str(),
                                  spec.precision < 0 ? 6 : spec.precision, std::abs(d));
      digits = buffer.substr(0, size_t(std::max(n, 0)));
    } else {
      if (value.is(Kind::Float) && spec.type != 'd' && spec.type != 'i' && spec.type != 'u')
        budget.fail("an integer is required, not float");
      const double d = value.asReal();
      if (value.is(Kind::Float) && !(std::abs(d) < 9.2e18))
        budget.fail("cannot convert this float to an integer");
      const int64_t i = value.is(Kind::Float) ? int64_t(d) : value.asInteger();
      negative = i < 0;
      uint64_t magnitude = negative ? 0 - uint64_t(i) : uint64_t(i);
      const unsigned base = spec.type == 'x' || spec.type == 'X' ? 16
                            : spec.type == 'o'                   ? 8
                            : spec.type == 'b'                   ? 2
                                                                 : 10;
      do
        digits += (spec.type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef")[magnitude % base];
      while ((magnitude /= base) != 0);
      std::reverse(digits.begin(), digits.end());
      if (spec.precision > int(digits.size()))
        digits.insert(0, size_t(spec.precision) - digits.size(), '0');
      if (spec.alternate && base != 10)
        digits.insert(0, std::string("0") + spec.type);
    }
    return (negative ? "-" : spec.plus ? "+" : spec.space ? " " : "") + digits;
  }

  std::string truncated(std::string text, int precision) {
    size_t at = 0;
    for (int i = 0; at < text.size() && i < precision; ++i)
      at += sequenceLength(text[at]);
    return precision < 0 ? text : text.substr(0, at);
  }

  Budget &budget;
};

} // namespace

Value percentFormat(Budget &budget, const std::string &format, const Value &arguments) {
  Formatter formatter(budget);
  const bool isTuple =
      arguments.is(Kind::Sequence) && arguments.sequence().flavour == Sequence::Flavour::Tuple;
  size_t used = 0;
  bool byName = false;
  std::string out;
  for (size_t at = 0; at < format.size();) {
    const size_t percent = format.find('%', at);
    out.append(format, at, percent - at);
    if (percent == format.npos)
      break;
    at = percent + 1;
    const auto peek = [&] {
      if (at >= format.size())
        budget.fail("incomplete format");
      return format[at];
    };
    std::optional<Value> named;
    if (peek() == '(') {
      const size_t close = format.find(')', at);
      if (close == format.npos || !arguments.is(Kind::Dict))
        budget.fail("format requires a mapping");
      const std::string key = format.substr(at + 1, close - at - 1);
      const Value *item = arguments.dict().find(key);
      if (!item)
        budget.fail("the format's key '" + key + "' is missing");
      named = *item;
      byName = true;
      at = close + 1;
    }
    Specification spec;
    char align = '>';
    for (bool more = true; more;) {
      switch (peek()) {
      case '-':
        align = '<';
        break;
      case '+':
        spec.plus = true;
        break;
      case ' ':
        spec.space = true;
        break;
      case '#':
        spec.alternate = true;
        break;
      case '0':
        spec.zero = true;
        break;
      default:
        more = false;
        continue;
      }
      ++at;
    }
    const auto next = [&]() -> Value {
      if (named)
        return *named;
      const size_t available = isTuple ? arguments.sequence().items.size() : 1;
      if (used >= available)
        budget.fail("not enough arguments for format string");
      ++used;
      return isTuple ? arguments.sequence().items[used - 1] : arguments;
    };
    const auto count = [&]() -> int {
      if (peek() != '*')
        return formatter.number(format, at);
      ++at;
      const Value v = next();
      if (!v.isIntegral() || std::abs(v.asInteger()) > kMostWidth)
        budget.fail("* wants a small int");
      if (v.asInteger() < 0)
        align = '<';
      return int(std::abs(v.asInteger()));
    };
    spec.width = count();
    if (peek() == '.') {
      ++at;
      spec.precision = count();
    }
    spec.type = peek();
    ++at;
    if (spec.type == '%') {
      out += '%';
      continue;
    }
    const Value value = next();
    std::string text;
    switch (spec.type) {
    case 's':
      text = formatter.truncated(str(budget, value), spec.precision);
      break;
    case 'r':
    case 'a':
      text = formatter.truncated(repr(budget, value), spec.precision);
      break;
    case 'c':
      if (value.is(Kind::String) && value.text().length == 1)
        text = value.string();
      else if (value.isIntegral() && value.asInteger() >= 0 && value.asInteger() < 0x110000)
        appendUtf8(text, char32_t(value.asInteger()));
      else
        budget.fail("%c requires int or char");
      break;
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o':
    case 'f':
    case 'F':
    case 'e':
    case 'E':
    case 'g':
    case 'G':
      if (spec.zero && align != '<') {
        spec.fill = '0';
        align = '=';
      }
      text = formatter.numeric(value, spec);
      break;
    default:
      budget.fail(std::string("unsupported format character '") + spec.type + "'");
    }
    text = formatter.pad(std::move(text), spec, align);
    budget.allocate(text.size());
    out += text;
  }
  // What has items by key may have more of them than the format uses, lists too.
  const bool hasItems = arguments.is(Kind::Dict) || arguments.is(Kind::Undefined) ||
                        (arguments.is(Kind::Sequence) && !isTuple);
  if (!byName && !hasItems && used < (isTuple ? arguments.sequence().items.size() : 1))
    budget.fail("not all arguments converted during string formatting");
  return makeString(budget, std::move(out));
}

Value braceFormat(Budget &budget, const std::string &format, const Arguments &arguments) {
  Formatter formatter(budget);
  std::string out;
  size_t automatic = 0;
  for (size_t at = 0; at < format.size();) {
    const char c = format[at++];
    if (c != '{' && c != '}') {
      out += c;
      continue;
    }
    if (at < format.size() && format[at] == c) {
      out += c;
      ++at;
      continue;
    }
    const size_t close = format.find('}', at);
    if (c == '}' || close == format.npos)
      budget.fail("single '{' or '}' in a format string");
    std::string_view field = std::string_view(format).substr(at, close - at);
    at = close + 1;
    std::string_view specText;
    if (const size_t colon = field.find(':'); colon != field.npos) {
      specText = field.substr(colon + 1);
      field = field.substr(0, colon);
    }
    char conversion = 0;
    if (const size_t mark = field.find('!'); mark != field.npos) {
      if (mark + 2 != field.size())
        budget.fail("a conversion of a format string is one character");
      conversion = field[mark + 1];
      field = field.substr(0, mark);
    }
    const size_t end = field.find_first_of(".[");
    const std::string name(field.substr(0, end));
    Value value;
    if (name.empty() || (name[0] >= '0' && name[0] <= '9')) {
      size_t digits = 0;
      const size_t index = name.empty() ? automatic++ : size_t(formatter.number(name, digits));
      if (index >= arguments.positional.size())
        budget.fail("replacement index " + std::to_string(index) + " out of range");
      value = arguments.positional[index];
    } else {
      const auto found = std::find_if(arguments.named.begin(), arguments.named.end(),
                                      [&](const auto &item) { return item.first == name; });
      if (found == arguments.named.end())
        budget.fail("the format's name '" + name + "' is missing");
      value = found->second;
    }
    for (std::string_view rest = end == field.npos ? std::string_view() : field.substr(end);
         !rest.empty();) {
      if (rest[0] == '.') {
        const size_t stop = std::min(rest.find_first_of(".[", 1), rest.size());
        value = getAttribute(budget, value, std::string(rest.substr(1, stop - 1)));
        rest.remove_prefix(stop);
      } else {
        const size_t stop = rest.find(']');
        if (rest[0] != '[' || stop == rest.npos)
          budget.fail("a format string's field is malformed");
        const std::string key(rest.substr(1, stop - 1));
        size_t digits = 0;
        const bool isIndex = !key.empty() && key.find_first_not_of("0123456789") == key.npos;
        value =
            getItem(budget, value,
                    isIndex ? Value::integer(formatter.number(key, digits)) : Value::constant(key));
        rest.remove_prefix(stop + 1);
      }
    }

    Specification spec;
    size_t i = 0;
    const auto isAlign = [](char a) { return a == '<' || a == '>' || a == '^' || a == '='; };
    if (specText.size() > 1 && isAlign(specText[1]))
      spec.fill = specText[0], spec.align = specText[1], i = 2;
    else if (!specText.empty() && isAlign(specText[0]))
      spec.align = specText[0], i = 1;
    for (; i < specText.size() && (specText[i] == '+' || specText[i] == '-' || specText[i] == ' ');
         ++i) {
      spec.plus |= specText[i] == '+';
      spec.space |= specText[i] == ' ';
    }
    if (i < specText.size() && specText[i] == '#')
      spec.alternate = true, ++i;
    if (i < specText.size() && specText[i] == '0') {
      if (!spec.align)
        spec.fill = '0', spec.align = '=';
      ++i;
    }
    spec.width = formatter.number(specText, i);
    if (i < specText.size() && specText[i] == '.')
      spec.precision = formatter.number(specText, ++i);
    if (i < specText.size())
      spec.type = specText[i++];
    if (i != specText.size() ||
        (spec.type && std::string_view("sdxXobfFeEgG").find(spec.type) == std::string_view::npos))
      budget.fail(StatusCode::Unsupported,
                  "the format specification '" + std::string(specText) + "'");

    std::string text;
    const bool asNumber = value.isNumber() && !conversion && spec.type != 's';
    if (conversion == 'r')
      text = repr(budget, value);
    else if (!asNumber)
      text = formatter.truncated(str(budget, value), spec.precision);
    else if (spec.type || spec.plus || spec.space || spec.precision >= 0 || value.is(Kind::Int)) {
      if (!spec.type)
        spec.type = value.is(Kind::Float) ? 'g' : 'd';
      text = formatter.numeric(value, spec);
    } else {
      text = str(budget, value);
    }
    text = formatter.pad(std::move(text), spec, spec.align ? spec.align : asNumber ? '>' : '<');
    budget.allocate(text.size());
    out += text;
  }
  return makeString(budget, std::move(out));
}

} // namespace tenon::text::jinja
