//===- ChipProbeLoops.h - The loops that the chip probe times ---*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_DEVICE_CPU_CHIPPROBELOOPS_H
#define TENON_RUNTIME_DEVICE_CPU_CHIPPROBELOOPS_H

#include "runtime/device/cpu/ChipProbe.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tenon::cpu {

/// Reads `bytes` (a multiple of 1024, 64-byte aligned) once, in order. The result depends on all of
/// them, so that no load can be dropped.
using ReadLoop = uint64_t (*)(const std::byte *data, uint64_t bytes);

/// Ways to read as fast as possible with the widest loads this machine has: leaving it to the
/// processor to see what comes next, and telling it. Which is faster differs from chip to chip.
std::span<const ReadLoop> readLoops();

/// Multiply-accumulates from registers.
struct MacLoop {
  void (*run)() = nullptr; ///< Null where the machine lacks the unit.
  double macs = 0;         ///< Of one call.
};
MacLoop macLoop(MacUnit unit);

} // namespace tenon::cpu

#endif // TENON_RUNTIME_DEVICE_CPU_CHIPPROBELOOPS_H
