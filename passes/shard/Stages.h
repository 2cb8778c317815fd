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
  /// Shares the calls of `step` out so that the busiest stage of a pipeline at work is as little
  /// busy as possible, counted in products for a row with 512 positions to attend to: of a prompt's
  /// rows, which go through the layers alone, or of generated ones, whose logits count with the
  /// last layer, whichever is more of its own whole. Fails, with an error, if there are fewer
  /// layers than stages.
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

/// What a layer adds to its stage's work, in parts of the whole model's.
struct StageLoad {
  double prompt = 0, generated = 0;
};

/// Ends of `parts` consecutive ranges of `loads` whose heaviest is as light as possible, earlier
/// ranges no shorter than needed; each range has an element. A range is as heavy as the larger of
/// its sums.
SmallVector<size_t> balancedEnds(ArrayRef<StageLoad> loads, size_t parts);

} // namespace mlir::tenon

#endif // TENON_PASSES_SHARD_STAGES_H
