//===- SchemaCheck.h - A JSON schema that can be promised -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The library leaves out what it does not understand, and reads only the first of several
// combinators. Here a schema is rewritten into the part that it keeps: allOf is merged, siblings of
// anyOf move into its alternatives, oneOf becomes anyOf where the alternatives are proved disjoint,
// every $ref is resolved. What cannot be kept is refused by name.
//
#ifndef TENON_RUNTIME_GRAMMAR_SCHEMACHECK_H
#define TENON_RUNTIME_GRAMMAR_SCHEMACHECK_H

#include "runtime/grammar/Constraint.h"

#include <boost/json.hpp>

namespace tenon::grammar {

/// `schema` (2020-12, or draft 7 and OpenAPI where they agree) rewritten. InvalidArgument names the
/// place as a JSON pointer, what is there and what to do.
StatusOr<boost::json::object> checkSchema(const boost::json::value &schema, const Limits &limits);

} // namespace tenon::grammar

#endif // TENON_RUNTIME_GRAMMAR_SCHEMACHECK_H
