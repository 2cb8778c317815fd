//===- Utf8.h - UTF-8, valid or not -----------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_TEXT_UTF8_H
#define TENON_RUNTIME_TEXT_UTF8_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tenon::text {

inline constexpr char32_t kReplacement = 0xfffd;

/// What stands at the front of some bytes.
struct Utf8Sequence {
  char32_t codePoint; ///< kReplacement when invalid or incomplete.
  uint8_t length;     ///< Bytes to consume: the sequence, or the maximal invalid part (Unicode
                      ///< standard, section 3.9, "U+FFFD substitution of maximal subparts").
  bool valid;
  bool incomplete; ///< More bytes could still make it valid.
};

/// Reads the front of `bytes`, which is not empty.
Utf8Sequence readUtf8(std::string_view bytes);

/// Reads the front of bytes already known to be valid, and advances `offset`.
inline char32_t nextCodePoint(std::string_view valid, size_t &offset) {
  const uint8_t lead = uint8_t(valid[offset]);
  if (lead < 0x80)
    return ++offset, lead;
  const size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  char32_t c = lead & (0x7f >> length);
  for (size_t i = 1; i < length; ++i)
    c = c << 6 | (uint8_t(valid[offset + i]) & 0x3f);
  offset += length;
  return c;
}

/// Bytes of the sequence that a lead byte of valid UTF-8 starts.
inline size_t sequenceLength(char lead) {
  const uint8_t b = uint8_t(lead);
  return b < 0x80 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
}

void appendUtf8(std::string &out, char32_t codePoint);

/// Bytes at the front of `bytes` that are valid.
size_t validPrefix(std::string_view bytes);

/// Appends `bytes` with each maximal invalid part replaced by U+FFFD.
void appendSanitized(std::string &out, std::string_view bytes);

} // namespace tenon::text

#endif // TENON_RUNTIME_TEXT_UTF8_H
