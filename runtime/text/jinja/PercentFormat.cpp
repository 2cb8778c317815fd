//===- PercentFormat.cpp - The % operator on strings ----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/text/Utf8.h"
#include "runtime/text/jinja/Conversion.h"
#include "runtime/text/jinja/Print.h"
#include "runtime/text/jinja/PythonFormat.h"

#include <cmath>
#include <optional>

namespace tenon::text::jinja {

namespace {

class PercentFormatter {
public:
  PercentFormatter(Budget &b, const std::string &f, const Value &a)
      : budget(b), format(f), arguments(a),
        isTuple(a.is(Kind::Sequence) && a.sequence().flavour == Sequence::Flavour::Tuple) {}

  Value run() {
    std::string out;
    while (at < format.size()) {
      const size_t percent = format.find('%', at);
      out.append(format, at, percent - at);
      if (percent == format.npos)
        break;
      at = percent + 1;
      out += convertNext();
    }
    // What has items by key may have more of them than the format uses, lists too.
    const bool hasItems = arguments.is(Kind::Dict) || arguments.is(Kind::Undefined) ||
                          (arguments.is(Kind::Sequence) && !isTuple);
    if (!byName && !hasItems && used < available())
      budget.fail("not all arguments converted during string formatting");
    return makeString(budget, std::move(out));
  }

private:
  size_t available() const { return isTuple ? arguments.sequence().items.size() : 1; }

  char peek() const {
    if (at >= format.size())
      budget.fail("incomplete format");
    return format[at];
  }

  /// The argument of the conversion at hand: the one that it names, else the next.
  Value argument() {
    if (named)
      return *named;
    if (used >= available())
      budget.fail("not enough arguments for format string");
    ++used;
    return isTuple ? arguments.sequence().items[used - 1] : arguments;
  }

  /// "(name)" behind the percent sign.
  void readName() {
    named.reset();
    if (peek() != '(')
      return;
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

  /// A width or a precision: digits, or an asterisk for an argument.
  int readCount(Conversion &how) {
    if (peek() != '*')
      return readNumber(budget, format, at);
    ++at;
    const Value v = argument();
    if (!v.isIntegral() || std::abs(v.asInteger()) > kMostWidth)
      budget.fail("* wants a small int");
    if (v.asInteger() < 0)
      how.align = '<';
    return int(std::abs(v.asInteger()));
  }

  Conversion readConversion() {
    Conversion how;
    how.align = '>';
    for (;; ++at) {
      const char flag = peek();
      if (flag == '-')
        how.align = '<';
      else if (flag == '+')
        how.plus = true;
      else if (flag == ' ')
        how.space = true;
      else if (flag == '#')
        how.alternate = true;
      else if (flag == '0')
        how.zero = true;
      else
        break;
    }
    how.width = readCount(how);
    if (peek() == '.') {
      ++at;
      how.precision = readCount(how);
    }
    how.type = peek();
    ++at;
    return how;
  }

  std::string character(const Value &value) const {
    if (value.is(Kind::String) && value.text().length == 1)
      return std::string(value.string());
    if (!value.isIntegral() || value.asInteger() < 0 || value.asInteger() >= 0x110000)
      budget.fail("%c requires int or char");
    std::string text;
    appendUtf8(text, char32_t(value.asInteger()));
    return text;
  }

  std::string textOf(const Value &value, Conversion &how) const {
    switch (how.type) {
    case 's':
      return truncated(str(budget, value), how.precision);
    case 'r':
    case 'a':
      return truncated(repr(budget, value), how.precision);
    case 'c':
      return character(value);
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
      if (how.zero && how.align != '<') {
        how.fill = '0';
        how.align = '=';
      }
      return numberText(budget, value, how);
    default:
      budget.fail(std::string("unsupported format character '") + how.type + "'");
    }
  }

  std::string convertNext() {
    readName();
    Conversion how = readConversion();
    if (how.type == '%')
      return "%";
    const Value value = argument();
    std::string text = textOf(value, how);
    text = padded(std::move(text), how, how.align);
    budget.allocate(text.size());
    return text;
  }

  Budget &budget;
  const std::string &format;
  const Value &arguments;
  const bool isTuple;
  size_t at = 0;   ///< In the format.
  size_t used = 0; ///< Arguments.
  bool byName = false;
  std::optional<Value> named; ///< By the conversion at hand.
};

} // namespace

Value percentFormat(Budget &budget, const std::string &format, const Value &arguments) {
  return PercentFormatter(budget, format, arguments).run();
}

} // namespace tenon::text::jinja
