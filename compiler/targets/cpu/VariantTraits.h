//===- VariantTraits.h - What variants have in common -----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_TARGETS_CPU_VARIANTTRAITS_H
#define TENON_COMPILER_TARGETS_CPU_VARIANTTRAITS_H

#include "runtime/engine/EngineFormat.h"

namespace tenon::cpu {

/// Whether the variant's vectors are AVX-512's, with VNNI.
constexpr bool isAvx512(engine::Variant variant) {
  return variant == engine::Variant::Avx512 || variant == engine::Variant::Amx;
}

/// Whether the variant's vectors are AArch64's 32 of 128 bits.
constexpr bool isNeon(engine::Variant variant) {
  return variant == engine::Variant::Neon || variant == engine::Variant::NeonI8mm;
}

/// Whether integer products go by pairs of rows' planes (emit/PairProduct.h).
constexpr bool multipliesPairs(engine::Variant variant) {
  return variant == engine::Variant::NeonI8mm;
}

} // namespace tenon::cpu

#endif // TENON_COMPILER_TARGETS_CPU_VARIANTTRAITS_H
