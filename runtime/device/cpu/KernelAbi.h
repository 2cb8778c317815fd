//===- KernelAbi.h - What an emitted CPU kernel is given --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The contract between emitted kernels (compiler/targets/cpu) and the executor. Plain C layout:
// the emitter addresses the fields by offset, so any change here is a change of the engine format
// (bump engine::kFormatMinor and the offsets in compiler/targets/cpu).
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
inline constexpr uint32_t kAttentionTileRows = 4;

/// A run of consecutive rows of one sequence that attention handles together.
struct AttentionTile {
  uint32_t firstRow; ///< Row of the step.
  uint32_t rowCount; ///< 1 ..= kAttentionTileRows.
};

/// One step as the kernels see it. Owned by the executor; every pointer stays valid during a step.
struct StepView {
  uint32_t numTokens;            ///< Rows of the step (decodes first, then prompt chunks).
  uint32_t numSequences;         ///< Rows of `blockTables`.
  uint32_t numLogitRows;         ///< Rows that need logits.
  uint32_t blockTableStride;     ///< int32 entries per row of `blockTables`.
  uint32_t numAttentionTiles;
  uint32_t reserved;
  const int32_t *tokenIds;       ///< [numTokens]
  const int32_t *positions;      ///< [numTokens] position within its sequence, 0-based.
  const int32_t *rowSequence;    ///< [numTokens] row of `blockTables` that the token belongs to.
  const int32_t *blockTables;    ///< [numSequences, blockTableStride] block ids.
  const int32_t *logitRows;      ///< [numLogitRows] row indices, ascending.
  const AttentionTile *attentionTiles; ///< [numAttentionTiles], covering every row once, in order.
};
static_assert(offsetof(StepView, tokenIds) == 24 && sizeof(StepView) == 72);

/// An emitted kernel: does the share of worker `worker` of `workers`. `buffers` is the launch's
/// pointer list in the order that the kernel's kind states (compiler/targets/cpu/KernelSpec.h).
/// `scratch` is private to the worker, 64-byte aligned, at least the plan's scratch bytes.
/// Kernels neither allocate nor fail.
using KernelFn = void (*)(void *const *buffers, const StepView *step, uint32_t worker,
                          uint32_t workers, void *scratch);

/// Share of worker w of `items`: [items*w/workers, items*(w+1)/workers).
/// Every kernel that partitions by row or item uses this formula.

/// Activation rows quantised for integer products, one per token ("QuantRow"), K columns (K % 32 == 0).
/// Per group of 32: x is read as scale * q + base, with
///   base  = (min + max) * 0.5, half = max - base, scale = half * (1/127),
///   q     = clamp(rne((x - base) * (127 / half)), -127, 127); 0 if half == 0.
/// The base spends all 254 steps on the group's own range; without it (base = 0) the error is 2.5 times
/// larger (docs/decisions/0001-activation-numerics.md). Arrays of a row, one element per group:
///   [K] int8 q | f32 scale | f32 base | f32 sum of the group = scale*sum(q) + 32*base | i32 -sum(q) |
///   [K/16] i32 -sum(q) per 16
struct QuantRowLayout {
  uint64_t columns;
  constexpr explicit QuantRowLayout(uint64_t k) : columns(k) {}
  constexpr uint64_t scaleOffset() const { return columns; }
  constexpr uint64_t baseOffset() const { return columns + columns / 32 * 4; }
  constexpr uint64_t sumOffset() const { return columns + columns / 32 * 8; }
  constexpr uint64_t negSum32Offset() const { return columns + columns / 32 * 12; }
  constexpr uint64_t negSum16Offset() const { return columns + columns / 32 * 16; }
  /// Bytes from one row to the next; a multiple of 64.
  constexpr uint64_t stride() const { return (columns + columns / 32 * 24 + 63) / 64 * 64; }
};

/// KV pool of one layer, f16: block b, head h at
///   K: ((b*kvHeads + h) * headDim + d) * kBlockTokens + slot
///   V: ((b*kvHeads + h) * kBlockTokens + slot) * headDim + d

} // namespace tenon::cpu

#endif // TENON_RUNTIME_DEVICE_CPU_KERNELABI_H
