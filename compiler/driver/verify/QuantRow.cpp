//===- QuantRow.cpp - Quantised rows in plain C++ -------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/verify/QuantRow.h"

#include "runtime/device/cpu/KernelAbi.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tenon::compiler {

static constexpr uint64_t kGroup = 32;

template <typename T> static void put(uint8_t *at, T value) {
  std::memcpy(at, &value, sizeof(value));
}
template <typename T> static T get(const uint8_t *at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

void quantizeRow(llvm::MutableArrayRef<float> x, uint8_t *row, uint32_t bits) {
  const cpu::QuantRowLayout layout(x.size(), bits);
  const float steps = bits == 8 ? 127 : 16256;
  for (uint64_t group = 0; group < x.size() / kGroup; ++group) {
    llvm::MutableArrayRef<float> values = x.slice(group * kGroup, kGroup);
    float amax = 0;
    for (float value : values)
      amax = std::max(amax, std::fabs(value));
    const float scale = amax * (1.0f / steps), inverse = amax == 0 ? 0 : steps / amax;
    int32_t sums[2] = {0, 0};
    for (uint64_t i = 0; i < kGroup; ++i) {
      const int32_t q = static_cast<int32_t>(std::nearbyintf(values[i] * inverse));
      const int32_t high = bits == 8 ? q : (q + 64) >> 7;
      put(row + group * kGroup + i, static_cast<int8_t>(high));
      if (bits != 8)
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

void dequantizeRow(const uint8_t *row, llvm::MutableArrayRef<float> out, uint32_t bits) {
  const cpu::QuantRowLayout layout(out.size(), bits);
  for (uint64_t i = 0; i < out.size(); ++i) {
    int32_t q = get<int8_t>(row + i);
    if (bits != 8)
      q = 128 * q + get<int8_t>(row + layout.lowOffset() + i);
    out[i] = get<float>(row + layout.scaleOffset() + i / kGroup * 4) * q;
  }
}

} // namespace tenon::compiler
