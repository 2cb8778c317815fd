//===- QuantRow.cpp - Quantised rows in plain C++ -------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/verify/QuantRow.h"

#include "runtime/device/cpu/KernelAbi.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tenon::compiler {

static constexpr uint64_t kGroup = 32;
static constexpr float kSteps = 16256; ///< Largest q: 127 * 128.

template <typename T> static void put(uint8_t *at, T value) {
  std::memcpy(at, &value, sizeof(value));
}
template <typename T> static T get(const uint8_t *at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

void quantizeRow(llvm::MutableArrayRef<float> x, uint8_t *row) {
  const cpu::QuantRowLayout layout(x.size());
  for (uint64_t group = 0; group < x.size() / kGroup; ++group) {
    llvm::MutableArrayRef<float> values = x.slice(group * kGroup, kGroup);
    float amax = 0;
    for (float value : values)
      amax = std::max(amax, std::fabs(value));
    const float scale = amax * (1.0f / kSteps), inverse = amax == 0 ? 0 : kSteps / amax;
    int32_t sums[2] = {0, 0};
    for (uint64_t i = 0; i < kGroup; ++i) {
      const int32_t q = static_cast<int32_t>(std::nearbyintf(values[i] * inverse));
      const int32_t high = (q + 64) >> 7;
      put(row + group * kGroup + i, static_cast<int8_t>(high));
      put(row + layout.lowOffset() + group * kGroup + i, static_cast<int8_t>(q - 128 * high));
      sums[i / 16] += q;
      values[i] = scale * q;
    }
    const int32_t sum = sums[0] + sums[1];
    put(row + layout.scaleOffset() + group * 4, scale);
    put(row + layout.sumOffset() + group * 4, scale * sum);
    put(row + layout.negSum32Offset() + group * 4, -sum);
    put(row + layout.negSum16Offset() + group * 8, -sums[0]);
    put(row + layout.negSum16Offset() + group * 8 + 4, -sums[1]);
  }
}

void dequantizeRow(const uint8_t *row, llvm::MutableArrayRef<float> out) {
  const cpu::QuantRowLayout layout(out.size());
  for (uint64_t i = 0; i < out.size(); ++i) {
    const int32_t q = 128 * get<int8_t>(row + i) + get<int8_t>(row + layout.lowOffset() + i);
    out[i] = get<float>(row + layout.scaleOffset() + i / kGroup * 4) * q;
  }
}

} // namespace tenon::compiler
