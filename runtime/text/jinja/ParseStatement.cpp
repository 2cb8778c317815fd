//===- ParseStatement.cpp - Statements of a chat template -----------------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/jinja/Parser.h"

#include <algorithm>

namespace tenon::text::jinja {

Parser::Parser(Budget &b, std::vector<Token> t, TemplateProgram &p)
    : budget(b), tokens(std::move(t)), program(p) {}

void Parser::parse() {
  program.loop = intern("loop");
  program.caller = intern("caller");
  program.varargs = intern("varargs");
  program.kwargs = intern("kwargs");
  seesCaller = seesVarargs = seesKwargs = false;
  program.body = content({});
}

const Token &Parser::next() {
  const Token &token = tokens[position];
  if (token.kind != TokenKind::End)
    ++position;
  budget.line = token.line;
  return token;
}

bool Parser::isOperator(std::string_view text) const {
  return current().kind == TokenKind::Operator && current().text == text;
}

bool Parser::isName(std::string_view text) const {
  return current().kind == TokenKind::Name && current().text == text;
}

bool Parser::skipOperator(std::string_view text) {
  if (!isOperator(text))
    return false;
  next();
  return true;
}

bool Parser::skipName(std::string_view text) {
  if (!isName(text))
    return false;
  next();
  return true;
}

void Parser::expectOperator(std::string_view text) {
  if (!skipOperator(text))
    fail("'" + std::string(text) + "' is wanted, found " + describeCurrent());
}

std::string Parser::expectName() {
  if (current().kind != TokenKind::Name)
    fail("a name is wanted, found " + describeCurrent());
  return next().text;
}

void Parser::fail(const std::string &what) const {
  budget.line = current().line;
  budget.fail(what);
}

std::string Parser::describeCurrent() const {
  switch (current().kind) {
  case TokenKind::End:
    return "the end of the template";
  case TokenKind::VariableEnd:
  case TokenKind::BlockEnd:
    return "the end of the tag";
  case TokenKind::String:
    return "a string";
  default:
    return "'" + current().text + "'";
  }
}

NameId Parser::intern(const std::string &name) {
  const auto [found, isNew] = nameIds.try_emplace(name, NameId(program.names.size()));
  if (isNew)
    program.names.push_back(name);
  seesCaller |= found->second == program.caller;
  seesVarargs |= found->second == program.varargs;
  seesKwargs |= found->second == program.kwargs;
  return found->second;
}

Block Parser::blockUntil(std::initializer_list<std::string_view> ends, bool dropEnd) {
  skipOperator(":");
  if (current().kind != TokenKind::BlockEnd)
    fail("'%}' is wanted, found " + describeCurrent());
  next();
  Block block = content(ends);
  if (current().kind == TokenKind::End)
    fail("{% " + std::string(*(ends.end() - 1)) + " %} is missing");
  if (dropEnd)
    next();
  return block;
}

Block Parser::content(std::initializer_list<std::string_view> ends) {
  Nested nested(budget, budget.callDepth, kMaxSourceDepth / 2);
  Block block;
  while (current().kind != TokenKind::End) {
    const Token &token = next();
    if (token.kind == TokenKind::Data) {
      auto data = std::make_unique<Statement>();
      data->kind = StatementKind::Data;
      data->line = token.line;
      data->text = token.text;
      block.push_back(std::move(data));
    } else if (token.kind == TokenKind::VariableBegin) {
      auto output = std::make_unique<Statement>();
      output->kind = StatementKind::Output;
      output->line = token.line;
      output->expression = tuple(true, {}, false);
      if (current().kind != TokenKind::VariableEnd)
        fail("'}}' is wanted, found " + describeCurrent());
      next();
      block.push_back(std::move(output));
    } else { // BlockBegin
      if (std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return isName(end); }))
        return block;
      block.push_back(statement());
      if (current().kind != TokenKind::BlockEnd)
        fail("'%}' is wanted, found " + describeCurrent());
      next();
    }
  }
  return block;
}

Parser::StatementPtr Parser::statement() {
  const Token &token = current();
  if (token.kind != TokenKind::Name)
    fail("a tag's name is wanted, found " + describeCurrent());
  const std::string name = token.text;
  const uint32_t line = token.line;
  StatementPtr node;
  if (name == "for")
    node = forStatement();
  else if (name == "if")
    node = ifStatement();
  else if (name == "set")
    node = setStatement();
  else if (name == "macro")
    node = macroStatement();
  else if (name == "call")
    node = callStatement();
  else if (name == "filter")
    node = filterStatement();
  else if (name == "with")
    node = withStatement();
  else if (name == "autoescape")
    node = autoescapeStatement();
  else if (name == "generation") {
    next();
    node = std::make_unique<Statement>();
    node->kind = StatementKind::Scope;
    // A `generation` block is the body of a call: loops around it are out of reach.
    const uint32_t outer = std::exchange(loops, 0);
    node->body = blockUntil({"endgeneration"}, true);
    loops = outer;
  } else if (name == "break" || name == "continue") {
    if (loops == 0)
      fail("'" + name + "' stands outside of a loop");
    next();
    node = std::make_unique<Statement>();
    node->kind = name == "break" ? StatementKind::Break : StatementKind::Continue;
  } else if (name == "block" || name == "extends" || name == "include" || name == "import" ||
             name == "from" || name == "trans" || name == "do") {
    budget.line = line;
    budget.fail(StatusCode::Unsupported, "the tag '" + name + "' has no place in a chat template");
  } else {
    fail("unknown tag '" + name + "'");
  }
  node->line = line;
  return node;
}

std::string Parser::assignableName() {
  std::string name = expectName();
  if (name == "true" || name == "True" || name == "false" || name == "False" || name == "none" ||
      name == "None")
    fail("'" + name + "' cannot be assigned to");
  return name;
}

ExpressionPtr Parser::targetItem(bool withNamespace) {
  Nested nested(budget, budget.evaluationDepth, kMaxSourceDepth);
  const uint32_t line = current().line;
  if (skipOperator("(")) {
    ExpressionPtr inner = assignmentTarget({}, false);
    expectOperator(")");
    return inner;
  }
  ExpressionPtr node = make(ExpressionKind::Name, line);
  node->name = intern(assignableName());
  if (withNamespace && skipOperator(".")) {
    node->kind = ExpressionKind::NamespaceAttribute;
    node->text = expectName();
  }
  return node;
}

ExpressionPtr Parser::assignmentTarget(std::initializer_list<std::string_view> endNames,
                                       bool withNamespace) {
  ExpressionPtr first = targetItem(withNamespace);
  if (!isOperator(","))
    return first;
  ExpressionPtr node = make(ExpressionKind::Tuple, first->line);
  adopt(*node, std::move(first));
  while (skipOperator(",") && !isTupleEnd(endNames) && !isOperator("="))
    adopt(*node, targetItem(withNamespace));
  return node;
}

Parser::StatementPtr Parser::forStatement() {
  next();
  auto node = std::make_unique<Statement>();
  node->kind = StatementKind::For;
  node->target = assignmentTarget({"in"}, false);
  if (!skipName("in"))
    fail("'in' is wanted, found " + describeCurrent());
  node->expression = tuple(/*withCondition=*/false, {"recursive"}, false);
  if (skipName("if"))
    node->condition = expression();
  node->recursive = skipName("recursive");
  ++loops;
  node->body = blockUntil({"else", "endfor"}, false);
  --loops;
  if (next().text == "else")
    node->orElse = blockUntil({"endfor"}, true);
  return node;
}

Parser::StatementPtr Parser::ifStatement() {
  auto node = std::make_unique<Statement>();
  node->kind = StatementKind::If;
  while (true) { // At `if` or `elif`.
    next();
    ExpressionPtr condition = tuple(/*withCondition=*/false, {}, false);
    Block body = blockUntil({"elif", "else", "endif"}, false);
    node->branches.emplace_back(std::move(condition), std::move(body));
    if (isName("elif"))
      continue;
    if (next().text == "else")
      node->orElse = blockUntil({"endif"}, true);
    return node;
  }
}

Parser::StatementPtr Parser::setStatement() {
  next();
  auto node = std::make_unique<Statement>();
  node->target = assignmentTarget({}, true);
  if (skipOperator("=")) {
    node->kind = StatementKind::Set;
    node->expression = tuple(true, {}, false);
    return node;
  }
  node->kind = StatementKind::SetBlock;
  while (isOperator("|"))
    node->expression = filter(std::move(node->expression));
  node->body = blockUntil({"endset"}, true);
  return node;
}

void Parser::signature(Statement &node) {
  expectOperator("(");
  while (!isOperator(")")) {
    if (!node.parameters.empty())
      expectOperator(",");
    Parameter parameter{intern(assignableName()), nullptr};
    if (skipOperator("="))
      parameter.defaultValue = expression();
    else if (!node.parameters.empty() && node.parameters.back().defaultValue)
      fail("a parameter without a default stands behind one with a default");
    node.parameters.push_back(std::move(parameter));
  }
  expectOperator(")");
}

Block Parser::macroBody(Statement &node, std::string_view end) {
  const bool outerCaller = std::exchange(seesCaller, false);
  const bool outerVarargs = std::exchange(seesVarargs, false);
  const bool outerKwargs = std::exchange(seesKwargs, false);
  const uint32_t outerLoops = std::exchange(loops, 0);
  Block body = blockUntil({end}, true);
  node.usesCaller = std::exchange(seesCaller, outerCaller);
  node.usesVarargs = std::exchange(seesVarargs, outerVarargs);
  node.usesKwargs = std::exchange(seesKwargs, outerKwargs);
  loops = outerLoops;
  return body;
}

Parser::StatementPtr Parser::macroStatement() {
  next();
  auto node = std::make_unique<Statement>();
  node->kind = StatementKind::Macro;
  node->text = assignableName();
  node->name = intern(node->text);
  signature(*node);
  node->body = macroBody(*node, "endmacro");
  return node;
}

Parser::StatementPtr Parser::callStatement() {
  next();
  auto node = std::make_unique<Statement>();
  node->kind = StatementKind::CallBlock;
  node->text = "caller";
  if (isOperator("("))
    signature(*node);
  node->expression = expression();
  if (node->expression->kind != ExpressionKind::Call)
    fail("a call is wanted behind 'call'");
  node->body = macroBody(*node, "endcall");
  return node;
}

Parser::StatementPtr Parser::filterStatement() {
  auto node = std::make_unique<Statement>();
  node->kind = StatementKind::FilterBlock;
  node->expression = filter(nullptr); // Takes the tag's own name for the '|'.
  while (isOperator("|"))
    node->expression = filter(std::move(node->expression));
  node->body = blockUntil({"endfilter"}, true);
  return node;
}

Parser::StatementPtr Parser::withStatement() {
  next();
  auto node = std::make_unique<Statement>();
  node->kind = StatementKind::With;
  while (current().kind != TokenKind::BlockEnd) {
    if (!node->targets.empty())
      expectOperator(",");
    node->targets.push_back(targetItem(false));
    expectOperator("=");
    node->values.push_back(expression());
  }
  node->body = blockUntil({"endwith"}, true);
  return node;
}

Parser::StatementPtr Parser::autoescapeStatement() {
  next();
  auto node = std::make_unique<Statement>();
  node->kind = StatementKind::Scope;
  const ExpressionPtr on = expression();
  if (on->kind != ExpressionKind::Constant || isTrue(on->constant))
    budget.fail(StatusCode::Unsupported, "escaping for HTML has no place in a chat template");
  node->body = blockUntil({"endautoescape"}, true);
  return node;
}

} // namespace tenon::text::jinja
