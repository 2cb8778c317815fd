//===- Dequantize.cpp - Reference of every block format -------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// Written from the description of the block formats, one value at a time, and shared by nothing
// that packs or computes: it is what packers and kernels are tested against. No contraction into
// fused multiply-adds, so the bits are the same on every machine.

#include "frontends/Checkpoint.h"
#include "frontends/gguf/GgufFormat.h"
#include "frontends/gguf/HalfFloat.h"

#include <cassert>
#include <cstring>

#pragma STDC FP_CONTRACT OFF

namespace tenon::frontend {

namespace {

uint16_t load16(const uint8_t *bytes) {
  uint16_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

float loadHalf(const uint8_t *bytes) { return halfToFloat(load16(bytes)); }

/// Nibble of value i of a 32-value block: the first 16 values are the low nibbles.
uint32_t nibble32(const uint8_t *quants, uint32_t i) {
  return i < 16 ? quants[i] & 15 : quants[i - 16] >> 4;
}

uint32_t bitOf(const uint8_t *bits, uint32_t i) { return (bits[i / 8] >> (i % 8)) & 1; }

void decodeQ8_0(const uint8_t *block, float *out) {
  const float d = loadHalf(block);
  for (uint32_t i = 0; i < 32; ++i)
    out[i] = d * static_cast<float>(static_cast<int8_t>(block[2 + i]));
}

void decodeQ4_0(const uint8_t *block, float *out) {
  const float d = loadHalf(block);
  for (uint32_t i = 0; i < 32; ++i)
    out[i] = d * static_cast<float>(static_cast<int32_t>(nibble32(block + 2, i)) - 8);
}

void decodeQ4_1(const uint8_t *block, float *out) {
  const float d = loadHalf(block), m = loadHalf(block + 2);
  for (uint32_t i = 0; i < 32; ++i)
    out[i] = d * static_cast<float>(nibble32(block + 4, i)) + m;
}

void decodeQ5_0(const uint8_t *block, float *out) {
  const float d = loadHalf(block);
  for (uint32_t i = 0; i < 32; ++i) {
    const uint32_t q = nibble32(block + 6, i) | bitOf(block + 2, i) << 4;
    out[i] = d * static_cast<float>(static_cast<int32_t>(q) - 16);
  }
}

void decodeQ5_1(const uint8_t *block, float *out) {
  const float d = loadHalf(block), m = loadHalf(block + 2);
  for (uint32_t i = 0; i < 32; ++i) {
    const uint32_t q = nibble32(block + 8, i) | bitOf(block + 4, i) << 4;
    out[i] = d * static_cast<float>(q) + m;
  }
}

/// 6-bit scale and minimum of group g of 8, from 12 bytes: groups 0..3 are the low six bits of
/// bytes g and g+4; groups 4..7 take four bits from byte g+4 and two from the tops of the first
/// eight.
void decodeScaleMin(const uint8_t *packed, uint32_t g, uint32_t &scale, uint32_t &minimum) {
  if (g < 4) {
    scale = packed[g] & 63;
    minimum = packed[g + 4] & 63;
    return;
  }
  scale = (packed[g + 4] & 15) | (packed[g - 4] >> 6) << 4;
  minimum = (packed[g + 4] >> 4) | (packed[g] >> 6) << 4;
}

void decodeQ4_K(const uint8_t *block, float *out) {
  const float d = loadHalf(block), dmin = loadHalf(block + 2);
  const uint8_t *quants = block + 16;
  for (uint32_t i = 0; i < 256; ++i) {
    const uint32_t g = i / 32;
    uint32_t scale, minimum;
    decodeScaleMin(block + 4, g, scale, minimum);
    const uint32_t q = (quants[g / 2 * 32 + i % 32] >> (g % 2 * 4)) & 15;
    const float groupScale = d * static_cast<float>(scale);
    const float groupMin = dmin * static_cast<float>(minimum);
    out[i] = groupScale * static_cast<float>(q) - groupMin;
  }
}

void decodeQ5_K(const uint8_t *block, float *out) {
  const float d = loadHalf(block), dmin = loadHalf(block + 2);
  const uint8_t *high = block + 16, *quants = block + 48;
  for (uint32_t i = 0; i < 256; ++i) {
    const uint32_t g = i / 32;
    uint32_t scale, minimum;
    decodeScaleMin(block + 4, g, scale, minimum);
    const uint32_t low = (quants[g / 2 * 32 + i % 32] >> (g % 2 * 4)) & 15;
    const uint32_t q = low | ((high[i % 32] >> g) & 1) << 4;
    const float groupScale = d * static_cast<float>(scale);
    const float groupMin = dmin * static_cast<float>(minimum);
    out[i] = groupScale * static_cast<float>(q) - groupMin;
  }
}

void decodeQ6_K(const uint8_t *block, float *out) {
  const uint8_t *low = block, *high = block + 128, *scales = block + 192;
  const float d = loadHalf(block + 208);
  for (uint32_t i = 0; i < 256; ++i) {
    const uint32_t half = i / 128, quarter = i % 128 / 32, lane = i % 32;
    const uint32_t nibble = (low[half * 64 + quarter % 2 * 32 + lane] >> (quarter / 2 * 4)) & 15;
    const uint32_t top = (high[half * 32 + lane] >> (quarter * 2)) & 3;
    const int32_t q = static_cast<int32_t>(nibble | top << 4) - 32;
    const float scale = d * static_cast<float>(static_cast<int8_t>(scales[i / 16]));
    out[i] = scale * static_cast<float>(q);
  }
}

void decodeBlock(WeightFormat format, const uint8_t *block, float *out) {
  switch (format) {
  case WeightFormat::F32:
    std::memcpy(out, block, 4);
    return;
  case WeightFormat::F16:
    *out = loadHalf(block);
    return;
  case WeightFormat::BF16:
    *out = bfloatToFloat(load16(block));
    return;
  case WeightFormat::Q8_0:
    return decodeQ8_0(block, out);
  case WeightFormat::Q4_0:
    return decodeQ4_0(block, out);
  case WeightFormat::Q4_1:
    return decodeQ4_1(block, out);
  case WeightFormat::Q5_0:
    return decodeQ5_0(block, out);
  case WeightFormat::Q5_1:
    return decodeQ5_1(block, out);
  case WeightFormat::Q4_K:
    return decodeQ4_K(block, out);
  case WeightFormat::Q5_K:
    return decodeQ5_K(block, out);
  case WeightFormat::Q6_K:
    return decodeQ6_K(block, out);
  default:
    break; // The R formats: only engines have them; asserted below.
  }
}

} // namespace

void dequantizeRow(const Tensor &tensor, uint64_t row, llvm::MutableArrayRef<float> out) {
  const BlockSize block = blockSize(tensor.format);
  assert(block.values != 0 && "no checkpoint stores this format");
  const uint64_t rowBytes = storedRowBytes(tensor.format, tensor.columns);
  assert(row < tensor.rows && out.size() == tensor.columns && "row or buffer of another tensor");
  assert(tensor.data.size() == rowBytes * tensor.rows && "a tensor without data has no values");
  const uint8_t *bytes = tensor.data.data() + row * rowBytes;
  for (uint64_t at = 0; at < tensor.columns; at += block.values, bytes += block.bytes)
    decodeBlock(tensor.format, bytes, out.data() + at);
}

} // namespace tenon::frontend
