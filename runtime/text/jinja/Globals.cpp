//===- Globals.cpp - Functions that every chat template knows -------------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/jinja/ArgumentReader.h"
#include "runtime/text/jinja/Renderer.h"

#include <chrono>
#include <ctime>

namespace tenon::text::jinja {
namespace {

/// As jinja2's sandbox: ranges are no longer than this.
constexpr uint64_t kMaxRange = 100'000;

Value range(Renderer &renderer, const Arguments &arguments) {
  Budget &budget = renderer.budget;
  const auto &given = arguments.positional;
  if (given.empty() || given.size() > 3 || !arguments.named.empty())
    budget.fail("range() takes one to three integers");
  for (const Value &v : given)
    if (!v.isIntegral())
      budget.fail(v.is(Kind::Undefined)
                      ? v.reason()
                      : std::string("'") + typeName(v) + "' cannot be interpreted as an integer");
  const int64_t start = given.size() == 1 ? 0 : given[0].asInteger();
  const int64_t stop = given.size() == 1 ? given[0].asInteger() : given[1].asInteger();
  const int64_t step = given.size() == 3 ? given[2].asInteger() : 1;
  if (step == 0)
    budget.fail("range() arg 3 must not be zero");

  const bool isEmpty = step > 0 ? start >= stop : start <= stop;
  const uint64_t distance =
      step > 0 ? uint64_t(stop) - uint64_t(start) : uint64_t(start) - uint64_t(stop);
  const uint64_t stride = step > 0 ? uint64_t(step) : 0 - uint64_t(step);
  const uint64_t count = isEmpty ? 0 : (distance - 1) / stride + 1;
  if (count > kMaxRange)
    budget.fail("range too big; ranges are limited to " + std::to_string(kMaxRange) + " items");
  budget.allocate(count * sizeof(Value) + sizeof(Sequence));
  auto sequence = std::make_shared<Sequence>();
  sequence->flavour = Sequence::Flavour::Range;
  for (uint64_t i = 0; i < count; ++i)
    sequence->items.push_back(Value::integer(int64_t(uint64_t(start) + i * uint64_t(step))));
  sequence->label = "range(" + std::to_string(start) + ", " + std::to_string(stop) +
                    (step == 1 ? "" : ", " + std::to_string(step)) + ")";
  return Value::of(std::shared_ptr<const Sequence>(std::move(sequence)));
}

/// What dict(…) and namespace(…) make of a mapping or pairs, and names.
Dict dictOf(Budget &budget, const char *function, const Arguments &arguments) {
  Dict dict;
  if (arguments.positional.size() > 1)
    budget.fail(std::string(function) + "() takes at most one positional argument");
  if (!arguments.positional.empty()) {
    const Value &source = arguments.positional[0];
    if (source.is(Kind::Dict)) {
      dict = source.dict();
    } else {
      for (const Value &item : itemsOf(budget, source)) {
        const std::vector<Value> pair = itemsOf(budget, item);
        if (pair.size() != 2)
          budget.fail(std::string(function) + "() wants pairs");
        checkHashable(budget, pair[0]);
        dict.set(pair[0], pair[1]);
      }
    }
  }
  for (const auto &[name, value] : arguments.named)
    dict.set(Value::constant(name), value);
  return dict;
}

Value makeDictionary(Renderer &renderer, const Arguments &arguments) {
  return makeDict(renderer.budget, dictOf(renderer.budget, "dict", arguments));
}

Value makeNamespace(Renderer &renderer, const Arguments &arguments) {
  std::vector<std::pair<std::string, Value>> items;
  for (auto &[key, value] : dictOf(renderer.budget, "namespace", arguments).items) {
    if (!key.is(Kind::String))
      continue; // No attribute can name it.
    if (key.string().starts_with('_'))
      renderer.budget.fail("a namespace has no attributes that begin with '_', such as '" +
                           key.string() + "'");
    items.emplace_back(key.string(), value);
  }
  return renderer.makeNamespace(std::move(items));
}

Value raiseException(Renderer &renderer, const Arguments &arguments) {
  const ArgumentReader args(renderer.budget, "raise_exception", arguments, {"message"});
  args.need(0);
  throw Failure{StatusCode::InvalidArgument, args.text(0, "")};
}

Value strftimeNow(Renderer &renderer, const Arguments &arguments) {
  const ArgumentReader args(renderer.budget, "strftime_now", arguments, {"format"});
  const std::string format = args.optionalText(0).value_or("");
  std::tm parts{};
  if (const int64_t fixed = renderer.budget.limits.now; fixed >= 0) {
    const auto time = std::time_t(fixed);
    gmtime_r(&time, &parts);
  } else {
    const std::time_t time = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    localtime_r(&time, &parts);
  }
  // A width such as %999999d would make text of any length: bounded by the buffer.
  std::string buffer(format.size() * 8 + 1024, '\0');
  renderer.budget.allocate(buffer.size());
  // One space more tells an empty result from one that does not fit.
  const size_t length = std::strftime(buffer.data(), buffer.size(), (format + " ").c_str(), &parts);
  if (length == 0)
    renderer.budget.fail(StatusCode::ResourceExhausted,
                         "strftime_now() makes a text that is too long");
  return Value::constant(buffer.substr(0, length - 1));
}

// Not here, as no chat template uses them: cycler, joiner, lipsum.
constexpr Function kGlobals[] = {
    {"range", range},
    {"dict", makeDictionary},
    {"namespace", makeNamespace},
    {"raise_exception", raiseException},
    {"strftime_now", strftimeNow},
};

} // namespace

const Function *findGlobal(std::string_view name) {
  for (const Function &global : kGlobals)
    if (global.name == name)
      return &global;
  return nullptr;
}

} // namespace tenon::text::jinja
