//===- Renderer.h - Running a chat template ---------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_TEXT_JINJA_RENDERER_H
#define TENON_RUNTIME_TEXT_JINJA_RENDERER_H

#include "runtime/text/jinja/Ast.h"
#include "runtime/text/jinja/Loop.h"

#include <memory>
#include <vector>

namespace tenon::text::jinja {

/// Variables of one block. A name is looked up here, then in the scopes around it.
struct Scope {
  Scope *parent = nullptr;
  bool captured = false; ///< A macro refers to it: it lives until the rendering ends.
  std::vector<std::pair<NameId, Value>> variables;

  Value *find(NameId name);
  void set(NameId name, Value value);
};

/// A macro and the scope that it was defined in.
struct Macro {
  const Statement *definition;
  Scope *scope;
};

/// One rendering. Everything that templates can tie into cycles (scopes, macros, namespaces, loops)
/// is owned here and taken apart at the end. Throws Failure.
class Renderer {
public:
  Renderer(const TemplateProgram &program, Budget &budget);
  ~Renderer();
  Renderer(const Renderer &) = delete;
  Renderer &operator=(const Renderer &) = delete;

  std::string render(std::vector<std::pair<NameId, Value>> context);

  /// Calls a function, method, macro or recursive loop.
  Value call(const Value &function, const Arguments &arguments);
  Value makeNamespace(std::vector<std::pair<std::string, Value>> items);

  Budget &budget;

private:
  enum class Flow : uint8_t { Next, Break, Continue };

  // Statements (Renderer.cpp).
  Flow run(const Block &block, Scope &scope, std::string &out);
  Flow run(const Statement &statement, Scope &scope, std::string &out);
  Flow runFor(const Statement &statement, Scope &scope, std::string &out);
  Flow runLoop(const Statement &statement, std::vector<Value> items, Scope &scope, uint32_t depth,
               std::string &out);
  void assign(const Expression &target, Value value, Scope &scope);
  void appendOutput(std::string &out, std::string_view text);
  std::string runToString(const Block &block, Scope &scope);
  Value applyFilters(const Expression *filters, Value input, Scope &scope);
  Value callMacro(const Macro &macro, const Arguments &arguments);
  Value defineMacro(const Statement &definition, Scope &scope);
  Scope *openScope(Scope &parent);
  void closeScope(Scope *scope);

  // Expressions (Evaluate.cpp).
  Value evaluate(const Expression &node, Scope &scope);
  Value lookUp(NameId name, Scope &scope);
  Value evaluateCall(const Expression &node, Scope &scope, const Value *caller);
  Value evaluateCompare(const Expression &node, Scope &scope);
  Arguments evaluateArguments(const CallArguments &arguments, Scope &scope);

  const TemplateProgram &program;
  std::vector<std::unique_ptr<Scope>> scopes;
  std::vector<Scope *> freeScopes;
  std::vector<std::unique_ptr<Macro>> macros;
  std::vector<std::shared_ptr<Namespace>> namespaces;
  std::vector<std::shared_ptr<Loop>> activeLoops;
  std::vector<std::shared_ptr<Loop>> escapedLoops; ///< Kept by a value after they ended.
};

/// A function that every template knows, such as `range`.
const Function *findGlobal(std::string_view name);

} // namespace tenon::text::jinja

#endif // TENON_RUNTIME_TEXT_JINJA_RENDERER_H
