//===- RandomWeights.cpp - Weights that are made, not stored --------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/engine/RandomWeights.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <thread>
#include <vector>

namespace tenon::engine {

namespace {

/// SplitMix64 (Steele, Lea, Flood 2014) as a function of position: random access, vectorisable.
uint64_t mix(uint64_t x) {
  x *= 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

void fillBytes(std::byte *at, uint64_t bytes, uint64_t key) {
  for (uint64_t i = 0; i < bytes / 8; ++i) {
    const uint64_t word = mix(key + i);
    std::memcpy(at + 8 * i, &word, 8);
  }
}

uint16_t toHalf(float value) {
  // Made scales are normal halves; round to nearest even on the mantissa.
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 16 & 0x8000;
  const int32_t exponent = int32_t(bits >> 23 & 0xff) - 127 + 15;
  if (exponent <= 0)
    return uint16_t(sign);
  uint32_t half = uint32_t(exponent) << 10 | (bits >> 13 & 0x3ff);
  const uint32_t rest = bits & 0x1fff;
  half += rest > 0x1000 || (rest == 0x1000 && (half & 1));
  return uint16_t(sign | half);
}

uint16_t toBrain(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// Uniform with the given deviation and mean 0, from 24 random bits.
float uniform(uint64_t random, float deviation) {
  const float unit = float(int32_t(random >> 40) - (1 << 23)) * (1.0f / (1 << 23)); // [-1, 1)
  return unit * deviation * 1.7320508f;
}

void makeFloatPanel(const WeightPlan &w, std::byte *at, uint64_t channels, uint64_t key) {
  const bool wide = w.format == WeightFormat::F32, brain = w.format == WeightFormat::BF16;
  for (uint64_t k = 0; k < w.columns; ++k)
    for (uint64_t c = 0; c < channels; ++c) {
      const float value = uniform(mix(key + k * kPanelChannels + c), kRandomWeightDeviation);
      // BF16 keeps pairs of k together; the others are k-major.
      const uint64_t index =
          brain ? (k / 2 * kPanelChannels + c) * 2 + k % 2 : k * kPanelChannels + c;
      if (wide) {
        std::memcpy(at + index * 4, &value, 4);
      } else {
        const uint16_t narrow = brain ? toBrain(value) : toHalf(value);
        std::memcpy(at + index * 2, &narrow, 2);
      }
    }
}

/// Fills a plane of [groups][16] halves with one value for the channels that exist.
void fillHalves(std::byte *at, uint64_t groups, uint64_t channels, float value) {
  const uint16_t half = toHalf(value);
  for (uint64_t g = 0; g < groups; ++g)
    for (uint64_t c = 0; c < channels; ++c)
      std::memcpy(at + (g * kPanelChannels + c) * 2, &half, 2);
}

void makeBlockPanel(const WeightPlan &w, std::byte *at, uint64_t channels, uint64_t key) {
  const FormatInfo info = formatInfo(w.format);
  const PanelLayout layout(w.format, w.columns);
  const uint64_t stored = w.columns * kPanelChannels * (info.bits == 8 ? 8 : 4) / 8;
  fillBytes(at, stored, key);
  const uint64_t high = info.bits == 5 || info.bits == 6 ? w.columns * 2 * (info.bits - 4) : 0;
  fillBytes(at + layout.high, high, key + (uint64_t(1) << 40));

  // Uniform quants of b bits have deviation 2^b / sqrt(12) and mean (2^b - 1) / 2.
  const float levels = float(1u << info.bits);
  const float unit = kRandomWeightDeviation * std::sqrt(12.0f) / levels;
  const float mean = (levels - 1) / 2;
  const uint64_t groups = info.groups(w.columns);
  // Codes of 8-bit scales: small, so that the halves above them stay normal.
  constexpr int kScale = 8, kRowScale = 4;
  if (info.rowScales) {
    std::memset(at + layout.scales, kRowScale, groups * PanelLayout::scaleStride(info));
    fillHalves(at + layout.superScale, 1, channels, unit / kRowScale);
    if (info.hasMin)
      fillHalves(at + layout.superMin, 1, channels, unit * mean / kRowScale);
    return;
  }
  if (!info.superScales) {
    fillHalves(at + layout.scales, groups, channels, unit);
    if (info.hasMin)
      fillHalves(at + layout.mins, groups, channels, -unit * mean);
    return;
  }
  std::memset(at + layout.scales, kScale, groups * kPanelChannels);
  fillHalves(at + layout.superScale, w.columns / 256, channels, unit / kScale);
  if (info.hasMin) {
    std::memset(at + layout.mins, kScale, w.columns / 32 * kPanelChannels);
    fillHalves(at + layout.superMin, w.columns / 256, channels, unit * mean / kScale);
  }
}

} // namespace

void makePanels(const WeightPlan &w, uint64_t firstPanel, uint64_t endPanel, std::byte *at) {
  const uint64_t bytes = PanelLayout(w.format, w.columns).bytes;
  for (uint64_t p = firstPanel; p < endPanel; ++p) {
    const uint64_t channels = std::min<uint64_t>(kPanelChannels, w.rows - p * kPanelChannels);
    const uint64_t key = mix(w.randomSeed) + (p << 42);
    if (formatInfo(w.format).isFloat())
      makeFloatPanel(w, at + p * bytes, channels, key);
    else
      makeBlockPanel(w, at + p * bytes, channels, key);
  }
}

void makePlain(const WeightPlan &w, std::byte *at) {
  const float middle = w.rows == 1 ? 1.0f : 0.0f;
  const uint64_t key = mix(w.randomSeed);
  for (uint64_t i = 0; i < w.rows * w.columns; ++i) {
    const float value = middle + uniform(mix(key + i), kRandomWeightDeviation);
    std::memcpy(at + i * 4, &value, 4);
  }
}

void makeWeights(const Plan &plan, const ChipPlan &chip, std::byte *region, unsigned threads) {
  struct Piece {
    const WeightPlan *weight;
    uint64_t first, end;
  };
  std::vector<WeightPlan> own;
  for (const WeightPlan &w : plan.weights) {
    if (!w.randomSeed || w.program != chip.program)
      continue;
    own.push_back(w);
    if (!w.partBegins.empty())
      own.back().randomSeed += w.partBegins[chip.id % w.partBegins.size()];
  }
  std::vector<Piece> pieces; // of a few MiB
  for (const WeightPlan &w : own) {
    if (!w.packed) {
      pieces.push_back({&w, 0, 0});
      continue;
    }
    const uint64_t step =
        std::max<uint64_t>(1, (uint64_t(4) << 20) / PanelLayout(w.format, w.columns).bytes);
    for (uint64_t p = 0; p < panelCount(w.rows); p += step)
      pieces.push_back({&w, p, std::min(p + step, panelCount(w.rows))});
  }
  std::atomic<size_t> next{0};
  auto work = [&] {
    for (size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < pieces.size();) {
      const WeightPlan &w = *pieces[i].weight;
      if (w.packed)
        makePanels(w, pieces[i].first, pieces[i].end, region + w.offset);
      else
        makePlain(w, region + w.offset);
    }
  };
  std::vector<std::thread> helpers;
  for (unsigned t = 1; t < threads && t < pieces.size(); ++t)
    helpers.emplace_back(work);
  work();
  for (std::thread &t : helpers)
    t.join();
}

} // namespace tenon::engine
