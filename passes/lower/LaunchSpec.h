//===- LaunchSpec.h - Kernel spec and pointers of a fused region -*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Reads the body of a `tenon.fused` region into what the kernel of its kind is made from.
//
#ifndef TENON_PASSES_LOWER_LAUNCHSPEC_H
#define TENON_PASSES_LOWER_LAUNCHSPEC_H

#include "compiler/targets/cpu/KernelSpec.h"
#include "dialects/plan/CpuKernels.h"
#include "dialects/plan/PlanDialect.h"
#include "dialects/tenon/Cost.h"
#include "dialects/tenon/TenonOps.h"

#include <string>

namespace mlir::tenon {

/// What chips do together in a launch that has no kernel.
struct CollectiveSpec {
  plan::CollectiveKind kind;
  uint32_t axis = 0;
  SmallVector<int64_t> columns; ///< Edges, as in plan.collective.
  bool accumulate = false, logitRows = false, bf16 = false;
  std::string cause;
};

/// One region as a launch, before memory is planned.
struct LaunchSpec {
  ::tenon::cpu::KernelSpec spec;            ///< Unless it is a collective.
  std::optional<CollectiveSpec> collective; ///< Then there is no kernel.
  /// What each of `pointers` is.
  SmallVector<plan::KernelSlot> slots;
  /// Values outside the region (operands or results of it) for each slot; null where the slot is a
  /// KV pool or a workspace.
  SmallVector<Value, 8> pointers;
  /// The result that is written over an operand, and that operand; null if there is none.
  Value updated, residual;
  /// The layer's cache that the region uses; null if none.
  Value kv;
  bool kept = false; ///< Its rows are those kept; else token rows, or rows with logits.
  /// What the region is called where the importer named its ops, else its kind.
  std::string name;
};

/// `inputRows` is what the rows of the region's input are. Fails with `why` if no kernel computes
/// it.
FailureOr<LaunchSpec> lowerLaunch(FusedOp region, RowDomain inputRows, std::string &why);

/// The value whose rows the region works on: its first operand that is neither weight nor cache.
Value rowInput(FusedOp region);

} // namespace mlir::tenon

#endif // TENON_PASSES_LOWER_LAUNCHSPEC_H
