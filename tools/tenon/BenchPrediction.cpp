//===- BenchPrediction.cpp - What the compiler expected of an engine ------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/BenchPrediction.h"

#include <boost/json.hpp>

#include <algorithm>

namespace tenon::tool {

namespace {
namespace json = boost::json;

/// 0 for what is no number that a time or a count can be.
double numberOf(const json::value &value) {
  boost::system::error_code error;
  const double number = value.to_number<double>(error);
  return !error && number >= 0 && number <= 1e15 ? number : 0;
}

const json::value *find(const json::value &value, std::string_view key) {
  return value.is_object() ? value.get_object().if_contains(key) : nullptr;
}

const json::array &arrayOf(const json::value *value) {
  static const json::array none;
  return value && value->is_array() ? value->get_array() : none;
}

double numberAt(const json::value &object, std::string_view key) {
  const json::value *value = find(object, key);
  return value ? numberOf(*value) : 0;
}
} // namespace

BenchPrediction BenchPrediction::read(std::string_view card) {
  BenchPrediction result;
  boost::system::error_code error;
  const json::value parsed = json::parse({card.data(), card.size()}, error);
  const json::value *prediction = error ? nullptr : find(parsed, "prediction");
  if (!prediction)
    return result;
  if (const json::value *chips = find(*prediction, "chips"); chips && chips->is_string())
    result.name = std::string(chips->get_string());
  for (const json::value &entry : arrayOf(find(*prediction, "decode"))) {
    Curve curve{static_cast<uint64_t>(numberAt(entry, "sequences")), {}};
    const json::array &at = arrayOf(find(entry, "context")), &us = arrayOf(find(entry, "us"));
    for (size_t i = 0; i < std::min(at.size(), us.size()); ++i)
      if (const double took = numberOf(us[i]); took > 0)
        curve.points.push_back({numberOf(at[i]), took * 1e-6});
    std::sort(curve.points.begin(), curve.points.end(),
              [](const Point &a, const Point &b) { return a.at < b.at; });
    result.decodes.push_back(std::move(curve));
  }
  for (const json::value &entry : arrayOf(find(*prediction, "prefill"))) {
    // Without a number it is of one prompt, as earlier compilers wrote it.
    const auto sequences =
        std::max<uint64_t>(1, static_cast<uint64_t>(numberAt(entry, "sequences")));
    if (const double took = numberAt(entry, "us"); took > 0)
      result.fills.push_back({sequences, {{numberAt(entry, "tokens"), took * 1e-6}}});
  }
  return result;
}

std::optional<double> BenchPrediction::decode(uint32_t sequences, double context) const {
  for (const Curve &curve : decodes)
    for (size_t i = 1; curve.sequences == sequences && i < curve.points.size(); ++i) {
      const Point &a = curve.points[i - 1], &b = curve.points[i];
      if (context >= a.at && context <= b.at && b.at > a.at)
        return a.seconds + (b.seconds - a.seconds) * (context - a.at) / (b.at - a.at);
    }
  return std::nullopt;
}

std::optional<double> BenchPrediction::prompts(uint32_t sequences, uint32_t tokens) const {
  for (const Curve &curve : fills)
    if (curve.sequences == sequences && curve.points.front().at == tokens)
      return curve.points.front().seconds;
  return std::nullopt;
}

} // namespace tenon::tool
