//===- SumInOrder.h - What a worker does of a collective --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_COLLECTIVE_SUMINORDER_H
#define TENON_RUNTIME_COLLECTIVE_SUMINORDER_H

#include "runtime/collective/Collective.h"

#include <algorithm>
#include <cstring>

namespace tenon::collective {

/// The rows or bytes of a worker (Collective.h, "rows").
struct Share {
  uint64_t first, last;
  Share(uint64_t items, const Caller &who)
      : first(items * who.worker / who.workers), last(items * (who.worker + 1) / who.workers) {}
};

/// out = first + second, or with `accumulate` out += that. Nothing overlaps.
void sumOfTwo(float *__restrict out, const float *__restrict first, const float *__restrict second,
              uint64_t count, bool accumulate);
/// sum += values.
void addTo(float *__restrict sum, const float *__restrict values, uint64_t count);

/// Adds `count` values of each of `parts` in order into `out`. `part(p)` points at the first value of
/// part p. Every implementation sums by it: the same bits wherever the members are.
void sumInOrder(float *out, uint64_t count, uint32_t parts, bool accumulate, const auto &part) {
  if (parts == 2)
    return sumOfTwo(out, part(0), part(1), count, accumulate);
  // Blocks that stay in the first cache, so that `out` is not fetched again for every part.
  constexpr uint64_t kBlock = 1024;
  for (uint64_t at = 0; at < count; at += kBlock) {
    const uint64_t n = std::min(kBlock, count - at);
    float sum[kBlock];
    std::memcpy(sum, part(0) + at, n * sizeof(float));
    for (uint32_t p = 1; p < parts; ++p)
      addTo(sum, part(p) + at, n);
    if (accumulate)
      addTo(out + at, sum, n);
    else
      std::memcpy(out + at, sum, n * sizeof(float));
  }
}

} // namespace tenon::collective

#endif // TENON_RUNTIME_COLLECTIVE_SUMINORDER_H
