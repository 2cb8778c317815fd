//===- BenchChip.h - This machine's limits for tenon bench ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TOOLS_TENON_BENCHCHIP_H
#define TENON_TOOLS_TENON_BENCHCHIP_H

#include "runtime/device/cpu/ChipProbe.h"

#include <boost/json/fwd.hpp>

#include <array>
#include <cstdint>

namespace tenon::tool {

/// A rate of all threads together and of one alone.
struct ChipRate {
  cpu::ProbeRate together, alone;
};

/// What `threads` pinned threads can move and multiply. All zero where a cache or unit is missing.
struct ChipLimits {
  uint32_t threads = 1;
  ChipRate dram, l3, l2;                                 ///< Bytes read per second.
  std::array<ChipRate, std::size(cpu::kMacUnits)> units; ///< Multiply-accumulates, by cpu::MacUnit.
  uint64_t l2BytesEach = 0, l3Bytes = 0;                 ///< Sizes of the caches; 0 if unknown.
  double hugeShare = 0;                                  ///< Of the probe's buffer, in huge pages.

  /// Whether anything was measured.
  bool known() const { return dram.together.passes > 0; }

  const ChipRate &unit(cpu::MacUnit unit) const { return units[static_cast<size_t>(unit)]; }

  /// Bytes per second at which work that comes back to the same `workingSet` bytes can be read:
  /// the outer cache's where half of it holds them, else memory's.
  double bytesPerSecond(double workingSet) const;

  /// Keeps of each rate the better median: two looks at a machine that others use too.
  void improveWith(const ChipLimits &other);
};

/// Takes about `seconds` for all figures and lets go of its buffer.
StatusOr<ChipLimits> measureChip(uint32_t threads, double seconds);

/// The machine as bench reports it: names, caches, variants, and the limits where they are known.
boost::json::object machineJson(const ChipLimits &limits);

struct WriteChipsOptions;
/// `tenon bench chip`: measures, prints, and writes a chips file if a path is given. 0 threads: one
/// for each core.
Status runBenchChip(uint32_t threads, bool json, const WriteChipsOptions &write);

} // namespace tenon::tool

#endif // TENON_TOOLS_TENON_BENCHCHIP_H
