//===- HalfFloat.h - 16-bit floats to 32 bits -------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_FRONTENDS_GGUF_HALFFLOAT_H
#define TENON_FRONTENDS_GGUF_HALFFLOAT_H

#include <bit>
#include <cstdint>

namespace tenon::frontend {

/// IEEE binary16 bits as f32; exact, subnormals, infinities and NaNs included.
inline float halfToFloat(uint16_t bits) {
  const uint32_t sign = uint32_t(bits & 0x8000) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1f;
  const uint32_t mantissa = bits & 0x3ff;
  if (exponent == 0x1f)
    return std::bit_cast<float>(sign | 0x7f800000u | mantissa << 13);
  if (exponent != 0)
    return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
}

/// bfloat16 bits as f32.
inline float bfloatToFloat(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }

} // namespace tenon::frontend

#endif // TENON_FRONTENDS_GGUF_HALFFLOAT_H
