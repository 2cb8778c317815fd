//===- FeedbackRounding.cpp - Sixteen rows, column after column -----------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/pack/FeedbackRounding.h"

#include "compiler/pack/WideVectors.h"
#include "frontends/gguf/HalfFloat.h"

#include <algorithm>

#pragma STDC FP_CONTRACT OFF

namespace tenon::compiler {

static constexpr uint64_t kRows = kPanelChannels, kParts = kRows / kWideLanes;
/// Columns that learn of earlier errors at a time.
static constexpr uint64_t kBlock = 4;

namespace {
/// The arrays of one block of columns, [columns][16].
struct Panel {
  const float *values, *scales, *minimums;
  float *errors, *quants;
  float low, high; ///< Range of the integers.
};
} // namespace

/// sums[b][part] += sum over i < count of factors[b][i] * errors[i], i ascending.
TENON_ALWAYS_INLINE void addErrors(WideLanes (&sums)[kBlock][kParts], const float *factors,
                                   uint64_t stride, const float *errors, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    WideLanes low, high;
    loadWide(low, errors + i * kRows);
    loadWide(high, errors + i * kRows + kWideLanes);
#pragma clang loop unroll(full)
    for (uint64_t b = 0; b < kBlock; ++b) {
      const WideLanes factor = WideLanes{} + factors[b * stride + i];
      sums[b][0] = __builtin_elementwise_fma(factor, low, sums[b][0]);
      sums[b][1] = __builtin_elementwise_fma(factor, high, sums[b][1]);
    }
  }
}

/// Rounds column `j` of rows from `part` on, aiming `pull` below its values.
TENON_ALWAYS_INLINE void roundColumn(const Panel &panel, uint64_t j, uint64_t part,
                                     const WideLanes &pull) {
  constexpr float nearest = 12582912.0f; // 1.5 * 2^23: adding it rounds to the nearest integer.
  const uint64_t at = j * kRows + part * kWideLanes;
  WideLanes value, scale, minimum;
  loadWide(value, panel.values + at);
  loadWide(scale, panel.scales + at);
  loadWide(minimum, panel.minimums + at);
  const WideLanes wanted = (value - pull) + minimum;
  WideLanes q = wanted / (scale == 0.0f ? WideLanes{} + 1.0f : scale);
  q = q > panel.low ? q : WideLanes{} + panel.low;
  q = q < panel.high ? q : WideLanes{} + panel.high;
  q = (q + nearest) - nearest;
  storeWide(panel.quants + at, q);
  storeWide(panel.errors + at, (scale * q - minimum) - value);
}

/// `columns` is a multiple of kBlock.
TENON_FUSED_VECTORS static void roundPanel(const Panel &panel, const float *factors,
                                           uint64_t stride, uint64_t columns) {
  for (uint64_t j = 0; j < columns; j += kBlock) {
    const float *rows = factors + j * stride;
    WideLanes sums[kBlock][kParts] = {};
    addErrors(sums, rows, stride, panel.errors, j);
#pragma clang loop unroll(full)
    for (uint64_t b = 0; b < kBlock; ++b)
#pragma clang loop unroll(full)
      for (uint64_t v = 0; v < kParts; ++v) {
        for (uint64_t i = 0; i < b; ++i) {
          WideLanes error;
          loadWide(error, panel.errors + (j + i) * kRows + v * kWideLanes);
          sums[b][v] =
              __builtin_elementwise_fma(WideLanes{} + rows[b * stride + j + i], error, sums[b][v]);
        }
        roundColumn(panel, j + b, v, sums[b][v]);
      }
  }
}

FeedbackRounder::FeedbackRounder(WeightFormat format, uint64_t columns) : info(formatInfo(format)) {
  const uint64_t most = std::min(columns, kMostFeedbackColumns) * kRows;
  for (std::vector<float> *array : {&values, &scales, &minimums, &errors, &quants})
    array->resize(most);
}

void FeedbackRounder::round(const ColumnFeedback &feedback, llvm::ArrayRef<std::vector<float>> rows,
                            llvm::MutableArrayRef<RoundedRow> rounded) {
  for (const ColumnFeedback::Block &block : feedback.blocks()) {
    const uint64_t columns = block.order.size();
    for (uint64_t r = 0; r < kRows; ++r) {
      const bool isThere = r < rows.size();
      const float unit = isThere ? frontend::halfToFloat(rounded[r].scale) : 0;
      const float minUnit = isThere && info.hasMin ? frontend::halfToFloat(rounded[r].minScale) : 0;
      for (uint64_t j = 0; j < columns; ++j) {
        const uint64_t k = block.first + block.order[j], group = k / info.group, at = j * kRows + r;
        values[at] = isThere ? rows[r][k] : 0;
        scales[at] = isThere ? unit * rounded[r].codes[group] : 0;
        minimums[at] = isThere && info.hasMin ? minUnit * rounded[r].minCodes[group] : 0;
      }
    }
    const float low = static_cast<float>(-info.offset),
                high = static_cast<float>((1 << info.bits) - 1 - info.offset);
    roundPanel(
        {values.data(), scales.data(), minimums.data(), errors.data(), quants.data(), low, high},
        block.factors.data(), block.stride, columns);
    for (uint64_t r = 0; r < rows.size(); ++r)
      for (uint64_t j = 0; j < columns; ++j)
        rounded[r].quants[block.first + block.order[j]] =
            static_cast<uint8_t>(static_cast<int32_t>(quants[j * kRows + r]) + info.offset);
  }
}

} // namespace tenon::compiler
