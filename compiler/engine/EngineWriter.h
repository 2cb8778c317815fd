//===- EngineWriter.h - Writes an engine file -------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The container of runtime/engine/EngineFormat.h, written front to back. Sections can be given
// whole or as a stream, so that weights go from the packer to the file one tensor at a time and
// memory does not grow with the model. Everything goes to a temporary file beside the target, which
// takes its name only when it is complete: an engine that exists is whole. Same sections, same
// bytes.
//
#ifndef TENON_COMPILER_ENGINE_ENGINEWRITER_H
#define TENON_COMPILER_ENGINE_ENGINEWRITER_H

#include "runtime/engine/Checksum.h"
#include "runtime/engine/EngineFormat.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <string>
#include <vector>

namespace tenon::compiler {

/// One engine being written. Not for several threads. Errors name the path and what the system
/// said.
class EngineWriter {
public:
  /// Creates the temporary file. `path` is left alone until finish().
  static llvm::Expected<std::unique_ptr<EngineWriter>> create(llvm::StringRef path);

  /// Removes the temporary file if finish() was not reached.
  ~EngineWriter();

  /// Writes one section. At most kMaxSections, each (kind, variant, chip) once.
  llvm::Error addSection(engine::SectionKind kind, llvm::ArrayRef<uint8_t> bytes,
                         engine::Variant variant = engine::Variant::None, uint32_t chip = 0);

  /// Begins a section that append() fills; ends with the next section or finish().
  llvm::Error beginSection(engine::SectionKind kind,
                           engine::Variant variant = engine::Variant::None, uint32_t chip = 0);
  llvm::Error append(llvm::ArrayRef<uint8_t> bytes);
  /// Zero bytes up to `offset` of the open section.
  llvm::Error padTo(uint64_t offset);
  /// Bytes of the open section so far.
  uint64_t sectionBytes() const { return position - sections.back().offset; }

  /// Reads `out.size()` bytes back from `offset` of a section that was ended or is open. Fails if
  /// they were not written.
  llvm::Error readBack(engine::SectionKind kind, uint32_t chip, uint64_t offset,
                       llvm::MutableArrayRef<uint8_t> out) const;

  /// Makes what was written so far an engine under the temporary name, which is returned, so that
  /// it can be opened. More sections may follow.
  llvm::Expected<std::string> draft();

  /// Writes header and section table and gives the file its name. Returns its size.
  llvm::Expected<uint64_t> finish();

private:
  EngineWriter(int descriptor, std::string path, std::string temporary);
  llvm::Error write(const void *data, size_t size);
  llvm::Error endSection();
  llvm::Error writeFirstPage();
  llvm::Error systemError(const char *doing) const;

  int descriptor;
  std::string path, temporary;
  uint64_t position = 0;
  std::vector<engine::SectionEntry> sections;
  std::unique_ptr<engine::StreamingChecksum> checksum; ///< Of the open section; null: none is open.
};

} // namespace tenon::compiler

#endif // TENON_COMPILER_ENGINE_ENGINEWRITER_H
