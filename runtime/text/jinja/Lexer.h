//===- Lexer.h - Tokens of a chat template ----------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// White space control happens here: `-` and `+` signs, trim_blocks and lstrip_blocks, which are on.
//
#ifndef TENON_RUNTIME_TEXT_JINJA_LEXER_H
#define TENON_RUNTIME_TEXT_JINJA_LEXER_H

#include "runtime/text/jinja/Value.h"

#include <string>
#include <string_view>
#include <vector>

namespace tenon::text::jinja {

enum class TokenKind : uint8_t {
  Data,
  VariableBegin,
  VariableEnd,
  BlockBegin,
  BlockEnd,
  Name,
  String,
  Integer,
  Float,
  Operator,
  End
};

struct Token {
  TokenKind kind;
  uint32_t line;
  std::string text; ///< Data, name, string's value, or operator's spelling.
  int64_t integer = 0;
  double real = 0;
};

/// Tokens of `source`, ending with End. Throws Failure, with the line in `budget`.
std::vector<Token> tokenize(Budget &budget, std::string_view source);

} // namespace tenon::text::jinja

#endif // TENON_RUNTIME_TEXT_JINJA_LEXER_H
