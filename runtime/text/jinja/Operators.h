//===- Operators.h - Operators of template expressions ----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Python's operators on template values. A failure is what jinja2 would raise.
//
#ifndef TENON_RUNTIME_TEXT_JINJA_OPERATORS_H
#define TENON_RUNTIME_TEXT_JINJA_OPERATORS_H

#include "runtime/text/jinja/Value.h"

#include <optional>

namespace tenon::text::jinja {

enum class BinaryOperator : uint8_t { Add, Subtract, Multiply, Divide, FloorDivide, Modulo, Power };
enum class CompareOperator : uint8_t {
  Equal,
  NotEqual,
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  In,
  NotIn
};

bool isTrue(const Value &value);

Value binary(Budget &budget, BinaryOperator op, const Value &left, const Value &right);
Value negate(Budget &budget, const Value &operand);
bool compare(Budget &budget, CompareOperator op, const Value &left, const Value &right);
bool equal(Budget &budget, const Value &left, const Value &right);

/// Equality of what checkHashable() accepts.
bool equalKeys(const Value &left, const Value &right);
/// Fails unless `key` may be a dictionary's key: a scalar or a tuple of scalars.
void checkHashable(Budget &budget, const Value &key);

/// left < right; fails for values that have no order.
bool less(Budget &budget, const Value &left, const Value &right);

/// len(value)
int64_t lengthOf(Budget &budget, const Value &value);

/// The items that iterating gives; uses up an iterator.
std::vector<Value> itemsOf(Budget &budget, const Value &value);

/// value[key], value.key for a name: undefined when there is none.
Value getItem(Budget &budget, const Value &value, const Value &key);
Value getAttribute(Budget &budget, const Value &value, const std::string &name);

/// value[start:stop:step]
Value slice(Budget &budget, const Value &value, const Value &start, const Value &stop,
            const Value &step);

/// A method of a string, sequence or dictionary by name, if there is one (Methods.cpp).
std::optional<Value> findMethod(Budget &budget, const Value &value, std::string_view name);

} // namespace tenon::text::jinja

#endif // TENON_RUNTIME_TEXT_JINJA_OPERATORS_H
