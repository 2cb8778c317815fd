//===- ChipProbeLoops.cpp - The loops that the chip probe times -----------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/device/cpu/ChipProbeLoops.h"

#include "runtime/device/cpu/CpuFeatures.h"

#include <atomic>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace tenon::cpu {

namespace {

/// Keeps the compiler from dropping a computation.
std::atomic<uint64_t> sink;
void keep(uint64_t value) { sink.fetch_add(value, std::memory_order_relaxed); }

/// Latency of a multiply-accumulate times its throughput, and then some.
constexpr int kChains = 12;
constexpr uint64_t kRounds = 10'000;
constexpr double roundMacs(int lanes) { return double(lanes) * kChains * double(kRounds); }

/// void NAME(): kRounds times SUM = PRODUCT in each of kChains independent sums of type VECTOR,
/// which the inline assembler holds in a REGISTER. PRODUCT reads `sum`, `a` and `b`. The opaque
/// start keeps equal chains from becoming one, and the opaque operands keep products from being
/// computed once, or at compile time. A macro, because a template would not take its caller's
/// target features.
#define TENON_MAC_ROUNDS(NAME, FEATURES, VECTOR, REGISTER, START, A, B, PRODUCT)                   \
  __attribute__((target(FEATURES))) void NAME() {                                                  \
    VECTOR sums[kChains];                                                                          \
    for (VECTOR &sum : sums) {                                                                     \
      sum = START;                                                                                 \
      asm volatile("" : "+" REGISTER(sum));                                                        \
    }                                                                                              \
    auto a = A, b = B;                                                                             \
    for (uint64_t i = 0; i < kRounds; ++i) {                                                       \
      _Pragma("unroll") for (VECTOR &sum : sums) {                                                 \
        asm volatile("" : "+" REGISTER(a), "+" REGISTER(b));                                       \
        sum = PRODUCT;                                                                             \
      }                                                                                            \
    }                                                                                              \
    for (const VECTOR &sum : sums) {                                                               \
      uint64_t bits;                                                                               \
      std::memcpy(&bits, &sum, sizeof(bits));                                                      \
      keep(bits);                                                                                  \
    }                                                                                              \
  }

/// How far ahead the loops that prefetch do: time enough for memory to answer, and within the page.
/// The bytes past the end are not read, only hinted at.
constexpr uint64_t kPrefetchAhead = 2048;

template <bool Prefetch, int Lines>
inline __attribute__((always_inline)) void hint(const std::byte *at) {
  if constexpr (Prefetch)
#pragma unroll
    for (int line = 0; line < Lines; ++line)
      __builtin_prefetch(at + kPrefetchAhead + 64 * line);
}

/// 16-byte vectors, 16 sums: 256 bytes a round, enough loads in flight for any core.
template <bool Prefetch>
[[maybe_unused]] uint64_t readGeneric(const std::byte *data, uint64_t bytes) {
  using Vector = uint64_t __attribute__((vector_size(16)));
  Vector sums[16] = {};
  const auto *at = reinterpret_cast<const Vector *>(data);
  for (uint64_t i = 0; i < bytes / sizeof(Vector); i += 16) {
    hint<Prefetch, 4>(data + i * sizeof(Vector));
#pragma unroll
    for (int lane = 0; lane < 16; ++lane)
      sums[lane] += at[i + static_cast<uint64_t>(lane)];
  }
  uint64_t sum = 0;
  for (const Vector &s : sums)
    sum += s[0] ^ s[1];
  return sum;
}

#if defined(__x86_64__)

template <bool Prefetch>
__attribute__((target("avx2"))) uint64_t read256(const std::byte *data, uint64_t bytes) {
  __m256i sums[8];
  for (__m256i &s : sums)
    s = _mm256_setzero_si256();
  for (uint64_t i = 0; i < bytes; i += 512) {
    const auto *at = reinterpret_cast<const __m256i *>(data + i);
    hint<Prefetch, 8>(data + i);
#pragma unroll
    for (int lane = 0; lane < 16; ++lane)
      sums[lane % 8] = _mm256_add_epi64(sums[lane % 8], _mm256_load_si256(at + lane));
  }
  for (int s = 1; s < 8; ++s)
    sums[0] = _mm256_add_epi64(sums[0], sums[s]);
  const __m128i half =
      _mm_add_epi64(_mm256_castsi256_si128(sums[0]), _mm256_extracti128_si256(sums[0], 1));
  return uint64_t(_mm_cvtsi128_si64(half)) ^ uint64_t(_mm_extract_epi64(half, 1));
}

template <bool Prefetch>
__attribute__((target("avx512f"))) uint64_t read512(const std::byte *data, uint64_t bytes) {
  __m512i sums[16];
  for (__m512i &s : sums)
    s = _mm512_setzero_si512();
  for (uint64_t i = 0; i < bytes; i += 1024) {
    const std::byte *at = data + i;
    hint<Prefetch, 16>(at);
#pragma unroll
    for (int lane = 0; lane < 16; ++lane)
      sums[lane] = _mm512_add_epi64(sums[lane], _mm512_load_si512(at + 64 * lane));
  }
  for (int s = 1; s < 16; ++s)
    sums[0] = _mm512_add_epi64(sums[0], sums[s]);
  return uint64_t(_mm512_reduce_add_epi64(sums[0]));
}

TENON_MAC_ROUNDS(f32Rounds512, "avx512f", __m512, "v", _mm512_set1_ps(1), _mm512_set1_ps(0.999f),
                 _mm512_set1_ps(1e-3f), _mm512_fmadd_ps(sum, a, b))
TENON_MAC_ROUNDS(f32Rounds256, "avx2,fma", __m256, "x", _mm256_set1_ps(1), _mm256_set1_ps(0.999f),
                 _mm256_set1_ps(1e-3f), _mm256_fmadd_ps(sum, a, b))
TENON_MAC_ROUNDS(bf16Rounds512, "avx512f,avx512bf16", __m512, "v", _mm512_setzero_ps(),
                 _mm512_set1_epi16(0x3f80), _mm512_set1_epi16(0x3f80),
                 _mm512_dpbf16_ps(sum, __m512bh(a), __m512bh(b)))
TENON_MAC_ROUNDS(int8Rounds512, "avx512f,avx512bw,avx512vnni", __m512i, "v", _mm512_setzero_si512(),
                 _mm512_set1_epi8(3), _mm512_set1_epi8(-2), _mm512_dpbusd_epi32(sum, a, b))
TENON_MAC_ROUNDS(int8RoundsAvxVnni, "avx2,avxvnni", __m256i, "x", _mm256_setzero_si256(),
                 _mm256_set1_epi8(3), _mm256_set1_epi8(-2), _mm256_dpbusd_avx_epi32(sum, a, b))
/// Without VNNI: products in pairs to int16, pairs of those to int32, then the sum.
TENON_MAC_ROUNDS(int8Rounds256, "avx2", __m256i, "x", _mm256_setzero_si256(), _mm256_set1_epi8(3),
                 _mm256_set1_epi8(-2),
                 _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b),
                                                         _mm256_set1_epi16(1))))

/// Four accumulators from two tiles by two, as a matrix product would: 16 rows of 64 bytes each.
/// Written as assembly whole: a compiler that reorders stores around ldtilecfg loads garbage.
struct alignas(64) TileConfig {
  uint8_t palette = 1, startRow = 0, reserved[14] = {};
  uint16_t bytesPerRow[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);
constexpr int kTileAccumulators = 4;
constexpr double tileMacs(int depth) { return 16.0 * 16 * depth * kTileAccumulators * kRounds; }

#define TENON_TILE_LOOP(PRODUCT)                                                                   \
  const TileConfig config;                                                                         \
  uint64_t rounds = kRounds;                                                                       \
  asm volatile("ldtilecfg %1\n\t"                                                                  \
               "tilezero %%tmm0\n\ttilezero %%tmm1\n\ttilezero %%tmm2\n\ttilezero %%tmm3\n\t"      \
               "tilezero %%tmm4\n\ttilezero %%tmm5\n\ttilezero %%tmm6\n\ttilezero %%tmm7\n"        \
               "1:\n\t" PRODUCT " %%tmm6, %%tmm4, %%tmm0\n\t" PRODUCT                              \
               " %%tmm7, %%tmm4, %%tmm1\n\t" PRODUCT " %%tmm6, %%tmm5, %%tmm2\n\t" PRODUCT         \
               " %%tmm7, %%tmm5, %%tmm3\n\t"                                                       \
               "dec %0\n\t"                                                                        \
               "jnz 1b\n\t"                                                                        \
               "tilerelease"                                                                       \
               : "+r"(rounds)                                                                      \
               : "m"(config)                                                                       \
               : "cc", "memory")

void amxBf16Rounds() { TENON_TILE_LOOP("tdpbf16ps"); }
void amxInt8Rounds() { TENON_TILE_LOOP("tdpbssd"); }
#undef TENON_TILE_LOOP

bool hasAvxVnni() {
  unsigned a, b, c, d;
  return cpuFeatures().avx2 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 4));
}

#elif defined(__aarch64__)

TENON_MAC_ROUNDS(f32RoundsNeon, "neon", float32x4_t, "w", vdupq_n_f32(1), vdupq_n_f32(0.999f),
                 vdupq_n_f32(1e-3f), vfmaq_f32(sum, a, b))
TENON_MAC_ROUNDS(int8RoundsNeon, "dotprod", int32x4_t, "w", vdupq_n_s32(0), vdupq_n_s8(3),
                 vdupq_n_s8(-2), vdotq_s32(sum, a, b))

#endif
#undef TENON_MAC_ROUNDS

} // namespace

std::span<const ReadLoop> readLoops() {
#if defined(__x86_64__)
  static constexpr ReadLoop wide[] = {read512<false>, read512<true>};
  static constexpr ReadLoop half[] = {read256<false>, read256<true>};
  if (cpuFeatures().avx512)
    return wide;
  if (cpuFeatures().avx2)
    return half;
#endif
  static constexpr ReadLoop generic[] = {readGeneric<false>, readGeneric<true>};
  return generic;
}

MacLoop macLoop(MacUnit unit) {
  [[maybe_unused]] const CpuFeatures &features = cpuFeatures();
#if defined(__x86_64__)
  switch (unit) {
  case MacUnit::F32:
    return features.avx512 ? MacLoop{f32Rounds512, roundMacs(16)}
           : features.avx2 ? MacLoop{f32Rounds256, roundMacs(8)}
                           : MacLoop{};
  case MacUnit::Bf16:
    return features.avx512Bf16 ? MacLoop{bf16Rounds512, roundMacs(32)} : MacLoop{};
  case MacUnit::Int8:
    return features.avx512 ? MacLoop{int8Rounds512, roundMacs(64)}
           : hasAvxVnni()  ? MacLoop{int8RoundsAvxVnni, roundMacs(32)}
           : features.avx2 ? MacLoop{int8Rounds256, roundMacs(32)}
                           : MacLoop{};
  case MacUnit::AmxBf16:
    return features.amx && enableAmx() ? MacLoop{amxBf16Rounds, tileMacs(32)} : MacLoop{};
  case MacUnit::AmxInt8:
    return features.amx && enableAmx() ? MacLoop{amxInt8Rounds, tileMacs(64)} : MacLoop{};
  }
#elif defined(__aarch64__)
  if (unit == MacUnit::F32)
    return {f32RoundsNeon, roundMacs(4)};
  if (unit == MacUnit::Int8 && features.neon)
    return {int8RoundsNeon, roundMacs(16)};
#endif
  return {};
}

} // namespace tenon::cpu
