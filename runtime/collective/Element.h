//===- Element.h - What rows between chips are made of ----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_COLLECTIVE_ELEMENT_H
#define TENON_RUNTIME_COLLECTIVE_ELEMENT_H

#include <bit>
#include <cstdint>

namespace tenon::collective {

enum class Element : uint8_t { F32, BF16 };

constexpr uint64_t bytesOf(Element element) { return element == Element::F32 ? 4 : 2; }

/// A bf16 number: the upper half of an f32.
struct Bf16 {
  uint16_t bits;
  operator float() const { return std::bit_cast<float>(uint32_t(bits) << 16); }
};

/// Rounds to nearest, ties to even; what is no number stays none. As kernels round
/// (emit/VectorMath.h).
inline Bf16 toBf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  const bool isNumber = (bits & 0x7fffffff) <= 0x7f800000;
  return {static_cast<uint16_t>(isNumber ? rounded : (bits >> 16 | 0x40))};
}

/// How parts are added up: each of `in`, in f32, the sum rounded once if it is stored as bf16.
struct Addition {
  Element in = Element::F32, out = Element::F32;
  bool accumulate = false; ///< Add to what `out` holds, which is f32 then.
};

} // namespace tenon::collective

#endif // TENON_RUNTIME_COLLECTIVE_ELEMENT_H
