//===- PythonFormat.h - Formatting of strings, both ways --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_TEXT_JINJA_PYTHONFORMAT_H
#define TENON_RUNTIME_TEXT_JINJA_PYTHONFORMAT_H

#include "runtime/text/jinja/Value.h"

namespace tenon::text::jinja {

/// format % arguments, with conversions s, r, d, i, f, e, g, x, X, o, c and %, flags, width,
/// precision and
/// %(name)s. Wider than 4096 characters fails.
Value percentFormat(Budget &budget, const std::string &format, const Value &arguments);

/// format.format(...) with {}, {0}, {name} and format specifications of width, alignment, d, f, e,
/// g, x, s.
Value braceFormat(Budget &budget, const std::string &format, const Arguments &arguments);

} // namespace tenon::text::jinja

#endif // TENON_RUNTIME_TEXT_JINJA_PYTHONFORMAT_H
