//===- Print.h - Values as text ---------------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_TEXT_JINJA_PRINT_H
#define TENON_RUNTIME_TEXT_JINJA_PRINT_H

#include "runtime/text/jinja/Value.h"

#include <optional>

namespace tenon::text::jinja {

/// str(value): what `{{ value }}` prints.
std::string str(Budget &budget, const Value &value);

/// repr(value)
std::string repr(Budget &budget, const Value &value);

/// repr of a float: the shortest digits that read back the same.
std::string floatRepr(double d);

/// Arguments of json.dumps.
struct JsonStyle {
  bool ensureAscii = false, sortKeys = false;
  std::optional<std::string> indent; ///< One level's; none: on one line.
  std::string itemSeparator = ", ", keySeparator = ": ";
};

/// json.dumps(value): fails for what JSON cannot say.
std::string jsonDump(Budget &budget, const Value &value, const JsonStyle &style);

} // namespace tenon::text::jinja

#endif // TENON_RUNTIME_TEXT_JINJA_PRINT_H
