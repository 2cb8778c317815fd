//===- Unpack.cpp - Reference reader of weight panels ---------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// Written from the description in runtime/engine/WeightFormat.h alone.

#include "compiler/pack/Packer.h"
#include "frontends/gguf/HalfFloat.h"

#include <cassert>
#include <cstring>

#pragma STDC FP_CONTRACT OFF

namespace tenon::compiler {

using frontend::bfloatToFloat;
using frontend::halfToFloat;

namespace {

uint16_t load16(const uint8_t *bytes) {
  uint16_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

/// Unsigned stored value q of one element.
uint32_t storedValue(const FormatInfo &info, const PanelLayout &layout, const uint8_t *panel,
                     uint64_t k, uint64_t channel) {
  if (info.bits == 8)
    return panel[layout.quants + (k / 4 * kPanelChannels + channel) * 4 + k % 4];
  const uint8_t pair = panel[layout.quants + (k / 8 * kPanelChannels + channel) * 4 + k % 4];
  const uint32_t low = k % 8 < 4 ? pair & 15 : pair >> 4;
  const uint64_t group = k / 32, j = k % 32 / 4, kk = k % 4;
  if (info.bits == 5) {
    const uint8_t bits = panel[layout.high + (group * kPanelChannels + channel) * 4 + kk];
    return low | ((bits >> j) & 1) << 4;
  }
  if (info.bits == 6) {
    const uint64_t h = j / 4;
    const uint8_t bits = panel[layout.high + ((group * 2 + h) * kPanelChannels + channel) * 4 + kk];
    return low | ((bits >> (2 * (j - 4 * h))) & 3) << 4;
  }
  return low;
}

} // namespace

float unpackValue(WeightFormat format, llvm::ArrayRef<uint8_t> panels, uint64_t columns,
                  uint64_t row, uint64_t column) {
  const FormatInfo info = formatInfo(format);
  const PanelLayout layout(format, columns);
  assert((row / kPanelChannels + 1) * layout.bytes <= panels.size() && column < columns);
  const uint8_t *panel = panels.data() + row / kPanelChannels * layout.bytes;
  const uint64_t channel = row % kPanelChannels;
  const uint8_t *quants = panel + layout.quants;
  auto half = [&](uint64_t plane, uint64_t group) {
    return halfToFloat(load16(panel + plane + (group * kPanelChannels + channel) * 2));
  };
  auto byte = [&](uint64_t plane, uint64_t group) {
    return panel[plane + group * kPanelChannels + channel];
  };

  switch (format) {
  case WeightFormat::F32: {
    float value;
    std::memcpy(&value, quants + (column * kPanelChannels + channel) * 4, 4);
    return value;
  }
  case WeightFormat::F16:
    return halfToFloat(load16(quants + (column * kPanelChannels + channel) * 2));
  case WeightFormat::BF16:
    return bfloatToFloat(
        load16(quants + ((column / 2 * kPanelChannels + channel) * 2 + column % 2) * 2));
  default:
    break;
  }

  const uint64_t group = column / info.group;
  const float q = static_cast<float>(
      static_cast<int32_t>(storedValue(info, layout, panel, column, channel)) - info.offset);
  if (info.rowScales) {
    const uint64_t stride = info.hasMin ? 2 : 1; // of 16 bytes
    const uint8_t code = byte(layout.scales, group * stride);
    const float multiplier = info.signedScales ? static_cast<float>(static_cast<int8_t>(code))
                                               : static_cast<float>(code);
    const float product = half(layout.superScale, 0) * multiplier * q;
    if (!info.hasMin)
      return product;
    return product -
           half(layout.superMin, 0) * static_cast<float>(byte(layout.mins, group * stride));
  }
  if (!info.superScales) {
    const float product = half(layout.scales, group) * q;
    return info.hasMin ? product + half(layout.mins, group) : product;
  }
  const uint8_t stored = byte(layout.scales, group);
  const float multiplier = info.signedScales ? static_cast<float>(static_cast<int8_t>(stored))
                                             : static_cast<float>(stored);
  const float scale = half(layout.superScale, column / 256) * multiplier;
  const float product = scale * q;
  if (!info.hasMin)
    return product;
  const float minimum =
      half(layout.superMin, column / 256) * static_cast<float>(byte(layout.mins, group));
  return product - minimum;
}

} // namespace tenon::compiler
