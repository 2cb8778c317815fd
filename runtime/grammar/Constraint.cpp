//===- Constraint.cpp - What an answer must look like ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/grammar/Constraint.h"

#include "runtime/grammar/RegexShape.h"
#include "runtime/grammar/SchemaCheck.h"
#include "runtime/grammar/StringSchema.h"

#include <boost/json.hpp>
#include <fmt/core.h>

namespace tenon::grammar {

namespace json = boost::json;

static Status checkBytes(const char *what, size_t bytes, const Limits &limits) {
  if (bytes <= limits.bytes)
    return Status::ok();
  return Status::invalidArgument(
      fmt::format("{} has {} bytes; at most {} are possible", what, bytes, limits.bytes));
}

StatusOr<Constraint> Constraint::ofSchema(const json::value &schema, const Limits &limits) {
  TENON_RETURN_IF_ERROR(checkBytes("the JSON schema", json::serialize(schema).size(), limits));
  auto checked = checkSchema(schema, limits);
  if (!checked)
    return checked.status();
  return Constraint{Kind::JsonSchema, json::serialize(*checked)};
}

StatusOr<Constraint> Constraint::ofRegex(std::string pattern, const Limits &limits) {
  if (pattern.empty())
    return Status::invalidArgument("the regular expression is empty");
  TENON_RETURN_IF_ERROR(checkPattern(pattern, limits));
  return Constraint{Kind::Regex, std::move(pattern)};
}

StatusOr<Constraint> Constraint::ofGrammar(std::string ebnf, const Limits &limits) {
  TENON_RETURN_IF_ERROR(checkBytes("the grammar", ebnf.size(), limits));
  const auto repetitions = repetitionsOfGrammar(ebnf);
  if (!repetitions)
    return repetitions.status();
  if (*repetitions > limits.repetitions)
    return Status::invalidArgument(fmt::format(
        "the grammar repeats more than {} times; nested bounds may multiply to that at most",
        limits.repetitions));
  return Constraint{Kind::Grammar, std::move(ebnf)};
}

StatusOr<Constraint> Constraint::ofChoices(std::span<const std::string> choices,
                                           const Limits &limits) {
  if (choices.empty() || choices.size() > limits.choices)
    return Status::invalidArgument(
        fmt::format("there are {} choices; 1 to {} are possible", choices.size(), limits.choices));
  std::string ebnf = "root ::= ";
  for (const std::string &choice : choices) {
    ebnf += ebnf.ends_with(' ') ? "\"" : " | \"";
    for (const char c : choice) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\')
        (ebnf += '\\') += c;
      else if (byte < 0x20 || byte == 0x7f)
        ebnf += fmt::format("\\x{:02x}", byte);
      else
        ebnf += c;
    }
    ebnf += '"';
  }
  TENON_RETURN_IF_ERROR(checkBytes("the list of choices", ebnf.size(), limits));
  return Constraint{Kind::Grammar, std::move(ebnf)};
}

} // namespace tenon::grammar
