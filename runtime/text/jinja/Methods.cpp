//===- Methods.cpp - Methods of strings, sequences and dictionaries -------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/UnicodeClass.h"
#include "runtime/text/Utf8.h"
#include "runtime/text/jinja/ArgumentReader.h"
#include "runtime/text/jinja/PythonFormat.h"
#include "runtime/text/jinja/PythonString.h"
#include "runtime/text/jinja/Renderer.h"

#include <algorithm>
#include <span>

namespace tenon::text::jinja {
namespace {

using Args = const Arguments &;

struct MethodEntry {
  std::string_view name;
  Value (*call)(Renderer &, const Value &self, Args);
};

template <std::string (*Convert)(std::string_view)>
Value converted(Renderer &r, const Value &self, Args a) {
  ArgumentReader(r.budget, "a method of str", a, {});
  return makeString(r.budget, Convert(self.string()));
}

template <Side Ends> Value stripped(Renderer &r, const Value &self, Args a) {
  const auto what = ArgumentReader(r.budget, "strip", a, {"chars"}).optionalText(0);
  r.budget.work(self.string().size());
  return makeString(r.budget, std::string(strip(self.string(), Ends, what)));
}

std::string needText(Renderer &r, const ArgumentReader &args, size_t i, const char *method) {
  args.need(i);
  const auto text = args.optionalText(i);
  if (!text)
    r.budget.fail(std::string(method) + "() wants a string");
  return *text;
}

Value stringList(Renderer &r, std::vector<std::string> parts) {
  std::vector<Value> items;
  for (std::string &part : parts)
    items.push_back(makeString(r.budget, std::move(part)));
  return makeSequence(r.budget, std::move(items));
}

template <bool FromRight> Value splitMethod(Renderer &r, const Value &self, Args a) {
  const ArgumentReader args(r.budget, "split", a, {"sep", "maxsplit"});
  const auto separator = args.optionalText(0);
  if (separator && separator->empty())
    r.budget.fail("empty separator");
  r.budget.allocate(self.string().size());
  return stringList(r, split(self.string(), separator, args.integer(1, -1), FromRight));
}

Value splitLinesMethod(Renderer &r, const Value &self, Args a) {
  const ArgumentReader args(r.budget, "splitlines", a, {"keepends"});
  r.budget.allocate(self.string().size());
  return stringList(r, splitLines(self.string(), args.boolean(0, false)));
}

template <bool FromRight> Value partition(Renderer &r, const Value &self, Args a) {
  const ArgumentReader args(r.budget, "partition", a, {"sep"});
  const std::string separator = needText(r, args, 0, "partition");
  if (separator.empty())
    r.budget.fail("empty separator");
  const std::string &text = self.string();
  const size_t at = FromRight ? text.rfind(separator) : text.find(separator);
  std::string parts[3] = {FromRight ? "" : text, "", FromRight ? text : ""};
  if (at != text.npos) {
    parts[0] = text.substr(0, at);
    parts[1] = separator;
    parts[2] = text.substr(at + separator.size());
  }
  std::vector<Value> items;
  for (std::string &part : parts)
    items.push_back(makeString(r.budget, std::move(part)));
  return makeSequence(r.budget, std::move(items), Sequence::Flavour::Tuple);
}

/// The part of a string that start and end arguments select.
std::string window(Renderer &r, const Value &self, const ArgumentReader &args) {
  const auto bound = [&](size_t i) { return args.get(i) ? *args.get(i) : Value::none(); };
  return slice(r.budget, self, bound(1), bound(2), Value::none()).string();
}

template <bool AtEnd> Value hasAffix(Renderer &r, const Value &self, Args a) {
  const ArgumentReader args(r.budget, AtEnd ? "endswith" : "startswith", a,
                            {"prefix", "start", "end"});
  const Value &affix = args.need(0);
  const std::string text = args.get(1) ? window(r, self, args) : self.string();
  const auto matches = [&](const Value &v) {
    if (!v.is(Kind::String))
      r.budget.fail(v.is(Kind::Undefined)
                        ? v.reason()
                        : std::string("startswith() and endswith() want a string, not ") +
                              typeName(v));
    return AtEnd ? text.ends_with(v.string()) : text.starts_with(v.string());
  };
  r.budget.work(text.size());
  if (affix.is(Kind::Sequence) && affix.sequence().flavour == Sequence::Flavour::Tuple)
    return Value::boolean(
        std::any_of(affix.sequence().items.begin(), affix.sequence().items.end(), matches));
  return Value::boolean(matches(affix));
}

template <bool AtEnd> Value removeAffix(Renderer &r, const Value &self, Args a) {
  const ArgumentReader args(r.budget, "removeprefix", a, {"affix"});
  const std::string affix = needText(r, args, 0, "removeprefix");
  std::string_view text = self.string();
  if (AtEnd ? text.ends_with(affix) : text.starts_with(affix))
    text = AtEnd ? text.substr(0, text.size() - affix.size()) : text.substr(affix.size());
  return makeString(r.budget, std::string(text));
}

Value replaceMethod(Renderer &r, const Value &self, Args a) {
  const ArgumentReader args(r.budget, "replace", a, {"old", "new", "count"});
  auto out =
      replace(self.string(), needText(r, args, 0, "replace"), needText(r, args, 1, "replace"),
              args.integer(2, -1), r.budget.limits.maxValueBytes);
  if (!out)
    r.budget.allocate(r.budget.limits.maxValueBytes + 1);
  r.budget.work(self.string().size());
  return makeString(r.budget, std::move(*out));
}

enum class Missing { Minus1, Fails };

template <bool FromRight, Missing IfMissing> Value find(Renderer &r, const Value &self, Args a) {
  const ArgumentReader args(r.budget, "find", a, {"sub", "start", "end"});
  const std::string wanted = needText(r, args, 0, "find");
  const std::string text = args.get(1) ? window(r, self, args) : self.string();
  r.budget.work(text.size());
  const size_t at = FromRight ? text.rfind(wanted) : text.find(wanted);
  if (at == text.npos) {
    if (IfMissing == Missing::Fails)
      r.budget.fail("substring not found");
    return Value::integer(-1);
  }
  auto position = int64_t(Value::constant(text.substr(0, at)).text().length);
  if (args.get(1)) {
    const int64_t start = args.integer(1, 0), size = lengthOf(r.budget, self);
    position += start < 0 ? std::max<int64_t>(start + size, 0) : start;
  }
  return Value::integer(position);
}

Value countText(Renderer &r, const Value &self, Args a) {
  const ArgumentReader args(r.budget, "count", a, {"sub", "start", "end"});
  const std::string wanted = needText(r, args, 0, "count");
  const std::string text = args.get(1) ? window(r, self, args) : self.string();
  r.budget.work(text.size());
  if (wanted.empty())
    return Value::integer(int64_t(Value::constant(text).text().length) + 1);
  int64_t count = 0;
  for (size_t at = 0; (at = text.find(wanted, at)) != text.npos; at += wanted.size())
    ++count;
  return Value::integer(count);
}

Value joinMethod(Renderer &r, const Value &self, Args a) {
  const ArgumentReader args(r.budget, "join", a, {"iterable"});
  std::string out;
  bool first = true;
  for (const Value &item : itemsOf(r.budget, args.need(0))) {
    if (!item.is(Kind::String))
      r.budget.fail(std::string("join() wants strings, found ") + typeName(item));
    r.budget.allocate(item.string().size() + self.string().size());
    if (!first)
      out += self.string();
    out += item.string();
    first = false;
  }
  return Value::constant(std::move(out));
}

/// ljust (-1), center (0), rjust (1).
template <int Direction> Value justify(Renderer &r, const Value &self, Args a) {
  const ArgumentReader args(r.budget, "ljust", a, {"width", "fillchar"});
  args.need(0);
  const std::string fill = args.text(1, " ");
  const int64_t width = args.integer(0, 0),
                missing = std::max<int64_t>(width - lengthOf(r.budget, self), 0);
  if (Value::constant(fill).text().length != 1)
    r.budget.fail("the fill character must be exactly one character long");
  r.budget.allocate(size_t(missing) > r.budget.limits.maxValueBytes / 4
                        ? r.budget.limits.maxValueBytes + 1
                        : size_t(missing) * fill.size());
  const int64_t left = Direction < 0   ? 0
                       : Direction > 0 ? missing
                                       : missing / 2 + (missing & width & 1);
  std::string out;
  for (int64_t i = 0; i < left; ++i)
    out += fill;
  out += self.string();
  for (int64_t i = left; i < missing; ++i)
    out += fill;
  return makeString(r.budget, std::move(out));
}

Value zeroFill(Renderer &r, const Value &self, Args a) {
  const ArgumentReader args(r.budget, "zfill", a, {"width"});
  args.need(0);
  const int64_t missing = std::max<int64_t>(args.integer(0, 0) - lengthOf(r.budget, self), 0);
  r.budget.allocate(size_t(missing));
  std::string out = self.string();
  out.insert(!out.empty() && (out[0] == '-' || out[0] == '+') ? 1 : 0, size_t(missing), '0');
  return makeString(r.budget, std::move(out));
}

template <uint8_t Classes> bool hasClass(char32_t c) { return unicodeClass(c) & Classes; }
bool isAsciiPoint(char32_t c) { return c < 0x80; }

template <bool (*Holds)(char32_t), bool OfEmpty>
Value every(Renderer &r, const Value &self, Args a) {
  ArgumentReader(r.budget, "a method of str", a, {});
  const std::string &text = self.string();
  r.budget.work(text.size());
  for (size_t at = 0; at < text.size();)
    if (!Holds(nextCodePoint(text, at)))
      return Value::boolean(false);
  return Value::boolean(OfEmpty || !text.empty());
}

template <bool (*Cased)(char32_t), bool (*Other)(char32_t)>
Value inCase(Renderer &r, const Value &self, Args a) {
  ArgumentReader(r.budget, "a method of str", a, {});
  bool some = false;
  const std::string &text = self.string();
  r.budget.work(text.size());
  for (size_t at = 0; at < text.size();) {
    const char32_t c = nextCodePoint(text, at);
    if (Other(c))
      return Value::boolean(false);
    some |= Cased(c);
  }
  return Value::boolean(some);
}

Value isTitle(Renderer &r, const Value &self, Args a) {
  ArgumentReader(r.budget, "istitle", a, {});
  return Value::boolean(title(self.string()) == self.string() &&
                        lower(self.string()) != self.string());
}

Value formatMethod(Renderer &r, const Value &self, Args a) {
  return braceFormat(r.budget, self.string(), a);
}

Value get(Renderer &r, const Value &self, Args a) {
  const ArgumentReader args(r.budget, "get", a, {"key", "default"});
  checkHashable(r.budget, args.need(0));
  if (const Value *found = self.dict().find(args.need(0)))
    return *found;
  return args.get(1) ? *args.get(1) : Value::none();
}

Value keys(Renderer &r, const Value &self, Args a) {
  ArgumentReader(r.budget, "keys", a, {});
  return makeSequence(r.budget, itemsOf(r.budget, self), Sequence::Flavour::KeysView);
}

Value values(Renderer &r, const Value &self, Args a) {
  ArgumentReader(r.budget, "values", a, {});
  std::vector<Value> out;
  for (const auto &[key, value] : self.dict().items)
    out.push_back(value);
  return makeSequence(r.budget, std::move(out), Sequence::Flavour::ValuesView);
}

Value items(Renderer &r, const Value &self, Args a) {
  ArgumentReader(r.budget, "items", a, {});
  std::vector<Value> out;
  for (const auto &[key, value] : self.dict().items)
    out.push_back(makeSequence(r.budget, {key, value}, Sequence::Flavour::Tuple));
  return makeSequence(r.budget, std::move(out), Sequence::Flavour::ItemsView);
}

Value copy(Renderer &r, const Value &self, Args a) {
  ArgumentReader(r.budget, "copy", a, {});
  return self;
}

Value countItem(Renderer &r, const Value &self, Args a) {
  const ArgumentReader args(r.budget, "count", a, {"value"});
  int64_t count = 0;
  for (const Value &item : self.sequence().items)
    count += equal(r.budget, item, args.need(0));
  return Value::integer(count);
}

Value indexOfItem(Renderer &r, const Value &self, Args a) {
  const ArgumentReader args(r.budget, "index", a, {"value", "start", "stop"});
  const auto size = int64_t(self.sequence().items.size());
  const auto bound = [&](size_t i, int64_t absent) {
    const int64_t b = args.integer(i, absent);
    return std::clamp<int64_t>(b < 0 ? b + size : b, 0, size);
  };
  for (int64_t i = bound(1, 0), end = bound(2, size); i < end; ++i)
    if (equal(r.budget, self.sequence().items[size_t(i)], args.need(0)))
      return Value::integer(i);
  r.budget.fail(repr(r.budget, args.need(0)) + " is not in list");
}

constexpr MethodEntry kStringMethods[] = {
    {"capitalize", converted<capitalize>},
    {"casefold", converted<lower>},
    {"center", justify<0>},
    {"count", countText},
    {"endswith", hasAffix<true>},
    {"find", find<false, Missing::Minus1>},
    {"format", formatMethod},
    {"index", find<false, Missing::Fails>},
    {"isalnum", every<hasClass<kLetter | kPythonNumeric>, false>},
    {"isalpha", every<hasClass<kLetter>, false>},
    {"isascii", every<isAsciiPoint, true>},
    {"isdecimal", every<hasClass<kPythonDecimal>, false>},
    {"isdigit", every<hasClass<kPythonDigit>, false>},
    {"islower", inCase<isLower, isUpper>},
    {"isnumeric", every<hasClass<kPythonNumeric>, false>},
    {"isprintable", every<isPrintable, true>},
    {"isspace", every<isSpace, false>},
    {"istitle", isTitle},
    {"isupper", inCase<isUpper, isLower>},
    {"join", joinMethod},
    {"ljust", justify<-1>},
    {"lower", converted<lower>},
    {"lstrip", stripped<Side::Left>},
    {"partition", partition<false>},
    {"removeprefix", removeAffix<false>},
    {"removesuffix", removeAffix<true>},
    {"replace", replaceMethod},
    {"rfind", find<true, Missing::Minus1>},
    {"rindex", find<true, Missing::Fails>},
    {"rjust", justify<1>},
    {"rpartition", partition<true>},
    {"rsplit", splitMethod<true>},
    {"rstrip", stripped<Side::Right>},
    {"split", splitMethod<false>},
    {"splitlines", splitLinesMethod},
    {"startswith", hasAffix<false>},
    {"strip", stripped<Side::Both>},
    {"swapcase", converted<swapCase>},
    {"title", converted<title>},
    {"upper", converted<upper>},
    {"zfill", zeroFill},
};
constexpr MethodEntry kDictMethods[] = {
    {"copy", copy}, {"get", get}, {"items", items}, {"keys", keys}, {"values", values}};
constexpr MethodEntry kSequenceMethods[] = {{"count", countItem}, {"index", indexOfItem}};
constexpr MethodEntry kListMethods[] = {{"copy", copy}};

/// Those that change their object: the sandbox refuses them.
constexpr std::string_view kUnsafeDict[] = {"clear", "pop", "popitem", "setdefault", "update"};
constexpr std::string_view kUnsafeList[] = {"append", "clear",  "extend",  "insert",
                                            "pop",    "remove", "reverse", "sort"};

std::optional<Value> findIn(std::span<const MethodEntry> table, const Value &self,
                            std::string_view name) {
  for (const MethodEntry &entry : table)
    if (entry.name == name)
      return Value::of(std::make_shared<const Method>(Method{self, entry.name.data(), entry.call}));
  return std::nullopt;
}

std::optional<Value> refuse(std::span<const std::string_view> unsafe, const Value &self,
                            std::string_view name) {
  if (std::find(unsafe.begin(), unsafe.end(), name) == unsafe.end())
    return std::nullopt;
  return Value::undefined("access to attribute '" + std::string(name) + "' of '" + typeName(self) +
                          "' object is unsafe.");
}

} // namespace

std::optional<Value> findMethod(Budget &budget, const Value &value, std::string_view name) {
  budget.step();
  switch (value.kind()) {
  case Kind::String:
    return findIn(kStringMethods, value, name);
  case Kind::Dict:
    if (auto method = findIn(kDictMethods, value, name))
      return method;
    return refuse(kUnsafeDict, value, name);
  case Kind::Sequence:
    if (value.sequence().flavour > Sequence::Flavour::Range)
      return std::nullopt;
    if (auto method = findIn(kSequenceMethods, value, name))
      return method;
    if (value.sequence().flavour != Sequence::Flavour::List)
      return std::nullopt;
    if (auto method = findIn(kListMethods, value, name))
      return method;
    return refuse(kUnsafeList, value, name);
  default:
    return std::nullopt;
  }
}

} // namespace tenon::text::jinja
