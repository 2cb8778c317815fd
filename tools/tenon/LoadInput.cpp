//===- LoadInput.cpp - What a load is given to read -----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/LoadInput.h"

#include <boost/json.hpp>
#include <fmt/core.h>

#include <fstream>

namespace tenon::tool {

static constexpr double kMostTokens = 1e8;
static constexpr double kMostMilliseconds = 1e12; ///< Thirty years; a timer takes 292.

StatusOr<std::vector<LoadRequest>> readTrace(const std::string &path, uint32_t most) {
  std::ifstream file(path);
  if (!file)
    return Status::notFound("--trace " + path + ": cannot be read");
  return readTrace(file, path, most);
}

StatusOr<std::vector<LoadRequest>> readTrace(std::istream &lines, const std::string &name,
                                             uint32_t most) {
  std::vector<LoadRequest> requests;
  std::string line;
  for (size_t number = 1; requests.size() < most && std::getline(lines, line); ++number) {
    boost::system::error_code error;
    const boost::json::value value = boost::json::parse(line, error);
    const auto field = [&](const char *key) -> double {
      const boost::json::value *v =
          value.is_object() ? value.get_object().if_contains(key) : nullptr;
      return v && v->is_number() ? v->to_number<double>() : -1;
    };
    const double at = field("timestamp"), in = field("input_length"), out = field("output_length");
    if (error || !(at >= 0 && at <= kMostMilliseconds) || !(in >= 1 && in < kMostTokens) ||
        !(out >= 1 && out < kMostTokens))
      return Status::invalidArgument(
          fmt::format("--trace {}:{}: an object with \"timestamp\" (milliseconds, up to {:g}), "
                      "\"input_length\" and \"output_length\" (tokens, from 1 to {:g}) is wanted",
                      name, number, kMostMilliseconds, kMostTokens));
    requests.push_back({at * 1e-3, uint32_t(in), uint32_t(out)});
  }
  return requests;
}

StatusOr<std::string> readMoreFields(const std::string &body) {
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(body, error);
  if (error || !value.is_object())
    return Status::invalidArgument("--body " + body + ": a JSON object is wanted");
  const std::string text = boost::json::serialize(value);
  return text.substr(1, text.size() - 2);
}

} // namespace tenon::tool
