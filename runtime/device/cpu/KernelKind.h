//===- KernelKind.h - What emitted CPU kernels compute ----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The kinds of kernel that the compiler emits and a plan may launch, with their operands and what
// they compute, and their names in plans. A kernel's sizes and variations are its KernelSpec
// (compiler/targets/cpu).
//
#ifndef TENON_RUNTIME_DEVICE_CPU_KERNELKIND_H
#define TENON_RUNTIME_DEVICE_CPU_KERNELKIND_H

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

namespace tenon::cpu {

/// T tokens of a step, S rows that need logits. All buffers row-major; [..] f32 unless said
/// otherwise. `quant(K)` is an array of QuantRows (runtime/device/cpu/KernelAbi.h).
enum class KernelKind : uint8_t {
  /// buffers: table [T, 2, half] (cosines, then sines), invFreq [half].
  /// table = cos|sin(f32(position) * invFreq) * ropeScale.
  RopeTable,
  /// buffers: out [T, K], weights panels(N, K). out = W[tokenId] * scale. Ids lie in [0, N); with
  /// `partial` any id may come, as unsigned, and one that does not gives zeros.
  Embed,
  /// buffers: x [T, K], w [K], out quant(K) or [T, K] (by `quantOut`). out = x *
  /// rsqrt(mean(x^2)+eps) * w.
  /// With `gatherLogitRows`: reads row logitRows[i] of x, writes row i of out, for i < S; with
  /// `keepRows` too, also as it is, to row i of kept [S, K], the last buffer.
  NormQuant,
  /// buffers: y [T, K], w [K], x [T, K] in and out. x += rmsNorm(y) * w.
  NormAdd,
  /// NormAdd, then NormQuant of the sum: buffers: y, w, x, w2, out.
  NormAddNormQuant,
  /// buffers: x [T, K], out quant(K).
  Quantize,
  /// buffers: in quant(K) or [T, K], W, out [T, N] (row stride N). `residual`: out += instead of =.
  /// `bf16Out`: out is bf16, each number rounded to nearest even, and is neither added to nor
  /// logits.
  /// `logits`: rows are numLogitRows instead of numTokens; softcap != 0: out = cap * tanh(out /
  /// cap).
  /// `maxima` (with `logits`): behind the S rows of out, [S, logitsBlocks(N)]: the largest number
  /// of each block of
  /// columns (KernelAbi.h), -infinity where all are NaN.
  Linear,
  /// buffers: in, Wgate [N, K], Wup [N, K], out quant(N) or [T, N]. out = act(gate) * up.
  LinearGate,
  /// buffers: in, Wq [heads*headDim, K], Wk, Wv [kvHeads*headDim, K], qOut [T, heads*headDim],
  ///   kPool, vPool (f16, this layer's), ropeTable [T, 2, half], and with `qkNorm` qNorm [headDim],
  ///   kNorm.
  /// q and k: rms-normed per head if qkNorm, then rotated (element i with i + half, i < half =
  /// rotary/2;
  /// elements >= rotary pass through), q multiplied by attentionScale; k and v written to the block
  /// of
  /// (sequence, position) as f16 (round to nearest even).
  LinearQkv,
  /// buffers: q [T, heads*headDim], kPool, vPool, out quant(heads*headDim) or [T, heads*headDim],
  /// and with
  ///   `context` partials [workers, attentionPartialBytes].
  /// Causal; `window` > 0: key j is seen from position p iff p - j < window. softcap as above on
  /// scores.
  /// Query head h reads KV head (h + skippedHeads) / queryGroup: a chip may have some of the first
  /// and of the last
  /// KV head's query heads only.
  /// `context` > 0: no position is beyond it, and workers share the keys of one row. They hand each
  /// other partial
  /// results through `partials`, which holds zeros before the first launch and belongs to Attention
  /// launches alone.
  Attention,
};

/// In the order of KernelKind.
inline constexpr std::string_view kKernelKindNames[] = {
    "rope_table", "embed",  "norm_quant",  "norm_add",   "norm_add_norm_quant",
    "quantize",   "linear", "linear_gate", "linear_qkv", "attention"};
static_assert(std::size(kKernelKindNames) == size_t(KernelKind::Attention) + 1);

constexpr std::string_view kernelKindName(KernelKind kind) {
  return kKernelKindNames[size_t(kind)];
}

constexpr std::optional<KernelKind> parseKernelKind(std::string_view name) {
  for (size_t i = 0; i < std::size(kKernelKindNames); ++i)
    if (kKernelKindNames[i] == name)
      return KernelKind(i);
  return std::nullopt;
}

} // namespace tenon::cpu

#endif // TENON_RUNTIME_DEVICE_CPU_KERNELKIND_H
