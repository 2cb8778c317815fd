//===- ArgumentReader.cpp - Arguments of built-in functions ---------------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/jinja/ArgumentReader.h"

#include <algorithm>

namespace tenon::text::jinja {

ArgumentReader::ArgumentReader(Budget &b, const char *f, const Arguments &arguments,
                               std::initializer_list<std::string_view> n)
    : budget(b), function(f), names(n), values(n.size(), nullptr) {
  if (arguments.positional.size() > names.size())
    budget.fail(std::string(function) + "() takes at most " + std::to_string(names.size()) +
                " arguments, found " + std::to_string(arguments.positional.size()));
  for (size_t i = 0; i < arguments.positional.size(); ++i)
    values[i] = &arguments.positional[i];
  for (const auto &[name, value] : arguments.named) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end())
      budget.fail(std::string(function) + "() has no argument '" + name + "'");
    const size_t i = size_t(found - names.begin());
    if (values[i])
      budget.fail(std::string(function) + "() got two values for argument '" + name + "'");
    values[i] = &value;
  }
}

const Value &ArgumentReader::need(size_t i) const {
  if (!values[i])
    budget.fail(std::string(function) + "() needs an argument '" + std::string(names[i]) + "'");
  return *values[i];
}

int64_t ArgumentReader::integer(size_t i, int64_t absent) const {
  if (!values[i] || values[i]->is(Kind::None))
    return absent;
  if (!values[i]->isIntegral())
    budget.fail(std::string(function) + "() wants an integer as '" + std::string(names[i]) +
                "', not " + typeName(*values[i]));
  return values[i]->asInteger();
}

std::string ArgumentReader::text(size_t i, std::string_view absent) const {
  return values[i] ? str(budget, *values[i]) : std::string(absent);
}

std::optional<std::string> ArgumentReader::optionalText(size_t i) const {
  if (!values[i] || values[i]->is(Kind::None))
    return std::nullopt;
  if (!values[i]->is(Kind::String))
    budget.fail(std::string(function) + "() wants a string as '" + std::string(names[i]) +
                "', not " + typeName(*values[i]));
  return values[i]->string();
}

} // namespace tenon::text::jinja
