//===- Utf8.cpp - UTF-8, valid or not -------------------------------------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/Utf8.h"

#include <cstring>

namespace tenon::text {

Utf8Sequence readUtf8(std::string_view bytes) {
  const auto at = [&](size_t i) { return uint8_t(bytes[i]); };
  const uint8_t lead = at(0);
  if (lead < 0x80)
    return {lead, 1, true, false};
  if (lead < 0xc2 || lead > 0xf4)
    return {kReplacement, 1, false, false};

  // The second byte's range excludes overlong forms, surrogates and what lies above U+10FFFF
  // (Unicode standard, table 3-7).
  const size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  const uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  char32_t c = lead & (0x7f >> length);
  for (size_t i = 1; i < length; ++i) {
    if (i == bytes.size())
      return {kReplacement, uint8_t(i), false, true};
    const uint8_t b = at(i);
    if (b < (i == 1 ? low : 0x80) || b > (i == 1 ? high : 0xbf))
      return {kReplacement, uint8_t(i), false, false};
    c = c << 6 | (b & 0x3f);
  }
  return {c, uint8_t(length), true, false};
}

void appendUtf8(std::string &out, char32_t c) {
  if (c < 0x80) {
    out += char(c);
  } else if (c < 0x800) {
    out += char(0xc0 | c >> 6);
    out += char(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += char(0xe0 | c >> 12);
    out += char(0x80 | (c >> 6 & 0x3f));
    out += char(0x80 | (c & 0x3f));
  } else {
    out += char(0xf0 | c >> 18);
    out += char(0x80 | (c >> 12 & 0x3f));
    out += char(0x80 | (c >> 6 & 0x3f));
    out += char(0x80 | (c & 0x3f));
  }
}

size_t validPrefix(std::string_view bytes) {
  size_t i = 0;
  while (i < bytes.size()) {
    if (bytes.size() - i >= 8) {
      uint64_t word;
      std::memcpy(&word, bytes.data() + i, 8);
      if ((word & 0x8080808080808080ull) == 0) {
        i += 8;
        continue;
      }
    }
    const Utf8Sequence s = readUtf8(bytes.substr(i));
    if (!s.valid)
      return i;
    i += s.length;
  }
  return i;
}

void appendSanitized(std::string &out, std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t good = validPrefix(bytes);
    out.append(bytes.substr(0, good));
    bytes.remove_prefix(good);
    if (bytes.empty())
      return;
    appendUtf8(out, kReplacement);
    bytes.remove_prefix(readUtf8(bytes).length);
  }
}

} // namespace tenon::text
