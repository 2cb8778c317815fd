//===- StringSchema.cpp - Schemas of strings ------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/grammar/StringSchema.h"

#include "runtime/grammar/RegexShape.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace tenon::grammar {

namespace json = boost::json;

/// Formats as patterns. They are narrower than the standards: every day is one of every month,
/// addresses have no quoted parts, and lengths are those people use. A value that fits is one by
/// any reader.
struct Format {
  std::string_view name, pattern;
};
static constexpr Format kFormats[] = {
    {"date", "[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"},
    {"time", "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?(Z|[+-](0[0-9]|1[0-4]):00)"},
    {"date-time", "[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-"
                  "9]:[0-5][0-9](\\.[0-9]{1,6})?"
                  "(Z|[+-](0[0-9]|1[0-4]):00)"},
    {"duration", "P([1-9][0-9]{0,2}W|[1-9][0-9]{0,2}D(T[1-9][0-9]?H)?|T[1-9][0-9]{0,2}[HMS])"},
    {"email", "[A-Za-z0-9]([A-Za-z0-9_+-]|\\.[A-Za-z0-9]){0,20}@[a-z0-9]{1,20}(-[a-z0-9]{1,10})?("
              "\\.[a-z0-9]{1,12})?\\.[a-z]{2,6}"},
    {"hostname", "[a-z0-9]{1,20}(-[a-z0-9]{1,10})?(\\.[a-z0-9]{1,12})?\\.[a-z]{2,6}"},
    {"ipv4", "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(\\.(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-"
             "9]?[0-9])){3}"},
    {"ipv6", "[1-9a-f][0-9a-f]{0,3}(:[1-9a-f][0-9a-f]{0,3}){7}"},
    {"uri", "https?://[a-z0-9]{1,20}(-[a-z0-9]{1,10})?(\\.[a-z0-9]{1,12})?\\.[a-z]{2,6}(/"
            "[A-Za-z0-9_.-]{1,20}){0,4}/?"},
    {"uuid", "[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"},
};
/// Those that may hold characters of any script in the standards, and ASCII here.
static constexpr std::pair<std::string_view, std::string_view> kSameAs[] = {
    {"idn-email", "email"},   {"idn-hostname", "hostname"}, {"iri", "uri"},
    {"uri-reference", "uri"}, {"iri-reference", "uri"},     {"url", "uri"}};
/// Narrower still, at most 20 characters, for lengths that the above do not keep.
static constexpr Format kShort[] = {
    {"email", "[a-z0-9]{1,7}@[a-z0-9]{1,6}\\.[a-z]{2,3}"},
    {"hostname", "[a-z0-9]{1,8}\\.[a-z]{2,3}"},
    {"uri", "https://[a-z0-9]{1,8}\\.[a-z]{2,3}"},
};

template <typename Table>
static std::string_view patternOf(const Table &table, std::string_view name) {
  for (const auto &[from, to] : kSameAs)
    if (from == name)
      name = to;
  for (const Format &format : table)
    if (format.name == name)
      return format.pattern;
  return {};
}

Status checkPattern(std::string_view pattern, const Limits &limits) {
  if (pattern.size() > limits.patternBytes)
    return Status::invalidArgument(
        fmt::format("a regular expression has {} bytes; at most {} are possible", pattern.size(),
                    limits.patternBytes));
  const auto shape = shapeOfRegex(pattern);
  if (!shape)
    return shape.status();
  if (shape->repetitions > limits.repetitions)
    return Status::invalidArgument(fmt::format(
        "a regular expression repeats {} times; nested bounds may multiply to {} at most",
        shape->repetitions == RegexShape::kUnbounded ? "more than 10^19"
                                                     : std::to_string(shape->repetitions),
        limits.repetitions));
  return Status::ok();
}

StatusOr<json::object> checkString(const json::object &s, const Limits &limits) {
  constexpr uint64_t unbounded = RegexShape::kUnbounded;
  json::object out{{"type", "string"}};
  uint64_t least = 0, most = unbounded;
  for (const auto &[key, bound] : {std::pair{"minLength", &least}, std::pair{"maxLength", &most}})
    if (const json::value *value = s.if_contains(key)) {
      const double n = value->is_number() ? value->to_number<double>() : -1;
      if (!(n >= 0) || n != std::floor(n))
        return Status::invalidArgument(fmt::format("'{}' must be a whole number, 0 or more", key));
      if (bound == &least && n > limits.repetitions)
        return Status::invalidArgument(
            fmt::format("'minLength' is {}; at most {} is possible", n, limits.repetitions));
      *bound = n > 1e15 ? unbounded : uint64_t(n);
    }
  if (least > most)
    return Status::invalidArgument("'minLength' is greater than 'maxLength'");
  const auto fits = [&](std::string_view pattern) {
    const auto shape = shapeOfRegex(pattern);
    return shape && shape->shortest >= least && shape->longest <= most;
  };
  const json::value *pattern = s.if_contains("pattern"), *format = s.if_contains("format");
  if ((pattern && !pattern->is_string()) || (format && !format->is_string()))
    return Status::invalidArgument("'pattern' and 'format' must be strings");
  if (pattern) {
    const std::string_view text(pattern->get_string().data(), pattern->get_string().size());
    if (Status status = checkPattern(text, limits); !status)
      return status;
    if (!fits(text))
      return Status::invalidArgument(
          "'pattern' allows other lengths than 'minLength' and 'maxLength' beside it; put "
          "the bounds into the pattern, as in ^[a-z]{3,20}$");
    out["pattern"] = *pattern;
    return out;
  }
  if (format) {
    const std::string_view name(format->get_string().data(), format->get_string().size());
    const std::string_view full = patternOf(kFormats, name);
    if (!full.empty()) {
      const std::string_view chosen = fits(full) ? full : patternOf(kShort, name);
      if (chosen.empty() || !fits(chosen))
        return Status::invalidArgument(
            fmt::format("no '{}' fits 'minLength' and 'maxLength' beside it", name));
      out["pattern"] = chosen;
      return out;
    }
  }
  if (least > 0)
    out["minLength"] = least;
  if (most != unbounded)
    out["maxLength"] = std::min<uint64_t>(most, limits.repetitions); // Still keeps the promise.
  return out;
}

} // namespace tenon::grammar
