//===- AttentionLayout.h - Memory of an attention item ----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_TARGETS_CPU_EMIT_ATTENTIONLAYOUT_H
#define TENON_COMPILER_TARGETS_CPU_EMIT_ATTENTIONLAYOUT_H

#include "compiler/targets/cpu/KernelSpec.h"
#include "runtime/device/cpu/KernelAbi.h"

#include <algorithm>

namespace tenon::cpu {

/// Keys that are worked on together within a segment; the granularity of what a window reads.
inline constexpr int64_t kGroupKeys = 64;

/// A partial or running softmax of one query: [headDim] f32 weighted values, f32 maximum, f32 sum
/// of weights.
struct AttentionRecord {
  int64_t maximum, sum,
      bytes; ///< Byte offsets, and bytes from one record to the next (a multiple of 64).
  explicit AttentionRecord(const KernelSpec &spec)
      : maximum(int64_t(spec.headDim) * 4), sum(maximum + 4),
        bytes(attentionRecordBytes(spec.headDim)) {}
};

/// The largest divisor of `n` that is at most `limit`.
constexpr int64_t largestDivisor(int64_t n, int64_t limit) {
  for (int64_t d = std::min(n, limit); d > 1; --d)
    if (n % d == 0)
      return d;
  return 1;
}

/// Vectors of 16 head dimensions that a line of a panel of values has.
constexpr int64_t panelVectors(int64_t headDim) { return largestDivisor(headDim / 16, 7); }

/// Rows of a tile that are worked on at once: their queries and scores stay in L2 beside a panel.
constexpr int64_t tileRows(const KernelSpec &spec) {
  return std::clamp<int64_t>(128 / queryGroup(spec), 1, kAttentionTileRows);
}

/// Queries that a register block of a tile has at most; a tile's arrays have room for one block
/// more.
inline constexpr int64_t kMaxBlockQueries = 8;

/// Byte offsets within a worker's scratch for up to tileRows rows, Q = rows * queryGroup queries
/// and one more register block. What the queries beyond the tile's compute is never used.
struct AttentionScratch {
  int64_t queries;  ///< [Q, headDim] f32
  int64_t scores;   ///< [Q, kSegmentKeys] f32
  int64_t partials; ///< [Q] records: the segment at hand
  int64_t running;  ///< [Q] records: all segments before it
  int64_t panel;    ///< [kSegmentKeys * headDim] f32: keys, then values
  int64_t bytes;

  explicit AttentionScratch(const KernelSpec &spec) {
    const int64_t q = tileRows(spec) * queryGroup(spec) + kMaxBlockQueries;
    const int64_t record = AttentionRecord(spec).bytes;
    queries = 0;
    scores = queries + (q * spec.headDim * 4 + 63) / 64 * 64;
    partials = scores + q * kSegmentKeys * 4;
    running = partials + q * record;
    panel = running + q * record;
    bytes = panel + kSegmentKeys * spec.headDim * 4;
  }
};

} // namespace tenon::cpu

#endif // TENON_COMPILER_TARGETS_CPU_EMIT_ATTENTIONLAYOUT_H
