//===- UnicodeClass.cpp - Classes of code points -------------------------===//
// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/UnicodeClass.h"

#include <array>
#include <cstddef>

namespace tenon::text {
namespace {

struct ClassRange {
  uint32_t first;
  uint8_t classes;
};

constexpr ClassRange kRanges[] = {
#include "runtime/text/UnicodeClasses.inc"
};
constexpr size_t kRangeCount = sizeof(kRanges) / sizeof(kRanges[0]);
constexpr uint32_t kPageBits = 8;
constexpr size_t kPages = 0x110000 >> kPageBits;

/// For each page of 256 code points, the range that its first code point lies in.
constexpr std::array<uint16_t, kPages + 1> kPageStart = [] {
  std::array<uint16_t, kPages + 1> start{};
  size_t range = 0;
  for (size_t page = 0; page <= kPages; ++page) {
    while (range + 1 < kRangeCount && kRanges[range + 1].first <= (page << kPageBits))
      ++range;
    start[page] = uint16_t(range);
  }
  return start;
}();

} // namespace

uint8_t unicodeClass(char32_t c) {
  if (c >= 0x110000)
    return 0;
  size_t low = kPageStart[c >> kPageBits], high = kPageStart[(c >> kPageBits) + 1];
  while (low < high) { // The last range that starts at or before c.
    const size_t middle = (low + high + 1) / 2;
    if (kRanges[middle].first <= c)
      low = middle;
    else
      high = middle - 1;
  }
  return kRanges[low].classes;
}

} // namespace tenon::text
