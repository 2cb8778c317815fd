//===- Ast.h - A parsed chat template ---------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_TEXT_JINJA_AST_H
#define TENON_RUNTIME_TEXT_JINJA_AST_H

#include "runtime/text/jinja/Operators.h"
#include "runtime/text/jinja/Value.h"

#include <memory>
#include <string>
#include <vector>

namespace tenon::text::jinja {

/// A filter or test: called with the value it stands behind.
struct Builtin {
  std::string_view name;
  Value (*call)(Renderer &, const Value &input, const Arguments &);
};
const Builtin *findFilter(std::string_view name);
const Builtin *findTest(std::string_view name);

/// A variable's name, as an index into Program::names.
using NameId = uint32_t;

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct CallArguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr star, doubleStar; ///< *args and **kwargs, or null.
};

enum class ExpressionKind : uint8_t {
  Constant,  ///< constant
  Name,      ///< name
  List,      ///< operands
  Tuple,     ///< operands
  Dict,      ///< operands: key, value, key, value, …
  Attribute, ///< operands[0].text
  Item,      ///< operands[0][operands[1]]
  Slice,     ///< operands[0][operands[1]:operands[2]:operands[3]], absent ones null
  Call,      ///< operands[0](arguments)
  Filter,    ///< operands[0] | builtin(arguments); operands is empty in a filter block
  Test,      ///< operands[0] is builtin(arguments)
  Not,
  Negate,
  Plus,   ///< operands[0]
  Binary, ///< operands[0] binary operands[1]
  And,
  Or,                 ///< operands[0], operands[1]
  Compare,            ///< operands[0] comparisons[0] operands[1] comparisons[1] …
  Concat,             ///< operands joined as text
  Condition,          ///< operands[1] if operands[0] else operands[2] (or nothing)
  NamespaceAttribute, ///< name.text as a target of `set`
};

struct Expression {
  ExpressionKind kind;
  uint32_t line;
  uint32_t height = 1; ///< Expressions on the way to the deepest operand.
  BinaryOperator op = BinaryOperator::Add;
  NameId name = 0;
  const Builtin *builtin = nullptr;
  Value constant;
  std::string text;
  std::vector<ExpressionPtr> operands;
  std::vector<CompareOperator> comparisons;
  CallArguments arguments;
};

struct Statement;
using Block = std::vector<std::unique_ptr<Statement>>;

struct Parameter {
  NameId name;
  ExpressionPtr defaultValue; ///< Or null.
};

enum class StatementKind : uint8_t {
  Data,        ///< text
  Output,      ///< expression
  For,         ///< target in expression if condition: body, else orElse
  If,          ///< branches, else orElse
  Set,         ///< target = expression
  SetBlock,    ///< target = body, through filters of expression (or null)
  Macro,       ///< name(parameters): body
  CallBlock,   ///< expression is the call, parameters and body the caller
  FilterBlock, ///< body through filters of expression
  With,        ///< targets[i] = values[i]: body
  Scope,       ///< body, in a scope of its own
  Break,
  Continue,
};

struct Statement {
  StatementKind kind;
  uint32_t line;
  NameId name = 0;
  bool recursive = false;
  bool usesVarargs = false, usesKwargs = false,
       usesCaller = false; ///< The macro's body names them.
  std::string text;
  ExpressionPtr target, expression, condition;
  std::vector<std::pair<ExpressionPtr, Block>> branches;
  std::vector<ExpressionPtr> targets, values;
  std::vector<Parameter> parameters;
  Block body, orElse;
};

} // namespace tenon::text::jinja

namespace tenon::text {

struct TemplateProgram {
  jinja::Block body;
  std::vector<std::string> names;
  jinja::NameId loop = 0, caller = 0, varargs = 0, kwargs = 0; ///< Names that statements bind.
};

} // namespace tenon::text

#endif // TENON_RUNTIME_TEXT_JINJA_AST_H
