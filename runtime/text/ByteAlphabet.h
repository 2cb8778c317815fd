//===- ByteAlphabet.h - How byte-level BPE spells bytes ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// GPT-2's vocabulary spells every byte as a printable character: printable Latin-1 bytes as
// themselves, the other 68 as U+0100 onwards (Radford et al. 2019, encoder.py: bytes_to_unicode).
//
#ifndef TENON_RUNTIME_TEXT_BYTEALPHABET_H
#define TENON_RUNTIME_TEXT_BYTEALPHABET_H

#include <array>
#include <cstdint>

namespace tenon::text {

constexpr bool isSpelledAsItself(uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) ||
         (byte >= 0xae && byte <= 0xff);
}

/// The character that spells each byte.
constexpr std::array<char16_t, 256> kByteSpelling = [] {
  std::array<char16_t, 256> spelling{};
  char16_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte)
    spelling[byte] = isSpelledAsItself(byte) ? char16_t(byte) : next++;
  return spelling;
}();

/// The byte that a character spells, or -1. All spellings lie below U+0144.
constexpr std::array<int16_t, 0x144> kSpelledByte = [] {
  std::array<int16_t, 0x144> bytes{};
  for (int16_t &byte : bytes)
    byte = -1;
  for (uint32_t byte = 0; byte < 256; ++byte)
    bytes[kByteSpelling[byte]] = int16_t(byte);
  return bytes;
}();

} // namespace tenon::text

#endif // TENON_RUNTIME_TEXT_BYTEALPHABET_H
