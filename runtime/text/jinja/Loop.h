//===- Loop.h - The `loop` variable -----------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_TEXT_JINJA_LOOP_H
#define TENON_RUNTIME_TEXT_JINJA_LOOP_H

#include "runtime/text/jinja/Value.h"

namespace tenon::text::jinja {

struct Scope;
struct Statement;

/// One run of a `for`.
struct Loop {
  std::vector<Value> items;
  size_t index = 0;
  uint32_t depth = 0; ///< Recursions above this one.
  const Statement *statement = nullptr;
  Scope *scope = nullptr;     ///< Where the `for` stands; null unless it is recursive.
  std::vector<Value> changed; ///< Arguments of the last loop.changed().
  bool hasChanged = false;
};

/// loop.NAME, or undefined.
Value loopAttribute(Budget &budget, const Value &loop, const std::string &name);

} // namespace tenon::text::jinja

#endif // TENON_RUNTIME_TEXT_JINJA_LOOP_H
