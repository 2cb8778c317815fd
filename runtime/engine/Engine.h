//===- Engine.h - A loaded engine -------------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Opening an engine believes nothing: header, section table, checksums, the FlatBuffer's structure
// and every index of the plan are checked before use. Weights stay where they are, mapped from the
// file; their checksum is read only when asked for, so that load time does not grow with the model.
//
#ifndef TENON_RUNTIME_ENGINE_ENGINE_H
#define TENON_RUNTIME_ENGINE_ENGINE_H

#include "runtime/base/Arena.h"
#include "runtime/base/FileMapping.h"
#include "runtime/base/Status.h"
#include "runtime/device/cpu/KernelLibrary.h"
#include "runtime/engine/Plan.h"
#include "runtime/engine/SectionTable.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::engine {

struct EngineOptions {
  std::optional<Variant> variant; ///< Force one; else the best that this machine runs.
  bool verifyWeights = false;     ///< Also check the weights' checksums while opening.
  /// Load the kernels and make random weights. Without it the engine can be inspected, not run.
  bool runnable = true;
  unsigned threads = 1; ///< For making random weights.
  /// Copy stored weights into memory of this process, in huge pages where the system gives them,
  /// instead of reading them where the file is mapped. Steps bound by memory get faster; opening
  /// takes as long as the copy, and processes that serve the same engine no longer share its pages.
  bool copyWeights = false;
  /// Which process of how many this is: chips are shared out (chipsOfProcess), and the weights of
  /// other processes' chips are not mapped.
  uint32_t process = 0, processes = 1;
};

/// Tells engines apart: of the checksums of all sections.
struct Identity {
  uint64_t bytes = 0, low = 0, high = 0;
  bool operator==(const Identity &) const = default;
};

/// An open engine. Immutable; any number of executors may share one.
class Engine {
public:
  /// Every message starts with the path, then the section.
  static StatusOr<std::unique_ptr<Engine>> open(const std::string &path,
                                                const EngineOptions &options);

  /// As open(), for bytes in memory that outlive the engine (64-byte aligned). `name` is for
  /// messages.
  static StatusOr<std::unique_ptr<Engine>> fromMemory(std::span<const std::byte> bytes,
                                                      const std::string &name,
                                                      const EngineOptions &options);

  const std::string &name() const { return fileName; }
  uint64_t fileBytes() const { return sectionTable.header().fileSize; }
  const Plan &plan() const { return checkedPlan; }
  const SectionTable &sections() const { return sectionTable; }
  Identity identity() const {
    const FileHeader &h = sectionTable.header();
    return {h.fileSize, h.tableXxh3Low, h.tableXxh3High};
  }

  /// The chips whose weights are here; all, unless other processes run the rest.
  ChipRange chips() const { return own; }

  /// Bytes of a section; empty if there is none.
  std::span<const std::byte> section(SectionKind kind, uint32_t chip = 0) const;
  /// A section as text; empty if there is none.
  std::string_view text(SectionKind kind) const;

  /// The variant whose kernels are loaded; None if not runnable.
  Variant variant() const { return chosen; }

  /// Entry of kernel `index` of the plan. Only for runnable engines.
  cpu::KernelFn kernel(uint32_t index) const { return kernels[index]; }
  /// First byte of weight `index` for `chip`, one of chips(). Only for runnable engines.
  const std::byte *weight(uint32_t index, uint32_t chip = 0) const;

  /// Takes a section's pages out of this process until they are read again. Checking a section
  /// touches all of it; using it often touches little.
  void releasePages(SectionKind kind) const;

  /// Reads and checks all weights that are here (seconds for gigabytes).
  Status verifyWeights() const;

  /// Milliseconds spent making random weights while opening.
  double madeWeightsMs() const { return makingMs; }

private:
  Engine() = default;
  Status load(std::span<const std::byte> bytes, const EngineOptions &options);
  Status loadKernels(const EngineOptions &options);
  Status copyWeights();

  std::string fileName;
  FileMapping mapping;
  SectionTable sectionTable;
  Plan checkedPlan;
  ChipRange own;
  Variant chosen = Variant::None;
  cpu::KernelLibrary library;
  std::vector<cpu::KernelFn> kernels;
  std::vector<Arena> made;   ///< Weights with a random seed, by chip.
  std::vector<Arena> copies; ///< By chip: its weights section, if copyWeights.
  double makingMs = 0;
};

} // namespace tenon::engine

#endif // TENON_RUNTIME_ENGINE_ENGINE_H
