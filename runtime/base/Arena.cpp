//===- Arena.cpp - A block of anonymous memory ----------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/base/Arena.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <sys/mman.h>
#include <utility>

namespace tenon {

namespace {
constexpr size_t kPage = 4096;
constexpr size_t kHugePage = size_t(2) << 20;
} // namespace

Arena::~Arena() {
  if (base)
    munmap(base, mapped);
}

Arena::Arena(Arena &&other) noexcept
    : base(std::exchange(other.base, nullptr)), length(std::exchange(other.length, 0)),
      mapped(std::exchange(other.mapped, 0)) {}

Arena &Arena::operator=(Arena &&other) noexcept {
  std::swap(base, other.base);
  std::swap(length, other.length);
  std::swap(mapped, other.mapped);
  return *this;
}

StatusOr<Arena> Arena::map(size_t bytes, Options options, std::string_view purpose) {
  Arena arena;
  if (bytes == 0)
    return arena;
  auto refuse = [&](int error) {
    return Status::resourceExhausted(
        "cannot map " + std::to_string(bytes) + " bytes for " + std::string(purpose) + ": " +
        std::strerror(error) + "; try a smaller --kv-memory, --step-tokens or --max-sequences");
  };
  if (bytes > SIZE_MAX / 2)
    return refuse(ENOMEM);

  // Huge pages need an aligned start: map some more, then give the ends back.
  const bool huge = options.hugePages && bytes >= kHugePage;
  const size_t wanted = (bytes + kPage - 1) / kPage * kPage;
  const size_t asked = huge ? wanted + kHugePage : wanted;
  void *at = mmap(nullptr, asked, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED)
    return refuse(errno);
  auto *start = static_cast<std::byte *>(at);
  if (huge) {
    const size_t lead = (kHugePage - reinterpret_cast<uintptr_t>(start) % kHugePage) % kHugePage;
    if (lead)
      munmap(start, lead);
    if (asked - lead > wanted)
      munmap(start + lead + wanted, asked - lead - wanted);
    start += lead;
    (void)madvise(start, wanted, MADV_HUGEPAGE);
  }
  arena.base = start;
  arena.length = bytes;
  arena.mapped = wanted;
  if (options.populate) {
#ifdef MADV_POPULATE_WRITE
    if (madvise(start, wanted, MADV_POPULATE_WRITE) == 0)
      return arena;
    if (errno == ENOMEM || errno == EFAULT)
      return refuse(ENOMEM);
#endif
    for (size_t i = 0; i < wanted; i += kPage)
      *reinterpret_cast<volatile std::byte *>(start + i) = std::byte{0};
  }
  return arena;
}

} // namespace tenon
