//===- ArgumentReader.h - Arguments of built-in functions -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_TEXT_JINJA_ARGUMENTREADER_H
#define TENON_RUNTIME_TEXT_JINJA_ARGUMENTREADER_H

#include "runtime/text/jinja/Operators.h"
#include "runtime/text/jinja/Print.h"

#include <initializer_list>

namespace tenon::text::jinja {

/// Matches the arguments of a call to parameters by position and name; fails for what matches none.
class ArgumentReader {
public:
  ArgumentReader(Budget &budget, const char *function, const Arguments &arguments,
                 std::initializer_list<std::string_view> names);

  /// The argument, or null when it is not given.
  const Value *get(size_t i) const { return values[i]; }
  /// The argument; fails when it is not given.
  const Value &need(size_t i) const;

  bool boolean(size_t i, bool absent) const { return values[i] ? isTrue(*values[i]) : absent; }
  /// None counts as not given.
  int64_t integer(size_t i, int64_t absent) const;
  std::string text(size_t i, std::string_view absent) const;
  /// As text(), nullopt when absent or None.
  std::optional<std::string> optionalText(size_t i) const;

private:
  Budget &budget;
  const char *function;
  std::vector<std::string_view> names;
  std::vector<const Value *> values;
};

} // namespace tenon::text::jinja

#endif // TENON_RUNTIME_TEXT_JINJA_ARGUMENTREADER_H
