//===- Access.cpp - Items, attributes and slices --------------------------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/Utf8.h"
#include "runtime/text/jinja/Loop.h"
#include "runtime/text/jinja/Operators.h"
#include "runtime/text/jinja/Print.h"

#include <algorithm>

namespace tenon::text::jinja {

int64_t lengthOf(Budget &budget, const Value &value) {
  switch (value.kind()) {
  case Kind::String:
    return int64_t(value.text().length);
  case Kind::Sequence:
    return int64_t(value.sequence().items.size());
  case Kind::Dict:
    return int64_t(value.dict().items.size());
  case Kind::Loop:
    return int64_t(value.loop().items.size());
  case Kind::Undefined:
    return 0;
  default:
    budget.fail(std::string("object of type '") + typeName(value) + "' has no len()");
  }
}

std::vector<Value> itemsOf(Budget &budget, const Value &value) {
  std::vector<Value> items;
  switch (value.kind()) {
  case Kind::Undefined:
    break;
  case Kind::Sequence:
    budget.allocate(value.sequence().items.size() * sizeof(Value));
    items = value.sequence().items;
    break;
  case Kind::String: {
    const std::string &text = value.string();
    budget.allocate(value.text().length * (sizeof(Value) + sizeof(Text)));
    for (size_t at = 0; at < text.size();) {
      const size_t length = sequenceLength(text[at]);
      items.push_back(Value::constant(text.substr(at, length)));
      at += length;
    }
    break;
  }
  case Kind::Dict:
    budget.allocate(value.dict().items.size() * sizeof(Value));
    for (const auto &[key, item] : value.dict().items)
      items.push_back(key);
    break;
  case Kind::Iterator: {
    Iterator &iterator = value.iterator();
    if (iterator.failure)
      throw Failure(*iterator.failure);
    budget.allocate((iterator.items.size() - iterator.next) * sizeof(Value));
    items.assign(iterator.items.begin() + ptrdiff_t(iterator.next), iterator.items.end());
    iterator.next = iterator.items.size();
    break;
  }
  default:
    budget.fail(std::string("'") + typeName(value) + "' object is not iterable");
  }
  return items;
}

static Value missing(const Value &object, const std::string &what) {
  const std::string name =
      object.is(Kind::None) ? "None" : std::string(typeName(object)) + " object";
  return Value::undefined("'" + name + "' has no attribute " + what);
}

static Value characterAt(Budget &budget, const Text &text, size_t index) {
  if (text.isAscii())
    return Value::constant(text.bytes.substr(index, 1));
  budget.work(text.bytes.size());
  size_t at = 0;
  for (; index > 0; --index)
    at += sequenceLength(text.bytes[at]);
  return Value::constant(text.bytes.substr(at, sequenceLength(text.bytes[at])));
}

Value getItem(Budget &budget, const Value &value, const Value &key) {
  if (value.is(Kind::Undefined))
    budget.fail(value.reason());
  if (value.is(Kind::Dict)) {
    if (!key.is(Kind::Dict) && !(key.is(Kind::Sequence) && key.depth() > 1)) {
      if (key.is(Kind::String))
        budget.work(key.string().size());
      if (const Value *item = value.dict().find(key))
        return *item;
    }
  } else if (key.isIntegral() &&
             (value.is(Kind::String) ||
              (value.is(Kind::Sequence) && value.sequence().flavour <= Sequence::Flavour::Range))) {
    const int64_t size = lengthOf(budget, value);
    const int64_t index = key.asInteger() < 0 ? key.asInteger() + size : key.asInteger();
    if (index >= 0 && index < size)
      return value.is(Kind::String) ? characterAt(budget, value.text(), size_t(index))
                                    : value.sequence().items[size_t(index)];
  }
  if (key.is(Kind::String)) {
    if (value.is(Kind::Loop))
      return loopAttribute(budget, value, key.string());
    if (value.is(Kind::Namespace))
      if (const Value *item = value.space().find(key.string()))
        return *item;
    if (const auto method = findMethod(budget, value, key.string()))
      return *method;
  }
  return missing(value, repr(budget, key));
}

Value getAttribute(Budget &budget, const Value &value, const std::string &name) {
  switch (value.kind()) {
  case Kind::Undefined:
    budget.fail(value.reason());
  case Kind::Namespace:
    budget.step(value.space().items.size() / 16);
    if (const Value *item = value.space().find(name))
      return *item;
    break;
  case Kind::Loop:
    return loopAttribute(budget, value, name);
  default:
    if (const auto method = findMethod(budget, value, name))
      return *method;
    if (value.is(Kind::Dict))
      if (const Value *item = value.dict().find(name))
        return *item;
  }
  return missing(value, "'" + name + "'");
}

Value slice(Budget &budget, const Value &value, const Value &startValue, const Value &stopValue,
            const Value &stepValue) {
  const bool isString = value.is(Kind::String);
  if (!isString &&
      !(value.is(Kind::Sequence) && value.sequence().flavour <= Sequence::Flavour::Range)) {
    budget.fail(value.is(Kind::Undefined)
                    ? value.reason()
                    : std::string("'") + typeName(value) + "' object cannot be sliced");
  }
  const auto bound = [&](const Value &v, int64_t absent) {
    if (v.is(Kind::None))
      return absent;
    if (!v.isIntegral())
      budget.fail("slice indices must be integers or none");
    return v.asInteger();
  };
  const int64_t size = lengthOf(budget, value);
  const int64_t step = bound(stepValue, 1);
  if (step == 0)
    budget.fail("slice step cannot be zero");
  // As CPython's PySlice_AdjustIndices.
  const int64_t lowest = step < 0 ? -1 : 0, highest = step < 0 ? size - 1 : size;
  const auto adjust = [&](int64_t i) {
    return i < 0 ? std::max(i + size, lowest) : std::min(i, highest);
  };
  const int64_t start =
      startValue.is(Kind::None) ? (step < 0 ? highest : lowest) : adjust(bound(startValue, 0));
  const int64_t stop =
      stopValue.is(Kind::None) ? (step < 0 ? lowest : highest) : adjust(bound(stopValue, 0));

  std::vector<int64_t> picks;
  for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
    picks.push_back(i);
    if (__builtin_add_overflow(i, step, &i))
      break;
  }
  budget.allocate(picks.size() * sizeof(int64_t));
  if (!isString) {
    std::vector<Value> items;
    for (const int64_t i : picks)
      items.push_back(value.sequence().items[size_t(i)]);
    const auto flavour = value.sequence().flavour;
    return makeSequence(budget, std::move(items),
                        flavour == Sequence::Flavour::Range ? Sequence::Flavour::List : flavour);
  }
  const Text &text = value.text();
  budget.work(text.bytes.size());
  std::vector<uint32_t> offsets; // Of each code point, when they differ from their index.
  if (!text.isAscii()) {
    budget.allocate(text.length * sizeof(uint32_t));
    for (size_t at = 0; at < text.bytes.size(); at += sequenceLength(text.bytes[at]))
      offsets.push_back(uint32_t(at));
  }
  std::string out;
  for (const int64_t i : picks) {
    const size_t at = offsets.empty() ? size_t(i) : offsets[size_t(i)];
    out.append(text.bytes, at, sequenceLength(text.bytes[at]));
  }
  return makeString(budget, std::move(out));
}

} // namespace tenon::text::jinja
