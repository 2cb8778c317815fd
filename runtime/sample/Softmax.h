//===- Softmax.h - Exponential sums over a vocabulary -----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Fixed order of summation, so that the same logits give the same bits everywhere. Written so that
// the compiler vectorises it for the baseline instruction set.
//
#ifndef TENON_RUNTIME_SAMPLE_SOFTMAX_H
#define TENON_RUNTIME_SAMPLE_SOFTMAX_H

#include <bit>
#include <cstdint>
#include <span>

namespace tenon::sample {

/// exp(x) for x <= 0 within 2 ulp; 0 below -87 and for NaN. Cody-Waite reduction and the degree-5
/// polynomial of Cephes' expf.
inline float expNegative(float x) {
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

inline constexpr size_t kSumBlock = 256;

/// Sum over a block of at most kSumBlock values of exp((x - max) * inverseTemperature).
inline double expSum(std::span<const float> block, float max, float inverseTemperature) {
  constexpr size_t lanes = 16;
  float sums[lanes] = {};
  size_t i = 0;
  for (; i + lanes <= block.size(); i += lanes)
    for (size_t lane = 0; lane < lanes; ++lane)
      sums[lane] += expNegative((block[i + lane] - max) * inverseTemperature);
  for (; i < block.size(); ++i)
    sums[i % lanes] += expNegative((block[i] - max) * inverseTemperature);
  double sum = 0;
  for (float s : sums)
    sum += double(s);
  return sum;
}

/// The largest value that is not NaN; -infinity if there is none.
float maximum(std::span<const float> values);

} // namespace tenon::sample

#endif // TENON_RUNTIME_SAMPLE_SOFTMAX_H
