//===- WeightFormat.h - Packed weight panels --------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// How a weight matrix W [N output channels, K] lies in an engine. Both the packer
// (compiler/pack), the kernel emitters and the loader's bounds checks read this one description.
//
// A *panel* is 16 output channels. N is padded to a multiple of 16 with zero weights. A panel is a
// sequence of planes, each plane covering all K, each plane padded to 64 bytes:
//
//   quants    4 bits : [K/8][16 ch][4 kk] bytes; low nibble = q[8i+kk], high nibble = q[8i+4+kk]
//             5 bits : as 4 bits for the low four bits; bit 4 is in the `high` plane
//             6 bits : as 4 bits for the low four bits; bits 4..5 are in the `high` plane
//             8 bits : [K/4][16 ch][4 kk] bytes, q + 128 (unsigned)
//             F32    : [K][16 ch] f32       F16: [K][16 ch] f16
//             BF16   : [K/2][16 ch][2 kk] bf16   (K padded to even with zero)
//   high      5 bits : [K/32][16 ch][4 kk] bytes; bit j = bit 4 of q[32g + 4j + kk], j = 0..7
//             6 bits : [K/32][2][16 ch][4 kk] bytes; byte h holds j = 4h..4h+3, bits 2(j-4h)..+1
//   scales    one per group and channel:
//             plain formats: [K/32][16 ch] f16 d
//             K formats:     [K/group][16 ch] u8 (Q4_K, Q5_K) or i8 (Q6_K)
//   mins      Q4_1, Q5_1: [K/32][16 ch] f16 m;   Q4_K, Q5_K: [K/32][16 ch] u8
//   super     K formats: [K/256][16 ch] f16 d, then (Q4_K, Q5_K) [K/256][16 ch] f16 dmin, as two
//   planes row       R formats have one plane of scales and none of the three above:
//             without min: [16 ch] f16 d, then [groups][16 ch] i8
//             with min   : [16 ch] f16 d, [16 ch] f16 dmin, then [groups] of [16 ch] u8 scale, [16
//             ch] u8 min
//
// Meaning: w = scale * (q - offset) + min, with scale = d or d*sc, min = m or -(dmin*mn).
//
// The R formats are those that `tenon-compile --weights` makes; no checkpoint has them. Their
// scales are 8 bits for 32, 64 or 128 k (the name says it, 32 if it does not) under one f16 of the
// whole row, so that they cost little and ask nothing of K but a multiple of 32: the last group may
// be short (docs/decisions/0005-rounded-weights.md).
//
#ifndef TENON_RUNTIME_ENGINE_WEIGHTFORMAT_H
#define TENON_RUNTIME_ENGINE_WEIGHTFORMAT_H

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tenon {

/// Encodings a weight can have in an engine. Values are part of the engine format.
enum class WeightFormat : uint8_t {
  F32 = 0,
  F16 = 1,
  BF16 = 2,
  Q8_0 = 3,
  Q4_0 = 4,
  Q4_1 = 5,
  Q5_0 = 6,
  Q5_1 = 7,
  Q4_K = 8,
  Q5_K = 9,
  Q6_K = 10,
  Q4_R = 11,
  Q4_RM = 12,
  Q5_R = 13,
  Q5_RM = 14,
  Q6_R = 15,
  Q8_R = 16,
  Q4_R64 = 17,
  Q4_RM64 = 18,
  Q5_R64 = 19,
  Q5_RM64 = 20,
  Q6_R64 = 21,
  Q8_R64 = 22,
  Q4_R128 = 23,
  Q4_RM128 = 24,
  Q5_R128 = 25,
  Q5_RM128 = 26,
  Q6_R128 = 27,
  Q8_R128 = 28,
};
inline constexpr uint32_t kNumWeightFormats = 29;
inline constexpr uint32_t kPanelChannels = 16;

/// Static facts of one format. `group` is 0 for float formats.
struct FormatInfo {
  std::string_view name;
  uint32_t bits; ///< Stored bits of a quantised value, or of a float.
  uint32_t
      group; ///< k covered by one scale; of the last one in a row with row scales, perhaps fewer.
  int32_t offset; ///< Subtracted from the unsigned stored value.
  bool hasMin;
  bool superScales;   ///< 8-bit scales under an f16 scale per 256 k.
  bool rowScales;     ///< 8-bit scales under an f16 scale per channel.
  bool signedScales;  ///< Of 8-bit scales: i8 instead of u8.
  uint32_t kMultiple; ///< K must be a multiple of this.
  constexpr bool isFloat() const { return group == 0; }
  /// Scales of a row of K columns.
  constexpr uint64_t groups(uint64_t k) const { return (k + group - 1) / group; }
  /// Scales that 32 consecutive k have: 2 with groups of 16, else 1, which wider groups share.
  constexpr uint32_t scalesPer32() const { return group < 32 ? 32 / group : 1; }
};

constexpr FormatInfo formatInfo(WeightFormat f) {
  constexpr std::array<FormatInfo, kNumWeightFormats> table = {{
      {"f32", 32, 0, 0, false, false, false, false, 1},
      {"f16", 16, 0, 0, false, false, false, false, 1},
      {"bf16", 16, 0, 0, false, false, false, false, 1},
      {"q8_0", 8, 32, 128, false, false, false, false, 32},
      {"q4_0", 4, 32, 8, false, false, false, false, 32},
      {"q4_1", 4, 32, 0, true, false, false, false, 32},
      {"q5_0", 5, 32, 16, false, false, false, false, 32},
      {"q5_1", 5, 32, 0, true, false, false, false, 32},
      {"q4_k", 4, 32, 0, true, true, false, false, 256},
      {"q5_k", 5, 32, 0, true, true, false, false, 256},
      {"q6_k", 6, 16, 32, false, true, false, true, 256},
      {"q4_r", 4, 32, 8, false, false, true, true, 32},
      {"q4_rm", 4, 32, 0, true, false, true, false, 32},
      {"q5_r", 5, 32, 16, false, false, true, true, 32},
      {"q5_rm", 5, 32, 0, true, false, true, false, 32},
      {"q6_r", 6, 32, 32, false, false, true, true, 32},
      {"q8_r", 8, 32, 128, false, false, true, true, 32},
      {"q4_r64", 4, 64, 8, false, false, true, true, 32},
      {"q4_rm64", 4, 64, 0, true, false, true, false, 32},
      {"q5_r64", 5, 64, 16, false, false, true, true, 32},
      {"q5_rm64", 5, 64, 0, true, false, true, false, 32},
      {"q6_r64", 6, 64, 32, false, false, true, true, 32},
      {"q8_r64", 8, 64, 128, false, false, true, true, 32},
      {"q4_r128", 4, 128, 8, false, false, true, true, 32},
      {"q4_rm128", 4, 128, 0, true, false, true, false, 32},
      {"q5_r128", 5, 128, 16, false, false, true, true, 32},
      {"q5_rm128", 5, 128, 0, true, false, true, false, 32},
      {"q6_r128", 6, 128, 32, false, false, true, true, 32},
      {"q8_r128", 8, 128, 128, false, false, true, true, 32},
  }};
  return table[static_cast<size_t>(f)];
}

constexpr std::optional<WeightFormat> parseWeightFormat(std::string_view name) {
  for (uint32_t i = 0; i < kNumWeightFormats; ++i)
    if (formatInfo(static_cast<WeightFormat>(i)).name == name)
      return static_cast<WeightFormat>(i);
  return std::nullopt;
}

/// Byte offsets of the planes within one panel of K columns; absent planes have the next plane's
/// offset. With row scales, `superScale`, `superMin`, `scales` and `mins` lie in one plane.
struct PanelLayout {
  uint64_t quants = 0, high = 0, scales = 0, mins = 0, superScale = 0, superMin = 0;
  uint64_t bytes = 0; ///< Whole panel; a multiple of 64.

  /// With row scales: bytes from one group's scales (and, `mins`, minimums) to the next.
  static constexpr uint64_t scaleStride(const FormatInfo &info) {
    return kPanelChannels * (info.hasMin ? 2 : 1);
  }

  constexpr PanelLayout(WeightFormat f, uint64_t k) {
    const FormatInfo info = formatInfo(f);
    auto pad = [](uint64_t b) { return (b + 63) / 64 * 64; };
    const uint64_t kp = f == WeightFormat::BF16 ? (k + 1) / 2 * 2 : k;
    uint64_t at = pad(kp * kPanelChannels *
                      (info.isFloat()   ? info.bits
                       : info.bits == 8 ? 8
                                        : 4) /
                      8);
    high = at;
    if (info.bits == 5)
      at += pad(k / 32 * 64);
    if (info.bits == 6)
      at += pad(k / 32 * 128);
    superScale = superMin = scales = mins = at;
    if (info.rowScales) {
      superMin = superScale + 32;
      scales = info.hasMin ? superMin + 32 : superMin;
      mins = info.hasMin ? scales + kPanelChannels : scales;
      at += pad(scales - at + info.groups(k) * scaleStride(info));
      bytes = at;
      return;
    }
    if (!info.isFloat())
      at += pad(k / info.group * kPanelChannels * (info.superScales ? 1 : 2));
    mins = at;
    if (info.hasMin)
      at += pad(k / 32 * kPanelChannels * (info.superScales ? 1 : 2));
    superScale = at;
    if (info.superScales)
      at += pad(k / 256 * kPanelChannels * 2);
    superMin = at;
    if (info.superScales && info.hasMin)
      at += pad(k / 256 * kPanelChannels * 2);
    bytes = at;
  }
};

/// Panels of an N-row matrix, and the bytes of the whole matrix.
constexpr uint64_t panelCount(uint64_t n) { return (n + kPanelChannels - 1) / kPanelChannels; }
constexpr uint64_t packedBytes(WeightFormat f, uint64_t n, uint64_t k) {
  return panelCount(n) * PanelLayout(f, k).bytes;
}

} // namespace tenon

#endif // TENON_RUNTIME_ENGINE_WEIGHTFORMAT_H
