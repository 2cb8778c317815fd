//===- RegexShape.cpp - How long and how large a pattern is ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/grammar/RegexShape.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

namespace tenon::grammar {

namespace {

constexpr uint32_t kDepthAtMost = 64;
constexpr uint64_t kUnbounded = RegexShape::kUnbounded;

uint64_t times(uint64_t a, uint64_t b) {
  if (a == 0 || b == 0)
    return 0;
  return a > kUnbounded / b ? kUnbounded : a * b;
}
uint64_t plus(uint64_t a, uint64_t b) { return a > kUnbounded - b ? kUnbounded : a + b; }

struct Bounds {
  uint64_t least = 1, most = 1;
};

/// "{2}", "{2,}" or "{2,5}" at `at`, which is moved behind it. Nothing where it is none of them.
bool readBraces(std::string_view s, size_t &at, Bounds &into) {
  size_t i = at + 1;
  const auto number = [&](uint64_t &value) {
    const size_t first = i;
    for (value = 0; i < s.size() && s[i] >= '0' && s[i] <= '9'; ++i)
      value = plus(times(value, 10), uint64_t(s[i] - '0'));
    return i > first;
  };
  if (!number(into.least))
    return false;
  into.most = into.least;
  if (i < s.size() && s[i] == ',') {
    ++i;
    if (!number(into.most))
      into.most = kUnbounded;
  }
  if (i >= s.size() || s[i] != '}')
    return false;
  at = i + 1;
  return true;
}

class ShapeReader {
public:
  explicit ShapeReader(std::string_view pattern) : s(pattern) {}

  StatusOr<RegexShape> read() {
    RegexShape shape = alternatives(0);
    if (problem.empty() && at < s.size())
      fail("an unmatched ')'");
    if (!problem.empty())
      return Status::invalidArgument("the regular expression has " + problem);
    return shape;
  }

private:
  void fail(std::string what) {
    if (problem.empty())
      problem = fmt::format("{} at byte {}", what, at);
    at = s.size();
  }

  RegexShape alternatives(uint32_t depth) {
    if (depth > kDepthAtMost)
      fail(fmt::format("more than {} nested groups", kDepthAtMost));
    RegexShape all = sequence(depth);
    while (at < s.size() && s[at] == '|') {
      ++at;
      const RegexShape next = sequence(depth);
      all = {std::min(all.shortest, next.shortest), std::max(all.longest, next.longest),
             std::max(all.repetitions, next.repetitions)};
    }
    return all;
  }

  RegexShape sequence(uint32_t depth) {
    RegexShape all;
    while (at < s.size() && s[at] != '|' && s[at] != ')') {
      RegexShape one = atom(depth);
      while (at < s.size() && quantify(one))
        ;
      all = {plus(all.shortest, one.shortest), plus(all.longest, one.longest),
             std::max(all.repetitions, one.repetitions)};
    }
    return all;
  }

  RegexShape atom(uint32_t depth) {
    switch (s[at]) {
    case '(':
      return group(depth);
    case '[':
      return charClass();
    case '^':
    case '$':
      ++at;
      return {};
    case '\\': {
      if (at + 1 >= s.size()) {
        fail("a backslash at its end");
        return {};
      }
      const char kind = s[at + 1];
      at += 2;
      if (kind == 'b' || kind == 'B')
        return {};
      if (kind >= '1' && kind <= '9')
        fail("a back reference, which is not regular,");
      return {1, 1};
    }
    case '*':
    case '+':
    case '?':
      fail("nothing to repeat");
      return {};
    default:
      for (++at; at < s.size() && (s[at] & 0xc0) == 0x80;) // The rest of a code point.
        ++at;
      return {1, 1};
    }
  }

  RegexShape group(uint32_t depth) {
    ++at;
    bool looks = false;
    if (at + 1 < s.size() && s[at] == '?') {
      const char kind = s[at + 1];
      looks = kind == '=' || kind == '!' ||
              (kind == '<' && at + 2 < s.size() && (s[at + 2] == '=' || s[at + 2] == '!'));
      if (looks)
        fail("a look-around, which is not supported,");
      else if (kind == '<' || kind == 'P')
        at = std::min(s.find('>', at), s.size() - 1) + 1;
      else
        at += 2;
    }
    const RegexShape inner = alternatives(depth + 1);
    if (at >= s.size())
      fail("an unclosed '('");
    else
      ++at;
    return inner;
  }

  RegexShape charClass() {
    size_t i = at + 1;
    if (i < s.size() && s[i] == '^')
      ++i;
    for (bool first = true; i < s.size() && (first || s[i] != ']'); first = false)
      i += s[i] == '\\' ? 2 : 1;
    if (i >= s.size()) {
      fail("an unclosed '['");
      return {};
    }
    at = i + 1;
    return {1, 1};
  }

  bool quantify(RegexShape &one) {
    Bounds bounds;
    switch (s[at]) {
    case '*':
      bounds = {0, kUnbounded};
      ++at;
      break;
    case '+':
      bounds = {1, kUnbounded};
      ++at;
      break;
    case '?': // After a quantifier it means "as few as possible", which changes no language but
              // this bound.
      bounds = {0, 1};
      ++at;
      break;
    case '{':
      if (!readBraces(s, at, bounds))
        return false;
      if (bounds.most < bounds.least)
        fail("bounds in the wrong order");
      one.repetitions =
          times(one.repetitions,
                std::max<uint64_t>(1, bounds.most == kUnbounded ? bounds.least : bounds.most));
      break;
    default:
      return false;
    }
    one.shortest = times(one.shortest, bounds.least);
    one.longest = times(one.longest, bounds.most);
    return true;
  }

  const std::string_view s;
  size_t at = 0;
  std::string problem;
};

} // namespace

StatusOr<RegexShape> shapeOfRegex(std::string_view pattern) { return ShapeReader(pattern).read(); }

StatusOr<uint64_t> repetitionsOfGrammar(std::string_view s) {
  uint64_t largest = 1;
  // The largest bound within each open parenthesis; the last closed one is what a quantifier after
  // ')' repeats.
  std::vector<uint64_t> open{1};
  uint64_t closed = 1;
  for (size_t i = 0; i < s.size();) {
    const char c = s[i];
    if (c == '"' || c == '[' || c == '/') { // A string, class or pattern: to its end.
      const char end = c == '[' ? ']' : c;
      for (++i; i < s.size() && s[i] != end && s[i] != '\n'; ++i)
        i += s[i] == '\\';
      ++i;
      closed = 1;
    } else if (c == '#') {
      i = std::min(s.find('\n', i), s.size());
    } else if (c == '(') {
      if (open.size() > kDepthAtMost)
        return Status::invalidArgument(
            fmt::format("the grammar has more than {} nested groups", kDepthAtMost));
      open.push_back(1);
      ++i;
    } else if (c == ')') {
      closed = open.back();
      if (open.size() > 1)
        open.pop_back();
      open.back() = std::max(open.back(), closed);
      ++i;
    } else if (Bounds bounds; c == '{' && readBraces(s, i, bounds)) {
      closed = times(closed,
                     std::max<uint64_t>(1, bounds.most == kUnbounded ? bounds.least : bounds.most));
      open.back() = std::max(open.back(), closed);
      largest = std::max(largest, closed);
      closed = 1;
    } else {
      ++i;
      if (c != ' ')
        closed = 1;
    }
  }
  return largest;
}

} // namespace tenon::grammar
