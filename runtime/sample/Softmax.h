//===- Softmax.h - The exponential that sampling uses -----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Single operations in a stated order, so that the same logits give the same bits everywhere, and
// written so that compilers vectorise it.
//
#ifndef TENON_RUNTIME_SAMPLE_SOFTMAX_H
#define TENON_RUNTIME_SAMPLE_SOFTMAX_H

#include <bit>
#include <cstdint>

namespace tenon::sample {

/// exp(x) for x <= 0 within 2 ulp; 0 below -87 and for NaN. Cody-Waite reduction and the degree-5
/// polynomial of Cephes' expf.
inline float expNegative(float x) {
#if defined(__clang__)
#pragma clang fp contract(off)
#endif
  const bool inRange = x > -87.0f;
  const float safe = inRange ? x : 0.0f;
  const float rounded = safe * 1.44269504088896341f + 12582912.0f; // 1.5 * 2^23: rounds to nearest
  const float n = rounded - 12582912.0f;
  const float r = (safe - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const float value = p * r * r + r + 1.0f;
  const int32_t exponent = static_cast<int32_t>(n);
  const float scaled = std::bit_cast<float>(std::bit_cast<int32_t>(value) + (exponent << 23));
  return inRange ? scaled : 0.0f;
}

} // namespace tenon::sample

#endif // TENON_RUNTIME_SAMPLE_SOFTMAX_H
