//===- ParseNumber.cpp - Numbers in strings, as Python reads them ---------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/jinja/ParseNumber.h"
#include "runtime/text/jinja/PythonString.h"

#include <charconv>
#include <cstdlib>
#include <limits>

namespace tenon::text::jinja {

/// Without underscores, each of which must stand between two digits.
static std::optional<std::string> withoutUnderscores(std::string_view text) {
  const auto isDigit = [](char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
  };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_')
      out += text[i];
    else if (i == 0 || i + 1 == text.size() || !isDigit(text[i - 1]) || !isDigit(text[i + 1]))
      return std::nullopt;
  }
  return out;
}

std::optional<int64_t> parseInteger(Budget &budget, std::string_view text, int64_t base) {
  if (base != 0 && (base < 2 || base > 36))
    return std::nullopt;
  text = strip(text, Side::Both, std::nullopt);
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text.size() > 2 && text[0] == '0') {
    const char kind = char(text[1] | 0x20);
    const int64_t stated = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 0;
    if (stated != 0 && (base == stated || base == 0)) {
      base = stated;
      text.remove_prefix(text[2] == '_' ? 3 : 2);
    }
  }
  if (base == 0)
    base = 10;
  const auto digits = withoutUnderscores(text);
  if (!digits || digits->empty() || (*digits)[0] == '-')
    return std::nullopt;
  const std::string number = (negative ? "-" : "") + *digits;
  int64_t value = 0;
  const auto result =
      std::from_chars(number.data(), number.data() + number.size(), value, int(base));
  if (result.ptr != number.data() + number.size())
    return std::nullopt;
  if (result.ec == std::errc::result_out_of_range)
    budget.fail(StatusCode::Unsupported, "an integer outside 64 bits");
  return result.ec == std::errc() ? std::optional(value) : std::nullopt;
}

std::optional<double> parseReal(std::string_view text) {
  text = strip(text, Side::Both, std::nullopt);
  const auto clean = withoutUnderscores(text);
  if (!clean || clean->empty())
    return std::nullopt;
  const std::string word = lower(*clean);
  const bool hasSign = word[0] == '-' || word[0] == '+';
  const double sign = word[0] == '-' ? -1 : 1;
  const std::string magnitude = word.substr(hasSign ? 1 : 0);
  if (magnitude == "inf" || magnitude == "infinity")
    return sign * std::numeric_limits<double>::infinity();
  if (magnitude == "nan")
    return std::numeric_limits<double>::quiet_NaN();
  if (magnitude.empty() || magnitude.find_first_not_of("0123456789.e+-") != magnitude.npos ||
      magnitude[0] == '-' || magnitude[0] == '+')
    return std::nullopt;
  char *end = nullptr;
  const double value = std::strtod(magnitude.c_str(), &end);
  if (end != magnitude.c_str() + magnitude.size())
    return std::nullopt;
  return sign * value;
}

} // namespace tenon::text::jinja
