//===- Arena.h - A block of anonymous memory --------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_BASE_ARENA_H
#define TENON_RUNTIME_BASE_ARENA_H

#include "runtime/base/Status.h"

#include <cstddef>
#include <string_view>

namespace tenon {

/// Zeroed, page-aligned anonymous memory that is mapped once and never grows. Move-only.
/// The plan says what lies where inside; the arena itself hands nothing out.
class Arena {
public:
  struct Options {
    bool hugePages = true; ///< Ask for transparent huge pages (a hint; only from 2 MiB on).
    bool populate = false; ///< Take the pages now instead of at first touch.
  };

  Arena() = default;
  ~Arena();
  Arena(Arena &&other) noexcept;
  Arena &operator=(Arena &&other) noexcept;

  /// Maps `bytes` (0 is allowed and maps nothing). `purpose` is named in the error.
  static StatusOr<Arena> map(size_t bytes, Options options, std::string_view purpose);

  std::byte *data() const { return base; }
  size_t size() const { return length; }

private:
  std::byte *base = nullptr;
  size_t length = 0; ///< Bytes asked for.
  size_t mapped = 0; ///< Bytes mapped: `length` rounded up to whole pages.
};

} // namespace tenon

#endif // TENON_RUNTIME_BASE_ARENA_H
