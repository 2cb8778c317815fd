//===- PanelColumns.cpp - Some columns of packed panels -------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/pack/PanelColumns.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace tenon::compiler {

void copyPanelColumns(WeightFormat format, llvm::ArrayRef<uint8_t> whole, uint64_t columns,
                      uint64_t firstColumn, uint64_t count, llvm::MutableArrayRef<uint8_t> out) {
  const FormatInfo info = formatInfo(format);
  [[maybe_unused]] const uint64_t granule = std::max(info.group, 32u);
  assert((info.rowScales || format == WeightFormat::BF16) && firstColumn % granule == 0 &&
         firstColumn + count <= columns &&
         (count % granule == 0 || firstColumn + count == columns));
  const PanelLayout from(format, columns), to(format, count);
  assert(whole.size() % from.bytes == 0 && out.size() / to.bytes == whole.size() / from.bytes);
  // Every plane lies in order of k; what a group of 32 has of it:
  const uint64_t quantBytes = 32 * kPanelChannels *
                              (info.isFloat()   ? info.bits
                               : info.bits == 8 ? 8
                                                : 4) /
                              8;
  const uint64_t highBytes = info.bits == 5 ? 64 : info.bits == 6 ? 128 : 0;
  const uint64_t first = firstColumn / 32, groups = (count + 31) / 32;
  const auto planeEnd = [](const PanelLayout &layout, uint64_t begin, uint64_t end) {
    return end > begin ? end - begin : layout.bytes - begin;
  };
  for (uint64_t panel = 0; panel < out.size() / to.bytes; ++panel) {
    const uint8_t *source = whole.data() + panel * from.bytes;
    uint8_t *target = out.data() + panel * to.bytes;
    std::memset(target, 0, to.bytes); // padding of planes
    // The last group of a float plane may be short: the plane's end says so.
    std::memcpy(target + to.quants, source + from.quants + first * quantBytes,
                std::min(groups * quantBytes, planeEnd(to, to.quants, to.high)));
    if (highBytes)
      std::memcpy(target + to.high, source + from.high + first * highBytes, groups * highBytes);
    if (!info.rowScales)
      continue;
    std::memcpy(target + to.superScale, source + from.superScale, kPanelChannels * 2);
    if (info.hasMin)
      std::memcpy(target + to.superMin, source + from.superMin, kPanelChannels * 2);
    const uint64_t stride = PanelLayout::scaleStride(info);
    std::memcpy(target + to.scales, source + from.scales + firstColumn / info.group * stride,
                info.groups(count) * stride);
  }
}

} // namespace tenon::compiler
