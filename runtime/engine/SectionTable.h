//===- SectionTable.h - The container of an engine --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_ENGINE_SECTIONTABLE_H
#define TENON_RUNTIME_ENGINE_SECTIONTABLE_H

#include "runtime/base/Status.h"
#include "runtime/engine/EngineFormat.h"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace tenon::engine {

/// Features this reader knows (FileHeader::requiredFeatures).
inline constexpr uint64_t kKnownFeatures = 0;

/// A section as it lies in the file.
struct Section {
  SectionEntry entry;
  std::span<const std::byte> bytes;
  /// "plan", "kernels[avx512]", "weights[chip 0]", for people.
  std::string name() const;
};

/// Header and section table, checked: magic, both versions, checksums, schema, features, file size,
/// and each section's kind, alignment, bounds and disjointness. Section contents are not read.
class SectionTable {
public:
  /// `file` must outlive the table. Errors name the part of the file: "header: …", "section 3
  /// (plan): …".
  static StatusOr<SectionTable> parse(std::span<const std::byte> file);

  const FileHeader &header() const { return fileHeader; }
  const std::vector<Section> &sections() const { return entries; }

  /// The section, or null.
  const Section *find(SectionKind kind, Variant variant = Variant::None, uint32_t chip = 0) const;

  /// Compares a section's checksum with its bytes (reads all of them).
  static Status verify(const Section &section);

private:
  FileHeader fileHeader{};
  std::vector<Section> entries;
};

/// "plan", "kernels", …, or "unknown".
const char *sectionKindName(SectionKind kind);

} // namespace tenon::engine

#endif // TENON_RUNTIME_ENGINE_SECTIONTABLE_H
