//===- Reblock.cpp - Weights in another format ----------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/pack/Reblock.h"

#include "compiler/pack/FeedbackRounding.h"
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

/// Rounds and stores one panel after the other; one for each thread.
class PanelWriter {
public:
  PanelWriter(const Tensor &tensor, WeightFormat format, const ColumnFeedback *feedback)
      : tensor(tensor), info(formatInfo(format)), layout(format, tensor.columns),
        feedback(info.rowScales ? feedback : nullptr),
        rounder(info.rowScales ? format : WeightFormat::Q8_R, info.rowScales ? tensor.columns : 0),
        feedbackRounder(format, this->feedback ? tensor.columns : 0) {}

  /// Writes tensor rows `rows`, at most 16, as the channels of `panel`. Returns the place in `rows`
  /// of the first one with a value that the format cannot hold, if there is one; `badColumn` and
  /// `badValue` are then of it.
  std::optional<uint32_t> write(llvm::ArrayRef<uint64_t> rows, uint8_t *panel) {
    std::memset(panel, 0, layout.bytes); // padding of planes, rows beyond the last
    values.resize(rows.size());
    rounded.resize(rows.size());
    for (uint32_t channel = 0; channel < rows.size(); ++channel) {
      std::vector<float> &row = values[channel];
      row.resize(tensor.columns);
      frontend::dequantizeRow(tensor, rows[channel], row);
      for (uint64_t k = 0; k < row.size(); ++k)
        if (!(std::fabs(row[k]) <= kLargestValue)) {
          badColumn = k;
          badValue = row[k];
          return channel;
        }
      if (info.rowScales)
        rounded[channel] =
            rounder.round(row, feedback ? feedback->importance() : llvm::ArrayRef<float>());
      else
        writeBfloat(row, panel, channel);
    }
    if (feedback)
      feedbackRounder.round(*feedback, values, rounded);
    if (info.rowScales)
      for (uint32_t channel = 0; channel < rows.size(); ++channel)
        writeRounded(rounded[channel], panel, channel);
    return std::nullopt;
  }

  uint64_t badColumn = 0;
  float badValue = 0;

private:
  void writeBfloat(llvm::ArrayRef<float> row, uint8_t *panel, uint32_t channel) {
    for (uint64_t k = 0; k < row.size(); ++k) {
      const uint16_t bits = toBfloat(row[k]);
      std::memcpy(panel + ((k / 2 * kPanelChannels + channel) * 2 + k % 2) * 2, &bits, 2);
    }
  }

  void writeRounded(const RoundedRow &row, uint8_t *panel, uint32_t channel) {
    store<uint16_t>(panel + layout.superScale, 0, channel, &row.scale);
    if (info.hasMin)
      store<uint16_t>(panel + layout.superMin, 0, channel, &row.minScale);
    const uint64_t stride = PanelLayout::scaleStride(info);
    for (uint64_t g = 0; g < row.codes.size(); ++g) {
      panel[layout.scales + g * stride + channel] = static_cast<uint8_t>(row.codes[g]);
      if (info.hasMin)
        panel[layout.mins + g * stride + channel] = static_cast<uint8_t>(row.minCodes[g]);
    }
    for (uint64_t g = 0; g < row.quants.size() / 32; ++g) {
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
  const FormatInfo info;
  const PanelLayout layout;
  const ColumnFeedback *const feedback;
  std::vector<std::vector<float>> values;
  std::vector<RoundedRow> rounded;
  RowRounder rounder;
  FeedbackRounder feedbackRounder;
};

} // namespace

bool canReblockTo(WeightFormat format) {
  return format == WeightFormat::BF16 || formatInfo(format).rowScales;
}

Error reblockMatrix(const Tensor &tensor, WeightFormat format, llvm::ArrayRef<uint32_t> rowOrder,
                    uint64_t firstRow, uint64_t rowCount, unsigned threads,
                    llvm::MutableArrayRef<uint8_t> out, const ColumnFeedback *feedback) {
  const FormatInfo info = formatInfo(format);
  if (!canReblockTo(format) || tensor.columns % info.kMultiple != 0)
    return packError(tensor, "rows of " + Twine(tensor.columns) + " values cannot be rounded to " +
                                 info.name.data());
  if (Error error = checkPackRequest(tensor, format, rowOrder, firstRow, rowCount, out))
    return error;
  if (feedback && feedback->importance().size() != tensor.columns)
    return packError(tensor, "its inputs have " + Twine(feedback->importance().size()) +
                                 " columns, not " + Twine(tensor.columns));

  const uint64_t panelBytes = PanelLayout(format, tensor.columns).bytes;
  const uint64_t panels = panelCount(rowCount);
  std::atomic<uint64_t> next{0};
  std::mutex mutex;
  std::string problem; // Of the first row that has one, so that threads do not matter.
  uint64_t problemRow = rowCount;
  auto work = [&] {
    PanelWriter writer(tensor, format, feedback);
    for (uint64_t p; (p = next.fetch_add(1, std::memory_order_relaxed)) < panels;) {
      llvm::SmallVector<uint64_t, kPanelChannels> rows;
      for (uint64_t r = p * kPanelChannels; r < std::min((p + 1) * kPanelChannels, rowCount); ++r)
        rows.push_back(rowOrder.empty() ? firstRow + r : rowOrder[firstRow + r]);
      const std::optional<uint32_t> bad = writer.write(rows, out.data() + p * panelBytes);
      if (!bad)
        continue;
      const std::lock_guard lock(mutex);
      if (p * kPanelChannels + *bad >= problemRow)
        continue;
      problemRow = p * kPanelChannels + *bad;
      problem = ("row " + Twine(rows[*bad]) + ", column " + Twine(writer.badColumn) + " is " +
                 std::to_string(writer.badValue) + ", which " + info.name.data() +
                 " cannot hold; the checkpoint may be damaged, or use --weights keep")
                    .str();
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
