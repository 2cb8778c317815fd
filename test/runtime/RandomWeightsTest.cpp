//===- RandomWeightsTest.cpp - Weights that are made ----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/engine/RandomWeights.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

using namespace tenon;
using namespace tenon::engine;

namespace {

float fromHalf(uint16_t h) {
  const int exponent = h >> 10 & 31;
  const float mantissa = float(h & 0x3ff) / 1024.0f;
  const float value =
      exponent ? std::ldexp(1 + mantissa, exponent - 15) : std::ldexp(mantissa, -14);
  return h & 0x8000 ? -value : value;
}

/// Reads panels by the description in WeightFormat.h, element by element.
class PanelReader {
public:
  PanelReader(const WeightPlan &w, const std::byte *at)
      : w(w), info(formatInfo(w.format)), layout(w.format, w.columns), at(at) {}

  double value(uint64_t row, uint64_t k) const {
    const std::byte *panel = at + row / 16 * layout.bytes;
    const uint64_t c = row % 16;
    switch (w.format) {
    case WeightFormat::F32:
      return load<float>(panel, k * 16 + c);
    case WeightFormat::F16:
      return double(fromHalf(load<uint16_t>(panel, k * 16 + c)));
    case WeightFormat::BF16:
      return double(std::bit_cast<float>(
          uint32_t(load<uint16_t>(panel, (k / 2 * 16 + c) * 2 + k % 2)) << 16));
    default:
      break;
    }
    const uint64_t group = k / info.group;
    double scale, min = 0;
    if (info.rowScales) {
      const uint64_t stride = info.hasMin ? 32 : 16;
      const std::byte *code = panel + layout.scales + group * stride + c;
      scale = double(fromHalf(load<uint16_t>(panel + layout.superScale, c))) *
              (info.signedScales ? double(load<int8_t>(code, 0)) : double(load<uint8_t>(code, 0)));
      if (info.hasMin)
        min = -double(fromHalf(load<uint16_t>(panel + layout.superMin, c))) *
              double(load<uint8_t>(panel + layout.mins + group * stride + c, 0));
    } else if (info.superScales) {
      const double d =
          double(fromHalf(load<uint16_t>(panel + layout.superScale, k / 256 * 16 + c)));
      scale =
          d * (info.signedScales ? double(load<int8_t>(panel + layout.scales, group * 16 + c))
                                 : double(load<uint8_t>(panel + layout.scales, group * 16 + c)));
      if (info.hasMin)
        min = -double(fromHalf(load<uint16_t>(panel + layout.superMin, k / 256 * 16 + c))) *
              double(load<uint8_t>(panel + layout.mins, k / 32 * 16 + c));
    } else {
      scale = double(fromHalf(load<uint16_t>(panel + layout.scales, group * 16 + c)));
      if (info.hasMin)
        min = double(fromHalf(load<uint16_t>(panel + layout.mins, k / 32 * 16 + c)));
    }
    return scale * (double(quant(panel, c, k)) - info.offset) + min;
  }

private:
  template <typename T> static T load(const std::byte *base, uint64_t index) {
    T value;
    std::memcpy(&value, base + index * sizeof(T), sizeof(T));
    return value;
  }
  uint32_t quant(const std::byte *panel, uint64_t c, uint64_t k) const {
    if (info.bits == 8)
      return load<uint8_t>(panel, (k / 4 * 16 + c) * 4 + k % 4);
    const uint8_t byte = load<uint8_t>(panel, (k / 8 * 16 + c) * 4 + k % 4);
    uint32_t q = k % 8 < 4 ? byte & 15 : byte >> 4;
    const uint64_t j = k % 32 / 4, kk = k % 4, g = k / 32;
    if (info.bits == 5)
      q |= uint32_t(load<uint8_t>(panel + layout.high, (g * 16 + c) * 4 + kk) >> j & 1) << 4;
    if (info.bits == 6)
      q |= uint32_t(load<uint8_t>(panel + layout.high, ((g * 2 + j / 4) * 16 + c) * 4 + kk) >>
                        (2 * (j % 4)) &
                    3)
           << 4;
    return q;
  }

  const WeightPlan &w;
  const FormatInfo info;
  const PanelLayout layout;
  const std::byte *at;
};

class RandomWeights : public testing::TestWithParam<uint32_t> {};

TEST_P(RandomWeights, haveTheStatedDeviationInEveryFormat) {
  const auto format = static_cast<WeightFormat>(GetParam());
  WeightPlan w{"w", format, 40, 512, 0, packedBytes(format, 40, 512), true, 99};
  std::vector<std::byte> bytes(w.size);
  makePanels(w, 0, panelCount(w.rows), bytes.data());
  const PanelReader reader(w, bytes.data());
  double sum = 0, squares = 0;
  for (uint64_t r = 0; r < 40; ++r)
    for (uint64_t k = 0; k < 512; ++k) {
      sum += reader.value(r, k);
      squares += reader.value(r, k) * reader.value(r, k);
    }
  const double n = 40 * 512;
  // Formats without a minimum reach one quant further down than up: half a quant of mean.
  EXPECT_NEAR(sum / n, 0, 3e-3) << formatInfo(format).name;
  EXPECT_NEAR(std::sqrt(squares / n), kRandomWeightDeviation, 1e-3) << formatInfo(format).name;
  const double padding = reader.value(40, 3);
  EXPECT_EQ(padding, 0) << "channels that pad N are zero";
}

INSTANTIATE_TEST_SUITE_P(AllFormats, RandomWeights, testing::Range(0u, kNumWeightFormats),
                         [](const auto &info) {
                           return std::string(
                               formatInfo(static_cast<WeightFormat>(info.param)).name);
                         });

TEST(RandomWeightsRegion, doesNotDependOnThreads) {
  Plan plan;
  uint64_t offset = 0;
  for (uint32_t f = 0; f < kNumWeightFormats; ++f) {
    const auto format = static_cast<WeightFormat>(f);
    plan.weights.push_back(
        {"w", format, 3000, 256, offset, packedBytes(format, 3000, 256), true, f + 1});
    offset += plan.weights.back().size;
  }
  plan.weights.push_back({"norm", WeightFormat::F32, 1, 256, offset, 1024, false, 77});
  plan.chips.emplace_back();
  std::vector<std::byte> one(plan.madeWeightBytes()), four(one.size());
  makeWeights(plan, plan.chips.front(), one.data(), 1);
  makeWeights(plan, plan.chips.front(), four.data(), 4);
  EXPECT_EQ(one, four);
  float norm;
  std::memcpy(&norm, one.data() + offset, 4);
  EXPECT_NEAR(norm, 1, 0.05);
}

} // namespace
