//===- BenchPrediction.h - What the compiler expected of an engine -*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TOOLS_TENON_BENCHPREDICTION_H
#define TENON_TOOLS_TENON_BENCHPREDICTION_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::tool {

/// The times that tenon-compile --chips FILE predicted and wrote into the model card.
class BenchPrediction {
public:
  /// From the card's JSON. Without a prediction, or with one that cannot be read, everything is
  /// absent: a card is not worth failing for.
  static BenchPrediction read(std::string_view card);

  /// Name of the chips that it holds for.
  const std::string &chips() const { return name; }
  /// Seconds of a step in which `sequences` draw a token each, with `context` positions in the
  /// cache of each; between two predicted depths in proportion.
  std::optional<double> decode(uint32_t sequences, double context) const;
  /// Seconds until each of `sequences` prompts of so many tokens has its first token.
  std::optional<double> prompts(uint32_t sequences, uint32_t tokens) const;

private:
  struct Point {
    double at = 0, seconds = 0;
  };
  struct Curve {
    uint64_t sequences = 0;
    std::vector<Point> points; ///< Ascending.
  };
  std::string name;
  std::vector<Curve> decodes;
  std::vector<Curve> fills; ///< By tokens of a prompt.
};

} // namespace tenon::tool

#endif // TENON_TOOLS_TENON_BENCHPREDICTION_H
