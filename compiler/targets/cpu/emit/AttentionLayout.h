//===- AttentionLayout.h - Scratch of an attention tile ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_TARGETS_CPU_EMIT_ATTENTIONLAYOUT_H
#define TENON_COMPILER_TARGETS_CPU_EMIT_ATTENTIONLAYOUT_H

#include "compiler/targets/cpu/KernelSpec.h"
#include "runtime/device/cpu/KernelAbi.h"

namespace tenon::cpu {

/// Keys between two rescalings of the online softmax; a multiple of kBlockTokens.
inline constexpr int64_t kChunkKeys = 64;

/// Byte offsets within a worker's scratch for a tile of `rows` rows, Q = rows * heads / kvHeads queries.
struct AttentionScratch {
  int64_t queries; ///< [Q, headDim] f32
  int64_t outputs; ///< [Q, headDim] f32
  int64_t scores;  ///< [Q, kChunkKeys] f32
  int64_t sums;    ///< [Q, 16] f32
  int64_t maxima;  ///< [Q] f32
  int64_t factors; ///< [Q] f32
  int64_t bytes;

  AttentionScratch(const KernelSpec &spec, int64_t rows) {
    const int64_t q = rows * (spec.heads / spec.kvHeads), line = (q * 4 + 63) / 64 * 64;
    queries = 0;
    outputs = queries + q * spec.headDim * 4;
    scores = outputs + q * spec.headDim * 4;
    sums = scores + q * kChunkKeys * 4;
    maxima = sums + q * 64;
    factors = maxima + line;
    bytes = factors + line;
  }
};

} // namespace tenon::cpu

#endif // TENON_COMPILER_TARGETS_CPU_EMIT_ATTENTIONLAYOUT_H
