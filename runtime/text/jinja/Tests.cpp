//===- Tests.cpp - What stands behind `is` --------------------------------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/Utf8.h"
#include "runtime/text/jinja/ArgumentReader.h"
#include "runtime/text/jinja/Ast.h"
#include "runtime/text/jinja/PythonString.h"
#include "runtime/text/jinja/Renderer.h"

#include <algorithm>
#include <iterator>

namespace tenon::text::jinja {
namespace {

using Args = const Arguments &;

/// A test without arguments.
template <bool (*Holds)(const Value &)> Value plain(Renderer &r, const Value &v, Args a) {
  ArgumentReader(r.budget, "a test", a, {});
  return Value::boolean(Holds(v));
}

template <CompareOperator Op> Value compared(Renderer &r, const Value &v, Args a) {
  const ArgumentReader args(r.budget, "a comparison", a, {"other"});
  return Value::boolean(compare(r.budget, Op, v, args.need(0)));
}

template <Kind K> bool isKind(const Value &v) { return v.is(K); }
bool isDefined(const Value &v) { return !v.is(Kind::Undefined); }
bool isTrueConstant(const Value &v) { return v.is(Kind::Bool) && v.asInteger(); }
bool isFalseConstant(const Value &v) { return v.is(Kind::Bool) && !v.asInteger(); }
bool isNumberValue(const Value &v) { return v.isNumber(); }
bool isSequenceValue(const Value &v) {
  // What has a length and items, as an undefined value claims to.
  return v.is(Kind::String) || v.is(Kind::Dict) || v.is(Kind::Undefined) ||
         (v.is(Kind::Sequence) && v.sequence().flavour <= Sequence::Flavour::Range);
}
bool isIterable(const Value &v) {
  return v.is(Kind::String) || v.is(Kind::Dict) || v.is(Kind::Undefined) || v.is(Kind::Sequence) ||
         v.is(Kind::Iterator) || v.is(Kind::Loop);
}
bool isCallable(const Value &v) {
  return v.is(Kind::Macro) || v.is(Kind::Function) || v.is(Kind::Method) || v.is(Kind::Loop) ||
         v.is(Kind::Undefined);
}
bool isEscaped(const Value &) { return false; }

template <bool (*Cased)(char32_t), bool (*Other)(char32_t)>
Value inCase(Renderer &r, const Value &v, Args a) {
  ArgumentReader(r.budget, "lower or upper", a, {});
  const std::string text = str(r.budget, v);
  bool some = false;
  for (size_t at = 0; at < text.size();) {
    const char32_t c = nextCodePoint(text, at);
    if (Other(c))
      return Value::boolean(false);
    some |= Cased(c);
  }
  return Value::boolean(some);
}

bool isDivisible(Renderer &r, const Value &v, const Value &by) {
  const Value remainder = binary(r.budget, BinaryOperator::Modulo, v, by);
  return remainder.isNumber() && remainder.asReal() == 0;
}
Value even(Renderer &r, const Value &v, Args a) {
  ArgumentReader(r.budget, "even", a, {});
  return Value::boolean(isDivisible(r, v, Value::integer(2)));
}
Value odd(Renderer &r, const Value &v, Args a) {
  ArgumentReader(r.budget, "odd", a, {});
  const Value remainder = binary(r.budget, BinaryOperator::Modulo, v, Value::integer(2));
  return Value::boolean(remainder.isNumber() && remainder.asReal() == 1);
}
Value divisibleBy(Renderer &r, const Value &v, Args a) {
  return Value::boolean(
      isDivisible(r, v, ArgumentReader(r.budget, "divisibleby", a, {"num"}).need(0)));
}
Value sameAs(Renderer &r, const Value &v, Args a) {
  return Value::boolean(v.isSame(ArgumentReader(r.budget, "sameas", a, {"other"}).need(0)));
}
Value isFilterName(Renderer &r, const Value &v, Args a) {
  ArgumentReader(r.budget, "filter", a, {});
  return Value::boolean(v.is(Kind::String) && findFilter(v.string()));
}
Value isTestName(Renderer &r, const Value &v, Args a) {
  ArgumentReader(r.budget, "test", a, {});
  return Value::boolean(v.is(Kind::String) && findTest(v.string()));
}

constexpr Builtin kTests[] = {
    {"!=", compared<CompareOperator::NotEqual>},
    {"<", compared<CompareOperator::Less>},
    {"<=", compared<CompareOperator::LessEqual>},
    {"==", compared<CompareOperator::Equal>},
    {">", compared<CompareOperator::Greater>},
    {">=", compared<CompareOperator::GreaterEqual>},
    {"boolean", plain<isKind<Kind::Bool>>},
    {"callable", plain<isCallable>},
    {"defined", plain<isDefined>},
    {"divisibleby", divisibleBy},
    {"eq", compared<CompareOperator::Equal>},
    {"equalto", compared<CompareOperator::Equal>},
    {"escaped", plain<isEscaped>},
    {"even", even},
    {"false", plain<isFalseConstant>},
    {"filter", isFilterName},
    {"float", plain<isKind<Kind::Float>>},
    {"ge", compared<CompareOperator::GreaterEqual>},
    {"greaterthan", compared<CompareOperator::Greater>},
    {"gt", compared<CompareOperator::Greater>},
    {"in", compared<CompareOperator::In>},
    {"integer", plain<isKind<Kind::Int>>},
    {"iterable", plain<isIterable>},
    {"le", compared<CompareOperator::LessEqual>},
    {"lessthan", compared<CompareOperator::Less>},
    {"lower", inCase<isLower, isUpper>},
    {"lt", compared<CompareOperator::Less>},
    {"mapping", plain<isKind<Kind::Dict>>},
    {"ne", compared<CompareOperator::NotEqual>},
    {"none", plain<isKind<Kind::None>>},
    {"number", plain<isNumberValue>},
    {"odd", odd},
    {"sameas", sameAs},
    {"sequence", plain<isSequenceValue>},
    {"string", plain<isKind<Kind::String>>},
    {"test", isTestName},
    {"true", plain<isTrueConstant>},
    {"undefined", plain<isKind<Kind::Undefined>>},
    {"upper", inCase<isUpper, isLower>},
};

} // namespace

const Builtin *findTest(std::string_view name) {
  const auto found = std::find_if(std::begin(kTests), std::end(kTests),
                                  [&](const Builtin &test) { return test.name == name; });
  return found == std::end(kTests) ? nullptr : found;
}

} // namespace tenon::text::jinja
