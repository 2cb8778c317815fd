//===- CpuFeatures.h - What this processor can execute ----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Decided by CPUID bits and XCR0 (AArch64: the kernel's HWCAP bits), never by the processor's name:
// names lie in virtual machines.
//
#ifndef TENON_RUNTIME_DEVICE_CPU_CPUFEATURES_H
#define TENON_RUNTIME_DEVICE_CPU_CPUFEATURES_H

#include "runtime/base/Status.h"
#include "runtime/engine/EngineFormat.h"

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tenon::cpu {

/// Instruction sets that both the processor and the operating system provide.
struct CpuFeatures {
  bool avx2 = false;    ///< AVX2, FMA, F16C and BMI2.
  bool avxVnni = false; ///< VNNI on 256-bit vectors in VEX encoding.
  bool avx512 = false;  ///< F, CD, BW, DQ, VL (x86-64-v4) and VNNI.
  bool avx512Bf16 = false;
  bool amx = false;      ///< Tiles with int8 and bf16 (needs enableAmx() before use).
  bool neon = false;     ///< AArch64 with dot product and half precision.
  bool neonI8mm = false; ///< And with matrix multiplication of bytes.
};

/// Detected once per process.
const CpuFeatures &cpuFeatures();

/// The processor's own name for itself; for people only.
std::string cpuName();

/// All variants, best first among those that one machine can run.
inline constexpr std::array kVariants = {engine::Variant::Amx,      engine::Variant::Avx512,
                                         engine::Variant::AvxVnni,  engine::Variant::Avx2,
                                         engine::Variant::NeonI8mm, engine::Variant::Neon};

std::string_view variantName(engine::Variant variant);
std::optional<engine::Variant> parseVariant(std::string_view name);

/// What the variant's kernels need that is missing here ("" if nothing is).
std::string missingFor(engine::Variant variant, const CpuFeatures &features);

/// The best of `offered` that this machine runs; or `forced`, if it is offered and runs. The error
/// lists what is offered and what is missing. May ask the kernel for AMX's tile state.
StatusOr<engine::Variant> chooseVariant(std::span<const engine::Variant> offered,
                                        std::optional<engine::Variant> forced,
                                        const CpuFeatures &features);

/// Asks the kernel for the tile registers' state, once per process (threads started later inherit
/// it).
bool enableAmx();

} // namespace tenon::cpu

#endif // TENON_RUNTIME_DEVICE_CPU_CPUFEATURES_H
