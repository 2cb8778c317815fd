//===- ChipProbe.h - The limits of this machine, measured -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// What a launch's time is compared with. Measured, because neither names nor datasheets tell what a
// virtual machine gets.
//
#ifndef TENON_RUNTIME_DEVICE_CPU_CHIPPROBE_H
#define TENON_RUNTIME_DEVICE_CPU_CHIPPROBE_H

#include "runtime/base/WorkerGroup.h"

#include <cstdint>

namespace tenon::cpu {

/// Bytes per second that the first `readers` workers of `group` together read from a buffer of
/// `bytes` (shared out among them), the best of several passes within about `seconds`.
/// ResourceExhausted if the buffer cannot be had.
StatusOr<double> probeReadBandwidth(WorkerGroup &group, uint32_t readers, uint64_t bytes,
                                    double seconds);

/// Multiply-accumulates per second of the first `computing` workers of `group` from registers: f32
/// in the widest vectors, and int8 into int32 (VNNI; 0 where there is none).
double probeF32Macs(WorkerGroup &group, uint32_t computing, double seconds);
double probeInt8Macs(WorkerGroup &group, uint32_t computing, double seconds);

} // namespace tenon::cpu

#endif // TENON_RUNTIME_DEVICE_CPU_CHIPPROBE_H
