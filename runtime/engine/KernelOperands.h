//===- KernelOperands.h - What each kind of kernel is launched with -*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The one table of what a launch of each kind takes, reads and writes. What the kinds compute is
// said in runtime/device/cpu/KernelKind.h.
//
#ifndef TENON_RUNTIME_ENGINE_KERNELOPERANDS_H
#define TENON_RUNTIME_ENGINE_KERNELOPERANDS_H

#include "runtime/device/cpu/KernelKind.h"

#include <array>

namespace tenon::engine {

enum class OperandSort : char {
  Buffer = 'b',
  Panels = 'p', ///< A packed weight.
  Plain = 'v',  ///< A weight of plain rows, such as a vector.
  KPool = 'K',
  VPool = 'V',
};

/// One operand of a launch.
struct Operand {
  OperandSort sort = OperandSort::Buffer;
  bool reads = true, writes = false;
};

/// What a kernel of one kind is launched with. `Linear` with a residual reads what it writes, too.
struct KernelOperands {
  static constexpr size_t kMost = 10;
  std::array<Operand, kMost> list;
  size_t fewest = 0, most = 0; ///< The operands beyond `fewest` come all or not at all.
  /// Its workers share out token rows (Partition::TokenRows of dialects/plan/CpuKernels.h).
  bool rowByRow = false;
  /// Its rows are those of the step and a part of them can be done alone: its pointers and the
  /// tables of the step then begin with that part.
  bool inBlocks = false;
  bool takesPools = false;
  /// It asks of its step which tokens its rows are or where in a sequence they stand, not only how
  /// many they are and which are gathered.
  bool asksPlaces = false;
};

const KernelOperands &operandsOf(cpu::KernelKind kind);

} // namespace tenon::engine

#endif // TENON_RUNTIME_ENGINE_KERNELOPERANDS_H
