//===- EngineWriter.cpp - Writes an engine file ---------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/engine/EngineWriter.h"

#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Signals.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace tenon::compiler {

using engine::FileHeader;
using engine::SectionEntry;

/// What to do about an error of the file system.
static const char *remedy(int error) {
  switch (error) {
  case ENOSPC:
  case EDQUOT:
    return "; free space there, or write elsewhere with -o";
  case EACCES:
  case EPERM:
  case EROFS:
    return "; choose a place that you may write to with -o";
  case ENOENT:
  case ENOTDIR:
    return "; create its folder first, or choose another with -o";
  case EFBIG:
    return "; the file system or a limit (ulimit -f) does not allow files of this size";
  default:
    return "";
  }
}

llvm::Error EngineWriter::systemError(const char *doing) const {
  const int error = errno;
  return llvm::createStringError(llvm::Twine(path) + ": cannot " + doing + ": " +
                                 std::strerror(error) + remedy(error));
}

EngineWriter::EngineWriter(int descriptor, std::string path, std::string temporary)
    : descriptor(descriptor), path(std::move(path)), temporary(std::move(temporary)) {}

EngineWriter::~EngineWriter() {
  if (descriptor < 0)
    return;
  ::close(descriptor);
  ::unlink(temporary.c_str());
  llvm::sys::DontRemoveFileOnSignal(temporary);
}

llvm::Expected<std::unique_ptr<EngineWriter>> EngineWriter::create(llvm::StringRef path) {
  // Beside the target, so that giving it its name is one step of the file system.
  std::string temporary = (path + ".XXXXXX").str();
  const int descriptor = ::mkostemp(temporary.data(), O_CLOEXEC);
  std::unique_ptr<EngineWriter> writer(new EngineWriter(descriptor, path.str(), temporary));
  if (descriptor < 0)
    return writer->systemError("create the engine");
  llvm::sys::RemoveFileOnSignal(writer->temporary);
  struct stat existing;
  if (::stat(writer->path.c_str(), &existing) == 0 && S_ISDIR(existing.st_mode))
    return llvm::createStringError(path + ": is a folder; name a file with -o");
  // Page 0 is written last: until then the magic is missing and nothing takes the file for an
  // engine.
  const std::vector<uint8_t> page(engine::kPage);
  if (llvm::Error error = writer->write(page.data(), page.size()))
    return std::move(error);
  return std::move(writer);
}

llvm::Error EngineWriter::write(const void *data, size_t size) {
  const char *at = static_cast<const char *>(data);
  while (size > 0) {
    const ssize_t written = ::write(descriptor, at, size);
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return systemError("write the engine");
    at += written;
    size -= written;
    position += written;
  }
  return llvm::Error::success();
}

llvm::Error EngineWriter::append(llvm::ArrayRef<uint8_t> bytes) {
  checksum->update(bytes.data(), bytes.size());
  return write(bytes.data(), bytes.size());
}

llvm::Error EngineWriter::padTo(uint64_t offset) {
  static constexpr uint8_t zeros[engine::kPage] = {};
  while (sectionBytes() < offset)
    if (llvm::Error error = append(
            llvm::ArrayRef(zeros, std::min<uint64_t>(engine::kPage, offset - sectionBytes()))))
      return error;
  return llvm::Error::success();
}

llvm::Error EngineWriter::endSection() {
  if (!checksum)
    return llvm::Error::success();
  SectionEntry &entry = sections.back();
  entry.size = sectionBytes();
  const engine::Checksum128 sum = checksum->digest();
  entry.xxh3Low = sum.low;
  entry.xxh3High = sum.high;
  checksum.reset();
  const std::vector<uint8_t> zeros(llvm::alignTo(position, engine::kPage) - position);
  return write(zeros.data(), zeros.size());
}

llvm::Error EngineWriter::beginSection(engine::SectionKind kind, engine::Variant variant,
                                       uint32_t chip) {
  if (llvm::Error error = endSection())
    return error;
  for (const SectionEntry &entry : sections)
    if (entry.kind == uint32_t(kind) && entry.variant == uint32_t(variant) && entry.chip == chip)
      return llvm::createStringError(llvm::Twine(path) + ": section of kind " +
                                     llvm::Twine(uint32_t(kind)) + " is written twice");
  if (sections.size() == engine::kMaxSections)
    return llvm::createStringError(llvm::Twine(path) + ": more than " +
                                   llvm::Twine(engine::kMaxSections) +
                                   " sections; compile for fewer chips or variants");
  SectionEntry entry{};
  entry.kind = static_cast<uint32_t>(kind);
  entry.variant = static_cast<uint32_t>(variant);
  entry.chip = chip;
  entry.offset = position;
  sections.push_back(entry);
  checksum = std::make_unique<engine::StreamingChecksum>();
  return llvm::Error::success();
}

llvm::Error EngineWriter::addSection(engine::SectionKind kind, llvm::ArrayRef<uint8_t> bytes,
                                     engine::Variant variant, uint32_t chip) {
  if (llvm::Error error = beginSection(kind, variant, chip))
    return error;
  return append(bytes);
}

llvm::Error EngineWriter::writeFirstPage() {
  FileHeader header{};
  std::memcpy(header.magic, engine::kMagic, sizeof(header.magic));
  header.formatMajor = engine::kFormatMajor;
  header.formatMinor = engine::kFormatMinor;
  header.schemaHash = engine::schemaHash();
  header.fileSize = position;
  header.sectionCount = sections.size();
  const size_t tableBytes = sections.size() * sizeof(SectionEntry);
  const engine::Checksum128 table = engine::checksum128(sections.data(), tableBytes);
  header.tableXxh3Low = table.low;
  header.tableXxh3High = table.high;
  header.headerXxh3 = engine::checksum64(&header, sizeof(header));

  std::vector<uint8_t> page(engine::kPage);
  std::memcpy(page.data(), &header, sizeof(header));
  std::memcpy(page.data() + sizeof(header), sections.data(), tableBytes);
  if (::pwrite(descriptor, page.data(), page.size(), 0) != static_cast<ssize_t>(page.size()))
    return systemError("write the engine's header");
  return llvm::Error::success();
}

llvm::Error EngineWriter::readBack(engine::SectionKind kind, uint32_t chip, uint64_t offset,
                                   llvm::MutableArrayRef<uint8_t> out) const {
  for (const engine::SectionEntry &section : sections) {
    if (section.kind != static_cast<uint32_t>(kind) || section.chip != chip)
      continue;
    const uint64_t size = &section == &sections.back() && checksum ? sectionBytes() : section.size;
    if (offset > size || out.size() > size - offset)
      break;
    for (size_t done = 0; done < out.size();) {
      const ssize_t got =
          ::pread(descriptor, out.data() + done, out.size() - done, section.offset + offset + done);
      if (got < 0 && errno == EINTR)
        continue;
      if (got <= 0)
        return systemError("read back the engine");
      done += static_cast<size_t>(got);
    }
    return llvm::Error::success();
  }
  return llvm::createStringError(temporary + ": bytes " + llvm::Twine(offset) + " to " +
                                 llvm::Twine(offset + out.size()) + " of section " +
                                 llvm::Twine(static_cast<uint32_t>(kind)) + ", chip " +
                                 llvm::Twine(chip) + ", have not been written");
}

llvm::Expected<std::string> EngineWriter::draft() {
  if (llvm::Error error = endSection())
    return std::move(error);
  if (llvm::Error error = writeFirstPage())
    return std::move(error);
  return temporary;
}

llvm::Expected<uint64_t> EngineWriter::finish() {
  if (llvm::Error error = endSection())
    return std::move(error);
  if (llvm::Error error = writeFirstPage())
    return std::move(error);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(descriptor, 0666 & ~mask) != 0)
    return systemError("set the engine's permissions");
  if (::close(std::exchange(descriptor, -1)) != 0) {
    llvm::Error error = systemError("write the engine");
    ::unlink(temporary.c_str());
    return std::move(error);
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    llvm::Error error = systemError("name the engine");
    ::unlink(temporary.c_str());
    return std::move(error);
  }
  llvm::sys::DontRemoveFileOnSignal(temporary);
  return position;
}

} // namespace tenon::compiler
