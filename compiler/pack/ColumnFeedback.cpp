//===- ColumnFeedback.cpp - Errors that make up for each other ------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/pack/ColumnFeedback.h"

#include "compiler/pack/SymmetricUpdate.h"
#include "frontends/gguf/HalfFloat.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#pragma STDC FP_CONTRACT OFF

namespace tenon::compiler {

namespace {

/// Share of the mean diagonal that is added to each: the text is a sample, and its finest
/// correlations are accidents.
constexpr double kDamping = 0.2;
/// Input rows that are f32 at a time.
constexpr uint64_t kRowsAtOnce = 256;
/// Rows of the factor that are computed before those below learn of them.
constexpr uint64_t kFactorRows = 32;

/// Upper triangle of sum x x^T over rows of bf16.
SymmetricMatrix momentsOf(llvm::ArrayRef<uint16_t> inputs, uint64_t rows, uint64_t columns,
                          unsigned threads) {
  SymmetricMatrix moments(columns);
  const uint64_t stride = moments.stride();
  std::vector<float> floats(kRowsAtOnce * stride);
  for (uint64_t at = 0; at < rows; at += kRowsAtOnce) {
    const uint64_t count = std::min(kRowsAtOnce, rows - at);
    for (uint64_t n = 0; n < count; ++n)
      for (uint64_t k = 0; k < columns; ++k)
        floats[n * stride + k] = frontend::bfloatToFloat(inputs[(at + n) * columns + k]);
    addProducts(moments, floats.data(), stride, count, 1, threads);
  }
  return moments;
}

/// Turns the upper triangle of A into U with A = U^T U. `least` keeps pivots positive.
void factorise(SymmetricMatrix &matrix, float least, unsigned threads) {
  const uint64_t size = matrix.size();
  for (uint64_t top = 0; top < size; top += kFactorRows) {
    const uint64_t end = std::min(top + kFactorRows, size);
    for (uint64_t r = top; r < end; ++r) {
      float *row = matrix.row(r);
      const float inverse = 1 / std::sqrt(std::max(row[r], least));
      for (uint64_t c = r; c < size; ++c)
        row[c] *= inverse;
      addProducts(matrix, row, matrix.stride(), 1, -1, r + 1, end);
    }
    // The rest of the matrix, which begins at row `end`.
    addProducts(matrix, matrix.row(top), matrix.stride(), end - top, -1, end, size);
  }
}

} // namespace

llvm::Expected<ColumnFeedback> ColumnFeedback::measure(uint64_t rows, uint64_t columns, Read read,
                                                       unsigned threads) {
  ColumnFeedback result;
  result.weights.resize(columns);
  // Blocks of equal size that begin between groups of 128.
  const uint64_t count = (columns + kMostFeedbackColumns - 1) / kMostFeedbackColumns;
  const uint64_t width = ((columns + count - 1) / count + 127) / 128 * 128;
  std::vector<uint16_t> inputs;
  double all = 0;
  for (uint64_t first = 0; first < columns; first += width) {
    const uint64_t size = std::min(width, columns - first);
    if (llvm::Error error = read(first, size, inputs))
      return std::move(error);
    SymmetricMatrix moments = momentsOf(inputs, rows, size, threads);
    std::vector<float> diagonal(size);
    double mean = 0;
    for (uint64_t k = 0; k < size; ++k)
      mean += diagonal[k] = moments.row(k)[k];
    all += mean;
    mean /= double(size);
    std::copy(diagonal.begin(), diagonal.end(), result.weights.begin() + first);
    if (!(mean > 0) || !std::isfinite(mean))
      continue; // Nothing enters: every rounding is as good, and a block less does no harm.

    Block block;
    block.first = first;
    block.order.resize(size);
    std::iota(block.order.begin(), block.order.end(), 0);
    std::stable_sort(block.order.begin(), block.order.end(),
                     [&](uint32_t a, uint32_t b) { return diagonal[a] > diagonal[b]; });
    // R D R^T of the ordered matrix is U^T U of the matrix in the opposite order.
    SymmetricMatrix ordered(size);
    const auto columnAt = [&](uint64_t place) { return block.order[size - 1 - place]; };
    const float damping = static_cast<float>(kDamping * mean);
    for (uint64_t r = 0; r < size; ++r)
      for (uint64_t c = r; c < size; ++c) {
        const uint64_t low = std::min(columnAt(r), columnAt(c)),
                       high = std::max(columnAt(r), columnAt(c));
        ordered.row(r)[c] = moments.row(low)[high] + (r == c ? damping : 0);
      }
    factorise(ordered, damping, threads);
    block.stride = (size + 3) / 4 * 4;
    block.factors.assign(size * block.stride, 0);
    for (uint64_t j = 0; j < size; ++j) {
      const float *row = ordered.row(size - 1 - j);
      const float inverse = 1 / row[size - 1 - j];
      for (uint64_t i = 0; i < j; ++i)
        block.factors[j * block.stride + i] = row[size - 1 - i] * inverse;
    }
    result.parts.push_back(std::move(block));
  }
  if (!std::isfinite(
          all)) { // A damaged checkpoint; its weights will be named when they are rounded.
    result.parts.clear();
    std::fill(result.weights.begin(), result.weights.end(), 1.0f);
    return std::move(result);
  }
  const float scale = all > 0 ? static_cast<float>(double(columns) / all) : 0;
  for (float &weight : result.weights)
    weight *= scale;
  return std::move(result);
}

} // namespace tenon::compiler
