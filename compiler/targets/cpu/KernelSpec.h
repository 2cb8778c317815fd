//===- KernelSpec.h - What one emitted CPU kernel computes ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The contract between the lowering to `plan` (which decides the kernels a model needs) and the
// emitters of compiler/targets/cpu (which write them). No MLIR in this header. Two equal specs are
// one kernel.
//
#ifndef TENON_COMPILER_TARGETS_CPU_KERNELSPEC_H
#define TENON_COMPILER_TARGETS_CPU_KERNELSPEC_H

#include "runtime/device/cpu/KernelKind.h"
#include "runtime/engine/WeightFormat.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

namespace tenon::cpu {

enum class Activation : uint8_t { None, Silu, GeluTanh };

/// Everything that is a constant of the emitted code. Unused fields keep their defaults.
struct KernelSpec {
  KernelKind kind = KernelKind::Linear;
  uint32_t k = 0; ///< Columns of the input (Linear*, Norm*, Embed, Quantize).
  uint32_t n =
      0; ///< Output channels (Linear, LinearGate: of one of the two matrices; Embed: vocabulary).
  /// Weight formats in the order of the weight buffers (Embed, Linear: 1; LinearGate: 2; LinearQkv:
  /// 3).
  std::vector<WeightFormat> formats;
  bool quantIn = false;  ///< Input rows are QuantRows. Required iff the formats are block formats.
  bool quantOut = false; ///< Output rows are QuantRows.
  uint32_t rowBits = 15; ///< Of QuantRows, in and out: 15 or 8.
  bool residual = false;
  bool bf16Out = false;
  bool logits = false;
  bool maxima = false;
  bool gatherLogitRows = false;
  bool keepRows = false; ///< With `gatherLogitRows`: the gathered rows are written too.
  bool partial = false;  ///< The weights are some rows of a matrix that chips share.
  Activation activation = Activation::None;
  uint32_t heads = 0, kvHeads = 0, headDim = 0, rotary = 0;
  uint32_t group = 0;        ///< Query heads of a whole KV head (Attention); 0: heads / kvHeads.
  uint32_t skippedHeads = 0; ///< Query heads of the first KV head that are not here; below `group`.
  bool qkNorm = false;
  uint32_t window = 0; ///< 0: full causal attention.
  uint32_t context =
      0; ///< Positions that a sequence may have (Attention); 0: a row is one worker's.
  float eps = 0, scale = 1, softcap = 0, attentionScale = 1, ropeScale = 1;

  auto key() const {
    return std::tie(kind, k, n, formats, quantIn, quantOut, rowBits, residual, bf16Out, logits,
                    maxima, gatherLogitRows, keepRows, partial, activation, heads, kvHeads, headDim,
                    rotary, group, skippedHeads, qkNorm, window, context, eps, scale, softcap,
                    attentionScale, ropeScale);
  }
  bool operator==(const KernelSpec &o) const { return key() == o.key(); }
  bool operator<(const KernelSpec &o) const { return key() < o.key(); }
};

/// Query heads that read one KV head, at most.
constexpr uint32_t queryGroup(const KernelSpec &spec) {
  return spec.group ? spec.group : spec.heads / spec.kvHeads;
}
/// Whether every query head reads a KV head, and every KV head is read.
constexpr bool headsFit(const KernelSpec &spec) {
  if (!spec.heads || !spec.kvHeads)
    return false;
  if (!spec.group)
    return spec.heads % spec.kvHeads == 0 && !spec.skippedHeads;
  return spec.skippedHeads < spec.group &&
         (spec.heads + spec.skippedHeads + spec.group - 1) / spec.group == spec.kvHeads;
}

/// Keys of one softmax partial of attention; segments start at absolute multiples of it.
inline constexpr uint32_t kSegmentKeys = 256;
/// Bytes of the partial softmax of one query (weighted values, maximum, sum); a multiple of 64.
constexpr uint64_t attentionRecordBytes(uint64_t headDim) {
  return (headDim * 4 + 8 + 63) / 64 * 64;
}
/// Bytes for each worker of the `partials` of an Attention kernel with `context`; a multiple of 64.
/// At most as many rows as workers are shared at once; each has a counter in a line of its own, and
/// a record for every segment that it can see and every query of a group. All counters stand first,
/// so that kernels with different records can have the buffer in turn: what must be zero between
/// launches has one place.
constexpr uint64_t attentionPartialBytes(const KernelSpec &spec) {
  uint64_t segments = (uint64_t(spec.context) + kSegmentKeys - 1) / kSegmentKeys;
  if (spec.window)
    segments = std::min(segments, (uint64_t(spec.window) + kSegmentKeys - 2) / kSegmentKeys + 1);
  return 64 + segments * queryGroup(spec) * attentionRecordBytes(spec.headDim);
}

/// Bytes of `scratch` that the kernel needs per worker (0 if none).
uint64_t scratchBytes(const KernelSpec &spec);

} // namespace tenon::cpu

#endif // TENON_COMPILER_TARGETS_CPU_KERNELSPEC_H
