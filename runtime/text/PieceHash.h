//===- PieceHash.h - Hashes of the tokenizer's stored tables ----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Part of the file format: the builder and the reader of a tokenizer section share these functions,
// and changing one changes kTokenizerSchemaVersion. Little endian, as engine files are.
//
#ifndef TENON_RUNTIME_TEXT_PIECEHASH_H
#define TENON_RUNTIME_TEXT_PIECEHASH_H

#include <cstdint>
#include <cstring>
#include <string_view>

namespace tenon::text {

inline constexpr uint32_t kTokenizerSchemaVersion = 1;

/// No lookup probes more slots than this; the builder grows a table until that holds.
inline constexpr uint32_t kMaxProbes = 64;

/// The finaliser of MurmurHash3 (Appleby), a bijection on 64 bits.
inline uint64_t mixBits(uint64_t h) {
  h ^= h >> 33;
  h *= 0xff51afd7ed558ccdull;
  h ^= h >> 33;
  h *= 0xc4ceb9fe1a85ec53ull;
  h ^= h >> 33;
  return h;
}

inline uint64_t hashPiece(std::string_view piece) {
  uint64_t h = 0x9e3779b97f4a7c15ull ^ piece.size();
  const char *p = piece.data();
  size_t left = piece.size();
  for (; left >= 8; p += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    h = (h ^ word) * 0xff51afd7ed558ccdull;
    h ^= h >> 32;
  }
  uint64_t tail = 0;
  for (size_t i = 0; i < left; ++i)
    tail |= uint64_t(uint8_t(p[i])) << (8 * i);
  return mixBits(h ^ tail);
}

inline uint64_t hashPair(int32_t left, int32_t right) {
  return mixBits(uint64_t(uint32_t(left)) << 32 | uint32_t(right));
}

} // namespace tenon::text

#endif // TENON_RUNTIME_TEXT_PIECEHASH_H
