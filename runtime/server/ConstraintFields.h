//===- ConstraintFields.h - What form a client wants ------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_CONSTRAINTFIELDS_H
#define TENON_RUNTIME_SERVER_CONSTRAINTFIELDS_H

#include "runtime/grammar/Constraint.h"
#include "runtime/server/RequestFields.h"

#include <optional>

namespace tenon::server {

/// Reads "response_format" as the reference API has it, and "structured_outputs" and "guided_*" as
/// vLLM has them. At most one constraint, with the field that asked for it; errors are left in
/// `fields`.
std::optional<grammar::Constraint>
readConstraint(RequestFields &fields, const grammar::Limits &limits, std::string &field);

/// One format object: "response_format" of chat, where a schema lies within "json_schema", or
/// "text.format" of responses, where it lies beside the type. `name` is for errors.
std::optional<grammar::Constraint> readFormat(RequestFields &fields, const std::string &name,
                                              const boost::json::object &format, bool nested,
                                              const grammar::Limits &limits);

/// Whether `name` is what the reference API allows for schemas and functions: 1 to 64 letters,
/// digits, _ and -.
bool isPlainName(std::string_view name);

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_CONSTRAINTFIELDS_H
