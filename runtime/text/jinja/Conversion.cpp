//===- Conversion.cpp - One value of a formatted string -------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/text/jinja/Conversion.h"

#include "runtime/text/Utf8.h"
#include "runtime/text/jinja/Operators.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace tenon::text::jinja {

int readNumber(Budget &budget, std::string_view text, size_t &at) {
  int value = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    value = value * 10 + (text[at] - '0');
    if (value > kMostWidth)
      budget.fail(StatusCode::Unsupported, "a format wider than " + std::to_string(kMostWidth));
  }
  return value;
}

std::string padded(std::string text, const Conversion &how, char align) {
  const size_t length = size_t(
      std::count_if(text.begin(), text.end(), [](char c) { return (uint8_t(c) & 0xc0) != 0x80; }));
  if (length >= size_t(how.width))
    return text;
  const size_t missing = size_t(how.width) - length;
  if (align == '=') {
    const size_t sign =
        !text.empty() && (text[0] == '-' || text[0] == '+' || text[0] == ' ') ? 1 : 0;
    return text.insert(sign, std::string(missing, how.fill));
  }
  const size_t left = align == '>' ? missing : align == '^' ? missing / 2 : 0;
  return std::string(left, how.fill) + text + std::string(missing - left, how.fill);
}

std::string truncated(std::string text, int precision) {
  size_t at = 0;
  for (int i = 0; at < text.size() && i < precision; ++i)
    at += sequenceLength(text[at]);
  return precision < 0 ? text : text.substr(0, at);
}

static bool isReal(char type) { return std::string_view("fFeEgG").find(type) != std::string::npos; }

/// Digits of |value| with a point or an exponent.
static std::string realDigits(double value, const Conversion &how) {
  const std::string format = std::string(how.alternate ? "%#" : "%") + ".*" + how.type;
  std::string buffer(size_t(kMostWidth) + 400, '\0');
  const int n = std::snprintf(buffer.data(), buffer.size(), format.c_str(),
                              how.precision < 0 ? 6 : how.precision, std::abs(value));
  return buffer.substr(0, size_t(std::max(n, 0)));
}

static unsigned baseOf(char type) {
  return type == 'x' || type == 'X' ? 16 : type == 'o' ? 8 : type == 'b' ? 2 : 10;
}

static std::string wholeDigits(uint64_t magnitude, const Conversion &how) {
  const unsigned base = baseOf(how.type);
  std::string digits;
  do
    digits += (how.type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef")[magnitude % base];
  while ((magnitude /= base) != 0);
  std::reverse(digits.begin(), digits.end());
  if (how.precision > int(digits.size()))
    digits.insert(0, size_t(how.precision) - digits.size(), '0');
  if (how.alternate && base != 10)
    digits.insert(0, std::string("0") + how.type);
  return digits;
}

/// The whole number that a conversion to one writes.
static int64_t wholeOf(Budget &budget, const Value &value, char type) {
  if (!value.is(Kind::Float))
    return value.asInteger();
  if (type != 'd' && type != 'i' && type != 'u')
    budget.fail("an integer is required, not float");
  const double d = value.asReal();
  if (!(std::abs(d) < 9.2e18))
    budget.fail("cannot convert this float to an integer");
  return int64_t(d);
}

std::string numberText(Budget &budget, const Value &value, const Conversion &how) {
  if (!value.isNumber())
    budget.fail(std::string("a number is required, not ") + typeName(value));
  bool negative = false;
  std::string digits;
  if (isReal(how.type)) {
    negative = std::signbit(value.asReal());
    digits = realDigits(value.asReal(), how);
  } else {
    const int64_t whole = wholeOf(budget, value, how.type);
    negative = whole < 0;
    digits = wholeDigits(negative ? 0 - uint64_t(whole) : uint64_t(whole), how);
  }
  return (negative ? "-" : how.plus ? "+" : how.space ? " " : "") + digits;
}

} // namespace tenon::text::jinja
