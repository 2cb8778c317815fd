//===- StringSchema.h - Schemas of strings ----------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_GRAMMAR_STRINGSCHEMA_H
#define TENON_RUNTIME_GRAMMAR_STRINGSCHEMA_H

#include "runtime/grammar/Constraint.h"

#include <boost/json.hpp>

#include <string_view>

namespace tenon::grammar {

/// Whether a regular expression is within its limits.
Status checkPattern(std::string_view pattern, const Limits &limits);

/// A schema of strings with at most one of pattern, format and lengths: the library keeps no two of
/// them. A pattern must imply the lengths beside it; a format with lengths becomes a pattern that
/// keeps both. InvalidArgument where that cannot be.
StatusOr<boost::json::object> checkString(const boost::json::object &schema, const Limits &limits);

} // namespace tenon::grammar

#endif // TENON_RUNTIME_GRAMMAR_STRINGSCHEMA_H
