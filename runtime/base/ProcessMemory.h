//===- ProcessMemory.h - What this process occupies -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_BASE_PROCESSMEMORY_H
#define TENON_RUNTIME_BASE_PROCESSMEMORY_H

#include <cstdint>
#include <optional>
#include <string>

namespace tenon {

/// Resident bytes of this process, mapped files included once (Rss of smaps_rollup, else the
/// coarser statm). 0 where /proc is not mounted.
uint64_t residentBytes();

/// Most bytes that were ever resident (VmHWM), 0 where /proc is not mounted.
uint64_t peakResidentBytes();

/// Bytes that this process can still make its own without swapping: what the machine has available,
/// or less where a control group (v2, any on the way up) allows less; pages that a group only
/// caches count as free. Nothing if nothing can be read. `root` is where /proc and /sys are looked
/// for.
std::optional<uint64_t> availableBytes(const std::string &root = "");

/// Starts counting the peak from now on, where the kernel allows it.
void resetPeakResident();

} // namespace tenon

#endif // TENON_RUNTIME_BASE_PROCESSMEMORY_H
