//===- SumInOrder.cpp - What a worker does of a collective ----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/collective/SumInOrder.h"

#include <cstring>

namespace tenon::collective {

// The runtime is built for any processor of its kind; sums are worth the widest vectors there are.
#if defined(__x86_64__)
#define TENON_WIDEST_VECTORS __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define TENON_WIDEST_VECTORS
#endif

// One function for each pair of element types: what is cloned must not be a template.

TENON_WIDEST_VECTORS
static void sumFloats(float *__restrict out, const float *__restrict first,
                      const float *__restrict second, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i)
    out[i] = first[i] + second[i];
}

TENON_WIDEST_VECTORS
static void accumulateFloats(float *__restrict out, const float *__restrict first,
                             const float *__restrict second, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i)
    out[i] += first[i] + second[i];
}

TENON_WIDEST_VECTORS
static void sumHalves(float *__restrict out, const Bf16 *__restrict first,
                      const Bf16 *__restrict second, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i)
    out[i] = float(first[i]) + float(second[i]);
}

TENON_WIDEST_VECTORS
static void accumulateHalves(float *__restrict out, const Bf16 *__restrict first,
                             const Bf16 *__restrict second, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i)
    out[i] += float(first[i]) + float(second[i]);
}

TENON_WIDEST_VECTORS
static void roundedSumOfHalves(Bf16 *__restrict out, const Bf16 *__restrict first,
                               const Bf16 *__restrict second, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i)
    out[i] = toBf16(float(first[i]) + float(second[i]));
}

TENON_WIDEST_VECTORS
static void roundedSumOfFloats(Bf16 *__restrict out, const float *__restrict first,
                               const float *__restrict second, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i)
    out[i] = toBf16(first[i] + second[i]);
}

TENON_WIDEST_VECTORS
static void addFloats(float *__restrict sum, const float *__restrict values, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i)
    sum[i] += values[i];
}

TENON_WIDEST_VECTORS
static void addHalves(float *__restrict sum, const Bf16 *__restrict values, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i)
    sum[i] += float(values[i]);
}

TENON_WIDEST_VECTORS
static void widen(float *__restrict out, const Bf16 *__restrict values, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i)
    out[i] = float(values[i]);
}

TENON_WIDEST_VECTORS
static void roundAll(Bf16 *__restrict out, const float *__restrict values, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i)
    out[i] = toBf16(values[i]);
}

void sumOfTwo(void *out, const void *first, const void *second, uint64_t count, Addition how) {
  auto *floats = static_cast<float *>(out);
  auto *halves = static_cast<Bf16 *>(out);
  if (how.in == Element::F32) {
    const auto *a = static_cast<const float *>(first), *b = static_cast<const float *>(second);
    return how.out == Element::BF16 ? roundedSumOfFloats(halves, a, b, count)
           : how.accumulate         ? accumulateFloats(floats, a, b, count)
                                    : sumFloats(floats, a, b, count);
  }
  const auto *a = static_cast<const Bf16 *>(first), *b = static_cast<const Bf16 *>(second);
  return how.out == Element::BF16 ? roundedSumOfHalves(halves, a, b, count)
         : how.accumulate         ? accumulateHalves(floats, a, b, count)
                                  : sumHalves(floats, a, b, count);
}

void startSum(float *__restrict sum, const void *values, uint64_t count, Element in) {
  if (in == Element::F32)
    std::memcpy(sum, values, count * sizeof(float));
  else
    widen(sum, static_cast<const Bf16 *>(values), count);
}

void addTo(float *__restrict sum, const void *values, uint64_t count, Element in) {
  if (in == Element::F32)
    addFloats(sum, static_cast<const float *>(values), count);
  else
    addHalves(sum, static_cast<const Bf16 *>(values), count);
}

void storeSum(void *out, const float *__restrict sum, uint64_t count, Addition how) {
  if (how.out == Element::BF16)
    roundAll(static_cast<Bf16 *>(out), sum, count);
  else if (how.accumulate)
    addFloats(static_cast<float *>(out), sum, count);
  else
    std::memcpy(out, sum, count * sizeof(float));
}

} // namespace tenon::collective
