//===- BufferAssignment.h - Which values share a buffer ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Values become buffers. A result that is written over its operand, an argument and what is passed
// for it, a call's result and what the callee returns: each pair is one buffer. That is checked by
// following a whole step, so a value that would be overwritten while it is needed is an error here
// and never a wrong token.
//
#ifndef TENON_PASSES_LOWER_BUFFERASSIGNMENT_H
#define TENON_PASSES_LOWER_BUFFERASSIGNMENT_H

#include "passes/lower/LaunchSpec.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"

namespace mlir::tenon {

/// One buffer to be.
struct BufferInfo {
  std::string name;
  uint64_t bytesPerToken = 0, bytesPerLogitRow = 0;
};

/// Launches of a module by region.
using LaunchMap = llvm::MapVector<Operation *, LaunchSpec>;

class BufferAssignment {
public:
  /// Assigns buffers to the values of `step` and of the functions that it calls. Emits an error and
  /// fails where one buffer cannot hold what it would have to.
  static FailureOr<BufferAssignment> compute(func::FuncOp step, const LaunchMap &launches);

  ArrayRef<BufferInfo> buffers() const { return infos; }
  /// Index of the buffer of an activation.
  unsigned bufferOf(Value value) const { return index.lookup(find(value)); }

private:
  Value find(Value value) const;
  void unite(Value a, Value b);
  void uniteStep(func::FuncOp step, const LaunchMap &launches);
  void name(const LaunchMap &launches);

  llvm::DenseMap<Value, Value> parent;   ///< Union-find.
  llvm::DenseMap<Value, unsigned> index; ///< By representative.
  SmallVector<BufferInfo> infos;
};

} // namespace mlir::tenon

#endif // TENON_PASSES_LOWER_BUFFERASSIGNMENT_H
