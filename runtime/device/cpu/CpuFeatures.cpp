//===- CpuFeatures.cpp - What this processor can execute ------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/device/cpu/CpuFeatures.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace tenon::cpu {

using engine::Variant;

#if defined(__x86_64__)
static uint64_t readXcr0() {
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

static CpuFeatures detect() {
  CpuFeatures found;
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d))
    return found;
  const bool osxsave = c & (1u << 27), fma = c & (1u << 12), f16c = c & (1u << 29);
  if (!osxsave)
    return found;
  const uint64_t xcr0 = readXcr0();
  const bool ymmState = (xcr0 & 0x6) == 0x6;
  const bool zmmState = ymmState && (xcr0 & 0xe0) == 0xe0;
  const bool tileState = (xcr0 & 0x60000) == 0x60000;

  uint32_t b7, c7, d7;
  if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d7))
    return found;
  const uint32_t lastSubleaf = a;
  found.avx2 = ymmState && fma && f16c && (b7 & (1u << 5)) && (b7 & (1u << 8));
  const bool f = b7 & (1u << 16), dq = b7 & (1u << 17), bw = b7 & (1u << 30), vl = b7 & (1u << 31);
  const bool cd = b7 & (1u << 28);
  const bool vnni = c7 & (1u << 11);
  found.avx512 = found.avx2 && zmmState && f && cd && dq && bw && vl && vnni;
  found.amx =
      found.avx512 && tileState && (d7 & (1u << 24)) && (d7 & (1u << 25)) && (d7 & (1u << 22));
  if (lastSubleaf >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) {
    found.avx512Bf16 = found.avx512 && (a & (1u << 5));
    found.avxVnni = found.avx2 && (a & (1u << 4));
  }
  return found;
}

bool enableAmx() {
  static const bool granted = [] {
    constexpr long requestPermission = 0x1023, tileData = 18;
    return syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
  }();
  return granted;
}
#elif defined(__aarch64__)
static CpuFeatures detect() {
  CpuFeatures found;
  const unsigned long bits = getauxval(AT_HWCAP);
  found.neon = (bits & HWCAP_ASIMD) && (bits & HWCAP_ASIMDDP) && (bits & HWCAP_ASIMDHP);
  found.neonI8mm = found.neon && (getauxval(AT_HWCAP2) & HWCAP2_I8MM);
  return found;
}

bool enableAmx() { return false; }
#else
static CpuFeatures detect() { return {}; }
bool enableAmx() { return false; }
#endif

const CpuFeatures &cpuFeatures() {
  static const CpuFeatures features = detect();
  return features;
}

std::string cpuName() {
  std::FILE *file = std::fopen("/proc/cpuinfo", "r");
  if (!file)
    return "unknown";
  char line[512];
  std::string name = "unknown";
  while (std::fgets(line, sizeof(line), file))
    if (std::strncmp(line, "model name", 10) == 0)
      if (const char *colon = std::strchr(line, ':')) {
        name = colon + 2;
        while (!name.empty() && (name.back() == '\n' || name.back() == ' '))
          name.pop_back();
        break;
      }
  std::fclose(file);
  return name;
}

std::string_view variantName(Variant variant) {
  switch (variant) {
  case Variant::None:
    return "none";
  case Variant::Avx2:
    return "avx2";
  case Variant::Avx512:
    return "avx512";
  case Variant::Amx:
    return "amx";
  case Variant::Neon:
    return "neon";
  case Variant::AvxVnni:
    return "avxvnni";
  case Variant::NeonI8mm:
    return "neoni8mm";
  }
  return "unknown";
}

std::optional<Variant> parseVariant(std::string_view name) {
  for (Variant v : kVariants)
    if (variantName(v) == name)
      return v;
  return std::nullopt;
}

std::string missingFor(Variant variant, const CpuFeatures &features) {
  switch (variant) {
  case Variant::None:
    return "a target";
  case Variant::Avx2:
    return features.avx2 ? "" : "AVX2 with FMA, F16C and BMI2";
  case Variant::Avx512:
    return features.avx512 ? "" : "AVX-512 F, CD, BW, DQ, VL and VNNI";
  case Variant::Amx:
    if (!features.amx || !features.avx512Bf16)
      return "AMX tiles with int8 and bf16, and AVX-512 BF16";
    return enableAmx() ? "" : "the kernel's permission to use AMX tile data";
  case Variant::AvxVnni:
    return features.avxVnni ? "" : "AVX2 with FMA, F16C and BMI2, and AVX-VNNI";
  case Variant::Neon:
    return features.neon ? "" : "AArch64 with dot product and half precision";
  case Variant::NeonI8mm:
    return features.neonI8mm ? "" : "AArch64 with dot product, half precision and i8mm";
  }
  return "a known variant";
}

StatusOr<Variant> chooseVariant(std::span<const Variant> offered, std::optional<Variant> forced,
                                const CpuFeatures &features) {
  std::string list;
  for (Variant v : offered)
    list += (list.empty() ? "" : ", ") + std::string(variantName(v));
  if (forced) {
    if (std::find(offered.begin(), offered.end(), *forced) == offered.end())
      return Status::invalidArgument("--variant " + std::string(variantName(*forced)) +
                                     " is not in the engine, which has: " + list);
    if (const std::string missing = missingFor(*forced, features); !missing.empty())
      return Status::unsupported("--variant " + std::string(variantName(*forced)) + " needs " +
                                 missing + ", which this machine lacks");
    return *forced;
  }
  std::string reasons;
  for (Variant v : kVariants) {
    if (std::find(offered.begin(), offered.end(), v) == offered.end())
      continue;
    const std::string missing = missingFor(v, features);
    if (missing.empty())
      return v;
    reasons += "; " + std::string(variantName(v)) + " needs " + missing;
  }
  return Status::unsupported("the engine has kernels for " + (list.empty() ? "nothing" : list) +
                             " and this machine runs none of them" + reasons +
                             "; compile with --target cpu:native here");
}

} // namespace tenon::cpu
