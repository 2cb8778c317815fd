//===- FileMapping.h - A read-only mapped file ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_BASE_FILEMAPPING_H
#define TENON_RUNTIME_BASE_FILEMAPPING_H

#include "runtime/base/Status.h"

#include <cstddef>
#include <span>
#include <string>

namespace tenon {

/// A whole file mapped read-only and shared, so that processes share its pages. Move-only; unmaps
/// on destruction. The mapping keeps the size that the file had when opened: whoever truncates a
/// mapped file in place makes later reads fault, so replace engines by rename.
class FileMapping {
public:
  FileMapping() = default;
  ~FileMapping();
  FileMapping(FileMapping &&other) noexcept;
  FileMapping &operator=(FileMapping &&other) noexcept;

  /// NotFound, InvalidArgument (not a regular file) or ResourceExhausted, naming the path.
  static StatusOr<FileMapping> open(const std::string &path);

  /// Page-aligned. Empty for an empty file.
  std::span<const std::byte> bytes() const { return {base, length}; }
  const std::string &path() const { return filePath; }

  /// Asks the kernel to read `length` bytes from `offset` ahead of use. Never blocks for long.
  void readAhead(size_t offset, size_t length) const;

  /// Takes whole pages of the range out of this process; a later read maps them again.
  void releasePages(size_t offset, size_t length) const;

  /// Gives up whole pages of the range for good: reading them is an error from now on. Nothing
  /// happens where the bytes are not of a file.
  Status unmap(size_t offset, size_t length);

private:
  std::string filePath;
  const std::byte *base = nullptr;
  size_t length = 0;
};

/// The whole of a text file, or of standard input for "-". At most `limit` bytes.
StatusOr<std::string> readTextFile(const std::string &path, size_t limit = size_t(1) << 30);

} // namespace tenon

#endif // TENON_RUNTIME_BASE_FILEMAPPING_H
