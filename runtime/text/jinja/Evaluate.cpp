//===- Evaluate.cpp - Expressions of a chat template ----------------------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/jinja/Print.h"
#include "runtime/text/jinja/Renderer.h"

namespace tenon::text::jinja {

Value Renderer::lookUp(NameId name, Scope &scope) {
  for (Scope *s = &scope; s; s = s->parent) {
    budget.step(1 + s->variables.size() / 16);
    if (const Value *value = s->find(name))
      return *value;
  }
  if (const Function *global = findGlobal(program.names[name]))
    return Value::of(*global);
  return Value::undefined("'" + program.names[name] + "' is undefined");
}

Arguments Renderer::evaluateArguments(const CallArguments &arguments, Scope &scope) {
  Arguments out;
  for (const ExpressionPtr &argument : arguments.positional)
    out.positional.push_back(evaluate(*argument, scope));
  if (arguments.star)
    for (Value &item : itemsOf(budget, evaluate(*arguments.star, scope)))
      out.positional.push_back(std::move(item));
  for (const auto &[name, argument] : arguments.named)
    out.named.emplace_back(name, evaluate(*argument, scope));
  if (arguments.doubleStar) {
    const Value more = evaluate(*arguments.doubleStar, scope);
    if (!more.is(Kind::Dict))
      budget.fail("** wants a dict");
    for (const auto &[key, value] : more.dict().items) {
      if (!key.is(Kind::String))
        budget.fail("names of arguments must be strings");
      out.named.emplace_back(key.string(), value);
    }
  }
  budget.step(out.positional.size() + out.named.size());
  return out;
}

Value Renderer::evaluateCall(const Expression &node, Scope &scope, const Value *caller) {
  const Value function = evaluate(*node.operands[0], scope);
  Arguments arguments = evaluateArguments(node.arguments, scope);
  if (caller)
    arguments.named.emplace_back("caller", *caller);
  budget.line = node.line;
  return call(function, arguments);
}

Value Renderer::evaluateCompare(const Expression &node, Scope &scope) {
  Value left = evaluate(*node.operands[0], scope);
  for (size_t i = 0; i < node.comparisons.size(); ++i) {
    Value right = evaluate(*node.operands[i + 1], scope);
    budget.line = node.line;
    if (!compare(budget, node.comparisons[i], left, right))
      return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Value Renderer::evaluate(const Expression &node, Scope &scope) {
  Nested nested(budget, budget.evaluationDepth, kMaxEvaluationDepth);
  budget.step();
  budget.line = node.line;
  const auto operand = [&](size_t i) { return evaluate(*node.operands[i], scope); };
  switch (node.kind) {
  case ExpressionKind::Constant:
    return node.constant;
  case ExpressionKind::Name:
    return lookUp(node.name, scope);
  case ExpressionKind::List:
  case ExpressionKind::Tuple: {
    std::vector<Value> items;
    for (const ExpressionPtr &item : node.operands)
      items.push_back(evaluate(*item, scope));
    return makeSequence(budget, std::move(items),
                        node.kind == ExpressionKind::List ? Sequence::Flavour::List
                                                          : Sequence::Flavour::Tuple);
  }
  case ExpressionKind::Dict: {
    Dict dict;
    for (size_t i = 0; i < node.operands.size(); i += 2) {
      Value key = operand(i);
      checkHashable(budget, key);
      dict.set(std::move(key), operand(i + 1));
    }
    return makeDict(budget, std::move(dict));
  }
  case ExpressionKind::Attribute: {
    const Value object = operand(0);
    budget.line = node.line;
    return getAttribute(budget, object, node.text);
  }
  case ExpressionKind::Item: {
    const Value object = operand(0);
    const Value key = operand(1);
    budget.line = node.line;
    return getItem(budget, object, key);
  }
  case ExpressionKind::Slice: {
    const Value object = operand(0);
    Value bounds[3];
    for (size_t i = 0; i < 3; ++i)
      bounds[i] = node.operands[i + 1] ? operand(i + 1) : Value::none();
    return slice(budget, object, bounds[0], bounds[1], bounds[2]);
  }
  case ExpressionKind::Call:
    return evaluateCall(node, scope, nullptr);
  case ExpressionKind::Filter:
  case ExpressionKind::Test: {
    const Value input = operand(0);
    const Arguments arguments = evaluateArguments(node.arguments, scope);
    budget.line = node.line;
    return node.builtin->call(*this, input, arguments);
  }
  case ExpressionKind::Not:
    return Value::boolean(!isTrue(operand(0)));
  case ExpressionKind::Negate:
    return negate(budget, operand(0));
  case ExpressionKind::Plus: {
    const Value value = operand(0);
    if (!value.isNumber())
      budget.fail(value.is(Kind::Undefined)
                      ? value.reason()
                      : std::string("bad operand type for unary +: '") + typeName(value) + "'");
    return value.is(Kind::Float) ? value : Value::integer(value.asInteger());
  }
  case ExpressionKind::Binary: {
    const Value left = operand(0);
    const Value right = operand(1);
    budget.line = node.line;
    return binary(budget, node.op, left, right);
  }
  case ExpressionKind::And: {
    Value left = operand(0);
    return isTrue(left) ? operand(1) : left;
  }
  case ExpressionKind::Or: {
    Value left = operand(0);
    return isTrue(left) ? left : operand(1);
  }
  case ExpressionKind::Compare:
    return evaluateCompare(node, scope);
  case ExpressionKind::Concat: {
    std::string text;
    for (const ExpressionPtr &part : node.operands) {
      const std::string piece = str(budget, evaluate(*part, scope));
      budget.allocate(piece.size());
      text += piece;
    }
    return Value::constant(std::move(text));
  }
  case ExpressionKind::Condition:
    if (isTrue(operand(0)))
      return operand(1);
    return node.operands.size() > 2
               ? operand(2)
               : Value::undefined("the inline if-expression on line " + std::to_string(node.line) +
                                  " evaluated to false and no else section was defined.");
  case ExpressionKind::NamespaceAttribute:
    break; // Only a target of `set`.
  }
  return {};
}

} // namespace tenon::text::jinja
