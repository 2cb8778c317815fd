//===- EngineFormat.h - Container of an engine file -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Little endian. Page 0 holds FileHeader and the section table; every section starts on a
// 4,096-byte boundary. docs/engine-format.md specifies it byte by byte.
//
#ifndef TENON_RUNTIME_ENGINE_ENGINEFORMAT_H
#define TENON_RUNTIME_ENGINE_ENGINEFORMAT_H

#include <cstdint>

namespace tenon::engine {

inline constexpr char kMagic[8] = {'T', 'E', 'N', 'O', 'N', '\r', '\n', '\x1a'};
inline constexpr uint32_t kFormatMajor = 3; ///< A reader refuses another major.
inline constexpr uint32_t kFormatMinor = 8; ///< A reader refuses a newer minor, and says both.
inline constexpr uint64_t kPage = 4096;
inline constexpr uint32_t kMaxSections = 60;

enum class SectionKind : uint32_t {
  Plan = 1,         ///< FlatBuffer, runtime/engine/plan.fbs
  Kernels = 2,      ///< ELF shared object; `variant` says which.
  Weights = 3,      ///< Packed weights of one chip (`chip`), in order of use.
  Tokenizer = 4,    ///< FlatBuffer, runtime/text/tokenizer.fbs
  ChatTemplate = 5, ///< UTF-8 Jinja source.
  ModelCard = 6,    ///< JSON: name, licence, source file and its checksum, compiler version, flags.
  PlanText = 7,     ///< The `plan` dialect as text, for people.
  Certificate = 8,  ///< JSON written by --verify.
};

enum class Variant : uint32_t {
  None = 0,
  Avx2 = 1,
  Avx512 = 2,
  Amx = 3,
  Neon = 4,
  AvxVnni = 5,
  NeonI8mm = 6
};
inline constexpr Variant kLastVariant = Variant::NeonI8mm;

/// 64 bytes.
struct SectionEntry {
  uint32_t kind;
  uint32_t variant;
  uint32_t chip;
  uint32_t reserved;
  uint64_t offset;            ///< From the start of the file; a multiple of kPage.
  uint64_t size;              ///< Bytes, without padding.
  uint64_t xxh3Low, xxh3High; ///< XXH3-128 of the section's bytes.
  uint64_t zero[2];
};
static_assert(sizeof(SectionEntry) == 64);

/// 256 bytes at offset 0, followed by `sectionCount` SectionEntries.
struct FileHeader {
  char magic[8];
  uint32_t formatMajor, formatMinor;
  uint64_t schemaHash;       ///< XXH3-64 of plan.fbs and tokenizer.fbs as built.
  uint64_t requiredFeatures; ///< Bits a reader must know; unknown bits are refused by number.
  uint64_t fileSize;
  uint32_t sectionCount;
  uint32_t reserved;
  uint64_t tableXxh3Low, tableXxh3High; ///< XXH3-128 of the section table's bytes.
  uint64_t headerXxh3;                  ///< XXH3-64 of this header with this field zero.
  uint8_t zero[184];
};
static_assert(sizeof(FileHeader) == 256);

} // namespace tenon::engine

#endif // TENON_RUNTIME_ENGINE_ENGINEFORMAT_H
