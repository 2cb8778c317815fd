//===- SectionTable.cpp - The container of an engine ----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/engine/SectionTable.h"

#include "runtime/device/cpu/CpuFeatures.h"
#include "runtime/engine/Checksum.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace tenon::engine {

namespace {

template <typename... Args> Status bad(fmt::format_string<Args...> format, Args &&...args) {
  return Status::dataLoss(fmt::format(format, std::forward<Args>(args)...));
}

Status checkVersion(const FileHeader &h) {
  if (h.formatMajor != kFormatMajor || h.formatMinor > kFormatMinor)
    return Status::unsupported(fmt::format(
        "header: the engine has format {}.{} and this build reads {}.0 to {}.{}; use a {} "
        "tenon, or compile the engine again",
        h.formatMajor, h.formatMinor, kFormatMajor, kFormatMajor, kFormatMinor,
        h.formatMajor < kFormatMajor ? "matching older" : "newer"));
  return Status::ok();
}

Status checkHeader(const FileHeader &h, uint64_t fileBytes) {
  if (std::memcmp(h.magic, kMagic, sizeof(kMagic)) != 0)
    return bad(
        "header: the magic bytes are not an engine's; is this a file that tenon-compile wrote?");
  TENON_RETURN_IF_ERROR(checkVersion(h));
  FileHeader zeroed = h;
  zeroed.headerXxh3 = 0;
  if (checksum64(&zeroed, sizeof(zeroed)) != h.headerXxh3)
    return bad("header: its checksum does not match; the file is damaged");
  if (h.requiredFeatures & ~kKnownFeatures)
    return Status::unsupported(
        fmt::format("header: the engine requires features {:#x} that this build "
                    "does not know (it knows {:#x}); use a newer tenon",
                    h.requiredFeatures & ~kKnownFeatures, kKnownFeatures));
  if (h.formatMinor == kFormatMinor && h.schemaHash != schemaHash())
    return Status::unsupported(
        fmt::format("header: the engine was written with schema {:016x} and this "
                    "build reads {:016x}; compile the engine again",
                    h.schemaHash, schemaHash()));
  if (h.fileSize != fileBytes)
    return bad("header: the file should have {} bytes and has {}; it is {}", h.fileSize, fileBytes,
               fileBytes < h.fileSize ? "truncated" : "longer than it was written");
  if (h.sectionCount == 0 || h.sectionCount > kMaxSections)
    return bad("header: {} sections; 1 to {} are possible", h.sectionCount, kMaxSections);
  if (h.reserved != 0 ||
      std::any_of(h.zero, h.zero + sizeof(h.zero), [](uint8_t b) { return b != 0; }))
    return bad("header: reserved bytes are not zero");
  return Status::ok();
}

Status checkEntry(size_t index, const SectionEntry &e, uint64_t fileBytes) {
  const std::string where = fmt::format("section {} ({})", index, Section{e, {}}.name());
  if (e.kind < uint32_t(SectionKind::Plan) || e.kind > uint32_t(SectionKind::Certificate))
    return bad("{}: kind {} is unknown", where, e.kind);
  if (e.variant > uint32_t(kLastVariant))
    return bad("{}: variant {} is unknown", where, e.variant);
  const bool kernels = SectionKind(e.kind) == SectionKind::Kernels;
  if (kernels != (e.variant != 0))
    return bad("{}: {} a variant", where, kernels ? "kernels without" : "only kernels have");
  if (e.reserved || e.zero[0] || e.zero[1])
    return bad("{}: reserved bytes are not zero", where);
  if (e.offset % kPage || e.offset < kPage)
    return bad("{}: offset {} is not a page of the file after the first", where, e.offset);
  if (e.offset > fileBytes || e.size > fileBytes - e.offset)
    return bad("{}: bytes {} to {}+{} lie outside the file of {}", where, e.offset, e.offset,
               e.size, fileBytes);
  return Status::ok();
}

} // namespace

const char *sectionKindName(SectionKind kind) {
  switch (kind) {
  case SectionKind::Plan:
    return "plan";
  case SectionKind::Kernels:
    return "kernels";
  case SectionKind::Weights:
    return "weights";
  case SectionKind::Tokenizer:
    return "tokenizer";
  case SectionKind::ChatTemplate:
    return "chat template";
  case SectionKind::ModelCard:
    return "model card";
  case SectionKind::PlanText:
    return "plan text";
  case SectionKind::Certificate:
    return "certificate";
  }
  return "unknown";
}

std::string Section::name() const {
  const auto kind = static_cast<SectionKind>(entry.kind);
  if (kind == SectionKind::Kernels)
    return fmt::format("kernels[{}]", cpu::variantName(static_cast<Variant>(entry.variant)));
  if (kind == SectionKind::Weights)
    return fmt::format("weights[chip {}]", entry.chip);
  return sectionKindName(kind);
}

StatusOr<SectionTable> SectionTable::parse(std::span<const std::byte> file) {
  SectionTable table;
  FileHeader &h = table.fileHeader;
  if (file.size() < sizeof(FileHeader))
    return bad("header: the file has {} bytes and a header takes {}; it is truncated or no engine",
               file.size(), sizeof(FileHeader));
  std::memcpy(&h, file.data(), sizeof(h));
  TENON_RETURN_IF_ERROR(checkHeader(h, file.size()));

  const size_t tableBytes = h.sectionCount * sizeof(SectionEntry);
  if (file.size() - sizeof(FileHeader) < tableBytes)
    return bad("section table: {} entries need {} bytes and the file ends after {}", h.sectionCount,
               tableBytes, file.size() - sizeof(FileHeader));
  const std::byte *entries = file.data() + sizeof(FileHeader);
  if (checksum128(entries, tableBytes) != Checksum128{h.tableXxh3Low, h.tableXxh3High})
    return bad("section table: its checksum does not match; the file is damaged");

  for (size_t i = 0; i < h.sectionCount; ++i) {
    Section section;
    std::memcpy(&section.entry, entries + i * sizeof(SectionEntry), sizeof(SectionEntry));
    TENON_RETURN_IF_ERROR(checkEntry(i, section.entry, file.size()));
    const SectionEntry &e = section.entry;
    if (table.find(SectionKind(e.kind), Variant(e.variant), e.chip))
      return bad("section {} ({}): there are two of it", i, section.name());
    section.bytes = file.subspan(e.offset, e.size);
    table.entries.push_back(section);
  }

  std::vector<const Section *> byOffset;
  for (const Section &s : table.entries)
    byOffset.push_back(&s);
  std::sort(byOffset.begin(), byOffset.end(),
            [](const Section *a, const Section *b) { return a->entry.offset < b->entry.offset; });
  for (size_t i = 1; i < byOffset.size(); ++i) {
    const SectionEntry &before = byOffset[i - 1]->entry, &after = byOffset[i]->entry;
    if (before.offset + before.size > after.offset)
      return bad("section table: {} overlaps {}", byOffset[i - 1]->name(), byOffset[i]->name());
  }
  return table;
}

const Section *SectionTable::find(SectionKind kind, Variant variant, uint32_t chip) const {
  for (const Section &s : entries)
    if (s.entry.kind == uint32_t(kind) && s.entry.variant == uint32_t(variant) &&
        s.entry.chip == chip)
      return &s;
  return nullptr;
}

Status SectionTable::verify(const Section &section) {
  if (checksum128(section.bytes.data(), section.bytes.size()) !=
      Checksum128{section.entry.xxh3Low, section.entry.xxh3High})
    return bad(
        "{}: the checksum of its {} bytes does not match; the file is damaged, compile or copy it "
        "again",
        section.name(), section.bytes.size());
  return Status::ok();
}

} // namespace tenon::engine
