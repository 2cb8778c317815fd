//===- KernelAbi.h - What an emitted CPU kernel is given --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The contract between emitted kernels (compiler/targets/cpu) and the executor. Plain C layout:
// the emitter addresses the fields by offset, so any change here is a change of the engine format
// (bump engine::kFormatMajor and the offsets in compiler/targets/cpu).
//
#ifndef TENON_RUNTIME_DEVICE_CPU_KERNELABI_H
#define TENON_RUNTIME_DEVICE_CPU_KERNELABI_H

#include <cstddef>
#include <cstdint>

namespace tenon::cpu {

/// Tokens in one block of the KV cache. K is stored dimension-major inside a block so that 16 keys
/// are one vector; V is stored token-major so that 16 dimensions are one vector.
inline constexpr uint32_t kBlockTokens = 16;

/// Rows (tokens of one sequence, consecutive positions) that one attention tile covers at most.
inline constexpr uint32_t kAttentionTileRows = 32;

/// A run of consecutive rows of one sequence that attention handles together.
struct AttentionTile {
  uint32_t firstRow; ///< Row of the step.
  uint32_t rowCount; ///< 1 ..= kAttentionTileRows.
};

/// One step as the kernels see it. Owned by the executor; every pointer stays valid during a step.
/// Kernels of engines before format 3.5 know neither `logitStride` nor what stands behind
/// `attentionTiles`: they need zeros there.
struct StepView {
  uint32_t numTokens;        ///< Rows of the step (decodes first, then prompt chunks).
  uint32_t numSequences;     ///< Rows of `blockTables`.
  uint32_t numLogitRows;     ///< Rows that need logits.
  uint32_t blockTableStride; ///< int32 entries per row of `blockTables`.
  uint32_t numAttentionTiles;
  uint32_t
      logitStride; ///< f32 from one row of logits to the next; 0: as many as the kernel computes.
  const int32_t *tokenIds;    ///< [numTokens]
  const int32_t *positions;   ///< [numTokens] position within its sequence, 0-based.
  const int32_t *rowSequence; ///< [numTokens] row of `blockTables` that the token belongs to.
  const int32_t *blockTables; ///< [numSequences, blockTableStride] block ids.
  const int32_t *logitRows;   ///< [numLogitRows] row indices, ascending.
  const AttentionTile *attentionTiles; ///< [numAttentionTiles], covering every row once, in order.
  uint32_t firstLogit;  ///< With `logitStride`: column of a row at which the kernel's logits begin.
  uint32_t poolHeads;   ///< KV heads of a block of the pools; 0: as many as the kernel's.
  uint32_t skippedKeys; ///< So many first KV heads whose K another chip with the same pools writes,
  uint32_t skippedValues; ///< and so many last ones whose V one does.
};
static_assert(offsetof(StepView, tokenIds) == 24 && offsetof(StepView, firstLogit) == 72 &&
              sizeof(StepView) == 88);

/// An emitted kernel: does the share of worker `worker` of `workers`. `buffers` is the launch's
/// pointer list in the order that the kernel's kind states (KernelKind.h).
/// `scratch` is private to the worker, 64-byte aligned, at least the plan's scratch bytes.
/// `claimed` is one word for all workers of the launch, zero when the first of them enters: items
/// claimed so far. Kernels neither allocate nor fail.
using KernelFn = void (*)(void *const *buffers, const StepView *step, uint32_t worker,
                          uint32_t workers, void *scratch, uint32_t *claimed);

/// Share of worker w of `items`: [items*w/workers, items*(w+1)/workers). Kernels of short rows are
/// cut so. Long ones fix only so, one run for each worker, the first items - items/kClaimedPart of
/// those that take equally long, and hand out the rest one by one: no processor is quite as fast as
/// the next. Which worker computes an item changes no bit.
inline constexpr uint32_t kClaimedPart = 4;

/// Activation rows quantised for integer products, one per token ("QuantRow"), K columns (K % 32 ==
/// 0). Per group of 32, x is read as scale * q, with
///   amax = max|x|; scale = amax * (1/steps); q = rne(x * (steps/amax)), 0 if amax == 0.
/// Of 15 bits (steps = 127 * 128), q = 128 * high + low in two int8 planes:
///   high = (q + 64) >> 7 in [-127, 127], low = q - 128 * high in [-64, 63].
/// Of 8 bits (steps = 127), q is the only plane. One plane moves tokens that fp32 is sure of; two
/// cost a second integer product of the same unpacked weights and cannot be told from fp32
/// (docs/decisions/0001-activation-numerics.md). Arrays of a row, one element per group:
///   [K] int8 high | [K] int8 low, if there is one | f32 scale | f32 scale*sum(q) | i32 -sum(q) |
///   [K/16] i32 -sum(q) per 16
struct QuantRowLayout {
  uint64_t columns;
  uint32_t planes; ///< 1 or 2.
  constexpr explicit QuantRowLayout(uint64_t k, uint32_t bits = 15)
      : columns(k), planes(bits > 8 ? 2 : 1) {}
  /// Largest |q|.
  constexpr int32_t steps() const { return planes == 2 ? 127 * 128 : 127; }
  constexpr uint64_t lowOffset() const { return columns; }
  constexpr uint64_t scaleOffset() const { return columns * planes; }
  constexpr uint64_t sumOffset() const { return scaleOffset() + columns / 32 * 4; }
  constexpr uint64_t negSum32Offset() const { return scaleOffset() + columns / 32 * 8; }
  constexpr uint64_t negSum16Offset() const { return scaleOffset() + columns / 32 * 12; }
  /// Bytes without padding.
  constexpr uint64_t bytes() const { return scaleOffset() + columns / 32 * 20; }
  /// Bytes from one row to the next; a multiple of 64.
  constexpr uint64_t stride() const { return (bytes() + 63) / 64 * 64; }
};
/// Columns of a block of logits whose maximum the kernel leaves behind them, for whoever draws from
/// them.
inline constexpr uint32_t kLogitsBlock = 32;
constexpr uint64_t logitsBlocks(uint64_t columns) {
  return (columns + kLogitsBlock - 1) / kLogitsBlock;
}

/// Bits of the low plane.
inline constexpr int32_t kQuantLowBits = 7;

/// KV pool of one layer, f16: block b, head h at
///   K: ((b*poolHeads + h) * headDim + d) * kBlockTokens + slot
///   V: ((b*poolHeads + h) * kBlockTokens + slot) * headDim + d
/// A kernel's pointers are those of its first head in block 0.

} // namespace tenon::cpu

#endif // TENON_RUNTIME_DEVICE_CPU_KERNELABI_H
