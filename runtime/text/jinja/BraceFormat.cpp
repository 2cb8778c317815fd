//===- BraceFormat.cpp - format() of strings ------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/text/jinja/Conversion.h"
#include "runtime/text/jinja/Operators.h"
#include "runtime/text/jinja/Print.h"
#include "runtime/text/jinja/PythonFormat.h"

#include <algorithm>

namespace tenon::text::jinja {

namespace {

/// What stands between braces: name.attribute[key]!conversion:how.
struct Field {
  std::string name;
  std::string_view path; ///< Attributes and keys.
  char conversion = 0;
  std::string_view how;
};

class BraceFormatter {
public:
  BraceFormatter(Budget &b, const std::string &f, const Arguments &a)
      : budget(b), format(f), arguments(a) {}

  Value run() {
    std::string out;
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
      out += convert(readField(std::string_view(format).substr(at, close - at)));
      at = close + 1;
    }
    return makeString(budget, std::move(out));
  }

private:
  Field readField(std::string_view text) const {
    Field field;
    if (const size_t colon = text.find(':'); colon != text.npos) {
      field.how = text.substr(colon + 1);
      text = text.substr(0, colon);
    }
    if (const size_t mark = text.find('!'); mark != text.npos) {
      if (mark + 2 != text.size())
        budget.fail("a conversion of a format string is one character");
      field.conversion = text[mark + 1];
      text = text.substr(0, mark);
    }
    const size_t end = std::min(text.find_first_of(".["), text.size());
    field.name = text.substr(0, end);
    field.path = text.substr(end);
    return field;
  }

  /// The argument that a field names by position, in turn or by name.
  Value argumentOf(const std::string &name) {
    if (name.empty() || (name[0] >= '0' && name[0] <= '9')) {
      size_t digits = 0;
      const size_t index = name.empty() ? automatic++ : size_t(readNumber(budget, name, digits));
      if (index >= arguments.positional.size())
        budget.fail("replacement index " + std::to_string(index) + " out of range");
      return arguments.positional[index];
    }
    const auto found = std::find_if(arguments.named.begin(), arguments.named.end(),
                                    [&](const auto &item) { return item.first == name; });
    if (found == arguments.named.end())
      budget.fail("the format's name '" + name + "' is missing");
    return found->second;
  }

  Value follow(Value value, std::string_view path) const {
    while (!path.empty()) {
      if (path[0] == '.') {
        const size_t stop = std::min(path.find_first_of(".[", 1), path.size());
        value = getAttribute(budget, value, std::string(path.substr(1, stop - 1)));
        path.remove_prefix(stop);
        continue;
      }
      const size_t stop = path.find(']');
      if (path[0] != '[' || stop == path.npos)
        budget.fail("a format string's field is malformed");
      const std::string key(path.substr(1, stop - 1));
      size_t digits = 0;
      const bool isIndex = !key.empty() && key.find_first_not_of("0123456789") == key.npos;
      value =
          getItem(budget, value,
                  isIndex ? Value::integer(readNumber(budget, key, digits)) : Value::constant(key));
      path.remove_prefix(stop + 1);
    }
    return value;
  }

  /// [[fill]align][sign][#][0][width][.precision][type]
  Conversion readConversion(std::string_view text) const {
    Conversion how;
    size_t i = 0;
    const auto isAlign = [](char a) { return a == '<' || a == '>' || a == '^' || a == '='; };
    if (text.size() > 1 && isAlign(text[1]))
      how.fill = text[0], how.align = text[1], i = 2;
    else if (!text.empty() && isAlign(text[0]))
      how.align = text[0], i = 1;
    for (; i < text.size() && (text[i] == '+' || text[i] == '-' || text[i] == ' '); ++i) {
      how.plus |= text[i] == '+';
      how.space |= text[i] == ' ';
    }
    if (i < text.size() && text[i] == '#')
      how.alternate = true, ++i;
    if (i < text.size() && text[i] == '0') {
      if (!how.align)
        how.fill = '0', how.align = '=';
      ++i;
    }
    how.width = readNumber(budget, text, i);
    if (i < text.size() && text[i] == '.')
      how.precision = readNumber(budget, text, ++i);
    if (i < text.size())
      how.type = text[i++];
    if (i != text.size() ||
        (how.type && std::string_view("sdxXobfFeEgG").find(how.type) == std::string_view::npos))
      budget.fail(StatusCode::Unsupported, "the format specification '" + std::string(text) + "'");
    return how;
  }

  std::string convert(const Field &field) {
    const Value value = follow(argumentOf(field.name), field.path);
    Conversion how = readConversion(field.how);
    const bool asNumber = value.isNumber() && !field.conversion && how.type != 's';
    const bool asItIs = !how.type && !how.plus && !how.space && how.precision < 0;
    std::string text;
    if (field.conversion == 'r') {
      text = repr(budget, value);
    } else if (!asNumber) {
      text = truncated(str(budget, value), how.precision);
    } else if (asItIs && !value.is(Kind::Int)) {
      text = str(budget, value);
    } else {
      if (!how.type)
        how.type = value.is(Kind::Float) ? 'g' : 'd';
      text = numberText(budget, value, how);
    }
    text = padded(std::move(text), how, how.align ? how.align : asNumber ? '>' : '<');
    budget.allocate(text.size());
    return text;
  }

  Budget &budget;
  const std::string &format;
  const Arguments &arguments;
  size_t automatic = 0; ///< Fields without a name so far.
};

} // namespace

Value braceFormat(Budget &budget, const std::string &format, const Arguments &arguments) {
  return BraceFormatter(budget, format, arguments).run();
}

} // namespace tenon::text::jinja
