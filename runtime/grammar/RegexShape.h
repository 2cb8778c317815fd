//===- RegexShape.h - How long and how large a pattern is -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_GRAMMAR_REGEXSHAPE_H
#define TENON_RUNTIME_GRAMMAR_REGEXSHAPE_H

#include "runtime/base/Status.h"

#include <cstdint>
#include <string_view>

namespace tenon::grammar {

/// Of the strings that a regular expression matches as a whole.
struct RegexShape {
  static constexpr uint64_t kUnbounded = UINT64_MAX;
  uint64_t shortest = 0, longest = 0; ///< Code points; an upper bound where classes are exotic.
  uint64_t repetitions = 1;           ///< The largest product of nested bounds.
};

/// Reads a regular expression in the syntax of ECMAScript as far as its shape goes. InvalidArgument
/// says at which byte what is wrong. Takes linear time; groups nest 64 levels at most.
StatusOr<RegexShape> shapeOfRegex(std::string_view pattern);

/// The largest product of nested repetition bounds in an EBNF grammar; rules are not followed.
StatusOr<uint64_t> repetitionsOfGrammar(std::string_view ebnf);

} // namespace tenon::grammar

#endif // TENON_RUNTIME_GRAMMAR_REGEXSHAPE_H
