//===- Operators.cpp - Operators of template expressions ------------------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/jinja/Operators.h"
#include "runtime/text/jinja/Print.h"
#include "runtime/text/jinja/PythonFormat.h"

#include <algorithm>
#include <cmath>

namespace tenon::text::jinja {
namespace {

constexpr const char *kBinarySpelling[] = {"+", "-", "*", "/", "//", "%", "**"};
constexpr const char *kCompareSpelling[] = {"==", "!=", "<", "<=", ">", ">=", "in", "not in"};

[[noreturn]] void cannot(Budget &budget, const char *op, const Value &left, const Value &right) {
  for (const Value *side : {&left, &right})
    if (side->is(Kind::Undefined))
      budget.fail(side->reason());
  budget.fail(std::string("unsupported operand types for ") + op + ": '" + typeName(left) +
              "' and '" + typeName(right) + "'");
}

Value checked(Budget &budget, bool overflow, int64_t result) {
  if (overflow)
    budget.fail(StatusCode::Unsupported, "an integer outside 64 bits");
  return Value::integer(result);
}

Value integerPower(Budget &budget, int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0)
      budget.fail("0.0 cannot be raised to a negative power");
    return Value::real(std::pow(double(base), double(exponent)));
  }
  int64_t result = 1;
  bool overflow = false;
  while (exponent > 0 && !overflow) {
    if (exponent & 1)
      overflow |= __builtin_mul_overflow(result, base, &result);
    exponent >>= 1;
    if (exponent > 0)
      overflow |= __builtin_mul_overflow(base, base, &base);
  }
  return checked(budget, overflow, result);
}

Value integers(Budget &budget, BinaryOperator op, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (op) {
  case BinaryOperator::Add:
    return checked(budget, __builtin_add_overflow(a, b, &result), result);
  case BinaryOperator::Subtract:
    return checked(budget, __builtin_sub_overflow(a, b, &result), result);
  case BinaryOperator::Multiply:
    return checked(budget, __builtin_mul_overflow(a, b, &result), result);
  case BinaryOperator::Power:
    return integerPower(budget, a, b);
  default:
    break;
  }
  if (b == 0)
    budget.fail("division by zero");
  if (op == BinaryOperator::Divide)
    return Value::real(double(a) / double(b));
  if (b == -1) // INT64_MIN / -1 does not fit.
    return op == BinaryOperator::Modulo
               ? Value::integer(0)
               : checked(budget, __builtin_sub_overflow(int64_t(0), a, &result), result);
  int64_t quotient = a / b, remainder = a % b;
  if (remainder != 0 && (remainder < 0) != (b < 0)) { // Towards minus infinity.
    --quotient;
    remainder += b;
  }
  return Value::integer(op == BinaryOperator::Modulo ? remainder : quotient);
}

Value reals(Budget &budget, BinaryOperator op, double a, double b) {
  switch (op) {
  case BinaryOperator::Add:
    return Value::real(a + b);
  case BinaryOperator::Subtract:
    return Value::real(a - b);
  case BinaryOperator::Multiply:
    return Value::real(a * b);
  case BinaryOperator::Power:
    if ((a == 0 && b < 0) || (a < 0 && b != std::floor(b)))
      budget.fail("no real power");
    return Value::real(std::pow(a, b));
  default:
    break;
  }
  if (b == 0)
    budget.fail("division by zero");
  if (op == BinaryOperator::Divide)
    return Value::real(a / b);
  double remainder = std::fmod(a, b);
  double quotient = (a - remainder) / b;
  if (remainder != 0 && (remainder < 0) != (b < 0)) {
    remainder += b;
    quotient -= 1;
  }
  if (op == BinaryOperator::Modulo)
    return Value::real(remainder != 0 ? remainder : std::copysign(0.0, b));
  double floored = std::floor(quotient);
  if (quotient - floored > 0.5)
    floored += 1;
  return Value::real(quotient != 0 ? floored : std::copysign(0.0, a / b));
}

Value repeat(Budget &budget, const Value &value, int64_t count) {
  count = std::max<int64_t>(count, 0);
  const size_t unit = value.is(Kind::String) ? value.string().size()
                                             : value.sequence().items.size() * sizeof(Value);
  if (unit != 0 && uint64_t(count) > budget.limits.maxValueBytes / unit)
    budget.allocate(budget.limits.maxValueBytes + 1);
  if (value.is(Kind::String)) {
    std::string out;
    budget.allocate(unit * size_t(count));
    for (int64_t i = 0; unit != 0 && i < count; ++i)
      out += value.string();
    return Value::constant(std::move(out));
  }
  std::vector<Value> items;
  const std::vector<Value> &source = value.sequence().items;
  for (int64_t i = 0; unit != 0 && i < count; ++i)
    items.insert(items.end(), source.begin(), source.end());
  return makeSequence(budget, std::move(items), value.sequence().flavour);
}

bool isListOrTuple(const Value &v) { return v.is(Kind::Sequence) && v.sequence().isListOrTuple(); }

bool sameSequenceType(const Value &left, const Value &right) {
  return left.is(Kind::Sequence) && right.is(Kind::Sequence) &&
         left.sequence().flavour == right.sequence().flavour;
}

} // namespace

bool isTrue(const Value &value) {
  switch (value.kind()) {
  case Kind::Undefined:
  case Kind::None:
    return false;
  case Kind::Bool:
  case Kind::Int:
    return value.asInteger() != 0;
  case Kind::Float:
    return value.asReal() != 0;
  case Kind::String:
    return !value.string().empty();
  case Kind::Sequence:
    return !value.sequence().items.empty();
  case Kind::Dict:
    return !value.dict().items.empty();
  default:
    return true;
  }
}

Value binary(Budget &budget, BinaryOperator op, const Value &left, const Value &right) {
  if (left.isIntegral() && right.isIntegral())
    return integers(budget, op, left.asInteger(), right.asInteger());
  if (left.isNumber() && right.isNumber())
    return reals(budget, op, left.asReal(), right.asReal());
  if (op == BinaryOperator::Add && left.is(Kind::String) && right.is(Kind::String)) {
    budget.allocate(left.string().size() + right.string().size());
    return Value::constant(left.string() + right.string());
  }
  if (op == BinaryOperator::Add && isListOrTuple(left) && sameSequenceType(left, right)) {
    std::vector<Value> items = left.sequence().items;
    items.insert(items.end(), right.sequence().items.begin(), right.sequence().items.end());
    return makeSequence(budget, std::move(items), left.sequence().flavour);
  }
  if (op == BinaryOperator::Multiply) {
    const auto repeats = [](const Value &v) { return v.is(Kind::String) || isListOrTuple(v); };
    if (repeats(left) && right.isIntegral())
      return repeat(budget, left, right.asInteger());
    if (repeats(right) && left.isIntegral())
      return repeat(budget, right, left.asInteger());
  }
  if (op == BinaryOperator::Modulo && left.is(Kind::String))
    return percentFormat(budget, left.string(), right);
  cannot(budget, kBinarySpelling[size_t(op)], left, right);
}

Value negate(Budget &budget, const Value &operand) {
  if (operand.is(Kind::Float))
    return Value::real(-operand.asReal());
  if (operand.isIntegral())
    return integers(budget, BinaryOperator::Subtract, 0, operand.asInteger());
  if (operand.is(Kind::Undefined))
    budget.fail(operand.reason());
  budget.fail(std::string("bad operand type for unary -: '") + typeName(operand) + "'");
}

bool equal(Budget &budget, const Value &left, const Value &right) {
  budget.step();
  if (left.isNumber() && right.isNumber()) {
    if (left.isIntegral() && right.isIntegral())
      return left.asInteger() == right.asInteger();
    return left.asReal() == right.asReal();
  }
  if (left.kind() != right.kind())
    return false;
  switch (left.kind()) {
  case Kind::String:
    budget.work(std::min(left.string().size(), right.string().size()));
    return left.string() == right.string();
  case Kind::Sequence: {
    if (!sameSequenceType(left, right) ||
        left.sequence().items.size() != right.sequence().items.size())
      return false;
    for (size_t i = 0; i < left.sequence().items.size(); ++i)
      if (!equal(budget, left.sequence().items[i], right.sequence().items[i]))
        return false;
    return true;
  }
  case Kind::Dict:
    if (left.dict().items.size() != right.dict().items.size())
      return false;
    for (const auto &[key, value] : left.dict().items) {
      const Value *other = right.dict().find(key);
      if (!other || !equal(budget, value, *other))
        return false;
    }
    return true;
  default:
    return left.isSame(right);
  }
}

bool equalKeys(const Value &left, const Value &right) {
  if (left.isNumber() && right.isNumber()) {
    if (left.isIntegral() && right.isIntegral())
      return left.asInteger() == right.asInteger();
    return left.asReal() == right.asReal();
  }
  if (left.is(Kind::Sequence) && right.is(Kind::Sequence)) {
    const auto &a = left.sequence().items, &b = right.sequence().items;
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), equalKeys);
  }
  return left.isSame(right);
}

void checkHashable(Budget &budget, const Value &key) {
  if (key.is(Kind::Dict) ||
      (key.is(Kind::Sequence) && key.sequence().flavour != Sequence::Flavour::Tuple))
    budget.fail(std::string("unhashable type: '") + typeName(key) + "'");
  if (key.is(Kind::Sequence)) {
    budget.step(key.sequence().items.size());
    if (key.depth() > 1)
      budget.fail(StatusCode::Unsupported, "a key that is a tuple of more than scalars");
  }
  if (key.is(Kind::String))
    budget.work(key.string().size());
}

bool less(Budget &budget, const Value &left, const Value &right) {
  budget.step();
  if (left.isIntegral() && right.isIntegral())
    return left.asInteger() < right.asInteger();
  if (left.isNumber() && right.isNumber())
    return left.asReal() < right.asReal();
  if (left.is(Kind::String) && right.is(Kind::String)) {
    budget.work(std::min(left.string().size(), right.string().size()));
    return left.string() < right.string(); // UTF-8 orders as code points do.
  }
  if (isListOrTuple(left) && sameSequenceType(left, right)) {
    const auto &a = left.sequence().items, &b = right.sequence().items;
    for (size_t i = 0; i < a.size() && i < b.size(); ++i)
      if (!equal(budget, a[i], b[i]))
        return less(budget, a[i], b[i]);
    return a.size() < b.size();
  }
  cannot(budget, "<", left, right);
}

static bool contains(Budget &budget, const Value &container, const Value &item) {
  switch (container.kind()) {
  case Kind::String:
    if (!item.is(Kind::String))
      budget.fail(item.is(Kind::Undefined) ? item.reason()
                                           : std::string("'in <string>' requires a string, not '") +
                                                 typeName(item) + "'");
    budget.work(container.string().size());
    return container.string().find(item.string()) != std::string::npos;
  case Kind::Dict:
    checkHashable(budget, item);
    return container.dict().find(item) != nullptr;
  case Kind::Sequence:
    for (const Value &candidate : container.sequence().items)
      if (equal(budget, candidate, item))
        return true;
    return false;
  case Kind::Undefined:
    return false;
  case Kind::Iterator: {
    Iterator &iterator = container.iterator();
    while (iterator.next < iterator.items.size())
      if (equal(budget, iterator.items[iterator.next++], item))
        return true;
    if (iterator.failure)
      throw Failure(*iterator.failure);
    return false;
  }
  default:
    budget.fail(std::string("argument of type '") + typeName(container) + "' is not iterable");
  }
}

bool compare(Budget &budget, CompareOperator op, const Value &left, const Value &right) {
  switch (op) {
  case CompareOperator::Equal:
    return equal(budget, left, right);
  case CompareOperator::NotEqual:
    return !equal(budget, left, right);
  case CompareOperator::In:
    return contains(budget, right, left);
  case CompareOperator::NotIn:
    return !contains(budget, right, left);
  default:
    break;
  }
  const bool ordered = (left.isNumber() && right.isNumber()) ||
                       (left.is(Kind::String) && right.is(Kind::String)) ||
                       (isListOrTuple(left) && sameSequenceType(left, right));
  if (!ordered)
    cannot(budget, kCompareSpelling[size_t(op)], left, right);
  if (left.isNumber() && (std::isnan(left.asReal()) || std::isnan(right.asReal())))
    return false;
  switch (op) {
  case CompareOperator::Less:
    return less(budget, left, right);
  case CompareOperator::LessEqual:
    return !less(budget, right, left);
  case CompareOperator::Greater:
    return less(budget, right, left);
  default:
    return !less(budget, left, right);
  }
}

} // namespace tenon::text::jinja
