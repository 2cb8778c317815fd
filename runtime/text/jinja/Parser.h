//===- Parser.h - Chat templates to statements ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_TEXT_JINJA_PARSER_H
#define TENON_RUNTIME_TEXT_JINJA_PARSER_H

#include "runtime/text/jinja/Ast.h"
#include "runtime/text/jinja/Lexer.h"

#include <initializer_list>
#include <unordered_map>

namespace tenon::text::jinja {

/// Recursive descent over jinja2's grammar (jinja2/parser.py states it). Throws Failure.
class Parser {
public:
  Parser(Budget &budget, std::vector<Token> tokens, TemplateProgram &program);
  void parse();

private:
  // Tokens.
  const Token &current() const { return tokens[position]; }
  const Token &next();
  bool isOperator(std::string_view text) const;
  bool isName(std::string_view text) const;
  bool skipOperator(std::string_view text);
  bool skipName(std::string_view text);
  void expectOperator(std::string_view text);
  std::string expectName();
  [[noreturn]] void fail(const std::string &what) const;
  std::string describeCurrent() const;
  NameId intern(const std::string &name);

  // Expressions (ParseExpression.cpp).
  ExpressionPtr make(ExpressionKind kind, uint32_t line) const;
  void adopt(Expression &parent, ExpressionPtr child) const;
  ExpressionPtr expression(bool withCondition = true);
  ExpressionPtr disjunction();
  ExpressionPtr conjunction();
  ExpressionPtr negation();
  ExpressionPtr comparison();
  ExpressionPtr sum();
  ExpressionPtr concatenation();
  ExpressionPtr product();
  ExpressionPtr power();
  ExpressionPtr unary(bool withFilter = true);
  ExpressionPtr primary();
  ExpressionPtr listDisplay();
  ExpressionPtr dictDisplay();
  ExpressionPtr tuple(bool withCondition, std::initializer_list<std::string_view> endNames,
                      bool parenthesized);
  ExpressionPtr postfix(ExpressionPtr node);
  ExpressionPtr filtersAndTests(ExpressionPtr node);
  ExpressionPtr subscript(ExpressionPtr node);
  ExpressionPtr call(ExpressionPtr node);
  ExpressionPtr filter(ExpressionPtr node);
  ExpressionPtr test(ExpressionPtr node);
  void callArguments(Expression &node);
  bool isTupleEnd(std::initializer_list<std::string_view> endNames) const;

  // Statements (ParseStatement.cpp).
  using StatementPtr = std::unique_ptr<Statement>;
  Block blockUntil(std::initializer_list<std::string_view> ends, bool dropEnd);
  Block content(std::initializer_list<std::string_view> ends);
  StatementPtr statement();
  StatementPtr forStatement();
  StatementPtr ifStatement();
  StatementPtr setStatement();
  StatementPtr macroStatement();
  StatementPtr callStatement();
  StatementPtr filterStatement();
  StatementPtr withStatement();
  StatementPtr autoescapeStatement();
  void signature(Statement &node);
  Block macroBody(Statement &node, std::string_view end);
  ExpressionPtr assignmentTarget(std::initializer_list<std::string_view> endNames,
                                 bool withNamespace);
  ExpressionPtr targetItem(bool withNamespace);
  std::string assignableName();

  Budget &budget;
  std::vector<Token> tokens;
  size_t position = 0;
  TemplateProgram &program;
  std::unordered_map<std::string, NameId> nameIds;
  uint32_t loops = 0; ///< `for`s around the current statement.
  /// Special names that the macro body being parsed mentions.
  bool seesVarargs = false, seesKwargs = false, seesCaller = false;
};

} // namespace tenon::text::jinja

#endif // TENON_RUNTIME_TEXT_JINJA_PARSER_H
