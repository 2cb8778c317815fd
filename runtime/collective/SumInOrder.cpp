//===- SumInOrder.cpp - What a worker does of a collective ----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/collective/SumInOrder.h"

namespace tenon::collective {

// The runtime is built for any processor of its kind; sums are worth the widest vectors there are.
#if defined(__x86_64__)
#define TENON_WIDEST_VECTORS __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define TENON_WIDEST_VECTORS
#endif

TENON_WIDEST_VECTORS
void sumOfTwo(float *__restrict out, const float *__restrict first, const float *__restrict second,
              uint64_t count, bool accumulate) {
  if (accumulate)
    for (uint64_t i = 0; i < count; ++i)
      out[i] += first[i] + second[i];
  else
    for (uint64_t i = 0; i < count; ++i)
      out[i] = first[i] + second[i];
}

TENON_WIDEST_VECTORS
void addTo(float *__restrict sum, const float *__restrict values, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i)
    sum[i] += values[i];
}

} // namespace tenon::collective
