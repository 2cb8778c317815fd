//===- Packer.cpp - Checkpoint matrices to weight panels ------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/pack/Packer.h"

#include "compiler/pack/BlockDecode.h"
#include "compiler/pack/PackRequest.h"
#include "compiler/pack/PanelStore.h"
#include "frontends/gguf/GgufFormat.h"

#include "llvm/Support/ErrorHandling.h"

#include <cstring>
#include <numeric>

namespace tenon::compiler {

using frontend::Tensor;
using llvm::Error;

namespace {

/// Source rows of one panel; the last panel has fewer than 16.
struct PanelRows {
  const uint8_t *row[kPanelChannels];
  uint32_t count = 0;
};

/// One panel of a quantised format. `panel` is zero on entry.
template <WeightFormat Format>
void packQuantised(const PanelRows &rows, uint64_t columns, uint8_t *panel) {
  constexpr FormatInfo info = formatInfo(Format);
  constexpr frontend::BlockSize block = frontend::blockSize(Format);
  constexpr uint32_t groups = block.values / 32;
  using Decode = BlockDecode<Format>;
  const PanelLayout layout(Format, columns);

  for (uint64_t b = 0; b < columns / block.values; ++b) {
    for (uint32_t channel = 0; channel < rows.count; ++channel) {
      const uint8_t *source = rows.row[channel] + b * block.bytes;
      for (uint32_t g = 0; g < groups; ++g) {
        uint32_t q[8];
        Decode::quants(source, g, q);
        storeQuants<info.bits>(panel + layout.quants, panel + layout.high, b * groups + g, channel,
                               q);
      }
      if constexpr (!info.superScales) {
        store<uint16_t>(panel + layout.scales, b, channel, source + Decode::scaleAt);
        if constexpr (info.hasMin)
          store<uint16_t>(panel + layout.mins, b, channel, source + Decode::minAt);
      } else {
        store<uint16_t>(panel + layout.superScale, b, channel, source + Decode::superAt);
        if constexpr (info.hasMin) {
          store<uint16_t>(panel + layout.superMin, b, channel, source + Decode::superMinAt);
          uint8_t scales[8], mins[8];
          decodeScales(source + 4, scales, mins);
          for (uint32_t g = 0; g < groups; ++g) {
            store<uint8_t>(panel + layout.scales, b * groups + g, channel, scales + g);
            store<uint8_t>(panel + layout.mins, b * groups + g, channel, mins + g);
          }
        } else {
          for (uint32_t g = 0; g < 16; ++g) // Q6_K: one scale per 16 values, at byte 192
            store<uint8_t>(panel + layout.scales, b * 16 + g, channel, source + 192 + g);
        }
      }
    }
  }
}

/// One panel whose element is T ([columns][16 ch]); `columns` counts elements of T.
template <typename T> void packElements(const PanelRows &rows, uint64_t columns, uint8_t *panel) {
  constexpr uint64_t tile = 64 / sizeof(T); // one cache line of each row at a time
  for (uint64_t first = 0; first < columns; first += tile) {
    const uint64_t end = std::min(first + tile, columns);
    for (uint32_t channel = 0; channel < rows.count; ++channel)
      for (uint64_t k = first; k < end; ++k)
        store<T>(panel, k, channel, rows.row[channel] + k * sizeof(T));
  }
}

/// BF16 pairs two k in one word; an odd last column pairs with zero.
void packPairs(const PanelRows &rows, uint64_t columns, uint8_t *panel) {
  packElements<uint32_t>(rows, columns / 2, panel);
  if (columns % 2 == 0)
    return;
  for (uint32_t channel = 0; channel < rows.count; ++channel)
    std::memcpy(panel + (columns / 2 * kPanelChannels + channel) * 4,
                rows.row[channel] + (columns - 1) * 2, 2);
}

using PanelPacker = void (*)(const PanelRows &, uint64_t, uint8_t *);

PanelPacker panelPacker(WeightFormat format) {
  switch (format) {
  case WeightFormat::F32:
    return packElements<uint32_t>;
  case WeightFormat::F16:
    return packElements<uint16_t>;
  case WeightFormat::BF16:
    return packPairs;
  case WeightFormat::Q8_0:
    return packQuantised<WeightFormat::Q8_0>;
  case WeightFormat::Q4_0:
    return packQuantised<WeightFormat::Q4_0>;
  case WeightFormat::Q4_1:
    return packQuantised<WeightFormat::Q4_1>;
  case WeightFormat::Q5_0:
    return packQuantised<WeightFormat::Q5_0>;
  case WeightFormat::Q5_1:
    return packQuantised<WeightFormat::Q5_1>;
  case WeightFormat::Q4_K:
    return packQuantised<WeightFormat::Q4_K>;
  case WeightFormat::Q5_K:
    return packQuantised<WeightFormat::Q5_K>;
  case WeightFormat::Q6_K:
    return packQuantised<WeightFormat::Q6_K>;
  default: // The R formats: no checkpoint has them.
    break;
  }
  llvm_unreachable("every format of a checkpoint has a packer");
}

} // namespace

Error packMatrix(const Tensor &tensor, llvm::ArrayRef<uint32_t> rowOrder, uint64_t firstRow,
                 uint64_t rowCount, llvm::MutableArrayRef<uint8_t> out) {
  if (Error error = checkPackRequest(tensor, tensor.format, rowOrder, firstRow, rowCount, out))
    return error;
  const uint64_t rowBytes = frontend::storedRowBytes(tensor.format, tensor.columns);
  const PanelPacker pack = panelPacker(tensor.format);
  const uint64_t panelBytes = PanelLayout(tensor.format, tensor.columns).bytes;
  for (uint64_t at = 0; at < rowCount; at += kPanelChannels) {
    PanelRows rows;
    for (uint64_t r = at; r < rowCount && rows.count < kPanelChannels; ++r) {
      const uint64_t row = rowOrder.empty() ? firstRow + r : rowOrder[firstRow + r];
      rows.row[rows.count++] = tensor.data.data() + row * rowBytes;
    }
    uint8_t *panel = out.data() + at / kPanelChannels * panelBytes;
    std::memset(panel, 0, panelBytes); // padding of planes, rows beyond the last
    pack(rows, tensor.columns, panel);
  }
  return Error::success();
}

std::vector<uint32_t> rotaryRowOrder(uint32_t heads, uint32_t headDim, uint32_t rotary) {
  std::vector<uint32_t> order(static_cast<size_t>(heads) * headDim);
  std::iota(order.begin(), order.end(), 0u);
  const uint32_t half = rotary / 2;
  for (uint32_t head = 0; head < heads; ++head)
    for (uint32_t i = 0; i < half; ++i) {
      order[head * headDim + i] = head * headDim + 2 * i;
      order[head * headDim + half + i] = head * headDim + 2 * i + 1;
    }
  return order;
}

} // namespace tenon::compiler
