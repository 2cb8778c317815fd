//===- TinyEngine.h - Engines made by hand ----------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// A toy engine for tests of the loader, the executor and what stands on them. Everything about it
// can be changed before it is written, so that a test can tell any lie. Independent of the
// compiler's writer.
//
#ifndef TENON_TEST_RUNTIME_TINYENGINE_H
#define TENON_TEST_RUNTIME_TINYENGINE_H

#include "runtime/engine/EngineFormat.h"
#include "runtime/engine/Plan.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tenon::test {

using Bytes = std::vector<std::byte>;

/// The toy model's vocabulary; the next token is the sum of all tokens so far, modulo it.
inline constexpr uint32_t kTinyVocabulary = 32;

/// The plan as a FlatBuffer, exactly as it stands.
Bytes encodePlan(const engine::Plan &plan);

struct TinySection {
  engine::SectionKind kind;
  engine::Variant variant = engine::Variant::None;
  Bytes bytes;
  uint32_t chip = 0;
};

/// What write() makes a file of.
struct TinyEngine {
  engine::Plan plan;
  Bytes weights; ///< Of each chip.
  /// Kernel objects by variant.
  std::vector<std::pair<engine::Variant, Bytes>> kernels;
  std::vector<TinySection> more; ///< Tokenizer and the like.

  /// Called with the finished header or table before its checksum is computed: for lies that a
  /// checksum does not catch.
  std::function<void(engine::FileHeader &)> changeHeader;
  std::function<void(std::vector<engine::SectionEntry> &)> changeTable;

  /// A sound engine. `kernelObject` is the path of the toy kernels' shared object ("" for none
  /// loaded: the section then holds a few bytes that are no ELF object).
  static TinyEngine make(const std::string &kernelObject);

  /// The same model with a layer and a chip for each of `stages` (2 or more), which pass the tokens
  /// on.
  static TinyEngine makePipeline(const std::string &kernelObject, uint32_t stages);
  /// The same model on two chips that each cache everything and have half of the logits.
  static TinyEngine makePair(const std::string &kernelObject);
  /// Gives it embeddings: the first buffer's rows, and a norm of these.
  void addPooling();
  static constexpr float kPoolingEps = 0.5f, kPoolingNorm = 2;

  Bytes write() const;
};

/// Recomputes every checksum, the file size and the schema hash, so that what was changed gets past
/// them. Leaves alone what is too broken to have any.
void repairChecksums(Bytes &file);

Bytes readFile(const std::string &path);
void writeFile(const std::string &path, const Bytes &bytes);

} // namespace tenon::test

#endif // TENON_TEST_RUNTIME_TINYENGINE_H
