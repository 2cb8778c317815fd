//===- Conversion.h - One value of a formatted string -----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_TEXT_JINJA_CONVERSION_H
#define TENON_RUNTIME_TEXT_JINJA_CONVERSION_H

#include "runtime/text/jinja/Value.h"

#include <string>
#include <string_view>

namespace tenon::text::jinja {

/// Of widths and precisions, in characters; more fails.
inline constexpr int kMostWidth = 4096;

/// How a value is to be written, in the syntax of % or of format().
struct Conversion {
  char align = 0; ///< <, >, ^, = (behind the sign), or 0: the syntax's default.
  char fill = ' ';
  bool plus = false, space = false, alternate = false, zero = false;
  int width = 0, precision = -1;
  char type = 0;
};

/// The decimal number in `text` at `at`, which is moved behind it; 0 if there is none.
int readNumber(Budget &budget, std::string_view text, size_t &at);

/// `text` in its width, aligned as `align` says.
std::string padded(std::string text, const Conversion &how, char align);

/// A number in digits. Fails for what is none, and for fractions where whole numbers are asked for.
std::string numberText(Budget &budget, const Value &value, const Conversion &how);

/// The first `precision` characters; all of them if that is negative.
std::string truncated(std::string text, int precision);

} // namespace tenon::text::jinja

#endif // TENON_RUNTIME_TEXT_JINJA_CONVERSION_H
