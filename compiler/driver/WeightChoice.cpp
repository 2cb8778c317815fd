//===- WeightChoice.cpp - What `--weights` means --------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/WeightChoice.h"

#include "compiler/pack/Reblock.h"

#include "llvm/ADT/STLExtras.h"

namespace tenon::compiler {

namespace {
struct Shape {
  uint32_t bits;
  bool hasMin;
};
struct Width {
  llvm::StringLiteral name;
  Shape layers, embedding;
};
/// The best shape of each width by the figures of docs/decisions/0005-rounded-weights.md.
constexpr Width kWidths[] = {
    {"q4", {4, true}, {5, true}},
    {"q5", {5, true}, {5, true}},
    {"q6", {6, false}, {6, false}},
    {"q8", {8, false}, {8, false}},
};
constexpr uint32_t kDefaultGroup = 32;
} // namespace

static const Width *findWidth(llvm::StringRef name) {
  const Width *found =
      llvm::find_if(kWidths, [&](const Width &width) { return width.name == name; });
  return found == std::end(kWidths) ? nullptr : found;
}

/// The format with row scales that has this shape and group.
static std::optional<WeightFormat> formatOf(Shape shape, uint32_t group) {
  for (uint32_t i = 0; i < kNumWeightFormats; ++i) {
    const FormatInfo info = formatInfo(static_cast<WeightFormat>(i));
    if (info.rowScales && info.bits == shape.bits && info.hasMin == shape.hasMin &&
        info.group == group)
      return static_cast<WeightFormat>(i);
  }
  return std::nullopt;
}

/// Format of `name`; none for "keep".
static llvm::Expected<std::optional<WeightFormat>>
parse(llvm::StringRef option, llvm::StringRef name, bool embedding, const CompileOptions &options) {
  if (name == "keep")
    return std::optional<WeightFormat>();
  if (const Width *width = findWidth(name)) {
    Shape shape = embedding ? width->embedding : width->layers;
    if (!options.weightsMinimum.empty())
      shape.hasMin = options.weightsMinimum == "on";
    auto format = formatOf(shape, options.weightsGroup ? options.weightsGroup : kDefaultGroup);
    if (!format)
      return llvm::createStringError(
          "--weights-minimum on: " + llvm::Twine(shape.bits) +
          " bits have no format with a minimum, only 4 and 5 have; leave it out for " + option +
          " " + name);
    return format;
  }
  auto format = parseWeightFormat({name.data(), name.size()});
  if (format && canReblockTo(*format))
    return format;
  std::string known;
  for (uint32_t i = 0; i < kNumWeightFormats; ++i)
    if (canReblockTo(static_cast<WeightFormat>(i)))
      known += (known.empty() ? "" : ", ") + formatName(static_cast<WeightFormat>(i));
  return llvm::createStringError(option + " " + name +
                                 ": weights can be stored as keep, q4, q5, q6, q8 " +
                                 "or, by the name of a format, as " + known);
}

llvm::Expected<WeightChoice> chooseWeights(const CompileOptions &options) {
  const bool own = !options.embeddingWeights.empty();
  const std::string &ofEmbedding = own ? options.embeddingWeights : options.weights;
  auto layers = parse("--weights", options.weights, false, options);
  if (!layers)
    return layers.takeError();
  auto embedding = parse(own ? "--embedding-weights" : "--weights", ofEmbedding, true, options);
  if (!embedding)
    return embedding.takeError();
  const bool layersWidth = findWidth(options.weights), embeddingWidth = findWidth(ofEmbedding);
  if ((options.weightsGroup || !options.weightsMinimum.empty()) && !layersWidth && !embeddingWidth)
    return llvm::createStringError(
        "--weights-group and --weights-minimum say how a width is stored; give --weights q4, "
        "q5, q6 or q8 with them, or name a format (q4_rm64) without");
  return WeightChoice{*layers, *embedding, layersWidth, embeddingWidth};
}

std::string formatName(std::optional<WeightFormat> format) {
  return format ? std::string(formatInfo(*format).name) : std::string();
}

} // namespace tenon::compiler
