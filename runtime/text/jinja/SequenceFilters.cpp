//===- SequenceFilters.cpp - Filters of what can be iterated over ---------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/jinja/ArgumentReader.h"
#include "runtime/text/jinja/Filters.h"
#include "runtime/text/jinja/PythonString.h"
#include "runtime/text/jinja/Renderer.h"

#include <algorithm>

namespace tenon::text::jinja {
namespace {

using Args = const Arguments &;

/// `attribute` of filters: "a.b.0" or an index.
std::vector<Value> attributePath(Budget &budget, const Value &attribute) {
  if (!attribute.is(Kind::String))
    return {attribute};
  std::vector<Value> path;
  for (std::string &part : split(attribute.string(), ".", -1, false)) {
    const bool isIndex =
        !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == part.npos;
    path.push_back(isIndex ? Value::integer(std::stoll(part))
                           : makeString(budget, std::move(part)));
  }
  return path;
}

Value follow(Budget &budget, Value item, const std::vector<Value> &path,
             const Value *absent = nullptr) {
  for (const Value &part : path) {
    item = getItem(budget, item, part);
    if (absent && item.is(Kind::Undefined))
      item = *absent;
  }
  return item;
}

Value ignoringCase(Budget &budget, const Value &v) {
  return v.is(Kind::String) ? makeString(budget, lower(v.string())) : v;
}

std::vector<Value> pathOf(Renderer &r, const ArgumentReader &args, size_t i) {
  const Value *attribute = args.get(i);
  return attribute && !attribute->is(Kind::None) ? attributePath(r.budget, *attribute)
                                                 : std::vector<Value>();
}

/// What a generator gives: `fill` appends the items. Where it fails, whoever uses the items up
/// fails.
template <typename Fill> Value lazily(Renderer &r, Fill fill) {
  std::vector<Value> out;
  std::optional<Failure> failure;
  try {
    fill(out);
  } catch (const Failure &f) {
    if (f.code == StatusCode::ResourceExhausted)
      throw;
    failure = f;
  }
  return makeIterator(r.budget, std::move(out), std::move(failure));
}

Value join(Renderer &r, const Value &v, Args a) {
  const ArgumentReader args(r.budget, "join", a, {"d", "attribute"});
  const std::string separator = args.text(0, "");
  const std::vector<Value> path = pathOf(r, args, 1);
  std::string out;
  bool first = true;
  for (const Value &item : itemsOf(r.budget, v)) {
    const std::string text = str(r.budget, follow(r.budget, item, path));
    r.budget.allocate(text.size() + separator.size());
    if (!first)
      out += separator;
    out += text;
    first = false;
  }
  return Value::constant(std::move(out));
}

Value first(Renderer &r, const Value &v, Args a) {
  ArgumentReader(r.budget, "first", a, {});
  if (v.is(Kind::Iterator)) { // Takes one item of it only.
    Iterator &iterator = v.iterator();
    if (iterator.next < iterator.items.size())
      return iterator.items[iterator.next++];
    if (iterator.failure)
      throw Failure(*iterator.failure);
  } else if (const std::vector<Value> items = itemsOf(r.budget, v); !items.empty()) {
    return items.front();
  }
  return Value::undefined("No first item, sequence was empty.");
}

Value last(Renderer &r, const Value &v, Args a) {
  ArgumentReader(r.budget, "last", a, {});
  if (v.is(Kind::Iterator))
    r.budget.fail("'generator' object is not reversible");
  const std::vector<Value> items = itemsOf(r.budget, v);
  return items.empty() ? Value::undefined("No last item, sequence was empty.") : items.back();
}

Value length(Renderer &r, const Value &v, Args a) {
  ArgumentReader(r.budget, "length", a, {});
  return Value::integer(lengthOf(r.budget, v));
}

Value list(Renderer &r, const Value &v, Args a) {
  ArgumentReader(r.budget, "list", a, {});
  return makeSequence(r.budget, itemsOf(r.budget, v));
}

Value reverse(Renderer &r, const Value &v, Args a) {
  ArgumentReader(r.budget, "reverse", a, {});
  std::vector<Value> items = itemsOf(r.budget, v);
  std::reverse(items.begin(), items.end());
  if (v.is(Kind::String)) {
    std::string out;
    for (const Value &c : items)
      out += c.string();
    return makeString(r.budget, std::move(out));
  }
  return v.is(Kind::Iterator) ? makeSequence(r.budget, std::move(items))
                              : makeIterator(r.budget, std::move(items));
}

Value pairOf(Budget &budget, const Value &key, const Value &value) {
  return makeSequence(budget, {key, value}, Sequence::Flavour::Tuple);
}

Value items(Renderer &r, const Value &v, Args a) {
  ArgumentReader(r.budget, "items", a, {});
  return lazily(r, [&](std::vector<Value> &pairs) {
    if (v.is(Kind::Dict))
      for (const auto &[key, value] : v.dict().items)
        pairs.push_back(pairOf(r.budget, key, value));
    else if (!v.is(Kind::Undefined))
      r.budget.fail("Can only get item pairs from a mapping.");
  });
}

/// Sorts `values` by `keys`, stably; equal ones keep their order in reverse too, as in Python.
std::vector<Value> sortedBy(Budget &budget, const std::vector<Value> &values,
                            const std::vector<Value> &keys, bool reverse) {
  std::vector<size_t> order(values.size());
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t x, size_t y) {
    return reverse ? less(budget, keys[y], keys[x]) : less(budget, keys[x], keys[y]);
  });
  std::vector<Value> out;
  for (const size_t i : order)
    out.push_back(values[i]);
  return out;
}

Value sort(Renderer &r, const Value &v, Args a) {
  const ArgumentReader args(r.budget, "sort", a, {"reverse", "case_sensitive", "attribute"});
  const bool caseSensitive = args.boolean(1, false);
  std::vector<std::vector<Value>> paths;
  if (const Value *attribute = args.get(2); attribute && attribute->is(Kind::String)) {
    for (std::string &one : split(attribute->string(), ",", -1, false))
      paths.push_back(attributePath(r.budget, makeString(r.budget, std::move(one))));
  } else {
    paths.push_back(pathOf(r, args, 2));
  }
  const std::vector<Value> values = itemsOf(r.budget, v);
  std::vector<Value> keys;
  for (const Value &item : values) {
    std::vector<Value> key;
    for (const auto &path : paths) {
      const Value part = follow(r.budget, item, path);
      key.push_back(caseSensitive ? part : ignoringCase(r.budget, part));
    }
    keys.push_back(makeSequence(r.budget, std::move(key)));
  }
  return makeSequence(r.budget, sortedBy(r.budget, values, keys, args.boolean(0, false)));
}

Value dictSort(Renderer &r, const Value &v, Args a) {
  const ArgumentReader args(r.budget, "dictsort", a, {"case_sensitive", "by", "reverse"});
  const bool caseSensitive = args.boolean(0, false);
  const std::string by = args.text(1, "key");
  if (by != "key" && by != "value")
    r.budget.fail("dictsort() sorts by 'key' or 'value'");
  if (!v.is(Kind::Dict))
    r.budget.fail(std::string("dictsort() wants a dict, not ") + typeName(v));
  std::vector<Value> pairs, keys;
  for (const auto &[key, value] : v.dict().items) {
    pairs.push_back(pairOf(r.budget, key, value));
    const Value &part = by == "key" ? key : value;
    keys.push_back(caseSensitive ? part : ignoringCase(r.budget, part));
  }
  return makeSequence(r.budget, sortedBy(r.budget, pairs, keys, args.boolean(2, false)));
}

Value unique(Renderer &r, const Value &v, Args a) {
  const ArgumentReader args(r.budget, "unique", a, {"case_sensitive", "attribute"});
  const bool caseSensitive = args.boolean(0, false);
  const std::vector<Value> path = pathOf(r, args, 1);
  return lazily(r, [&](std::vector<Value> &out) {
    Dict seen;
    for (const Value &item : itemsOf(r.budget, v)) {
      Value key = follow(r.budget, item, path);
      if (!caseSensitive)
        key = ignoringCase(r.budget, key);
      checkHashable(r.budget, key);
      if (seen.find(key))
        continue;
      seen.set(key, Value::none());
      out.push_back(item);
    }
  });
}

template <bool Greatest> Value extreme(Renderer &r, const Value &v, Args a) {
  const ArgumentReader args(r.budget, Greatest ? "max" : "min", a, {"case_sensitive", "attribute"});
  const bool caseSensitive = args.boolean(0, false);
  const std::vector<Value> path = pathOf(r, args, 1);
  Value best = Value::undefined("No aggregated item, sequence was empty."), bestKey;
  bool some = false;
  for (const Value &item : itemsOf(r.budget, v)) {
    Value key = follow(r.budget, item, path);
    if (!caseSensitive)
      key = ignoringCase(r.budget, key);
    if (some && !(Greatest ? less(r.budget, bestKey, key) : less(r.budget, key, bestKey)))
      continue;
    some = true;
    best = item;
    bestKey = std::move(key);
  }
  return best;
}

Value sum(Renderer &r, const Value &v, Args a) {
  const ArgumentReader args(r.budget, "sum", a, {"attribute", "start"});
  const std::vector<Value> path = pathOf(r, args, 0);
  Value total = args.get(1) ? *args.get(1) : Value::integer(0);
  for (const Value &item : itemsOf(r.budget, v))
    total = binary(r.budget, BinaryOperator::Add, total, follow(r.budget, item, path));
  return total;
}

Value map(Renderer &r, const Value &v, Args a) {
  return lazily(r, [&](std::vector<Value> &out) {
    if (a.positional.empty()) {
      const Arguments named{{}, a.named};
      const ArgumentReader args(r.budget, "map", named, {"attribute", "default"});
      if (!isTrue(v))
        return;
      const std::vector<Value> path = attributePath(r.budget, args.need(0));
      const Value *absent = args.get(1) && !args.get(1)->is(Kind::None) ? args.get(1) : nullptr;
      for (const Value &item : itemsOf(r.budget, v))
        out.push_back(follow(r.budget, item, path, absent));
      return;
    }
    if (!isTrue(v))
      return;
    const Value &name = a.positional[0];
    const Builtin *filter = name.is(Kind::String) ? findFilter(name.string()) : nullptr;
    if (!filter)
      r.budget.fail("no filter is named " + repr(r.budget, name));
    const Arguments rest{{a.positional.begin() + 1, a.positional.end()}, a.named};
    Nested nested(r.budget, r.budget.evaluationDepth, kMaxEvaluationDepth);
    for (const Value &item : itemsOf(r.budget, v))
      out.push_back(filter->call(r, item, rest));
  });
}

/// select, reject, selectattr and rejectattr.
template <bool Keep, bool ByAttribute> Value choose(Renderer &r, const Value &v, Args a) {
  return lazily(r, [&](std::vector<Value> &out) {
    if (!isTrue(v))
      return;
    std::vector<Value> path;
    size_t used = 0;
    if (ByAttribute) {
      if (a.positional.empty())
        r.budget.fail("selectattr() and rejectattr() need an attribute");
      path = attributePath(r.budget, a.positional[used++]);
    }
    const Builtin *test = nullptr;
    if (a.positional.size() > used) {
      const Value &name = a.positional[used++];
      test = name.is(Kind::String) ? findTest(name.string()) : nullptr;
      if (!test)
        r.budget.fail("no test is named " + repr(r.budget, name));
    }
    const Arguments rest{{a.positional.begin() + ptrdiff_t(used), a.positional.end()}, a.named};
    for (const Value &item : itemsOf(r.budget, v)) {
      const Value subject = follow(r.budget, item, path);
      if (isTrue(test ? test->call(r, subject, rest) : subject) == Keep)
        out.push_back(item);
    }
  });
}

Value batch(Renderer &r, const Value &v, Args a) {
  const ArgumentReader args(r.budget, "batch", a, {"linecount", "fill_with"});
  args.need(0);
  return lazily(r, [&](std::vector<Value> &batches) {
    const int64_t size = args.integer(0, 0);
    if (size < 1)
      r.budget.fail("batch() needs at least one item in a batch");
    std::vector<Value> current;
    for (const Value &item : itemsOf(r.budget, v)) {
      if (int64_t(current.size()) == size)
        batches.push_back(makeSequence(r.budget, std::exchange(current, {})));
      current.push_back(item);
    }
    if (current.empty())
      return;
    if (args.get(1) && !args.get(1)->is(Kind::None)) {
      const auto missing = uint64_t(size) - current.size();
      r.budget.allocate(missing > r.budget.limits.maxValueBytes ? missing
                                                                : missing * sizeof(Value));
      current.resize(size_t(size), *args.get(1));
    }
    batches.push_back(makeSequence(r.budget, std::move(current)));
  });
}

constexpr Builtin kFilters[] = {
    {"batch", batch},
    {"count", length},
    {"dictsort", dictSort},
    {"first", first},
    {"items", items},
    {"join", join},
    {"last", last},
    {"length", length},
    {"list", list},
    {"map", map},
    {"max", extreme<true>},
    {"min", extreme<false>},
    {"reject", choose<false, false>},
    {"rejectattr", choose<false, true>},
    {"reverse", reverse},
    {"select", choose<true, false>},
    {"selectattr", choose<true, true>},
    {"sort", sort},
    {"sum", sum},
    {"unique", unique},
};

} // namespace

std::span<const Builtin> sequenceFilters() { return kFilters; }

} // namespace tenon::text::jinja
