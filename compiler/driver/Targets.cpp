//===- Targets.cpp - What `--target` means --------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/Targets.h"

#include "runtime/device/cpu/CpuFeatures.h"

#include "llvm/ADT/STLExtras.h"

namespace tenon::compiler {

using engine::Variant;

static constexpr Variant kX86Variants[] = {Variant::Avx2, Variant::Avx512, Variant::Amx,
                                           Variant::AvxVnni};

static llvm::Expected<Target> nativeTarget() {
  const cpu::CpuFeatures &features = cpu::cpuFeatures();
  for (Variant variant : cpu::kVariants)
    if (cpu::missingFor(variant, features).empty())
      return Target{"cpu:" + std::string(cpu::variantName(variant)), {variant}};
  return llvm::createStringError("--target cpu:native: this machine runs none of the variants (" +
                                 cpu::missingFor(Variant::Avx2, features) +
                                 " is missing); name one with --target cpu:avx2");
}

llvm::Expected<Target> parseTarget(llvm::StringRef text) {
  auto [device, list] = text.split(':');
  if (device == "cuda")
    return llvm::createStringError("--target " + text + ": CUDA is not built in yet; use cpu");
  if (device != "cpu")
    return llvm::createStringError(
        "--target " + text + ": unknown device '" + device +
        "'; use cpu, cpu:native "
        "or cpu:VARIANTS with variants out of avx2, avxvnni, avx512, amx, neon, neoni8mm");
  if (list.empty())
    return Target{"cpu",
                  llvm::SmallVector<Variant>(std::begin(kX86Variants), std::end(kX86Variants))};
  if (list == "native")
    return nativeTarget();
  Target target{text.str(), {}};
  llvm::SmallVector<llvm::StringRef> names;
  list.split(names, ',');
  for (llvm::StringRef name : names) {
    auto variant = cpu::parseVariant({name.data(), name.size()});
    if (!variant || *variant == Variant::None)
      return llvm::createStringError(
          "--target " + text + ": unknown variant '" + name +
          "'; known are avx2, avxvnni, avx512, amx, neon, neoni8mm and native");
    if (!llvm::is_contained(target.variants, *variant))
      target.variants.push_back(*variant);
  }
  llvm::sort(target.variants);
  return target;
}

} // namespace tenon::compiler
