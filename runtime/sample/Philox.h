//===- Philox.h - Counter-based random numbers ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel Random Numbers: As Easy as 1, 2, 3", SC
// 2011). The number for (seed, token index) depends on nothing else, so a request draws the same
// whatever else runs beside it.
//
#ifndef TENON_RUNTIME_SAMPLE_PHILOX_H
#define TENON_RUNTIME_SAMPLE_PHILOX_H

#include <array>
#include <cstdint>

namespace tenon::sample {

/// The four words of block `counter` of the stream `key`.
constexpr std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter,
                                             std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t(0xD2511F53u) * counter[0];
    const uint64_t b = uint64_t(0xCD9E8D57u) * counter[2];
    counter = {uint32_t(b >> 32) ^ counter[1] ^ key[0], uint32_t(b),
               uint32_t(a >> 32) ^ counter[3] ^ key[1], uint32_t(a)};
    key = {key[0] + 0x9E3779B9u, key[1] + 0xBB67AE85u};
  }
  return counter;
}

/// Uniform in [0, 1) with 53 bits of 64.
constexpr double unitInterval(uint32_t high, uint32_t low) {
  return double((uint64_t(high) << 32 | low) >> 11) * 0x1p-53;
}

/// Uniform in [0, 1) with 53 bits, for draw `index` of `seed`, and each `attempt` at it.
constexpr double uniformDraw(uint64_t seed, uint64_t index, uint32_t attempt = 0) {
  const auto words = philox4x32({uint32_t(index), uint32_t(index >> 32), attempt, 0},
                                {uint32_t(seed), uint32_t(seed >> 32)});
  return unitInterval(words[0], words[1]);
}

/// What one attempt at a draw may use: uniformDraw()'s number, and as many words more as it needs.
class DrawWords {
public:
  constexpr DrawWords(uint64_t seed, uint64_t index, uint32_t attempt)
      : seed(seed), index(index), attempt(attempt) {}
  constexpr double first() const { return uniformDraw(seed, index, attempt); }
  constexpr std::array<uint32_t, 4> next() {
    return philox4x32({uint32_t(index), uint32_t(index >> 32), attempt, ++number},
                      {uint32_t(seed), uint32_t(seed >> 32)});
  }

private:
  const uint64_t seed, index;
  const uint32_t attempt;
  uint32_t number = 0;
};

} // namespace tenon::sample

#endif // TENON_RUNTIME_SAMPLE_PHILOX_H
