//===- Reblock.cpp - Weights in another format ----------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/pack/Reblock.h"

#include "compiler/pack/PackRequest.h"
#include "compiler/pack/PanelStore.h"
#include "compiler/pack/RowRounding.h"

#include <atomic>
#include <bit>
#include <cmath>
#include <mutex>
#include <thread>

namespace tenon::compiler {

using frontend::Tensor;
using llvm::Error;
using llvm::Twine;

namespace {

/// Above this no scale of 8 bits under an f16 reaches; no trained weight comes near.
constexpr float kLargestValue = 8388608.0f; // 2^23

/// f32 to bf16, to nearest even. `value` is finite.
uint16_t toBfloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// Rounds and stores one row after the other; one for each thread.
class RowWriter {
public:
  RowWriter(const Tensor &tensor, WeightFormat format)
      : tensor(tensor), format(format), info(formatInfo(format)), layout(format, tensor.columns),
        values(tensor.columns), rounder(info.rowScales ? format : WeightFormat::Q8_R,
                                        info.rowScales ? tensor.columns : 0) {}

  /// Writes tensor row `row` as `channel` of `panel`, which was zero. False if the row has a value
  /// that the format cannot hold; `badColumn` is then the first.
  bool write(uint64_t row, uint8_t *panel, uint32_t channel) {
    frontend::dequantizeRow(tensor, row, values);
    for (uint64_t k = 0; k < values.size(); ++k)
      if (!(std::fabs(values[k]) <= kLargestValue)) {
        badColumn = k;
        return false;
      }
    info.rowScales ? writeRounded(panel, channel) : writeBfloat(panel, channel);
    return true;
  }

  float badValue() const { return values[badColumn]; }
  uint64_t badColumn = 0;

private:
  void writeBfloat(uint8_t *panel, uint32_t channel) {
    for (uint64_t k = 0; k < values.size(); ++k) {
      const uint16_t bits = toBfloat(values[k]);
      std::memcpy(panel + ((k / 2 * kPanelChannels + channel) * 2 + k % 2) * 2, &bits, 2);
    }
  }

  void writeRounded(uint8_t *panel, uint32_t channel) {
    const RoundedRow &row = rounder.round(values);
    store<uint16_t>(panel + layout.superScale, 0, channel, &row.scale);
    if (info.hasMin)
      store<uint16_t>(panel + layout.superMin, 0, channel, &row.minScale);
    const uint64_t stride = PanelLayout::scaleStride(info);
    for (uint64_t g = 0; g < row.codes.size(); ++g) {
      panel[layout.scales + g * stride + channel] = static_cast<uint8_t>(row.codes[g]);
      if (info.hasMin)
        panel[layout.mins + g * stride + channel] = static_cast<uint8_t>(row.minCodes[g]);
      uint32_t words[8];
      std::memcpy(words, row.quants.data() + g * 32, sizeof(words));
      storeGroup(panel, g, channel, words);
    }
  }

  void storeGroup(uint8_t *panel, uint64_t group, uint32_t channel, const uint32_t words[8]) {
    uint8_t *quants = panel + layout.quants, *high = panel + layout.high;
    switch (info.bits) {
    case 4:
      return storeQuants<4>(quants, high, group, channel, words);
    case 5:
      return storeQuants<5>(quants, high, group, channel, words);
    case 6:
      return storeQuants<6>(quants, high, group, channel, words);
    default:
      return storeQuants<8>(quants, high, group, channel, words);
    }
  }

  const Tensor &tensor;
  const WeightFormat format;
  const FormatInfo info;
  const PanelLayout layout;
  std::vector<float> values;
  RowRounder rounder;
};

} // namespace

bool canReblockTo(WeightFormat format) {
  return format == WeightFormat::BF16 || formatInfo(format).rowScales;
}

Error reblockMatrix(const Tensor &tensor, WeightFormat format, llvm::ArrayRef<uint32_t> rowOrder,
                    uint64_t firstRow, uint64_t rowCount, unsigned threads,
                    llvm::MutableArrayRef<uint8_t> out) {
  const FormatInfo info = formatInfo(format);
  if (!canReblockTo(format) || tensor.columns % info.kMultiple != 0)
    return packError(tensor, "rows of " + Twine(tensor.columns) +
                                 " values cannot be rounded to " + info.name.data());
  if (Error error = checkPackRequest(tensor, format, rowOrder, firstRow, rowCount, out))
    return error;

  const uint64_t panelBytes = PanelLayout(format, tensor.columns).bytes;
  const uint64_t panels = panelCount(rowCount);
  std::atomic<uint64_t> next{0};
  std::mutex mutex;
  std::string problem; // Of the first row that has one, so that threads do not matter.
  uint64_t problemRow = rowCount;
  auto work = [&] {
    RowWriter writer(tensor, format);
    for (uint64_t p; (p = next.fetch_add(1, std::memory_order_relaxed)) < panels;) {
      uint8_t *panel = out.data() + p * panelBytes;
      std::memset(panel, 0, panelBytes); // padding of planes, rows beyond the last
      for (uint32_t channel = 0; channel < kPanelChannels; ++channel) {
        const uint64_t r = p * kPanelChannels + channel;
        if (r >= rowCount)
          break;
        const uint64_t row = rowOrder.empty() ? firstRow + r : rowOrder[firstRow + r];
        if (writer.write(row, panel, channel))
          continue;
        const std::lock_guard lock(mutex);
        if (r >= problemRow)
          break;
        problemRow = r;
        problem = ("row " + Twine(row) + ", column " + Twine(writer.badColumn) + " is " +
                   std::to_string(writer.badValue()) + ", which " + info.name.data() +
                   " cannot hold; the checkpoint may be damaged, or use --weights keep")
                      .str();
        break;
      }
    }
  };
  std::vector<std::thread> helpers;
  for (uint64_t t = 1; t < std::min<uint64_t>(threads, panels); ++t)
    helpers.emplace_back(work);
  work();
  for (std::thread &helper : helpers)
    helper.join();
  if (!problem.empty())
    return packError(tensor, problem);
  return Error::success();
}

} // namespace tenon::compiler
