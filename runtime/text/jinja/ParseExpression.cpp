//===- ParseExpression.cpp - Expressions of a chat template ---------------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/jinja/Parser.h"

#include <algorithm>

namespace tenon::text::jinja {

ExpressionPtr Parser::make(ExpressionKind kind, uint32_t line) const {
  auto node = std::make_unique<Expression>();
  node->kind = kind;
  node->line = line;
  return node;
}

void Parser::adopt(Expression &parent, ExpressionPtr child) const {
  if (child) {
    parent.height = std::max(parent.height, child->height + 1);
    if (parent.height > kMaxSourceDepth)
      budget.fail(StatusCode::ResourceExhausted,
                  "an expression nests deeper than " + std::to_string(kMaxSourceDepth));
  }
  parent.operands.push_back(std::move(child));
}

ExpressionPtr Parser::expression(bool withCondition) {
  Nested nested(budget, budget.evaluationDepth, kMaxSourceDepth);
  if (!withCondition)
    return disjunction();
  ExpressionPtr value = disjunction();
  while (isName("if")) {
    const uint32_t line = next().line;
    ExpressionPtr node = make(ExpressionKind::Condition, line);
    adopt(*node, disjunction());
    adopt(*node, std::move(value));
    if (skipName("else"))
      adopt(*node, expression());
    value = std::move(node);
  }
  return value;
}

ExpressionPtr Parser::disjunction() {
  ExpressionPtr left = conjunction();
  while (isName("or")) {
    ExpressionPtr node = make(ExpressionKind::Or, next().line);
    adopt(*node, std::move(left));
    adopt(*node, conjunction());
    left = std::move(node);
  }
  return left;
}

ExpressionPtr Parser::conjunction() {
  ExpressionPtr left = negation();
  while (isName("and")) {
    ExpressionPtr node = make(ExpressionKind::And, next().line);
    adopt(*node, std::move(left));
    adopt(*node, negation());
    left = std::move(node);
  }
  return left;
}

ExpressionPtr Parser::negation() {
  if (!isName("not"))
    return comparison();
  Nested nested(budget, budget.evaluationDepth, kMaxSourceDepth);
  ExpressionPtr node = make(ExpressionKind::Not, next().line);
  adopt(*node, negation());
  return node;
}

ExpressionPtr Parser::comparison() {
  static constexpr std::pair<std::string_view, CompareOperator> kOperators[] = {
      {"==", CompareOperator::Equal},     {"!=", CompareOperator::NotEqual},
      {"<=", CompareOperator::LessEqual}, {">=", CompareOperator::GreaterEqual},
      {"<", CompareOperator::Less},       {">", CompareOperator::Greater}};
  ExpressionPtr first = sum();
  ExpressionPtr node;
  while (true) {
    const uint32_t line = current().line;
    std::optional<CompareOperator> op;
    for (const auto &[text, candidate] : kOperators)
      if (!op && skipOperator(text))
        op = candidate;
    if (!op && skipName("in"))
      op = CompareOperator::In;
    if (!op && isName("not") && tokens[position + 1].kind == TokenKind::Name &&
        tokens[position + 1].text == "in") {
      position += 2;
      op = CompareOperator::NotIn;
    }
    if (!op)
      break;
    if (!node) {
      node = make(ExpressionKind::Compare, line);
      adopt(*node, std::move(first));
    }
    node->comparisons.push_back(*op);
    adopt(*node, sum());
  }
  return node ? std::move(node) : std::move(first);
}

ExpressionPtr Parser::sum() {
  ExpressionPtr left = concatenation();
  while (isOperator("+") || isOperator("-")) {
    const Token &token = next();
    ExpressionPtr node = make(ExpressionKind::Binary, token.line);
    node->op = token.text == "+" ? BinaryOperator::Add : BinaryOperator::Subtract;
    adopt(*node, std::move(left));
    adopt(*node, concatenation());
    left = std::move(node);
  }
  return left;
}

ExpressionPtr Parser::concatenation() {
  ExpressionPtr first = product();
  if (!isOperator("~"))
    return first;
  ExpressionPtr node = make(ExpressionKind::Concat, first->line);
  adopt(*node, std::move(first));
  while (skipOperator("~"))
    adopt(*node, product());
  return node;
}

ExpressionPtr Parser::product() {
  static constexpr std::pair<std::string_view, BinaryOperator> kOperators[] = {
      {"*", BinaryOperator::Multiply},
      {"/", BinaryOperator::Divide},
      {"//", BinaryOperator::FloorDivide},
      {"%", BinaryOperator::Modulo}};
  ExpressionPtr left = power();
  while (true) {
    const auto found = std::find_if(std::begin(kOperators), std::end(kOperators),
                                    [&](const auto &o) { return isOperator(o.first); });
    if (found == std::end(kOperators))
      return left;
    ExpressionPtr node = make(ExpressionKind::Binary, next().line);
    node->op = found->second;
    adopt(*node, std::move(left));
    adopt(*node, power());
    left = std::move(node);
  }
}

ExpressionPtr Parser::power() {
  ExpressionPtr left = unary();
  while (isOperator("**")) { // jinja2 groups powers from the left.
    ExpressionPtr node = make(ExpressionKind::Binary, next().line);
    node->op = BinaryOperator::Power;
    adopt(*node, std::move(left));
    adopt(*node, unary());
    left = std::move(node);
  }
  return left;
}

ExpressionPtr Parser::unary(bool withFilter) {
  Nested nested(budget, budget.evaluationDepth, kMaxSourceDepth);
  ExpressionPtr node;
  if (isOperator("-") || isOperator("+")) {
    const Token &token = next();
    node = make(token.text == "-" ? ExpressionKind::Negate : ExpressionKind::Plus, token.line);
    adopt(*node, unary(false));
  } else {
    node = primary();
  }
  node = postfix(std::move(node));
  return withFilter ? filtersAndTests(std::move(node)) : std::move(node);
}

ExpressionPtr Parser::primary() {
  const Token token = current();
  ExpressionPtr node = make(ExpressionKind::Constant, token.line);
  switch (token.kind) {
  case TokenKind::Name:
    next();
    if (token.text == "true" || token.text == "True" || token.text == "false" ||
        token.text == "False") {
      node->constant = Value::boolean(token.text[0] == 't' || token.text[0] == 'T');
    } else if (token.text == "none" || token.text == "None") {
      node->constant = Value::none();
    } else {
      node->kind = ExpressionKind::Name;
      node->name = intern(token.text);
    }
    return node;
  case TokenKind::String: {
    std::string text;
    while (current().kind == TokenKind::String)
      text += next().text;
    node->constant = Value::constant(std::move(text));
    return node;
  }
  case TokenKind::Integer:
    next();
    node->constant = Value::integer(token.integer);
    return node;
  case TokenKind::Float:
    next();
    node->constant = Value::real(token.real);
    return node;
  default:
    break;
  }
  if (skipOperator("(")) {
    node = tuple(true, {}, /*parenthesized=*/true);
    expectOperator(")");
    return node;
  }
  if (isOperator("["))
    return listDisplay();
  if (isOperator("{"))
    return dictDisplay();
  fail("unexpected " + describeCurrent());
}

ExpressionPtr Parser::listDisplay() {
  ExpressionPtr node = make(ExpressionKind::List, next().line);
  while (!isOperator("]")) {
    if (!node->operands.empty())
      expectOperator(",");
    if (isOperator("]"))
      break;
    adopt(*node, expression());
  }
  expectOperator("]");
  return node;
}

ExpressionPtr Parser::dictDisplay() {
  ExpressionPtr node = make(ExpressionKind::Dict, next().line);
  while (!isOperator("}")) {
    if (!node->operands.empty())
      expectOperator(",");
    if (isOperator("}"))
      break;
    adopt(*node, expression());
    expectOperator(":");
    adopt(*node, expression());
  }
  expectOperator("}");
  return node;
}

bool Parser::isTupleEnd(std::initializer_list<std::string_view> endNames) const {
  if (current().kind == TokenKind::VariableEnd || current().kind == TokenKind::BlockEnd ||
      isOperator(")"))
    return true;
  return std::any_of(endNames.begin(), endNames.end(),
                     [&](std::string_view n) { return isName(n); });
}

ExpressionPtr Parser::tuple(bool withCondition, std::initializer_list<std::string_view> endNames,
                            bool parenthesized) {
  const uint32_t line = current().line;
  ExpressionPtr node = make(ExpressionKind::Tuple, line);
  bool isTuple = false;
  while (true) {
    if (!node->operands.empty())
      expectOperator(",");
    if (isTupleEnd(endNames))
      break;
    adopt(*node, expression(withCondition));
    if (!isOperator(","))
      break;
    isTuple = true;
  }
  if (!isTuple && !node->operands.empty())
    return std::move(node->operands.front());
  if (!isTuple && !parenthesized)
    fail("an expression is wanted, found " + describeCurrent());
  return node;
}

ExpressionPtr Parser::postfix(ExpressionPtr node) {
  while (true) {
    if (isOperator(".") || isOperator("["))
      node = subscript(std::move(node));
    else if (isOperator("("))
      node = call(std::move(node));
    else
      return node;
  }
}

ExpressionPtr Parser::filtersAndTests(ExpressionPtr node) {
  while (true) {
    if (isOperator("|"))
      node = filter(std::move(node));
    else if (isName("is"))
      node = test(std::move(node));
    else if (isOperator("("))
      node = call(std::move(node));
    else
      return node;
  }
}

ExpressionPtr Parser::subscript(ExpressionPtr object) {
  const Token &token = next();
  const uint32_t line = token.line;
  if (token.text == ".") {
    const Token name = next();
    ExpressionPtr node = make(ExpressionKind::Attribute, line);
    node->text = name.text;
    adopt(*node, std::move(object));
    if (name.kind == TokenKind::Name)
      return node;
    if (name.kind != TokenKind::Integer)
      fail("a name or number is wanted behind '.'");
    node->kind = ExpressionKind::Item;
    ExpressionPtr index = make(ExpressionKind::Constant, line);
    index->constant = Value::integer(name.integer);
    adopt(*node, std::move(index));
    return node;
  }

  ExpressionPtr node = make(ExpressionKind::Item, line);
  adopt(*node, std::move(object));
  ExpressionPtr first = isOperator(":") ? nullptr : expression();
  if (isOperator(":")) {
    node->kind = ExpressionKind::Slice;
    adopt(*node, std::move(first));
    for (int part = 0; part < 2; ++part) {
      const bool present = skipOperator(":") && !isOperator("]") && !isOperator(":");
      adopt(*node, present ? expression() : nullptr);
    }
  } else if (isOperator(",")) {
    ExpressionPtr key = make(ExpressionKind::Tuple, line);
    adopt(*key, std::move(first));
    while (skipOperator(","))
      adopt(*key, expression());
    adopt(*node, std::move(key));
  } else {
    adopt(*node, std::move(first));
  }
  expectOperator("]");
  return node;
}

void Parser::callArguments(Expression &node) {
  const auto take = [&](ExpressionPtr argument) {
    node.height = std::max(node.height, argument->height + 1);
    return argument;
  };
  CallArguments &arguments = node.arguments;
  expectOperator("(");
  for (bool first = true; !isOperator(")"); first = false) {
    if (!first) {
      expectOperator(",");
      if (isOperator(")"))
        break;
    }
    if (isOperator("*") && !arguments.star && !arguments.doubleStar) {
      next();
      arguments.star = take(expression());
    } else if (isOperator("**") && !arguments.doubleStar) {
      next();
      arguments.doubleStar = take(expression());
    } else if (current().kind == TokenKind::Name &&
               tokens[position + 1].kind == TokenKind::Operator &&
               tokens[position + 1].text == "=" && !arguments.doubleStar) {
      std::string name = next().text;
      next();
      arguments.named.emplace_back(std::move(name), take(expression()));
    } else {
      if (arguments.star || arguments.doubleStar || !arguments.named.empty())
        fail("a positional argument stands behind a named one");
      arguments.positional.push_back(take(expression()));
    }
  }
  expectOperator(")");
  if (node.height > kMaxSourceDepth)
    budget.fail(StatusCode::ResourceExhausted,
                "an expression nests deeper than " + std::to_string(kMaxSourceDepth));
}

ExpressionPtr Parser::call(ExpressionPtr function) {
  ExpressionPtr node = make(ExpressionKind::Call, current().line);
  adopt(*node, std::move(function));
  callArguments(*node);
  return node;
}

ExpressionPtr Parser::filter(ExpressionPtr input) {
  const uint32_t line = next().line;
  ExpressionPtr node = make(ExpressionKind::Filter, line);
  node->text = expectName();
  node->builtin = findFilter(node->text);
  if (!node->builtin)
    fail("no filter is named '" + node->text + "'");
  if (input)
    adopt(*node, std::move(input));
  if (isOperator("("))
    callArguments(*node);
  return node;
}

ExpressionPtr Parser::test(ExpressionPtr input) {
  const uint32_t line = next().line;
  const bool negated = skipName("not");
  ExpressionPtr node = make(ExpressionKind::Test, line);
  node->text = expectName();
  node->builtin = findTest(node->text);
  if (!node->builtin)
    fail("no test is named '" + node->text + "'");
  adopt(*node, std::move(input));
  const TokenKind kind = current().kind;
  const bool startsValue = kind == TokenKind::Name || kind == TokenKind::String ||
                           kind == TokenKind::Integer || kind == TokenKind::Float ||
                           isOperator("[") || isOperator("{");
  if (isOperator("(")) {
    callArguments(*node);
  } else if (startsValue && !isName("else") && !isName("or") && !isName("and")) {
    if (isName("is"))
      fail("tests cannot be chained with 'is'");
    ExpressionPtr argument = postfix(primary());
    node->height = std::max(node->height, argument->height + 1);
    node->arguments.positional.push_back(std::move(argument));
  }
  if (!negated)
    return node;
  ExpressionPtr inverse = make(ExpressionKind::Not, line);
  adopt(*inverse, std::move(node));
  return inverse;
}

} // namespace tenon::text::jinja
