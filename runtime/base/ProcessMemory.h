//===- ProcessMemory.h - What this process occupies -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_BASE_PROCESSMEMORY_H
#define TENON_RUNTIME_BASE_PROCESSMEMORY_H

#include <cstdint>

namespace tenon {

/// Resident bytes of this process, mapped files included once (Rss of smaps_rollup, else the
/// coarser statm). 0 where /proc is not mounted.
uint64_t residentBytes();

/// Most bytes that were ever resident (VmHWM), 0 where /proc is not mounted.
uint64_t peakResidentBytes();

/// Starts counting the peak from now on, where the kernel allows it.
void resetPeakResident();

} // namespace tenon

#endif // TENON_RUNTIME_BASE_PROCESSMEMORY_H
