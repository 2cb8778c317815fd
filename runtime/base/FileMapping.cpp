//===- FileMapping.cpp - A read-only mapped file --------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/base/FileMapping.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace tenon {

static Status systemError(const std::string &path, const char *action, int error) {
  const std::string text = path + ": cannot " + action + ": " + std::strerror(error);
  if (error == ENOENT || error == ENOTDIR)
    return Status::notFound(text);
  if (error == ENOMEM || error == EMFILE || error == ENFILE)
    return Status::resourceExhausted(text);
  return Status::invalidArgument(text);
}

FileMapping::~FileMapping() {
  if (base)
    munmap(const_cast<std::byte *>(base), length);
}

FileMapping::FileMapping(FileMapping &&other) noexcept
    : filePath(std::move(other.filePath)), base(std::exchange(other.base, nullptr)),
      length(std::exchange(other.length, 0)) {}

FileMapping &FileMapping::operator=(FileMapping &&other) noexcept {
  std::swap(filePath, other.filePath);
  std::swap(base, other.base);
  std::swap(length, other.length);
  return *this;
}

StatusOr<FileMapping> FileMapping::open(const std::string &path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return systemError(path, "open", errno);
  struct stat info;
  if (fstat(fd, &info) != 0) {
    const int error = errno;
    close(fd);
    return systemError(path, "stat", error);
  }
  if (!S_ISREG(info.st_mode)) {
    close(fd);
    return Status::invalidArgument(path + ": not a regular file");
  }
  FileMapping mapping;
  mapping.filePath = path;
  mapping.length = static_cast<size_t>(info.st_size);
  if (mapping.length != 0) {
    void *at = mmap(nullptr, mapping.length, PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
      const int error = errno;
      mapping.length = 0;
      close(fd);
      return systemError(path, "map", error);
    }
    mapping.base = static_cast<const std::byte *>(at);
  }
  close(fd);
  return mapping;
}

void FileMapping::readAhead(size_t offset, size_t bytes) const {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (offset >= length)
    return;
  const size_t begin = offset / page * page;
  const size_t end = bytes > length - offset ? length : offset + bytes;
  (void)madvise(const_cast<std::byte *>(base) + begin, end - begin, MADV_WILLNEED);
}

void FileMapping::releasePages(size_t offset, size_t bytes) const {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (offset >= length)
    return;
  const size_t begin = (offset + page - 1) / page * page;
  const size_t end = (bytes > length - offset ? length : offset + bytes) / page * page;
  if (begin < end)
    (void)madvise(const_cast<std::byte *>(base) + begin, end - begin, MADV_DONTNEED);
}

Status FileMapping::unmap(size_t offset, size_t bytes) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (offset >= length)
    return Status::ok();
  const size_t begin = (offset + page - 1) / page * page;
  const size_t end = (bytes > length - offset ? length : offset + bytes) / page * page;
  // A hole could be filled by another mapping, which the destructor would then take away.
  if (begin < end &&
      mmap(const_cast<std::byte *>(base) + begin, end - begin, PROT_NONE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
    return systemError(filePath, "unmap a part", errno);
  return Status::ok();
}

StatusOr<std::string> readTextFile(const std::string &path, size_t limit) {
  const bool standardInput = path == "-";
  std::FILE *file = standardInput ? stdin : std::fopen(path.c_str(), "rb");
  if (!file)
    return systemError(path, "open", errno);
  std::string text;
  char chunk[1 << 16];
  while (const size_t got = std::fread(chunk, 1, sizeof(chunk), file)) {
    text.append(chunk, got);
    if (text.size() > limit)
      break;
  }
  const int error = std::ferror(file) ? errno : 0;
  if (!standardInput)
    std::fclose(file);
  if (error)
    return systemError(path, "read", error);
  if (text.size() > limit)
    return Status::invalidArgument(path + ": longer than " + std::to_string(limit) + " bytes");
  return text;
}

} // namespace tenon
