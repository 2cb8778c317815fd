//===- ModelSections.cpp - Tokenizer, template and model card -------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/ModelSections.h"

#include "runtime/engine/Checksum.h"
#include "runtime/text/TokenizerSource.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"

namespace tenon::compiler {

llvm::Expected<std::vector<uint8_t>> tokenizerSection(const frontend::Checkpoint &checkpoint) {
  const frontend::TokenizerMetadata &metadata = checkpoint.tokenizer();
  if (metadata.model.empty())
    return std::vector<uint8_t>();
  text::TokenizerSource source;
  source.model = metadata.model;
  source.preTokenizer = metadata.preTokenizer;
  source.tokens = metadata.tokens;
  source.scores = metadata.scores;
  source.types = metadata.types;
  source.merges = metadata.merges;
  source.bos = metadata.bos;
  source.eos = metadata.eos;
  source.unknown = metadata.unknown;
  source.padding = metadata.padding;
  source.extraEos = metadata.extraEos;
  source.addBos = metadata.addBos;
  source.addEos = metadata.addEos;
  source.addSpacePrefix = metadata.addSpacePrefix;
  auto bytes = text::buildTokenizerSection(source);
  if (!bytes)
    return llvm::createStringError(checkpoint.path() + ": tokenizer: " + bytes.status().message());
  return std::move(*bytes);
}

llvm::Expected<std::string> checksumOfFile(llvm::StringRef path) {
  auto file = llvm::sys::fs::openNativeFileForRead(path);
  if (!file)
    return file.takeError();
  engine::StreamingChecksum sum;
  std::vector<char> piece(1 << 20);
  while (true) {
    auto got = llvm::sys::fs::readNativeFile(*file, piece);
    if (!got) {
      llvm::sys::fs::closeFile(*file);
      return llvm::createStringError(path + ": cannot read: " + llvm::toString(got.takeError()));
    }
    if (*got == 0)
      break;
    sum.update(piece.data(), *got);
  }
  llvm::sys::fs::closeFile(*file);
  const engine::Checksum128 digest = sum.digest();
  char text[33];
  std::snprintf(text, sizeof(text), "%016llx%016llx", static_cast<unsigned long long>(digest.high),
                static_cast<unsigned long long>(digest.low));
  return std::string(text);
}

std::string modelCard(const frontend::Checkpoint &checkpoint, const CompileOptions &options,
                      llvm::StringRef producer, llvm::StringRef target,
                      llvm::StringRef sourceChecksum, const std::optional<AccuracyReport> &accuracy,
                      std::optional<llvm::json::Object> prediction) {
  using llvm::json::Object;
  const frontend::ModelConfig &config = checkpoint.config();
  Object source{{"file", llvm::sys::path::filename(checkpoint.path())},
                {"xxh3_128", sourceChecksum}};
  if (checkpoint.randomSeed())
    source["random_seed"] = checkpoint.randomSeed();
  // What shapes the bytes of the engine; where it was read from and written to does not.
  Object flags{{"target", target}, {"weights", options.weights}};
  if (!options.embeddingWeights.empty())
    flags["embedding_weights"] = options.embeddingWeights;
  if (options.weightsGroup)
    flags["weights_group"] = options.weightsGroup;
  if (!options.weightsMinimum.empty())
    flags["weights_minimum"] = options.weightsMinimum;
  if (!options.calibration)
    flags["calibration"] = false;
  if (options.activations != "int15")
    flags["activations"] = options.activations;
  if (options.collectives != "f32")
    flags["collectives"] = options.collectives;
  if (options.sequenceParallel != "auto")
    flags["sequence_parallel"] = options.sequenceParallel;
  if (options.overlap != "auto")
    flags["overlap"] = options.overlap;
  if (!options.chips.empty())
    flags["chips"] = llvm::sys::path::filename(options.chips);
  if (!options.sharding.empty())
    flags["sharding"] = options.sharding;
  if (options.maxContext)
    flags["max_context"] = options.maxContext;
  if (options.verify)
    flags["verify"] = true;
  Object card{{"name", config.name},
              {"architecture", config.architecture},
              {"source", std::move(source)},
              {"producer", producer},
              {"flags", std::move(flags)}};
  if (!config.licence.empty())
    card["licence"] = config.licence;
  if (accuracy)
    card["accuracy"] = accuracyAsJson(*accuracy);
  if (prediction)
    card["prediction"] = std::move(*prediction);
  std::string text;
  llvm::raw_string_ostream(text) << llvm::formatv("{0:2}", llvm::json::Value(std::move(card)))
                                 << "\n";
  return text;
}

} // namespace tenon::compiler
