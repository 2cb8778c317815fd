//===- SumInOrder.h - What a worker does of a collective --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_COLLECTIVE_SUMINORDER_H
#define TENON_RUNTIME_COLLECTIVE_SUMINORDER_H

#include "runtime/collective/Collective.h"

#include <algorithm>
#include <cstddef>

namespace tenon::collective {

/// The rows or bytes of a worker (Collective.h, "rows").
struct Share {
  uint64_t first, last;
  Share(uint64_t items, const Caller &who)
      : first(items * who.worker / who.workers), last(items * (who.worker + 1) / who.workers) {}
  uint64_t count() const { return last - first; }
};

/// Rows of a member of a group of `members`, and of a worker of it.
inline Share rowsOfMember(uint64_t rows, uint32_t member, uint32_t members) {
  return Share(rows, {0, member, members});
}
inline Share rowsOfWorker(uint64_t rows, const Caller &who, uint32_t members) {
  return Share(rows, {0, who.member * who.workers + who.worker, members * who.workers});
}

/// out = first + second, each of `how.in`, in f32; stored as `how` says. Nothing overlaps.
void sumOfTwo(void *out, const void *first, const void *second, uint64_t count, Addition how);
/// sum = values, or sum += values; `values` are of `in`.
void startSum(float *__restrict sum, const void *values, uint64_t count, Element in);
void addTo(float *__restrict sum, const void *values, uint64_t count, Element in);
/// Puts `sum` where it belongs.
void storeSum(void *out, const float *__restrict sum, uint64_t count, Addition how);

inline const std::byte *advanced(const void *values, uint64_t count, Element element) {
  return static_cast<const std::byte *>(values) + count * bytesOf(element);
}
inline std::byte *advanced(void *values, uint64_t count, Element element) {
  return static_cast<std::byte *>(values) + count * bytesOf(element);
}

/// Adds `count` values of each of `parts` in order into `out`. `part(p)` points at the first value
/// of part p. Every implementation sums by it: the same bits wherever the members are.
void sumInOrder(void *out, uint64_t count, uint32_t parts, Addition how, const auto &part) {
  if (parts == 2)
    return sumOfTwo(out, part(0), part(1), count, how);
  // Blocks that stay in the first cache, so that `out` is not fetched again for every part.
  constexpr uint64_t kBlock = 1024;
  for (uint64_t at = 0; at < count; at += kBlock) {
    const uint64_t n = std::min(kBlock, count - at);
    float sum[kBlock];
    startSum(sum, advanced(part(0), at, how.in), n, how.in);
    for (uint32_t p = 1; p < parts; ++p)
      addTo(sum, advanced(part(p), at, how.in), n, how.in);
    storeSum(advanced(out, at, how.out), sum, n, how);
  }
}

} // namespace tenon::collective

#endif // TENON_RUNTIME_COLLECTIVE_SUMINORDER_H
