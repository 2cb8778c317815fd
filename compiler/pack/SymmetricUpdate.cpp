//===- SymmetricUpdate.cpp - Products of rows with themselves -------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/pack/SymmetricUpdate.h"

#include "compiler/pack/WideVectors.h"

#include <algorithm>
#include <atomic>
#include <thread>

namespace tenon::compiler {

/// Rows of the matrix that are computed at a time, and rows of x that stay in the cache meanwhile.
static constexpr uint64_t kBlock = 4, kDepth = 64;

/// Adds to kBlock x kTile elements at `out`. `left` [rows][kBlock wanted], `right` [rows][kTile].
TENON_FUSED_VECTORS static void addTile(float *out, uint64_t outStride, const float *left,
                                        const float *right, uint64_t stride, uint64_t rows,
                                        float sign) {
  WideLanes sums[kBlock][2];
  for (uint64_t b = 0; b < kBlock; ++b)
    for (uint64_t v = 0; v < 2; ++v)
      loadWide(sums[b][v], out + b * outStride + v * kWideLanes);
  for (uint64_t n = 0; n < rows; ++n, left += stride, right += stride) {
    WideLanes low, high;
    loadWide(low, right);
    loadWide(high, right + kWideLanes);
#pragma clang loop unroll(full)
    for (uint64_t b = 0; b < kBlock; ++b) {
      const WideLanes factor = WideLanes{} + left[b] * sign;
      sums[b][0] = __builtin_elementwise_fma(factor, low, sums[b][0]);
      sums[b][1] = __builtin_elementwise_fma(factor, high, sums[b][1]);
    }
  }
  for (uint64_t b = 0; b < kBlock; ++b)
    for (uint64_t v = 0; v < 2; ++v)
      storeWide(out + b * outStride + v * kWideLanes, sums[b][v]);
}

/// As addTile for one row, where a block would reach beyond the last.
static void addRow(float *out, uint64_t tile, const float *left, const float *right,
                   uint64_t stride, uint64_t rows, float sign) {
  for (uint64_t i = 0; i < tile; ++i)
    for (uint64_t n = 0; n < rows; ++n)
      out[i] = __builtin_fmaf(left[n * stride] * sign, right[n * stride + i], out[i]);
}

void addProducts(SymmetricMatrix &matrix, const float *x, uint64_t stride, uint64_t rows,
                 float sign, uint64_t first, uint64_t last) {
  for (uint64_t n = 0; n < rows; n += kDepth) {
    const float *part = x + n * stride;
    const uint64_t depth = std::min(kDepth, rows - n);
    for (uint64_t b = first; b < last; b += kBlock)
      for (uint64_t a = b / SymmetricMatrix::kTile * SymmetricMatrix::kTile; a < matrix.size();
           a += SymmetricMatrix::kTile) {
        if (b + kBlock <= last) {
          addTile(matrix.row(b) + a, matrix.stride(), part + b, part + a, stride, depth, sign);
          continue;
        }
        for (uint64_t r = b; r < last; ++r)
          addRow(matrix.row(r) + a, SymmetricMatrix::kTile, part + r, part + a, stride, depth,
                 sign);
      }
  }
}

void addProducts(SymmetricMatrix &matrix, const float *x, uint64_t stride, uint64_t rows,
                 float sign, unsigned threads) {
  constexpr uint64_t share =
      32; // Rows that a thread takes at a time; the first rows are the longest.
  std::atomic<uint64_t> next{0};
  const auto work = [&] {
    for (uint64_t b; (b = next.fetch_add(share, std::memory_order_relaxed)) < matrix.size();)
      addProducts(matrix, x, stride, rows, sign, b, std::min(b + share, matrix.size()));
  };
  std::vector<std::thread> others;
  for (uint64_t t = 1; t < threads && t * share < matrix.size(); ++t)
    others.emplace_back(work);
  work();
  for (std::thread &other : others)
    other.join();
}

} // namespace tenon::compiler
