//===- KernelSpec.cpp - What one emitted CPU kernel computes --------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/KernelSpec.h"
#include "compiler/targets/cpu/Codegen.h"
#include "compiler/targets/cpu/emit/AttentionLayout.h"
#include "compiler/targets/cpu/emit/LinearLoop.h"

namespace tenon::cpu {

uint64_t scratchBytes(const KernelSpec &spec) {
  switch (spec.kind) {
  case KernelKind::Linear:
    return linearScratchBytes(spec.formats, spec.k, kLinearUnitColumns);
  case KernelKind::LinearGate:
    return linearScratchBytes(spec.formats, spec.k, kGateUnitColumns);
  case KernelKind::LinearQkv:
    return linearScratchBytes(spec.formats, spec.k, spec.headDim);
  case KernelKind::Attention:
    return AttentionScratch(spec).bytes;
  case KernelKind::Embed:
    return 768; // three scale vectors, eight steps of a group, one channel's 32 quants
  default:
    return 0;
  }
}

llvm::Error checkSpec(const KernelSpec &spec) {
  auto fail = [&](const llvm::Twine &why) {
    return llvm::createStringError(llvm::Twine(llvm::StringRef(kernelKindName(spec.kind))) +
                                   " kernel: " + why);
  };
  auto multiple = [](uint64_t v, uint64_t of) { return v != 0 && v % of == 0; };
  for (WeightFormat format : spec.formats) {
    const FormatInfo info = formatInfo(format);
    if (!multiple(spec.k, info.kMultiple))
      return fail(llvm::Twine("a ") + llvm::StringRef(info.name) +
                  " weight needs columns in multiples of " + llvm::Twine(info.kMultiple) +
                  ", found " + llvm::Twine(spec.k));
    if (spec.kind != KernelKind::Embed && info.isFloat() == spec.quantIn)
      return fail(llvm::Twine("a ") + llvm::StringRef(info.name) + " weight reads " +
                  (info.isFloat() ? "f32 rows" : "quantised rows"));
  }
  if (spec.rowBits != 15 && spec.rowBits != 8)
    return fail("quantised rows have 15 or 8 bits, found " + llvm::Twine(spec.rowBits));
  const bool heads = spec.kind == KernelKind::LinearQkv || spec.kind == KernelKind::Attention;
  if (heads && (!multiple(spec.headDim, kPanelChannels) || !spec.heads || !spec.kvHeads))
    return fail("needs heads, KV heads and a head size in multiples of 16, found " +
                llvm::Twine(spec.heads) + ", " + llvm::Twine(spec.kvHeads) + ", " +
                llvm::Twine(spec.headDim));
  if (spec.kind == KernelKind::Attention && !headsFit(spec))
    return fail("needs query heads that read every KV head, found " + llvm::Twine(spec.heads) +
                " of " + llvm::Twine(spec.kvHeads) + " KV heads, groups of " +
                llvm::Twine(spec.group) + " and " + llvm::Twine(spec.skippedHeads) + " skipped");
  if (spec.kind == KernelKind::LinearQkv &&
      (!multiple(spec.rotary, 2) || spec.rotary > spec.headDim))
    return fail("rotary size " + llvm::Twine(spec.rotary) + " must be even and within the head");
  switch (spec.kind) {
  case KernelKind::Attention:
    if (spec.quantOut && spec.headDim % 32)
      return fail("quantised output needs a head size in multiples of 32, found " +
                  llvm::Twine(spec.headDim));
    break;
  case KernelKind::LinearGate:
    if (!multiple(spec.n, 32))
      return fail("needs channels in multiples of 32, found " + llvm::Twine(spec.n));
    break;
  case KernelKind::Linear:
    if (spec.maxima && !spec.logits)
      return fail("maxima are of logits");
    if (spec.bf16Out && (spec.residual || spec.maxima || spec.softcap != 0))
      return fail("rows of bf16 are neither added to nor logits");
    if (spec.residual && !multiple(spec.n, kPanelChannels))
      return fail("a residual needs channels in multiples of 16, found " + llvm::Twine(spec.n));
    break;
  default:
    if (spec.quantOut && !multiple(spec.k, 32))
      return fail("quantised output needs columns in multiples of 32, found " +
                  llvm::Twine(spec.k));
  }
  return llvm::Error::success();
}

} // namespace tenon::cpu
