//===- PanelStore.h - One channel into the planes of a panel ----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_PACK_PANELSTORE_H
#define TENON_COMPILER_PACK_PANELSTORE_H

#include "runtime/engine/WeightFormat.h"

#include <cstdint>
#include <cstring>

namespace tenon::compiler {

/// Writes the element of (group, channel) of a plane of T, [groups][16 channels].
template <typename T>
inline void store(uint8_t *plane, uint64_t group, uint32_t channel, const void *value) {
  std::memcpy(plane + (group * kPanelChannels + channel) * sizeof(T), value, sizeof(T));
}

inline void storeWord(uint8_t *plane, uint64_t index, uint32_t channel, uint32_t word) {
  std::memcpy(plane + (index * kPanelChannels + channel) * 4, &word, 4);
}

/// Writes 32 values of one channel, as eight words of four, to the quants and high planes.
template <uint32_t Bits>
inline void storeQuants(uint8_t *quants, uint8_t *high, uint64_t group, uint32_t channel,
                        const uint32_t q[8]) {
  if constexpr (Bits == 8) {
    for (uint32_t j = 0; j < 8; ++j)
      storeWord(quants, group * 8 + j, channel, q[j]);
    return;
  }
  for (uint32_t i = 0; i < 4; ++i)
    storeWord(quants, group * 4 + i, channel,
              (q[2 * i] & 0x0f0f0f0f) | (q[2 * i + 1] & 0x0f0f0f0f) << 4);
  if constexpr (Bits == 5) {
    uint32_t word = 0;
    for (uint32_t j = 0; j < 8; ++j)
      word |= ((q[j] >> 4) & 0x01010101) << j;
    storeWord(high, group, channel, word);
  }
  if constexpr (Bits == 6) {
    for (uint32_t h = 0; h < 2; ++h) {
      uint32_t word = 0;
      for (uint32_t j = 0; j < 4; ++j)
        word |= ((q[4 * h + j] >> 4) & 0x03030303) << (2 * j);
      storeWord(high, group * 2 + h, channel, word);
    }
  }
}

} // namespace tenon::compiler

#endif // TENON_COMPILER_PACK_PANELSTORE_H
