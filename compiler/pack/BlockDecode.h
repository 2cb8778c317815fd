//===- BlockDecode.h - Quantised blocks to words of four bytes --*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// One struct per block format: how 32 consecutive values of a block become eight words of four
// unsigned bytes, and where its scales are. Everything works on four values at a time in plain
// 32-bit arithmetic.
//
#ifndef TENON_COMPILER_PACK_BLOCKDECODE_H
#define TENON_COMPILER_PACK_BLOCKDECODE_H

#include "runtime/engine/WeightFormat.h"

#include <cstdint>
#include <cstring>

namespace tenon::compiler {

inline uint32_t load32(const uint8_t *bytes) {
  uint32_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

/// Eight words from 16 bytes whose low nibbles are values 0..15 and whose high nibbles are 16..31.
inline void decodeNibbles(const uint8_t *quants, uint32_t q[8]) {
  for (uint32_t j = 0; j < 4; ++j) {
    const uint32_t word = load32(quants + 4 * j);
    q[j] = word & 0x0f0f0f0f;
    q[4 + j] = (word >> 4) & 0x0f0f0f0f;
  }
}

/// Adds bit i of `bits` as bit 4 of value i.
inline void addFifthBits(uint32_t bits, uint32_t q[8]) {
  for (uint32_t j = 0; j < 8; ++j) {
    const uint32_t four = (bits >> (4 * j)) & 15;
    // Bit b of `four` to bit 0 of byte b: the shifts 0, 7, 14 and 21 do not meet.
    q[j] |= (four * 0x00204081u & 0x01010101u) << 4;
  }
}

template <WeightFormat> struct BlockDecode;

template <> struct BlockDecode<WeightFormat::Q8_0> {
  static constexpr uint32_t scaleAt = 0, minAt = 0;
  static void quants(const uint8_t *block, uint32_t, uint32_t q[8]) {
    for (uint32_t j = 0; j < 8; ++j)
      q[j] = load32(block + 2 + 4 * j) ^ 0x80808080; // i8 to q + 128
  }
};

template <> struct BlockDecode<WeightFormat::Q4_0> {
  static constexpr uint32_t scaleAt = 0, minAt = 0;
  static void quants(const uint8_t *block, uint32_t, uint32_t q[8]) { decodeNibbles(block + 2, q); }
};

template <> struct BlockDecode<WeightFormat::Q4_1> {
  static constexpr uint32_t scaleAt = 0, minAt = 2;
  static void quants(const uint8_t *block, uint32_t, uint32_t q[8]) { decodeNibbles(block + 4, q); }
};

template <> struct BlockDecode<WeightFormat::Q5_0> {
  static constexpr uint32_t scaleAt = 0, minAt = 0;
  static void quants(const uint8_t *block, uint32_t, uint32_t q[8]) {
    decodeNibbles(block + 6, q);
    addFifthBits(load32(block + 2), q);
  }
};

template <> struct BlockDecode<WeightFormat::Q5_1> {
  static constexpr uint32_t scaleAt = 0, minAt = 2;
  static void quants(const uint8_t *block, uint32_t, uint32_t q[8]) {
    decodeNibbles(block + 8, q);
    addFifthBits(load32(block + 4), q);
  }
};

/// The eight 6-bit scales and minimums of a Q4_K or Q5_K block, from its 12 bytes.
inline void decodeScales(const uint8_t *packed, uint8_t scales[8], uint8_t mins[8]) {
  const uint32_t a = load32(packed), b = load32(packed + 4), c = load32(packed + 8);
  const uint32_t words[4] = {a & 0x3f3f3f3f, (c & 0x0f0f0f0f) | ((a >> 2) & 0x30303030),
                             b & 0x3f3f3f3f, ((c >> 4) & 0x0f0f0f0f) | ((b >> 2) & 0x30303030)};
  std::memcpy(scales, words, 8);
  std::memcpy(mins, words + 2, 8);
}

template <> struct BlockDecode<WeightFormat::Q4_K> {
  static constexpr uint32_t superAt = 0, superMinAt = 2;
  static void quants(const uint8_t *block, uint32_t group, uint32_t q[8]) {
    const uint8_t *bytes = block + 16 + group / 2 * 32;
    for (uint32_t j = 0; j < 8; ++j)
      q[j] = (load32(bytes + 4 * j) >> (group % 2 * 4)) & 0x0f0f0f0f;
  }
};

template <> struct BlockDecode<WeightFormat::Q5_K> {
  static constexpr uint32_t superAt = 0, superMinAt = 2;
  static void quants(const uint8_t *block, uint32_t group, uint32_t q[8]) {
    const uint8_t *bytes = block + 48 + group / 2 * 32;
    for (uint32_t j = 0; j < 8; ++j) {
      const uint32_t high = (load32(block + 16 + 4 * j) >> group) & 0x01010101;
      q[j] = ((load32(bytes + 4 * j) >> (group % 2 * 4)) & 0x0f0f0f0f) | high << 4;
    }
  }
};

template <> struct BlockDecode<WeightFormat::Q6_K> {
  static constexpr uint32_t superAt = 208, superMinAt = 0;
  static void quants(const uint8_t *block, uint32_t group, uint32_t q[8]) {
    const uint32_t half = group / 4, quarter = group % 4;
    const uint8_t *low = block + half * 64 + quarter % 2 * 32;
    const uint8_t *high = block + 128 + half * 32;
    for (uint32_t j = 0; j < 8; ++j) {
      const uint32_t top = (load32(high + 4 * j) >> (quarter * 2)) & 0x03030303;
      q[j] = ((load32(low + 4 * j) >> (quarter / 2 * 4)) & 0x0f0f0f0f) | top << 4;
    }
  }
};

} // namespace tenon::compiler

#endif // TENON_COMPILER_PACK_BLOCKDECODE_H
