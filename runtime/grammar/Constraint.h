//===- Constraint.h - What an answer must look like -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_GRAMMAR_CONSTRAINT_H
#define TENON_RUNTIME_GRAMMAR_CONSTRAINT_H

#include "runtime/base/Status.h"

#include <boost/json/fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace tenon::grammar {

/// What a client may ask of the compiler. Beyond a limit it is refused before anything is built;
/// what is within them all and still too much meets the bounds of time and memory of the compiling
/// process.
struct Limits {
  size_t bytes = size_t(128) << 10; ///< Of a schema, pattern, grammar or list of choices.
  uint32_t depth = 64;              ///< Levels of a schema.
  uint32_t nodes = 20'000;          ///< Schemas within a schema, after references are merged.
  uint32_t choices = 4096;          ///< Of a list of choices, or an enum.
  uint32_t repetitions =
      4096; ///< Of a pattern or grammar: the largest bound, nested ones multiplied.
  size_t patternBytes = 4096; ///< Of a regular expression.
};

/// A checked request for structure, as text. Equal ones are equal grammars.
struct Constraint {
  enum class Kind : uint8_t {
    JsonObject, ///< Any JSON object; `text` is empty.
    JsonSchema, ///< `text` is a schema as checkSchema() leaves it.
    Regex,      ///< The whole answer matches `text`.
    Grammar,    ///< EBNF, the rule "root".
    Structure,  ///< Tags between free text, in xgrammar's words ("structural_tag").
  };
  Kind kind = Kind::JsonObject;
  std::string text;

  bool operator==(const Constraint &) const = default;

  /// Each checks its limits and words what is wrong as InvalidArgument.
  static StatusOr<Constraint> ofSchema(const boost::json::value &schema, const Limits &limits);
  static StatusOr<Constraint> ofRegex(std::string pattern, const Limits &limits);
  static StatusOr<Constraint> ofGrammar(std::string ebnf, const Limits &limits);
  static StatusOr<Constraint> ofChoices(std::span<const std::string> choices, const Limits &limits);
};

} // namespace tenon::grammar

#endif // TENON_RUNTIME_GRAMMAR_CONSTRAINT_H
