//===- CpuKernels.h - CPU kernel specs in the plan dialect ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// What a pass or verifier needs to know of a kernel without knowing how it is emitted: its spec as
// an attribute, and which pointers it takes, reads and writes. The truth in prose is
// compiler/targets/cpu/KernelSpec.h. Another target adds its own such file beside this one.
//
#ifndef TENON_DIALECTS_PLAN_CPUKERNELS_H
#define TENON_DIALECTS_PLAN_CPUKERNELS_H

#include "compiler/targets/cpu/KernelSpec.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/SmallVector.h"

#include <optional>

namespace mlir::plan {

/// Every field that differs from its default, in snake case.
DictionaryAttr specToAttr(MLIRContext *context, const ::tenon::cpu::KernelSpec &spec);

/// The spec that `kind` and `fields` state. On failure `error` says which field is wrong.
FailureOr<::tenon::cpu::KernelSpec> specFromAttr(StringRef kind, DictionaryAttr fields,
                                                 std::string &error);

/// What a kernel does with one of its pointers.
enum class SlotRole {
  In,
  Out,
  InOut,
  Weight,
  KPool,
  VPool,
  /// A buffer sized by workers that only launches with such a slot touch. It holds zeros when the
  /// engine starts and keeps its content from one step to the next.
  Workspace
};

/// The rows of a step that a buffer has.
enum class RowDomain { Tokens, LogitRows };

/// One pointer of a kernel.
struct KernelSlot {
  StringRef name;
  SlotRole role;
  // Buffers: rows and the bytes from one to the next.
  RowDomain rows = RowDomain::Tokens;
  uint64_t rowBytes = 0;
  uint64_t workerBytes = 0; ///< Workspace: bytes for each worker.
  // Weights.
  ::tenon::WeightFormat format = ::tenon::WeightFormat::F32;
  uint64_t weightRows = 0, weightColumns = 0;
  bool packed = false;

  bool reads() const { return role == SlotRole::In || role == SlotRole::InOut; }
  bool writes() const { return role == SlotRole::Out || role == SlotRole::InOut; }
};

/// The pointers of a kernel in order. With `kept`, of a launch over kept rows: those may be all of
/// a step's, so that buffers have room for as many.
SmallVector<KernelSlot> kernelSlots(const ::tenon::cpu::KernelSpec &spec, bool kept = false);

/// How a kernel's work is shared out among workers.
enum class Partition {
  TokenRows, ///< Worker w reads and writes its share of token rows and nothing else.
  LogitRows, ///< Worker w writes its share of logit rows, and reads any row of the step.
  Free,      ///< Any worker may touch any part.
};
Partition kernelPartition(const ::tenon::cpu::KernelSpec &spec);

} // namespace mlir::plan

#endif // TENON_DIALECTS_PLAN_CPUKERNELS_H
