//===- Renderer.cpp - Statements of a chat template -----------------------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/jinja/Renderer.h"
#include "runtime/text/jinja/Print.h"

#include <algorithm>

namespace tenon::text::jinja {

Value *Scope::find(NameId name) {
  for (auto &[id, value] : variables)
    if (id == name)
      return &value;
  return nullptr;
}

void Scope::set(NameId name, Value value) {
  if (Value *known = find(name))
    *known = std::move(value);
  else
    variables.emplace_back(name, std::move(value));
}

Renderer::Renderer(const TemplateProgram &p, Budget &b) : budget(b), program(p) {}

Renderer::~Renderer() {
  // One owner after the other, while all of them exist: no cycle stays and no destructor recurses.
  for (const auto &scope : scopes)
    scope->variables.clear();
  for (const auto &space : namespaces)
    space->items.clear();
  for (const auto *loops : {&activeLoops, &escapedLoops})
    for (const auto &loop : *loops) {
      loop->items.clear();
      loop->changed.clear();
    }
}

std::string Renderer::render(std::vector<std::pair<NameId, Value>> context) {
  scopes.push_back(std::make_unique<Scope>());
  Scope *outer = scopes.back().get();
  outer->variables = std::move(context);
  Scope *scope = openScope(*outer);
  std::string out;
  run(program.body, *scope, out);
  return out;
}

Scope *Renderer::openScope(Scope &parent) {
  Scope *scope;
  if (!freeScopes.empty()) {
    scope = freeScopes.back();
    freeScopes.pop_back();
  } else {
    budget.allocate(sizeof(Scope) + 64);
    scopes.push_back(std::make_unique<Scope>());
    scope = scopes.back().get();
  }
  scope->parent = &parent;
  return scope;
}

void Renderer::closeScope(Scope *scope) {
  if (scope->captured)
    return;
  scope->variables.clear();
  freeScopes.push_back(scope);
}

void Renderer::appendOutput(std::string &out, std::string_view text) {
  if (text.size() >
      budget.limits.maxOutputBytes - std::min(out.size(), budget.limits.maxOutputBytes))
    budget.fail(StatusCode::ResourceExhausted, "its output is longer than " +
                                                   std::to_string(budget.limits.maxOutputBytes) +
                                                   " bytes");
  budget.work(text.size());
  out += text;
}

std::string Renderer::runToString(const Block &block, Scope &scope) {
  std::string out;
  run(block, scope, out);
  return out;
}

Renderer::Flow Renderer::run(const Block &block, Scope &scope, std::string &out) {
  for (const auto &statement : block)
    if (const Flow flow = run(*statement, scope, out); flow != Flow::Next)
      return flow;
  return Flow::Next;
}

Renderer::Flow Renderer::run(const Statement &statement, Scope &scope, std::string &out) {
  Nested nested(budget, budget.evaluationDepth, kMaxEvaluationDepth);
  budget.line = statement.line;
  budget.step();
  switch (statement.kind) {
  case StatementKind::Data:
    appendOutput(out, statement.text);
    return Flow::Next;
  case StatementKind::Output: {
    const Value value = evaluate(*statement.expression, scope);
    if (value.is(Kind::String))
      appendOutput(out, value.string());
    else
      appendOutput(out, str(budget, value));
    return Flow::Next;
  }
  case StatementKind::For:
    return runFor(statement, scope, out);
  case StatementKind::If:
    for (const auto &[condition, body] : statement.branches)
      if (isTrue(evaluate(*condition, scope)))
        return run(body, scope, out);
    return run(statement.orElse, scope, out);
  case StatementKind::Set:
    assign(*statement.target, evaluate(*statement.expression, scope), scope);
    return Flow::Next;
  case StatementKind::SetBlock: {
    Scope *inner = openScope(scope);
    Value value = makeString(budget, runToString(statement.body, *inner));
    closeScope(inner);
    assign(*statement.target, applyFilters(statement.expression.get(), std::move(value), scope),
           scope);
    return Flow::Next;
  }
  case StatementKind::Macro:
    scope.set(statement.name, defineMacro(statement, scope));
    return Flow::Next;
  case StatementKind::CallBlock: {
    const Value caller = defineMacro(statement, scope);
    appendOutput(out, str(budget, evaluateCall(*statement.expression, scope, &caller)));
    return Flow::Next;
  }
  case StatementKind::FilterBlock: {
    Scope *inner = openScope(scope);
    Value value = makeString(budget, runToString(statement.body, *inner));
    closeScope(inner);
    appendOutput(out,
                 str(budget, applyFilters(statement.expression.get(), std::move(value), scope)));
    return Flow::Next;
  }
  case StatementKind::With: {
    Scope *inner = openScope(scope);
    for (size_t i = 0; i < statement.targets.size(); ++i)
      assign(*statement.targets[i], evaluate(*statement.values[i], scope), *inner);
    const Flow flow = run(statement.body, *inner, out);
    closeScope(inner);
    return flow;
  }
  case StatementKind::Scope: {
    Scope *inner = openScope(scope);
    const Flow flow = run(statement.body, *inner, out);
    closeScope(inner);
    return flow;
  }
  case StatementKind::Break:
    return Flow::Break;
  case StatementKind::Continue:
    return Flow::Continue;
  }
  return Flow::Next;
}

void Renderer::assign(const Expression &target, Value value, Scope &scope) {
  switch (target.kind) {
  case ExpressionKind::Name:
    budget.step(scope.variables.size() / 16);
    scope.set(target.name, std::move(value));
    return;
  case ExpressionKind::NamespaceAttribute: {
    const Value object = lookUp(target.name, scope);
    if (!object.is(Kind::Namespace))
      budget.fail("cannot assign attribute on non-namespace object");
    if (target.text.starts_with('_'))
      budget.fail("a namespace has no attributes that begin with '_', such as '" + target.text +
                  "'");
    budget.step(object.space().items.size() / 16);
    if (Value *known = object.space().find(target.text)) {
      *known = std::move(value);
    } else {
      budget.allocate(sizeof(Value) + target.text.size() + 32);
      object.space().items.emplace_back(target.text, std::move(value));
    }
    return;
  }
  default: { // Tuple
    const std::vector<Value> items = itemsOf(budget, value);
    if (items.size() != target.operands.size())
      budget.fail("cannot unpack " + std::to_string(items.size()) + " values into " +
                  std::to_string(target.operands.size()) + " names");
    for (size_t i = 0; i < items.size(); ++i)
      assign(*target.operands[i], items[i], scope);
  }
  }
}

Renderer::Flow Renderer::runFor(const Statement &statement, Scope &scope, std::string &out) {
  return runLoop(statement, itemsOf(budget, evaluate(*statement.expression, scope)), scope, 0, out);
}

Renderer::Flow Renderer::runLoop(const Statement &statement, std::vector<Value> items, Scope &scope,
                                 uint32_t depth, std::string &out) {
  Nested nested(budget, budget.callDepth, budget.limits.maxDepth);
  if (statement.condition) {
    std::vector<Value> kept;
    for (Value &item : items) {
      Scope *inner = openScope(scope);
      assign(*statement.target, item, *inner);
      if (isTrue(evaluate(*statement.condition, *inner)))
        kept.push_back(std::move(item));
      closeScope(inner);
    }
    items = std::move(kept);
  }
  if (items.empty()) {
    Scope *inner = openScope(scope);
    const Flow flow = run(statement.orElse, *inner, out); // A `break` here is of the loop around.
    closeScope(inner);
    return flow;
  }

  budget.allocate(sizeof(Loop));
  const auto loop = std::make_shared<Loop>();
  activeLoops.push_back(loop);
  loop->items = std::move(items);
  loop->depth = depth;
  loop->statement = &statement;
  if (statement.recursive) {
    loop->scope = &scope;
    for (Scope *s = &scope; s && !s->captured; s = s->parent)
      s->captured = true; // The loop may outlive it and be called.
  }
  for (Flow flow = Flow::Next; loop->index < loop->items.size() && flow != Flow::Break;
       ++loop->index) {
    budget.step();
    Scope *inner = openScope(scope);
    inner->set(program.loop, Value::of(loop));
    assign(*statement.target, loop->items[loop->index], *inner);
    flow = run(statement.body, *inner, out);
    closeScope(inner);
  }
  activeLoops.pop_back();
  if (loop.use_count() > 1)
    escapedLoops.push_back(loop);
  return Flow::Next;
}

Value Renderer::applyFilters(const Expression *filters, Value input, Scope &scope) {
  if (!filters)
    return input;
  Nested nested(budget, budget.evaluationDepth, kMaxEvaluationDepth);
  if (!filters->operands.empty())
    input = applyFilters(filters->operands[0].get(), std::move(input), scope);
  budget.line = filters->line;
  return filters->builtin->call(*this, input, evaluateArguments(filters->arguments, scope));
}

Value Renderer::defineMacro(const Statement &definition, Scope &scope) {
  budget.allocate(sizeof(Macro) + sizeof(Scope));
  for (Scope *s = &scope; s && !s->captured; s = s->parent)
    s->captured = true;
  macros.push_back(std::make_unique<Macro>(Macro{&definition, &scope}));
  return Value::of(*macros.back());
}

Value Renderer::callMacro(const Macro &macro, const Arguments &arguments) {
  Nested nested(budget, budget.callDepth, budget.limits.maxDepth);
  const Statement &definition = *macro.definition;
  const std::vector<Parameter> &parameters = definition.parameters;
  const uint32_t line = budget.line;
  const auto fail = [&](const std::string &what) {
    budget.fail("macro '" + definition.text + "' " + what);
  };

  Scope *scope = openScope(*macro.scope);
  std::vector<bool> given(parameters.size(), false);
  std::vector<Value> varargs;
  for (size_t i = 0; i < arguments.positional.size(); ++i) {
    if (i >= parameters.size()) {
      varargs.push_back(arguments.positional[i]);
      continue;
    }
    scope->set(parameters[i].name, arguments.positional[i]);
    given[i] = true;
  }
  if (!varargs.empty() && !definition.usesVarargs)
    fail("takes not more than " + std::to_string(parameters.size()) + " arguments");
  Dict kwargs;
  bool hasCaller = false;
  for (const auto &[name, value] : arguments.named) {
    const auto found = std::find_if(parameters.begin(), parameters.end(), [&](const Parameter &p) {
      return program.names[p.name] == name;
    });
    if (found != parameters.end()) {
      if (given[size_t(found - parameters.begin())])
        fail("got two values for argument '" + name + "'");
      scope->set(found->name, value);
      given[size_t(found - parameters.begin())] = true;
    } else if (name == "caller" && definition.usesCaller) {
      scope->set(program.caller, value);
      hasCaller = true;
    } else if (definition.usesKwargs) {
      kwargs.set(Value::constant(name), value);
    } else {
      fail(name == "caller" ? "was called with a call block but does not use 'caller'"
                            : "takes no argument '" + name + "'");
    }
  }
  if (definition.usesVarargs)
    scope->set(program.varargs, makeSequence(budget, std::move(varargs), Sequence::Flavour::Tuple));
  if (definition.usesKwargs)
    scope->set(program.kwargs, makeDict(budget, std::move(kwargs)));
  if (definition.usesCaller && !hasCaller && !scope->find(program.caller))
    scope->set(program.caller, Value::undefined("No caller defined"));
  for (size_t i = 0; i < parameters.size(); ++i)
    if (!given[i])
      scope->set(parameters[i].name,
                 parameters[i].defaultValue
                     ? evaluate(*parameters[i].defaultValue, *scope)
                     : Value::undefined("parameter '" + program.names[parameters[i].name] +
                                        "' was not provided"));
  Value result = makeString(budget, runToString(definition.body, *scope));
  closeScope(scope);
  budget.line = line;
  return result;
}

Value Renderer::makeNamespace(std::vector<std::pair<std::string, Value>> items) {
  budget.allocate(sizeof(Namespace) + items.size() * (sizeof(Value) + 48));
  namespaces.push_back(std::make_shared<Namespace>(Namespace{std::move(items)}));
  return Value::of(namespaces.back());
}

Value Renderer::call(const Value &function, const Arguments &arguments) {
  Nested nested(budget, budget.evaluationDepth, kMaxEvaluationDepth);
  budget.step();
  switch (function.kind()) {
  case Kind::Undefined:
    budget.fail(function.reason());
  case Kind::Macro:
    return callMacro(function.macro(), arguments);
  case Kind::Function:
    return function.function().call(*this, arguments);
  case Kind::Method:
    return function.method().call(*this, function.method().self, arguments);
  case Kind::Loop: {
    Loop &loop = function.loop();
    if (!loop.scope)
      budget.fail("the loop must have the 'recursive' marker to be called recursively");
    if (arguments.positional.size() != 1 || !arguments.named.empty())
      budget.fail("loop() takes what to iterate over");
    std::string out;
    runLoop(*loop.statement, itemsOf(budget, arguments.positional[0]), *loop.scope, loop.depth + 1,
            out);
    return makeString(budget, std::move(out));
  }
  default:
    budget.fail(std::string("'") + typeName(function) + "' object is not callable");
  }
}

} // namespace tenon::text::jinja
