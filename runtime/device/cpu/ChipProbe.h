//===- ChipProbe.h - The limits of this machine, measured -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// What a launch's time is compared with. Measured, because neither names nor datasheets tell what a
// virtual machine gets.
//
// A probe is many short passes (about half a millisecond). A pass during which the system took the
// processor away from a worker (its processor time fell short of the wall clock) says nothing about
// the chip and is left out; median and best are of the others. On a shared machine one long pass
// measures the neighbours.
//
#ifndef TENON_RUNTIME_DEVICE_CPU_CHIPPROBE_H
#define TENON_RUNTIME_DEVICE_CPU_CHIPPROBE_H

#include "runtime/base/Arena.h"
#include "runtime/base/WorkerGroup.h"

#include <cstdint>
#include <string_view>

namespace tenon::cpu {

/// A rate in units per second, over the passes of a probe.
struct ProbeRate {
  double median = 0, best = 0;
  uint32_t passes = 0;    ///< All that were run.
  uint32_t disturbed = 0; ///< Of them; left out, unless more than nine in ten are.
};

/// Reads a buffer that is mapped once, in huge pages where the system gives them; each worker's
/// part is written by that worker, so that it lies in its memory node.
class ReadProbe {
public:
  /// `bytesEach` for each worker of `group`, which must outlive the probe. ResourceExhausted if the
  /// buffer cannot be had.
  static StatusOr<ReadProbe> create(WorkerGroup &group, uint64_t bytesEach);

  /// Bytes per second that the first `readers` workers together read from the first `bytesEach` of
  /// their parts, over and over for about `seconds`; up to four times that where others disturb. 0
  /// < readers <= workers, 64 KiB <= bytesEach <= what create() was given.
  ProbeRate measure(uint32_t readers, uint64_t bytesEach, double seconds) const;

  /// Bytes of the buffer in huge pages, 0 if that cannot be known.
  uint64_t hugeBytes() const;

private:
  ReadProbe(WorkerGroup &group, Arena buffer, uint64_t partBytes)
      : group(&group), buffer(std::move(buffer)), partBytes(partBytes) {}

  WorkerGroup *group;
  Arena buffer;
  uint64_t partBytes;
};

/// What multiplies and accumulates.
enum class MacUnit : uint8_t {
  F32,     ///< Fused multiply-add in the widest vectors.
  Bf16,    ///< AVX512-BF16 into f32.
  Int8,    ///< VNNI (or AVX-VNNI, or AVX2's pair of multiplies) into int32.
  AmxBf16, ///< Tiles, into f32.
  AmxInt8, ///< Tiles, into int32.
};
inline constexpr MacUnit kMacUnits[] = {MacUnit::F32, MacUnit::Bf16, MacUnit::Int8,
                                        MacUnit::AmxBf16, MacUnit::AmxInt8};

/// "f32", "bf16", "int8", "amx_bf16", "amx_int8".
std::string_view macUnitName(MacUnit unit);

/// Multiply-accumulates per second of the first `computing` workers of `group` together, operands
/// in registers, for about `seconds`. All zero where the machine lacks the unit. Asks the kernel
/// for AMX's tile state where AMX is measured.
ProbeRate probeMacs(WorkerGroup &group, MacUnit unit, uint32_t computing, double seconds);

} // namespace tenon::cpu

#endif // TENON_RUNTIME_DEVICE_CPU_CHIPPROBE_H
