//===- Loop.cpp - The `loop` variable -------------------------------------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/jinja/Loop.h"
#include "runtime/text/jinja/Operators.h"
#include "runtime/text/jinja/Renderer.h"

namespace tenon::text::jinja {
namespace {

Value cycle(Renderer &renderer, const Value &self, const Arguments &arguments) {
  if (arguments.positional.empty())
    renderer.budget.fail("loop.cycle() needs items to cycle through");
  return arguments.positional[self.loop().index % arguments.positional.size()];
}

Value changed(Renderer &renderer, const Value &self, const Arguments &arguments) {
  Loop &loop = self.loop();
  bool same = loop.hasChanged && loop.changed.size() == arguments.positional.size();
  for (size_t i = 0; same && i < loop.changed.size(); ++i)
    same = equal(renderer.budget, loop.changed[i], arguments.positional[i]);
  if (same)
    return Value::boolean(false);
  loop.changed = arguments.positional;
  loop.hasChanged = true;
  return Value::boolean(true);
}

} // namespace

Value loopAttribute(Budget &budget, const Value &value, const std::string &name) {
  const Loop &loop = value.loop();
  const auto size = int64_t(loop.items.size()), index = int64_t(loop.index);
  const auto itemAt = [&](int64_t i, const char *missing) {
    return i >= 0 && i < size ? loop.items[size_t(i)] : Value::undefined(missing);
  };
  if (name == "index")
    return Value::integer(index + 1);
  if (name == "index0")
    return Value::integer(index);
  if (name == "revindex")
    return Value::integer(size - index);
  if (name == "revindex0")
    return Value::integer(size - index - 1);
  if (name == "first")
    return Value::boolean(index == 0);
  if (name == "last")
    return Value::boolean(index == size - 1);
  if (name == "length")
    return Value::integer(size);
  if (name == "depth")
    return Value::integer(loop.depth + 1);
  if (name == "depth0")
    return Value::integer(loop.depth);
  if (name == "previtem")
    return itemAt(index - 1, "there is no previous item");
  if (name == "nextitem")
    return itemAt(index + 1, "there is no next item");
  if (name == "cycle")
    return Value::of(std::make_shared<const Method>(Method{value, "cycle", cycle}));
  if (name == "changed")
    return Value::of(std::make_shared<const Method>(Method{value, "changed", changed}));
  return Value::undefined("'loop' has no attribute '" + name + "'");
}

} // namespace tenon::text::jinja
