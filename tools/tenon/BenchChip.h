//===- BenchChip.h - This machine's limits for tenon bench ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TOOLS_TENON_BENCHCHIP_H
#define TENON_TOOLS_TENON_BENCHCHIP_H

#include "runtime/base/Status.h"

#include <boost/json/fwd.hpp>

#include <cstdint>

namespace tenon::tool {

/// Rates of `threads` threads together.
struct ChipLimits {
  uint32_t threads = 1;
  double dramBytesPerSecond = 0, dramBytesPerSecondOneThread = 0;
  double l3BytesPerSecond = 0, l3BytesPerSecondOneThread = 0;
  double f32MacsPerSecond = 0, int8MacsPerSecond = 0;

  /// Seconds below which no launch of this work can be.
  double leastSeconds(double bytes, double macs) const;
};

/// Takes about `seconds` for all figures.
StatusOr<ChipLimits> measureChip(uint32_t threads, double seconds);

/// The machine as bench reports it: names, caches, variants, and the limits.
boost::json::object machineJson(const ChipLimits &limits);

} // namespace tenon::tool

#endif // TENON_TOOLS_TENON_BENCHCHIP_H
