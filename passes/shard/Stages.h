//===- Stages.h - Layers by pipeline stage ----------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_PASSES_SHARD_STAGES_H
#define TENON_PASSES_SHARD_STAGES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"

#include <vector>

namespace mlir::tenon {

/// The layers of a step, shared out to stages in order.
class Stages {
public:
  /// Shares the calls of `step` out so that the heaviest stage is as light as possible, counted in
  /// bytes of weights; what follows the last layer counts with it. Fails, with an error, if there are
  /// fewer layers than stages.
  static FailureOr<Stages> compute(func::FuncOp step, int64_t stages);

  size_t size() const { return byStage.size(); }
  ArrayRef<func::CallOp> calls(size_t stage) const { return byStage[stage]; }
  size_t of(func::CallOp call) const { return stageOf.lookup(call); }
  /// Number of the stage's first layer.
  uint32_t firstLayer(size_t stage) const;

private:
  std::vector<SmallVector<func::CallOp>> byStage;
  llvm::DenseMap<Operation *, size_t> stageOf;
};

/// Ends of `parts` consecutive ranges of `weights` whose heaviest is as light as possible, earlier
/// ranges no shorter than needed; each range has an element.
SmallVector<size_t> balancedEnds(ArrayRef<uint64_t> weights, size_t parts);

} // namespace mlir::tenon

#endif // TENON_PASSES_SHARD_STAGES_H
