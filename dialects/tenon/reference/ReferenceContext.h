//===- ReferenceContext.h - What the reference evaluation is given -*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
#ifndef TENON_DIALECTS_TENON_REFERENCE_REFERENCECONTEXT_H
#define TENON_DIALECTS_TENON_REFERENCE_REFERENCECONTEXT_H

#include "dialects/tenon/reference/HostTensor.h"

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Support/LLVM.h"

#include <vector>

namespace mlir::tenon {

/// What an op cannot see in its operands: where the rows of the step stand, and the bytes of
/// weights.
struct ReferenceContext {
  /// Position of each token row within its sequence, 0-based, and that sequence's number.
  std::vector<int32_t> positions, sequences; // [tokens]

  /// Makes a reader of the weight `symbol`, whose type is `type`; fails if the weight is not known
  /// (and has emitted an error). Null where no weights are read by symbol.
  std::function<FailureOr<RowReader>(StringRef symbol, RankedTensorType type)> weights;

  /// What a collective gives this chip for its operands, once the other chips have come as far.
  /// Null where there is one chip.
  std::function<FailureOr<SmallVector<HostTensor>>(Operation *op, ArrayRef<HostTensor> operands)>
      exchange;
  /// Token id of the first row that a `partial` embedding table holds.
  int32_t firstToken = 0;

  /// Lookup of symbols without a scan of the module for each use.
  SymbolTableCollection symbols;
};

} // namespace mlir::tenon

#endif // TENON_DIALECTS_TENON_REFERENCE_REFERENCECONTEXT_H
