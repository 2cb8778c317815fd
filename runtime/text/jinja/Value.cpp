//===- Value.cpp - Values of a chat template ------------------------------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/jinja/Value.h"
#include "runtime/text/Utf8.h"
#include "runtime/text/jinja/Loop.h"
#include "runtime/text/jinja/Operators.h"

#include <boost/json.hpp>

#include <algorithm>
#include <cmath>

namespace tenon::text::jinja {

/// Dictionaries larger than this have an index.
static constexpr size_t kFewItems = 16;

Value Value::boolean(bool b) {
  Value v(Kind::Bool);
  v.scalar.integer = b;
  return v;
}

Value Value::integer(int64_t i) {
  Value v(Kind::Int);
  v.scalar.integer = i;
  return v;
}

Value Value::real(double d) {
  Value v(Kind::Float);
  v.scalar.real = d;
  return v;
}

static std::shared_ptr<Text> makeText(std::string bytes) {
  if (validPrefix(bytes) != bytes.size()) {
    std::string valid;
    appendSanitized(valid, bytes);
    bytes = std::move(valid);
  }
  const size_t length = size_t(std::count_if(bytes.begin(), bytes.end(),
                                             [](char c) { return (uint8_t(c) & 0xc0) != 0x80; }));
  return std::make_shared<Text>(Text{std::move(bytes), length});
}

Value Value::constant(std::string text) {
  Value v(Kind::String);
  v.object = makeText(std::move(text));
  return v;
}

Value Value::undefined(std::string reason) {
  Value v;
  v.object = makeText(std::move(reason));
  return v;
}

Value Value::of(const Function &function) {
  Value v(Kind::Function);
  v.scalar.function = &function;
  return v;
}

Value Value::of(Macro &macro) {
  Value v(Kind::Macro);
  v.scalar.macro = &macro;
  return v;
}

Value Value::of(std::shared_ptr<Namespace> o) {
  Value v(Kind::Namespace);
  v.object = std::move(o);
  return v;
}
Value Value::of(std::shared_ptr<Iterator> o) {
  Value v(Kind::Iterator);
  v.object = std::move(o);
  return v;
}
Value Value::of(std::shared_ptr<const Sequence> o) {
  Value v(Kind::Sequence);
  v.object = std::const_pointer_cast<Sequence>(std::move(o));
  return v;
}
Value Value::of(std::shared_ptr<const Dict> o) {
  Value v(Kind::Dict);
  v.object = std::const_pointer_cast<Dict>(std::move(o));
  return v;
}
Value Value::of(std::shared_ptr<const Method> o) {
  Value v(Kind::Method);
  v.object = std::const_pointer_cast<Method>(std::move(o));
  return v;
}
Value Value::of(std::shared_ptr<Loop> o) {
  Value v(Kind::Loop);
  v.object = std::move(o);
  return v;
}

const std::string &Value::string() const { return text().bytes; }

const std::string &Value::reason() const {
  static const std::string unnamed = "an undefined value is used";
  return object ? text().bytes : unnamed;
}

bool Value::isSame(const Value &other) const {
  if (valueKind != other.valueKind)
    return false;
  switch (valueKind) {
  case Kind::Undefined:
  case Kind::None:
    return true;
  case Kind::Bool:
  case Kind::Int:
    return scalar.integer == other.scalar.integer;
  case Kind::Float:
    return scalar.real == other.scalar.real;
  case Kind::Macro:
    return scalar.macro == other.scalar.macro;
  case Kind::Function:
    return scalar.function == other.scalar.function;
  case Kind::String:
    return string() == other.string();
  default:
    return object == other.object;
  }
}

uint32_t Value::depth() const {
  switch (valueKind) {
  case Kind::Sequence:
    return sequence().depth;
  case Kind::Dict:
    return dict().depth;
  case Kind::Method:
    return method().self.depth() + 1;
  case Kind::Iterator:
    return iterator().depth;
  case Kind::Loop:
    return 1;
  default:
    return 0;
  }
}

const Value *Dict::find(const Value &key) const {
  if (index.empty()) {
    for (const auto &[k, v] : items)
      if (equalKeys(k, key))
        return &v;
    return nullptr;
  }
  const auto [first, last] = index.equal_range(hashValue(key));
  for (auto it = first; it != last; ++it)
    if (equalKeys(items[it->second].first, key))
      return &items[it->second].second;
  return nullptr;
}

const Value *Dict::find(std::string_view key) const {
  if (!index.empty())
    return find(Value::constant(std::string(key)));
  for (const auto &[k, v] : items)
    if (k.is(Kind::String) && k.string() == key)
      return &v;
  return nullptr;
}

void Dict::set(Value key, Value value) {
  depth = std::max(depth, value.depth() + 1);
  if (const Value *known = find(key)) {
    *const_cast<Value *>(known) = std::move(value);
    return;
  }
  items.emplace_back(std::move(key), std::move(value));
  if (!index.empty()) {
    index.emplace(hashValue(items.back().first), uint32_t(items.size() - 1));
  } else if (items.size() > kFewItems) {
    for (size_t i = 0; i < items.size(); ++i)
      index.emplace(hashValue(items[i].first), uint32_t(i));
  }
}

Value *Namespace::find(std::string_view name) {
  for (auto &[key, value] : items)
    if (key == name)
      return &value;
  return nullptr;
}

Value makeString(Budget &budget, std::string text) {
  budget.allocate(text.size() + sizeof(Text));
  return Value::constant(std::move(text));
}

static void checkDepth(Budget &budget, uint32_t depth) {
  if (depth > kMaxValueDepth)
    budget.fail(StatusCode::ResourceExhausted,
                "its values nest deeper than " + std::to_string(kMaxValueDepth));
}

Value makeSequence(Budget &budget, std::vector<Value> items, Sequence::Flavour flavour) {
  budget.allocate(items.size() * sizeof(Value) + sizeof(Sequence));
  auto sequence = std::make_shared<Sequence>();
  sequence->flavour = flavour;
  for (const Value &item : items)
    sequence->depth = std::max(sequence->depth, item.depth() + 1);
  checkDepth(budget, sequence->depth);
  sequence->items = std::move(items);
  return Value::of(std::shared_ptr<const Sequence>(std::move(sequence)));
}

Value makeIterator(Budget &budget, std::vector<Value> items, std::optional<Failure> failure) {
  budget.allocate(items.size() * sizeof(Value) + sizeof(Iterator));
  auto iterator = std::make_shared<Iterator>();
  for (const Value &item : items)
    iterator->depth = std::max(iterator->depth, item.depth() + 1);
  checkDepth(budget, iterator->depth);
  iterator->items = std::move(items);
  iterator->failure = std::move(failure);
  return Value::of(std::move(iterator));
}

Value makeDict(Budget &budget, Dict dict) {
  budget.allocate(dict.items.size() * 2 * sizeof(Value) + sizeof(Dict));
  checkDepth(budget, dict.depth);
  return Value::of(std::make_shared<const Dict>(std::move(dict)));
}

size_t hashValue(const Value &value) {
  switch (value.kind()) {
  case Kind::Bool:
  case Kind::Int:
    return std::hash<int64_t>()(value.asInteger());
  case Kind::Float: {
    const double d = value.asReal();
    if (d == std::floor(d) && std::abs(d) < 9e18)
      return std::hash<int64_t>()(int64_t(d)); // 1.0 is 1.
    return std::hash<double>()(d);
  }
  case Kind::String:
    return std::hash<std::string>()(value.string());
  case Kind::Sequence: {
    size_t h = 17;
    for (const Value &item : value.sequence().items)
      h = h * 31 + hashValue(item);
    return h;
  }
  default:
    return size_t(value.kind());
  }
}

const char *typeName(const Value &value) {
  switch (value.kind()) {
  case Kind::Undefined:
    return "Undefined";
  case Kind::None:
    return "NoneType";
  case Kind::Bool:
    return "bool";
  case Kind::Int:
    return "int";
  case Kind::Float:
    return "float";
  case Kind::String:
    return "str";
  case Kind::Sequence:
    switch (value.sequence().flavour) {
    case Sequence::Flavour::List:
      return "list";
    case Sequence::Flavour::Tuple:
      return "tuple";
    case Sequence::Flavour::Range:
      return "range";
    case Sequence::Flavour::KeysView:
      return "dict_keys";
    case Sequence::Flavour::ValuesView:
      return "dict_values";
    case Sequence::Flavour::ItemsView:
      return "dict_items";
    }
    return "list";
  case Kind::Iterator:
    return "generator";
  case Kind::Dict:
    return "dict";
  case Kind::Namespace:
    return "Namespace";
  case Kind::Macro:
    return "Macro";
  case Kind::Function:
  case Kind::Method:
    return "function";
  case Kind::Loop:
    return "LoopContext";
  }
  return "object";
}

Value fromJson(Budget &budget, const boost::json::value &json) {
  Nested nested(budget, budget.evaluationDepth, kMaxValueDepth);
  switch (json.kind()) {
  case boost::json::kind::null:
    return Value::none();
  case boost::json::kind::bool_:
    return Value::boolean(json.get_bool());
  case boost::json::kind::int64:
    return Value::integer(json.get_int64());
  case boost::json::kind::uint64:
    if (json.get_uint64() > uint64_t(INT64_MAX))
      budget.fail("the number " + std::to_string(json.get_uint64()) +
                  " of the context is too large");
    return Value::integer(int64_t(json.get_uint64()));
  case boost::json::kind::double_:
    return Value::real(json.get_double());
  case boost::json::kind::string:
    return Value::constant(std::string(json.get_string()));
  case boost::json::kind::array: {
    auto sequence = std::make_shared<Sequence>();
    for (const boost::json::value &item : json.get_array()) {
      sequence->items.push_back(fromJson(budget, item));
      sequence->depth = std::max(sequence->depth, sequence->items.back().depth() + 1);
    }
    return Value::of(std::shared_ptr<const Sequence>(std::move(sequence)));
  }
  case boost::json::kind::object: {
    Dict dict;
    for (const auto &[key, item] : json.get_object())
      dict.set(Value::constant(std::string(key)), fromJson(budget, item));
    return Value::of(std::make_shared<const Dict>(std::move(dict)));
  }
  }
  return Value::none();
}

} // namespace tenon::text::jinja
