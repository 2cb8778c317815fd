//===- Value.h - Values of a chat template ----------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Python's values as far as templates can tell. Strings, lists and dictionaries are immutable and
// shared; only namespaces, iterators and loops change. Internal to runtime/text/jinja.
//
#ifndef TENON_RUNTIME_TEXT_JINJA_VALUE_H
#define TENON_RUNTIME_TEXT_JINJA_VALUE_H

#include "runtime/text/jinja/Budget.h"

#include <boost/json/fwd.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tenon::text::jinja {

class Renderer;
class Value;
struct Arguments;
struct Dict;
struct Iterator;
struct Loop;
struct Macro;
struct Method;
struct Namespace;
struct Sequence;
struct Text;

enum class Kind : uint8_t {
  Undefined,
  None,
  Bool,
  Int,
  Float,
  String,
  Sequence, ///< List, tuple, range or view of a dictionary.
  Iterator, ///< What map, select and their like give: runs once, has no length, is always true.
  Dict,
  Namespace,
  Macro,
  Function,
  Method,
  Loop,
};

/// A function that templates can call; `name` is for messages.
struct Function {
  const char *name;
  Value (*call)(Renderer &, const Arguments &);
};

class Value {
public:
  Value() = default; // Undefined, without a reason.
  static Value none() { return Value(Kind::None); }
  static Value boolean(bool b);
  static Value integer(int64_t i);
  static Value real(double d);
  /// Makes a string that no budget pays for: for constants and the context.
  static Value constant(std::string text);
  /// An undefined value; `reason` is the error when it is used.
  static Value undefined(std::string reason);
  static Value of(const Function &function);
  static Value of(Macro &macro); // owned by the renderer
  static Value of(std::shared_ptr<Namespace> object);
  static Value of(std::shared_ptr<Iterator> object);
  static Value of(std::shared_ptr<const Sequence> object);
  static Value of(std::shared_ptr<const Dict> object);
  static Value of(std::shared_ptr<const Method> object);
  static Value of(std::shared_ptr<Loop> object);

  Kind kind() const { return valueKind; }
  bool is(Kind k) const { return valueKind == k; }
  bool isNumber() const { return is(Kind::Bool) || is(Kind::Int) || is(Kind::Float); }
  bool isIntegral() const { return is(Kind::Bool) || is(Kind::Int); }

  int64_t asInteger() const { return scalar.integer; } // Bool or Int
  double asReal() const {
    return is(Kind::Float) ? scalar.real : double(scalar.integer);
  } // a number
  const Text &text() const { return *static_cast<const Text *>(object.get()); }
  const std::string &string() const; // String
  const std::string &reason() const; // Undefined
  const Sequence &sequence() const { return *static_cast<const Sequence *>(object.get()); }
  const Dict &dict() const { return *static_cast<const Dict *>(object.get()); }
  const Method &method() const { return *static_cast<const Method *>(object.get()); }
  Iterator &iterator() const { return *static_cast<Iterator *>(object.get()); }
  Namespace &space() const { return *static_cast<Namespace *>(object.get()); }
  Loop &loop() const { return *static_cast<Loop *>(object.get()); }
  Macro &macro() const { return *scalar.macro; }
  const Function &function() const { return *scalar.function; }
  /// Both are the same object.
  bool isSame(const Value &other) const;
  /// Containers around containers; 0 for what holds nothing.
  uint32_t depth() const;

private:
  explicit Value(Kind k) : valueKind(k) {}
  Kind valueKind = Kind::Undefined;
  union {
    int64_t integer = 0;
    double real;
    const Function *function;
    Macro *macro;
  } scalar;
  std::shared_ptr<void> object;
};

/// UTF-8 and its length in code points.
struct Text {
  std::string bytes;
  size_t length;
  bool isAscii() const { return length == bytes.size(); }
};

struct Sequence {
  enum class Flavour : uint8_t { List, Tuple, Range, KeysView, ValuesView, ItemsView };
  std::vector<Value> items;
  Flavour flavour = Flavour::List;
  uint32_t depth = 1;
  std::string label; ///< How a range prints.
  bool isListOrTuple() const { return flavour == Flavour::List || flavour == Flavour::Tuple; }
};

struct Iterator {
  std::vector<Value> items;
  size_t next = 0;
  std::optional<Failure> failure; ///< Thrown once the items are used up: Python computes them late.
  uint32_t depth = 1;
};

/// In order of insertion. Keys are scalars and tuples of scalars (see checkHashable()).
struct Dict {
  std::vector<std::pair<Value, Value>> items;
  std::unordered_multimap<size_t, uint32_t> index; ///< hash -> item; only of large dictionaries.
  uint32_t depth = 1;

  const Value *find(const Value &key) const;
  const Value *find(std::string_view key) const;
  /// Adds or replaces.
  void set(Value key, Value value);
};

struct Namespace {
  std::vector<std::pair<std::string, Value>> items;
  Value *find(std::string_view name);
};

/// Arguments of a call, already evaluated.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

/// A method of a string, list or dictionary, and its object.
struct Method {
  Value self;
  const char *name;
  Value (*call)(Renderer &, const Value &self, const Arguments &);
};

Value makeString(Budget &budget, std::string text);
Value makeSequence(Budget &budget, std::vector<Value> items,
                   Sequence::Flavour flavour = Sequence::Flavour::List);
Value makeIterator(Budget &budget, std::vector<Value> items,
                   std::optional<Failure> failure = std::nullopt);
Value makeDict(Budget &budget, Dict dict);

/// Hash that agrees with equal().
size_t hashValue(const Value &value);

/// Python's type name, for messages.
const char *typeName(const Value &value);

/// The JSON as a value. Fails when it is nested deeper than values may be.
Value fromJson(Budget &budget, const boost::json::value &json);

} // namespace tenon::text::jinja

#endif // TENON_RUNTIME_TEXT_JINJA_VALUE_H
