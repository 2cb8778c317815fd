//===- SchemaMerge.h - Two JSON schemas as one ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_GRAMMAR_SCHEMAMERGE_H
#define TENON_RUNTIME_GRAMMAR_SCHEMAMERGE_H

#include <boost/json.hpp>

#include <string>
#include <string_view>

namespace tenon::grammar {

/// Whether a keyword says something about values. Others are for people and tools: title, default,
/// x-anything.
bool isAssertion(std::string_view keyword);

/// Makes `into` demand what `from` demands too. Neither holds $ref or allOf at its top. Returns the
/// keyword that cannot be merged, or nothing.
std::string mergeSchemas(boost::json::object &into, const boost::json::object &from);

/// Whether no value that fits one schema in its strictest reading (properties that are named, and
/// no others) fits the other. Both are as checkSchema() leaves them; `defs` is what they refer to.
bool areDisjoint(const boost::json::value &a, const boost::json::value &b,
                 const boost::json::object &defs);

/// The numeric type that both have, and otherwise equal names: "integer" and "number" give
/// "integer".
bool hasType(const boost::json::value &value, std::string_view type);

} // namespace tenon::grammar

#endif // TENON_RUNTIME_GRAMMAR_SCHEMAMERGE_H
