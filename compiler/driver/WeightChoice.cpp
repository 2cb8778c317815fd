//===- WeightChoice.cpp - What `--weights` means --------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/WeightChoice.h"

#include "compiler/pack/Reblock.h"

#include "llvm/ADT/STLExtras.h"

namespace tenon::compiler {

namespace {
struct Width {
  llvm::StringLiteral name;
  WeightFormat layers, embedding;
};
/// The best format of each width by the figures of docs/decisions/0005-rounded-weights.md.
constexpr Width kWidths[] = {
    {"q4", WeightFormat::Q4_RM, WeightFormat::Q5_RM},
    {"q5", WeightFormat::Q5_RM, WeightFormat::Q5_RM},
    {"q6", WeightFormat::Q6_R, WeightFormat::Q6_R},
    {"q8", WeightFormat::Q8_R, WeightFormat::Q8_R},
};
} // namespace

static bool isWidth(llvm::StringRef name) {
  return llvm::any_of(kWidths, [&](const Width &width) { return width.name == name; });
}

/// Format of `name`; none for "keep".
static llvm::Expected<std::optional<WeightFormat>> parse(llvm::StringRef option,
                                                         llvm::StringRef name, bool embedding) {
  if (name == "keep")
    return std::optional<WeightFormat>();
  for (const Width &width : kWidths)
    if (name == width.name)
      return std::optional(embedding ? width.embedding : width.layers);
  auto format = parseWeightFormat({name.data(), name.size()});
  if (format && canReblockTo(*format))
    return format;
  std::string known;
  for (uint32_t i = 0; i < kNumWeightFormats; ++i)
    if (canReblockTo(static_cast<WeightFormat>(i)))
      known += (known.empty() ? "" : ", ") + formatName(static_cast<WeightFormat>(i));
  return llvm::createStringError(option + " " + name + ": weights can be stored as keep, q4, q5, q6, q8 " +
                                 "or, by the name of a format, as " + known);
}

llvm::Expected<WeightChoice> chooseWeights(const CompileOptions &options) {
  auto layers = parse("--weights", options.weights, false);
  if (!layers)
    return layers.takeError();
  auto embedding = options.embeddingWeights.empty()
                       ? parse("--weights", options.weights, true)
                       : parse("--embedding-weights", options.embeddingWeights, true);
  if (!embedding)
    return embedding.takeError();
  const std::string &ofEmbedding =
      options.embeddingWeights.empty() ? options.weights : options.embeddingWeights;
  return WeightChoice{*layers, *embedding, isWidth(options.weights), isWidth(ofEmbedding)};
}

std::string formatName(std::optional<WeightFormat> format) {
  return format ? std::string(formatInfo(*format).name) : std::string();
}

} // namespace tenon::compiler
