//===- ChipProbe.cpp - The limits of this machine, measured ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/device/cpu/ChipProbe.h"

#include "runtime/base/Arena.h"
#include "runtime/base/Clock.h"
#include "runtime/device/cpu/CpuFeatures.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tenon::cpu {

namespace {

/// Keeps the compiler from dropping a computation.
std::atomic<uint64_t> sink;

/// 16-byte vectors, eight sums: enough loads in flight for any core.
uint64_t readOnce(const std::byte *data, uint64_t bytes) {
  using Vector = uint64_t __attribute__((vector_size(16)));
  Vector sums[8] = {};
  const auto *at = reinterpret_cast<const Vector *>(data);
  for (uint64_t i = 0; i + 8 <= bytes / sizeof(Vector); i += 8)
    for (int lane = 0; lane < 8; ++lane)
      sums[lane] += at[i + static_cast<uint64_t>(lane)];
  uint64_t sum = 0;
  for (const Vector &s : sums)
    sum += s[0] ^ s[1];
  return sum;
}

constexpr int kChains = 12; // latency of a fused multiply-add times its throughput, and then some
constexpr uint64_t kRounds = 20'000;

#if defined(__x86_64__)
__attribute__((target("avx512f"))) void f32Rounds512() {
  __m512 sums[kChains];
  for (__m512 &s : sums) {
    s = _mm512_set1_ps(1);
    asm volatile("" : "+v"(s)); // else equal chains become one
  }
  const __m512 a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(1e-3f);
  for (uint64_t i = 0; i < kRounds; ++i) {
#pragma unroll
    for (int c = 0; c < kChains; ++c)
      sums[c] = _mm512_fmadd_ps(sums[c], a, b);
  }
  float sum = 0;
  for (__m512 &s : sums)
    sum += _mm512_cvtss_f32(s);
  sink.fetch_add(uint64_t(sum), std::memory_order_relaxed);
}

__attribute__((target("avx2,fma"))) void f32Rounds256() {
  __m256 sums[kChains];
  for (__m256 &s : sums) {
    s = _mm256_set1_ps(1);
    asm volatile("" : "+v"(s)); // else equal chains become one
  }
  const __m256 a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(1e-3f);
  for (uint64_t i = 0; i < kRounds; ++i) {
#pragma unroll
    for (int c = 0; c < kChains; ++c)
      sums[c] = _mm256_fmadd_ps(sums[c], a, b);
  }
  float sum = 0;
  for (__m256 &s : sums)
    sum += _mm256_cvtss_f32(s);
  sink.fetch_add(uint64_t(sum), std::memory_order_relaxed);
}

__attribute__((target("avx512f,avx512bw,avx512vnni"))) void int8Rounds512() {
  __m512i sums[kChains];
  for (__m512i &s : sums) {
    s = _mm512_setzero_si512();
    asm volatile("" : "+v"(s));
  }
  __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(-2);
  asm volatile("" : "+v"(a), "+v"(b));
  for (uint64_t i = 0; i < kRounds; ++i) {
#pragma unroll
    for (int c = 0; c < kChains; ++c)
      sums[c] = _mm512_dpbusd_epi32(sums[c], a, b);
  }
  int32_t sum = 0;
  for (__m512i &s : sums)
    sum += _mm_cvtsi128_si32(_mm512_castsi512_si128(s));
  sink.fetch_add(uint64_t(uint32_t(sum)), std::memory_order_relaxed);
}
#endif

/// Best rate of rounds() over the given time, in multiply-accumulates per second of all workers.
double bestRate(WorkerGroup &group, uint32_t computing, double seconds, void (*rounds)(),
                double macsPerRound) {
  const Stopwatch total;
  double best = 0;
  do {
    const Stopwatch watch;
    group.runEach([&](uint32_t worker) {
      if (worker < computing)
        rounds();
    });
    best = std::max(best, macsPerRound * double(kRounds) * computing / watch.seconds());
  } while (total.seconds() < seconds);
  return best;
}

} // namespace

StatusOr<double> probeReadBandwidth(WorkerGroup &group, uint32_t readers, uint64_t bytes,
                                    double seconds) {
  auto buffer = Arena::map(bytes, {.hugePages = true, .populate = false}, "the bandwidth probe");
  if (!buffer)
    return buffer.status();
  const uint64_t share = bytes / readers / 4096 * 4096;
  group.runEach([&](uint32_t worker) {
    if (worker < readers)
      std::memset(buffer->data() + worker * share, 1 + int(worker), share);
  });
  const Stopwatch total;
  double best = 0;
  // Small buffers are read several times per pass, so that starting the workers does not count.
  const uint64_t repeats = std::max<uint64_t>(1, (uint64_t(64) << 20) / bytes);
  do {
    const Stopwatch watch;
    group.runEach([&](uint32_t worker) {
      if (worker >= readers)
        return;
      uint64_t sum = 0;
      for (uint64_t r = 0; r < repeats; ++r)
        sum += readOnce(buffer->data() + worker * share, share);
      sink.fetch_add(sum, std::memory_order_relaxed);
    });
    best = std::max(best, double(share) * readers * double(repeats) / watch.seconds());
  } while (total.seconds() < seconds);
  return best;
}

double probeF32Macs(WorkerGroup &group, uint32_t computing, double seconds) {
#if defined(__x86_64__)
  if (cpuFeatures().avx512)
    return bestRate(group, computing, seconds, f32Rounds512, 16.0 * kChains);
  if (cpuFeatures().avx2)
    return bestRate(group, computing, seconds, f32Rounds256, 8.0 * kChains);
#endif
  return 0;
}

double probeInt8Macs(WorkerGroup &group, uint32_t computing, double seconds) {
#if defined(__x86_64__)
  if (cpuFeatures().avx512)
    return bestRate(group, computing, seconds, int8Rounds512, 64.0 * kChains);
#endif
  return 0;
}

} // namespace tenon::cpu
